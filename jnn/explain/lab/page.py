"""``lab.html``: one file in which the trained model of a run runs.

The page needs no network and no server. It has the model as JavaScript (`jnn.web`), its params,
some examples, and the scripts that draw what they compute.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.tokenizers import Tokenizer
from jnn.errors import JnnError, mistake
from jnn.explain.lab.answer import answer_kind
from jnn.explain.lab.inputs import Example, kind_of
from jnn.explain.lab.program import Program, gradients, program
from jnn.explain.lab.subject import Subject, blank, has_mask, prepared, viewed
from jnn.explain.lab.tokens import tokenizer_data
from jnn.explain.lab.walk import walk
from jnn.explain.lab.words import explained
from jnn.explain.lab.writing import Streamed, streamed
from jnn.explain.page.html import document
from jnn.explain.scripts.bundle import bundle, embedded
from jnn.files import write_text
from jnn.paths import path_name
from jnn.train.moments import Moment
from jnn.web.module import base64_text
from jnn.web.values import HALVES, dtype_of, is_half
from jnn.wording import metric_name

FOLDER = Path(__file__).parent
MOST_FLOAT32, MOST_FLOAT16 = 2_400_000, 3_300_000
"""Bytes of params that a page has in that precision; more than that it does not show."""
MOST_BYTES = 3_400_000
"""Bytes of params and of all moments together; a page has them as base64, a third more."""
MOST_PICTURES = 500_000
"""Bytes of all examples that are pictures; larger ones are rounded."""


def write_lab(path: Path, subject: Subject) -> Path:
    """Write the page of a trained model; returns its path.

    Where the model cannot run in a page, as its params are too large or `jnn.web` has no rule for
    something that it computes, the page says so, and why.
    """
    try:
        page = lab_page(subject)
    except JnnError as error:
        page = _page(subject, _refusal(error), "")
    write_text(path, page)
    return path


def lab_page(subject: Subject) -> str:
    """The HTML of the page. Raises `JnnError` where the model cannot run in it."""
    _precision(jax.tree.leaves((subject.params, subject.state)))  # before anything that takes time
    subject = prepared(subject)
    compiled = source_of(subject)
    data = page_data(subject, compiled)
    backward, data["gradients"] = gradients_of(subject, compiled)
    writer = streamed(subject, compiled) if data["kind"] == "tokens" else Streamed()
    data |= {"steps": list(writer.scaled), "rereads": writer.rereads}
    scripts = (
        f"const LAB = {json_in_script(data)};\n"
        f"const PROGRAM = (() => {{\n{as_function(compiled.source)}\n}})();\n"
        f"const BACKWARD = {f'(() => {{{as_function(backward)}}})()' if backward else 'null'};\n"
        f"const STREAMED = {embedded(writer.source) or 'null'};\n"
        f"{bundle(FOLDER / 'scripts' / 'lab.js')}\n"
        "startLab(LAB, PROGRAM, BACKWARD, STREAMED);"
    )
    sentences = [*subject.notes, *_notes(data)]
    notes = "".join(f'<p class="warning">{escape(note)}</p>' for note in sentences)
    return _page(subject, notes, scripts)


def page_data(subject: Subject, compiled: Program) -> dict[str, Any]:
    """What the scripts need besides the compiled model, as JSON values."""
    params, outputs = jax.tree.leaves((subject.params, subject.state)), compiled.answers
    kind, classes, target = answer_kind(subject, outputs)
    precision, paths = _precision(params), [value.path for value in compiled.values]
    told = [formula and formula._asdict() for formula in compiled.formulas]
    of_outputs, of_values = told[: len(outputs)], told[len(outputs) :]
    return {
        "kind": kind,
        "classes": list(classes),
        "target": None if target is None else _scaling(target),
        "input": _input(subject),
        "answers": [
            {**value._asdict(), "factors": 0, "formula": formula}
            for value, formula in zip(outputs, of_outputs, strict=True)
        ],
        "values": [
            {**value._asdict(), "factors": value.factors, "formula": formula}
            for value, formula in zip(compiled.values, of_values, strict=True)
        ],
        "scaled": [
            {"path": path, "n": math.prod((*value.stacks, value.factors))}
            for path in compiled.scaled
            for value in compiled.values
            if value.path == path
        ],
        "walk": walk(subject.model, subject.params, subject.state, subject.example, paths),
        **explained(paths),
        "precision": precision,
        "params": [
            {"path": path_name(path), **_packed(leaf, precision)}
            for path, leaf in jax.tree.leaves_with_path(
                {"params": subject.params, "state": subject.state}
            )
        ],
        "moments": [
            {"step": moment.step, "data": base64_text(moment.values)}
            for moment in _thinned(subject.moments, params)
        ],
        "curves": {name: _sparse(points) for name, points in subject.curves.items()},
        "curveNames": {name: metric_name(name) for name in subject.curves},
    }


def source_of(subject: Subject) -> Program:
    """The model as JavaScript; the subject is `prepared`."""
    params, state = jax.eval_shape(lambda: (subject.params, subject.state))
    return program(viewed(subject), params, state, subject.example, _mask(subject))


def gradients_of(subject: Subject, compiled: Program) -> tuple[str, list[str]]:
    """The gradient to the input as JavaScript, and the paths of what stands for tokens.

    It is "" where `jnn.web` has no rule for something in the backward pass.
    """
    params, state = jax.eval_shape(lambda: (subject.params, subject.state))
    try:
        source, paths = gradients(
            compiled, viewed(subject), params, state, subject.example, _mask(subject)
        )
    except (JnnError, NotImplementedError):
        return "", []
    return source, list(paths)


def _mask(subject: Subject) -> Any:
    return jax.ShapeDtypeStruct(subject.example.shape, jnp.bool_) if has_mask(subject) else None


def _input(subject: Subject) -> dict[str, Any]:
    """What the input is, and examples of it."""
    example, preparation = subject.example, subject.preparation
    leaves = [
        {
            "path": path_name(path),
            "shape": list(leaf.shape),
            "dtype": dtype_of(leaf),
            "size": int(np.prod(leaf.shape)),
        }
        for path, leaf in jax.tree.leaves_with_path(example)
    ]
    kind, tokenizer = kind_of(example, subject.tokenizer), subject.tokenizer
    if has_mask(subject):
        leaves.append({**leaves[0], "path": "mask", "dtype": "bool"})
    scaling = preparation.scaling if preparation else None
    examples = subject.examples.inputs or [blank(subject)]
    pixels = bool(preparation and preparation.pixels and kind == "picture")
    is_exact = not pixels or all(_is_of_bytes(item.x) for item in examples)
    if not is_exact:
        pixels = sum(4 * np.size(item.x) for item in examples) > MOST_PICTURES
    return {
        "kind": kind,
        "leaves": leaves,
        "mask": has_mask(subject),
        "pixels": pixels,
        "rounded": pixels and not is_exact,
        "scaling": None if scaling is None else _scaling(scaling),
        "columns": list(subject.columns),
        "tokenizer": None if tokenizer is None else tokenizer_data(tokenizer),
        "padding": tokenizer.special.get("padding", 0) if tokenizer else 0,
        "part": subject.examples.part,
        "examples": [_example(item, tokenizer, pixels=pixels) for item in examples],
    }


def _example(example: Example, tokenizer: Tokenizer | None, *, pixels: bool) -> dict[str, Any]:
    if isinstance(example.x, str):
        assert tokenizer, "texts are read by one"
        tokens = tokenizer.encode(example.x).tolist()
        return {"text": example.x, "tokens": tokens, "truth": example.truth}
    named = [(path_name(path), np.asarray(x)) for path, x in jax.tree.leaves_with_path(example.x)]
    real = {name: int(array.sum()) for name, array in named if array.dtype == bool}
    leaves = [a.astype(np.float32) if is_half(a) else a for _, a in named]
    if pixels:
        leaves = [np.rint(leaf * 255).astype(np.uint8) for leaf in leaves]
    leaves = [a if a.itemsize <= 4 else a.astype(_narrow(a)) for a in leaves]
    packed = {"x": [base64_text(leaf) for leaf in leaves], "real": real, "truth": example.truth}
    if tokenizer and "source" in dict(named):
        source = dict(named)["source"]
        packed["text"] = tokenizer.decode(source[: real.get("source_mask", len(source))])
    return packed


def _is_of_bytes(x: Any) -> bool:
    """Whether all values of a picture are bytes over 255, as which the page keeps them."""
    x = np.asarray(x, np.float32)
    return bool(np.all(x == (np.clip(np.rint(255 * x), 0, 255) / 255).astype(np.float32)))


def _narrow(array: np.ndarray) -> type:
    return np.float32 if array.dtype.kind == "f" else np.int32


def _precision(params: Sequence[Any]) -> str:
    """How exactly params are in the page. Raises `JnnError` where they are too large for it."""
    count = sum(leaf.size for leaf in params)
    if 4 * count <= MOST_FLOAT32:
        return "float32"
    if 2 * count <= MOST_FLOAT16:
        return "float16"
    raise mistake(
        "lab",
        got=f"{count:,} params",
        expected=f"at most {MOST_FLOAT16 // 2:,}, so that the page stays small",
        remedy="Train a smaller model to look into it.",
    )


def _thinned(moments: Sequence[Moment], params: Sequence[Any]) -> Sequence[Moment]:
    """So many moments that the page stays small, the first and the last among them."""
    room = MOST_BYTES - 4 * sum(leaf.size for leaf in params)
    most = room // max(1, moments[0].values.nbytes) if moments else 0
    if len(moments) <= most:
        return moments
    if most < 2:
        return ()
    chosen = {round(i) for i in np.linspace(0, len(moments) - 1, int(most))}
    return [moments[i] for i in sorted(chosen)]


def _sparse(points: Sequence[tuple[int, float]], most: int = 200) -> list[tuple[int, float]]:
    """At most so many points of a curve, the last among them."""
    stride = max(1, -(-len(points) // most))
    return [*points[:-1:stride], *points[-1:]]


def _packed(leaf: Any, precision: str) -> dict[str, Any]:
    array = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
    if array.dtype == np.float32 or is_half(array):
        array = array.astype(precision)
    return {"shape": list(array.shape), "dtype": str(array.dtype), "data": base64_text(array)}


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _scaling(scaling: Any) -> dict[str, list[float]]:
    return {name: np.ravel(moment).tolist() for name, moment in scaling._asdict().items()}


def json_in_script(value: Any) -> str:
    """JSON that a script element can contain, whatever texts are in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def as_function(module: str) -> str:
    """The body of a function that returns what an ES module exports."""
    return embedded(module.replace("export default model;", "return model;"))


