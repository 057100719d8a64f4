"""Your own arrays, from ``.npy``, ``.npz`` and CSV files, none of which can carry code."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jnn.data.text_files import existing_file, read_text
from jnn.errors import mistake


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name, or that of an ``.npy`` file by the file's stem.

    Arrays of another byte order come in that of this machine, and long doubles, which JAX does not
    have, as float64. Raises JnnError for a missing, damaged or other file, for an array that does
    not fit into memory, and for arrays of Python objects, which would have to be unpickled.
    """
    path = existing_file(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            arrays = {path.stem: loaded}
        else:
            with loaded:
                arrays = {name: loaded[name] for name in loaded.files}
    except Exception as error:  # a damaged file makes the decoders raise many classes
        got, expected = f"{type(error).__name__}: {error}", "an .npy or .npz file of numbers"
        remedy = "It is damaged or incomplete: write it again."
        if "allow_pickle" in str(error):
            got = "Python objects or no numpy file"
            remedy = "Save plain numbers with numpy.save or numpy.savez; pickles are never loaded."
        raise mistake(str(path), got=got, expected=expected, remedy=remedy) from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # numpy gives other members of a zip file as bytes
            got = f"a member {name!r} that is no array"
            raise mistake(str(path), got=got, expected="an .npy or .npz file of numbers")
    return {name: _native(array) for name, array in arrays.items()}


def _native(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.longdouble:
        return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def read_columns(path: str | Path, *, delimiter: str = ",") -> dict[str, np.ndarray]:
    """The columns of a CSV file of numbers, each (N,) float64, by the names in its first line.

    The file is text as `jnn.data.text_files.read_text` reads it. Blank lines are skipped, and an
    empty field becomes NaN. Raises JnnError for a field that is no number, with its line and
    column, for a line with another number of fields, and for quotes that are not closed.
    """
    lines = csv.reader(io.StringIO(read_text(path)), delimiter=delimiter, strict=True)
    names: list[str] = []
    rows = []
    try:
        for fields in lines:
            if not "".join(fields).strip() and len(fields) < 2:
                continue
            if names:
                rows.append(_numbers(fields, names, f"{path}, line {lines.line_num}"))
            else:
                names = fields
    except csv.Error as error:
        raise mistake(
            f"{path}, line {lines.line_num}",
            got=str(error),
            expected="fields of a CSV file",
            remedy="Is a quote not closed?",
        ) from error
    if not rows or len(set(names)) < len(names):
        raise mistake(
            str(path),
            got=f"{len(rows)} rows, columns {names}",
            expected="a line of different names, then lines of numbers",
        )
    return dict(zip(names, np.array(rows).T, strict=True))


def features_and_labels(
    columns: Mapping[str, np.ndarray], label: str
) -> tuple[np.ndarray, np.ndarray]:
    """All columns but ``label`` as features, (N, D) float64, and ``label`` as classes, (N,) int32.

    Raises JnnError for a missing column, where there is no other, and, with the row, for classes
    that are not integers >= 0.

    >>> columns = {"a": np.array([0.5, 0.6]), "b": np.array([1.0, 2.0]), "kind": np.array([0.0, 1])}
    >>> features, labels = features_and_labels(columns, "kind")
    >>> features.tolist(), labels.tolist()
    ([[0.5, 1.0], [0.6, 2.0]], [0, 1])
    """
    if label not in columns or len(columns) < 2:
        got = f"columns {', '.join(columns)}"
        raise mistake("table", got=got, expected=f"{label!r} and at least one other")
    classes = columns[label]
    wrong = np.flatnonzero(~((classes >= 0) & (classes < 2**31) & (classes == np.floor(classes))))
    if len(wrong):
        raise mistake(
            f"column {label!r}",
            got=f"{classes[wrong[0]]} at row {wrong[0]}",
            expected="classes 0, 1, 2, ...",
            remedy="Number the classes from 0.",
        )
    others = [column for name, column in columns.items() if name != label]
    return np.stack(others, axis=1), classes.astype(np.int32)


def _numbers(fields: list[str], names: list[str], caller: str) -> list[float]:
    if len(fields) != len(names):
        expected = f"{len(names)}, as in the first line"
        raise mistake(caller, got=f"{len(fields)} fields", expected=expected)
    values = []
    for name, field in zip(names, fields, strict=True):
        try:
            values.append(parse_number(field) if field.strip() else float("nan"))
        except ValueError:
            raise mistake(
                caller,
                got=f"{field!r} in column {name!r}",
                expected="a number",
                remedy="Encode words as numbers.",
            ) from None
    return values


def parse_number(field: str) -> float:
    """The number that a field of a text file spells; raises ValueError where it spells none.

    Unlike Python's ``float``, it has no underscores.

    >>> parse_number(" -1e3 ")
    -1000.0
    """
    if "_" in field:
        raise ValueError(f"{field!r} is no number")
    return float(field)
