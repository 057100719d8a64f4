"""A program as JavaScript, for one example, with its use in a browser or in Node."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jnn.errors import MissingExtraError, mistake
from jnn.export.checks import check_same
from jnn.export.program import Program
from jnn.files import write_text
from jnn.web import javascript

PREDICT = """\
// The model of this folder: arrays by name, of one example -> arrays by name. See README.md.
import model from "./model.mjs";

const kinds = { float32: Float32Array, int32: Int32Array, uint32: Uint32Array, bool: Uint8Array };

/** An input as a typed array; throws where it has another size than that of the model. */
function checked({ path, shape, dtype }, inputs) {
  const name = path.slice(2);
  const size = shape.reduce((product, n) => product * n, 1);
  const found = inputs[name]?.length ?? 0;
  if (found !== size) {
    throw new Error(`${name}: got ${found} numbers, expected ${size} of shape [${shape}]`);
  }
  return kinds[dtype].from(inputs[name]);
}

export function predict(inputs) {
  const arrays = model.inputs.map((input) => checked(input, inputs));
  const outputs = model.call(...arrays).map((output) => Array.from(output));
  return Object.fromEntries(model.outputs.map(({ path }, i) => [path, outputs[i]]));
}
"""
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width" />
<title>{title}</title>
<style>
  body {{ font-family: sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
  textarea {{ box-sizing: border-box; width: 100%; }}
  pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
</style>
<h1>{title}</h1>
<p><label for="inputs">Inputs of one example, as JSON (random ones to begin with):</label></p>
<textarea id="inputs" rows="8">{inputs}</textarea>
<p>Outputs:</p>
<pre id="outputs">
Nothing runs yet: browsers load modules only from a server. In this folder, run

  python -m http.server

and then open http://localhost:8000
</pre>
<script type="module">
  import {{ predict }} from "./predict.mjs";
  const classes = {classes};
  const [inputs, outputs] = ["inputs", "outputs"].map((id) => document.getElementById(id));
  const text = ([name, values]) => {{
    if (name !== "probabilities" || values.length !== classes.length) {{
      return `${{name}}: ${{JSON.stringify(values)}}`;
    }}
    const lines = classes.map((label, i) => `  ${{values[i].toFixed(4)}}  ${{label}}`);
    return [`${{name}}:`, ...lines].join("\\n");
  }};
  const show = () => {{
    try {{
      const answer = predict(JSON.parse(inputs.value));
      outputs.textContent = Object.entries(answer).map(text).join("\\n");
    }} catch (error) {{
      outputs.textContent = error.message;
    }}
  }};
  inputs.addEventListener("input", show);
  show();
</script>
</html>
"""
_FILES = {
    "model.mjs": "the program and its weights in JavaScript, for {one}",
    "predict.mjs": "`predict({{...}})` of arrays by name, in a browser or in Node",
    "index.html": "a page that runs it: `python -m http.server`, then http://localhost:8000",
}
_IN_NODE = """\
import { readFileSync } from "node:fs";
import { predict } from "./predict.mjs";
console.log(JSON.stringify(predict(JSON.parse(readFileSync(0, "utf8")))));
"""


def write_web(
    folder: Path, program: Program, title: str, classes: Sequence[str] = ()
) -> dict[str, str]:
    """Write the module, its use and a page, after it was run and compared with the model.

    The page has the names of ``classes``. Returns what each file is, by its name.

    Raises `JnnError` for an operation that `jnn.web` does not have, and for other numbers than the
    model's; `MissingExtraError` where there is nothing to run JavaScript with.
    """

    def call(inputs: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        batch = {name: x[None] for name, x in inputs.items()}
        return {name: y[0] for name, y in program.call(dict(program.weights), batch).items()}

    samples = program.samples(1)
    example = {name: _known(x[0]) for name, x in samples.items()}
    expected = {name: y[0] for name, y in program.expected(samples).items()}
    write_text(folder / "model.mjs", javascript(call, example))
    write_text(folder / "predict.mjs", PREDICT)
    flat = {name: x.ravel().tolist() for name, x in example.items()}
    text = json.dumps(flat)
    names = json.dumps(list(classes)).replace("<", "\\u003c")  # no name ends the script
    page = PAGE.format(title=html.escape(title), inputs=text, classes=names)
    write_text(folder / "index.html", page)
    outputs = run_javascript(folder, flat)
    shaped = {name: np.reshape(y, expected[name].shape) for name, y in outputs.items()}
    check_same("predict.mjs", shaped, expected)
    return {name: about.format(one=program.one_example) for name, about in _FILES.items()}


def _known(x: np.ndarray) -> np.ndarray:
    """An array of a dtype that JavaScript has."""
    return x.astype(np.int32) if x.dtype == np.uint8 else x


def run_javascript(folder: Path, inputs: Mapping[str, list]) -> dict[str, Any]:
    """What ``predict.mjs`` gives: in Node where that is installed, else in the V8 of mini-racer."""
    text = json.dumps(inputs)
    node = shutil.which("node")
    if node is None:
        return _in_mini_racer(folder, text)
    command = [node, "--input-type=module", "--eval", _IN_NODE]
    done = subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line]
        got = (lines or ["no message"])[0]
        raise mistake("predict.mjs", got=got, expected="a module that Node runs")
    return json.loads(done.stdout)


def _in_mini_racer(folder: Path, inputs: str) -> dict[str, Any]:
    try:
        import py_mini_racer
    except ImportError:
        raise MissingExtraError(
            "JavaScript is run before it is kept: install Node, or pip install mini-racer."
        ) from None
    model, use = ((folder / name).read_text("utf-8") for name in ("model.mjs", "predict.mjs"))
    model = model.replace("export default model;", "")
    use = use.replace('import model from "./model.mjs";', "").replace("export function", "function")
    call = f"return JSON.stringify(predict({inputs}));"
    output = py_mini_racer.MiniRacer().eval(f"(() => {{ {model}\n{use}\n{call} }})()")
    return json.loads(str(output))