def _notes(data: dict[str, Any]) -> list[str]:
    notes = []
    if data["precision"] == "float16":
        notes.append(
            "The params are rounded to float16 in this page, so that it stays small: numbers may "
            "differ from those of the run in their third digit."
        )
    if data["input"]["rounded"]:
        notes.append(
            "Pictures are rounded to 256 levels in this page, so that it stays small: numbers may "
            "differ from those of the run in their third digit."
        )
    computed = {value["dtype"] for value in (*data["answers"], *data["values"])}
    if halves := " and ".join(sorted(computed & set(HALVES))):
        notes.append(
            f"Parts of this model compute in {halves}; the page rounds their numbers as they do."
        )
    has_noise = any("noise" in leaf["path"] for leaf in data["input"]["leaves"])
    if not data["input"]["part"] and not has_noise:
        notes.append(
            "The data of the run was not at hand when this page was written, or has no array like "
            "the input: it begins with zeros."
        )
    return notes


def _refusal(error: JnnError) -> str:
    text = f"This model does not run in a page. {error}"
    return f'<p class="warning" role="note">{escape(text)}</p>'


def _page(subject: Subject, notes: str, scripts: str) -> str:
    style = (FOLDER / "lab.css").read_text(encoding="utf-8")
    facts = " · ".join(f"{name} {value}" for name, value in subject.facts.items())
    body = _BODY if scripts else ""
    script = f"<script>\n{scripts}\n</script>" if scripts else ""
    content = f"""<header>
<h1>{escape(subject.title)}</h1>
<p class="quiet">{escape(facts)}</p>
{notes}
</header>
{body}
{script}"""
    return document(subject.title, style, content)


_BODY = """<main>
<div class="side">
<section class="card" aria-labelledby="input-title"><h2 id="input-title">Input</h2>
<div id="input"></div></section>
<section class="card" aria-labelledby="answer-title"><h2 id="answer-title">Answer</h2>
<div id="answer"></div><p class="quiet" id="time"></p></section>
</div>
<div>
<section class="card" id="training" aria-label="Through training"></section>
<div id="walk"></div>
</div>
<aside class="card side" id="inspector" aria-label="The number that is looked at"></aside>
</main>"""
