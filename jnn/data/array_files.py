"""Your own arrays, from ``.npy``, ``.npz`` and CSV files, none of which can carry code."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np

from jnn.errors import mistake


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name, or that of an ``.npy`` file by the file's stem.

    Raises JnnError for a missing, damaged or other file, and for arrays of Python objects, which
    would have to be unpickled.
    """
    path = _existing(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {path.stem: loaded}
        return {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        pickled = "pickle" in str(error).lower() or "object" in str(error).lower()
        raise mistake(
            str(path),
            got="Python objects or no numpy file"
            if pickled
            else f"{type(error).__name__}: {error}",
            expected="an .npy or .npz file of numbers",
            remedy="Save plain numbers with numpy.save or numpy.savez; pickles are never loaded.",
        ) from error


def read_columns(path: str | Path, *, delimiter: str = ",") -> dict[str, np.ndarray]:
    """The columns of a CSV file of numbers, each (N,) float64, by the names in its first line.

    An empty field becomes NaN. Raises JnnError for a field that is no number, with its line and
    column, and for a line with another number of fields.
    """
    path = _existing(path)
    with path.open(newline="", encoding="utf-8") as stream:
        lines = csv.reader(stream, delimiter=delimiter)
        names = next(lines, [])
        place = lambda: f"{path}, line {lines.line_num}"
        rows = [_numbers(fields, names, place()) for fields in lines if fields]
    if not rows or len(set(names)) < len(names):
        raise mistake(
            str(path),
            got=f"{len(rows)} rows, columns {names}",
            expected="a line of different names, then lines of numbers",
        )
    return dict(zip(names, np.array(rows).T, strict=True))


def _numbers(fields: list[str], names: list[str], caller: str) -> list[float]:
    if len(fields) != len(names):
        expected = f"{len(names)}, as in the first line"
        raise mistake(caller, got=f"{len(fields)} fields", expected=expected)
    values = []
    for name, field in zip(names, fields, strict=True):
        try:
            values.append(float(field) if field.strip() else float("nan"))
        except ValueError:
            raise mistake(
                caller,
                got=f"{field!r} in column {name!r}",
                expected="a number",
                remedy="Encode words as numbers.",
            ) from None
    return values


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise mistake(
            str(path),
            got="no such file",
            expected="an existing file",
            remedy=f"Looked in {path.resolve().parent}.",
        )
    return path
