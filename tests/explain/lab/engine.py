"""The scripts of a lab in V8, without a page."""

import json
from pathlib import Path

import numpy as np
import py_mini_racer

import jnn.explain.lab
from jnn.explain.lab.page import as_function, gradients_of, json_in_script, page_data, source_of
from jnn.explain.lab.subject import prepared
from jnn.explain.scripts.bundle import bundle

SCRIPTS = Path(jnn.explain.lab.__file__).parent / "scripts"
OF_BROWSERS = """
const atob = (text) => {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const found = [];
  let bits = 0;
  let count = 0;
  for (const letter of text.replace(/=+$/, "")) {
    bits = ((bits << 6) | letters.indexOf(letter)) & 0xffffff;
    count += 6;
    if (count >= 8) found.push(String.fromCharCode((bits >> (count -= 8)) & 255));
  }
  return found.join("");
};
class TextDecoder {
  decode(bytes) {
    const escaped = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`);
    return decodeURIComponent(escaped.join(""));
  }
}
class TextEncoder {
  encode(text) {
    const escaped = encodeURIComponent(text).match(/%..|[^%]/g);
    return escaped.map((c) => (c[0] === "%" ? parseInt(c.slice(1), 16) : c.charCodeAt(0)));
  }
}
"""


class Engine:
    """V8 with one module of the lab and what it imports."""

    def __init__(self, module: str):
        self.context = py_mini_racer.MiniRacer()
        self.context.eval(OF_BROWSERS + bundle(SCRIPTS / module))

    def value(self, expression: str):
        """An expression of JavaScript as a value of Python."""
        return json.loads(self.context.eval(f"JSON.stringify({expression})"))


class Lab(Engine):
    """The trained model of a page, as the page itself calls it, at will without gradients."""

    def __init__(self, subject, *, has_gradients: bool = True):
        super().__init__("lab.js")
        subject = prepared(subject)
        compiled = source_of(subject)
        self.data = page_data(subject, compiled)
        backward, self.data["gradients"] = "return null;", []
        if has_gradients:
            backward, self.data["gradients"] = gradients_of(subject, compiled)
        self.context.eval(f"const LAB = {json_in_script(self.data)};")
        called = [f"(() => {{{as_function(source)}}})()" for source in (compiled.source, backward)]
        self.context.eval(f"const MODEL = new TrainedModel(LAB, {', '.join(called)});")

    def run(self, inputs: str = "inputsOf(LAB, LAB.input.examples[0])"):
        """The answers, and the captured values by their paths."""
        plain = "Object.fromEntries(Object.entries(r).map(([k, v]) => [k, v.map((a) => [...a])]))"
        found = self.value(f"((r) => ({plain}))(MODEL.run({inputs}))")
        shaped = lambda value, array: np.array(array).reshape(value["shape"])
        values = zip(self.data["values"], found["values"], strict=True)
        answers = zip(self.data["answers"], found["answers"], strict=True)
        named = {value["path"]: shaped(value, array) for value, array in values}
        return [shaped(value, array) for value, array in answers], named
