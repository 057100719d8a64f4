"""How the numbers of small models are made, as their labs explain it."""

import json
from typing import Any

import jax
import numpy as np

from jnn.explain.lab.inputs import Example, Examples
from jnn.explain.lab.subject import Subject
from tests.explain.lab.engine import Lab


def lab_of(model, example: Any, x: Any, tokenizer=None, real: int | None = None) -> Lab:
    """A lab in which ``MAKING`` explains; of the input only the first elements may be ``real``."""
    shapes, rng = jax.eval_shape(model.init, jax.random.key(0), example), np.random.default_rng(1)
    drawn = lambda leaf: rng.uniform(0.1, 0.9, leaf.shape).astype(leaf.dtype)
    params, state = jax.tree.map(drawn, shapes)  # which takes no compilation
    examples = Examples("test", [Example(x)])
    subject = Subject("", model, params, state, example, tokenizer=tokenizer, examples=examples)
    lab = Lab(subject, has_gradients=False)
    first = "INPUTS" if tokenizer else "inputsOf(LAB, LAB.input.examples[0])"
    tokens = json.dumps(np.asarray(x).tolist() if tokenizer else [])
    lab.context.eval(f"const INPUTS = [Int32Array.from({tokens})];")
    lengths = {} if real is None else {"": real}
    page = f"lab: LAB, model: MODEL, inputs: {first}, real: {json.dumps(lengths)}"
    lab.context.eval(f"const PAGE = {{ {page} }};")
    lab.run("PAGE.inputs")
    lab.context.eval("const MAKING = new Making(PAGE);")
    return lab


def found(lab: Lab) -> dict[str, str]:
    """``{path: text}`` of all values, "" where none is right."""
    return lab.value(
        "Object.fromEntries(LAB.values.map((v) => [v.path, MAKING.of(v)?.text ?? '']))"
    )
