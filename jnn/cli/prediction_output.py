"""The answers of a trained model: a line each, or in a CSV, JSON or NumPy file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn.cli.prediction_inputs import Prepared
from jnn.errors import mistake
from jnn.files import write_json, write_text
from jnn.paths import path_name
from jnn.train.preparation import Classified

SUFFIXES = (".csv", ".json")
SHOWN = 16
"""The most numbers of an answer on one line of a terminal."""
MOST_COLUMNS = 1000
DETECTION = {"box", "label", "score"}
LEAST_SCORE = 0.1
"""Objects of a lower score are not reported."""


class Answer(NamedTuple):
    """The answer for one input."""

    file: str
    row: int | None
    values: dict[str, Any]
    """``label``, ``probability`` and ``probabilities`` of a classifier; ``label``, ``score`` and
    the sides of the box of one object, of which an input may have several; else arrays by name."""


def answers(inputs: Sequence[Prepared], predicted: Any) -> list[Answer]:
    """The answers for these inputs.

    ``predicted`` is a `Classified`, or a pytree of arrays, whose first axis is that of the inputs.
    Where each token of a text has an answer, those of padding are dropped. Each detected object is
    an answer of its own.

    >>> x = np.zeros(2)
    >>> inputs, predicted = [Prepared("a.csv", 1, x), Prepared("a.csv", 2, x)], np.array([3.0, 4.0])
    >>> [(item.row, float(item.values["prediction"])) for item in answers(inputs, predicted)]
    [(1, 3.0), (2, 4.0)]
    """
    if isinstance(predicted, Classified):
        label, p = np.asarray(predicted.label), predicted.probabilities
        values = [_classified(*pair, predicted.classes) for pair in zip(label, p, strict=True)]
        if label.ndim > 1:
            pairs = zip(values, (len(item.x) for item in inputs), strict=True)
            values = [{name: part[:length] for name, part in v.items()} for v, length in pairs]
    else:
        if isinstance(predicted, Mapping) and set(predicted) == DETECTION:
            objects = _objects(**{name: np.asarray(predicted[name]) for name in DETECTION})
            return [Answer(inputs[i].file, inputs[i].row, values) for i, values in objects]
        leaves = jax.tree.leaves_with_path(predicted)
        named = {path_name(path) or "prediction": np.asarray(leaf) for path, leaf in leaves}
        values = [{name: leaf[i] for name, leaf in named.items()} for i in range(len(inputs))]
    pairs = zip(inputs, values, strict=True)
    return [Answer(item.file, item.row, value) for item, value in pairs]


def _objects(
    box: np.ndarray, label: np.ndarray, score: np.ndarray
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The input that each detected object is in, and its values."""
    for i, j in zip(*np.nonzero(score >= LEAST_SCORE), strict=True):
        sides = dict(zip(("left", "top", "right", "bottom"), box[i, j], strict=True))
        yield int(i), {"label": label[i, j], "score": score[i, j], **sides}


def _classified(label: np.ndarray, p: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """The values of one answer; of a text that has one for each token, lists of them."""
    if label.ndim:
        return {"label": label.tolist(), "probability": p.max(axis=-1).tolist()}
    by_class = dict(zip(classes, p.tolist(), strict=True))
    return {"label": str(label), "probability": float(p.max()), "probabilities": by_class}


def lines(results: Sequence[Answer], unit: str = "") -> list[str]:
    """One line for each answer: where its input is from, and then what it is, between tabs.

    >>> lines([Answer("a.csv", 2, {"prediction": np.array(4.25)})], unit="m")
    ['a.csv:2\\t4.25 m']
    """
    return ["\t".join([_place(answer), *_cells(answer.values, unit)]) for answer in results]


def _place(answer: Answer) -> str:
    return answer.file if answer.row is None else f"{answer.file}:{answer.row}"


def _cells(values: Mapping[str, Any], unit: str) -> list[str]:
    if "probability" in values:
        label, p = values["label"], values["probability"]
        return [" ".join(label)] if isinstance(label, list) else [label, f"{p:.4f}"]
    title = lambda name: "" if name == "prediction" else f"{name} "
    return [title(name) + _numbers(value, unit) for name, value in values.items()]


def _numbers(value: np.ndarray, unit: str) -> str:
    if value.size > SHOWN:
        return f"{value.dtype} ({', '.join(map(str, value.shape))}), see --out"
    return " ".join(f"{number:.6g}" for number in value.ravel().tolist()) + f" {unit}" * bool(unit)


def check_path(path: Path, files: Sequence[str] = ()) -> None:
    """Refuse a file of another kind, in no folder, or of inputs, before hours of predictions."""
    if path.suffix not in SUFFIXES:
        raise mistake("--out", got=path.name, expected=f"a file that ends with {_listed()}")
    if not path.absolute().parent.is_dir():
        raise mistake("--out", got=f"no folder {path.parent}", expected="an existing one")
    if path.is_dir():
        raise mistake("--out", got=f"the folder {path}", expected="a file")
    if path.resolve() in [Path(file).resolve() for file in files]:
        got, remedy = f"{path}, a FILE of inputs", "Choose another name."
        raise mistake("--out", got=got, expected="a file of its own", remedy=remedy)


def _listed() -> str:
    return " or ".join(SUFFIXES)


def write_answers(path: Path, results: Sequence[Answer], unit: str = "") -> None:
    """Write all answers to a file by its suffix, whole or not at all.

    ``.json`` is a list of objects with ``file``, ``row`` and the values, ``.csv`` has a column for
    each number.
    """
    if path.suffix == ".json":
        more = {"unit": unit} if unit else {}
        records = [{"file": a.file, "row": a.row, **a.values, **more} for a in results]
        write_json(path, records)
        return
    rows = [{"file": a.file, "row": a.row, **_flat(a.values)} for a in results]
    names = list(dict.fromkeys(["file", "row", *(name for row in rows for name in row)]))
    if len(names) > MOST_COLUMNS:
        got = f"{len(names):,} columns"
        expected = f"at most {MOST_COLUMNS:,} in a CSV file"
        raise mistake(str(path), got=got, expected=expected, remedy="Use --out FILE.json.")
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as cells: one for each class, and one for each number of an array."""
    cells: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            cells |= {f"p({key})": _digits(item) for key, item in value.items()}
        elif isinstance(value, np.ndarray) and value.ndim:
            places = np.ndindex(value.shape)
            cells |= {"/".join([name, *map(str, i)]): _digits(value[i]) for i in places}
        elif isinstance(value, list):
            cells[name] = " ".join(map(str, value))
        else:
            cells[name] = value if isinstance(value, str) else _digits(value)
    return cells


def _digits(value: Any) -> str:
    """A number with all the digits of a float32."""
    return f"{float(value):.9g}"
