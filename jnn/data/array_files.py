"""Your own arrays, from ``.npy``, ``.npz`` and CSV files, none of which can carry code."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from jnn.data.checks import FLOAT32_MAX
from jnn.data.classes import number_classes
from jnn.data.text_files import existing_file, read_text
from jnn.errors import JnnError, mistake
from jnn.files import replacing

DELIMITERS = ",;\t|"
"""Of CSV files; where several divide the first line into equally many names, the first of these."""
_SHOWN, _LONGEST = 8, 60  # names in a message, and letters of a field
_LONGEST_END = 22 + 2**16  # bytes of the record at the end of a zip file, with its comment


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
            arrays, members = {path.stem: loaded}, 1
        else:
            with loaded:
                arrays = {name: loaded[name] for name in loaded.files}
            members = _members(path)
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
    if not arrays or min(len(arrays), 2**16 - 1) != members:
        got, expected = f"{len(arrays)} different arrays", f"{members or 'some'}, as its end says"
        raise mistake(
            str(path), got=got, expected=expected, remedy="It is damaged: write it again."
        )
    return {name: _native(array) for name, array in arrays.items()}


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as an ``.npy`` file, atomically.

    It is made in memory: where a disk is full, `numpy.save` into a file does not say so. Raises
    JnnError where it cannot be written.
    """
    content = io.BytesIO()
    np.save(content, array)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())


def _members(path: Path) -> int:
    """How many members a zip file has by the record at its end; 65,535 for that or more.

    `zipfile` does not compare: by one altered length in its directory the next entries are taken
    for a comment.
    """
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _LONGEST_END))
        end = stream.read()
    return struct.unpack_from("<H", end, end.rfind(b"PK\5\6") + 10)[0]


def _native(array: np.ndarray) -> np.ndarray:
    if array.dtype in (np.longdouble, np.clongdouble):
        return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def read_columns(
    path: str | Path,
    *,
    words: Collection[str] = (),
    delimiter: str | None = None,
    missing: float | None = None,
    only: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """The columns of a CSV file of numbers, each (N,) float64, by the names in its first line.

    The file is text as `jnn.data.text_files.read_text` reads it. Without a ``delimiter`` it is the
    one of comma, semicolon, tab and ``|`` that divides the first line into the most names. Blanks
    around names and fields do not count, and blank lines are skipped, and so is a line before the
    names that tells Excel the delimiter, as ``sep=;``. The columns named in ``words`` are read as
    strings. ``missing`` takes the place of an empty field of numbers. ``only`` names the columns to
    read, and their order; what is in others does not count.

    Raises JnnError, with line and column, for a field that is empty, unless ``missing`` is given,
    that is no number, or not in float32's range; for a line with another number of fields; for
    quotes that are not closed; and for a column to be read that has no name.
    """
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        got = f"delimiter={delimiter!r}"
        raise mistake("read_columns", got=got, expected="one character")
    for role, given in {"words": words, "only": only}.items():
        if isinstance(given, str):
            raise mistake("read_columns", got=f"{role}={given!r}", expected=f"names: [{given!r}]")
    text = read_text(path)
    delimiter = delimiter or _delimiter(text)
    lines = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True, skipinitialspace=True)
    names: list[str] = []
    chosen: list[str] = []
    rows = []
    try:
        for fields in lines:
            fields = [field.strip() for field in fields]
            if not any(fields) and len(fields) < 2:
                continue
            if not names and fields == ["sep=", ""]:
                continue
            if names:
                place = f"{path}, line {lines.line_num}"
                rows.append(_row(fields, names, chosen, place, words, missing))
            else:
                names, chosen = fields, list(fields if only is None else only)
                if lacking := [name for name in [*words, *chosen] if name not in names]:
                    raise _no_column(str(path), lacking, names, "among them")
                if "" in chosen:
                    raise _nameless(str(path), names)
    except csv.Error as error:
        raise mistake(
            f"{path}, line {lines.line_num}",
            got=str(error),
            expected="fields of a CSV file",
            remedy="Is a quote not closed?",
        ) from error
    doubled = [name for name in dict.fromkeys(chosen) if names.count(name) > 1]
    if not rows or doubled:
        got = f"the column {_few(doubled)} twice" if doubled else "no rows"
        expected = "a line of different names, then lines of numbers"
        raise mistake(str(path), got=got, expected=expected)
    columns = zip(chosen, zip(*rows, strict=True), strict=True)
    return {name: np.array(column, str if name in words else float) for name, column in columns}


def features_and_labels(
    columns: Mapping[str, np.ndarray], label: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """All columns but ``label`` as features, (N, D) float64, and ``label`` as classes, (N,) int32.

    The third result names the classes, as `jnn.data.classes.number_classes` does: those that occur.
    Raises JnnError for a missing column, where there is no other, for features that are words, and,
    with the row, for classes that are neither whole numbers nor words.

    >>> columns = {"a": np.array([0.5, 0.6]), "b": np.array([1.0, 2.0]), "kind": np.array([5.0, 1])}
    >>> features, labels, classes = features_and_labels(columns, "kind")
    >>> features.tolist(), labels.tolist(), classes
    ([[0.5, 1.0], [0.6, 2.0]], [1, 0], ('1', '5'))
    """
    if label not in columns or len(columns) < 2:
        raise _no_column("table", [label], columns, "and at least one other")
    labels, classes = number_classes(columns[label], f"column {label!r}")
    others = {name: column for name, column in columns.items() if name != label}
    for name, column in others.items():
        if column.dtype.kind not in "biuf":
            got, remedy = f"dtype {column.dtype}", "Encode words as numbers."
            raise mistake(f"column {name!r}", got=got, expected="numbers", remedy=remedy)
    return np.stack(list(others.values()), axis=1), labels, classes


def _no_column(
    caller: str, lacking: Sequence[str], columns: Collection[str], more: str
) -> JnnError:
    """The error for names that columns do not have; ``more`` ends what is expected."""
    name = lacking[0]
    alike = [column for column in columns if column.casefold() == name.strip().casefold()]
    near = alike or difflib.get_close_matches(name, columns, n=1)
    remedy = f"Did you mean {near[0]!r}?" if near and name not in columns else ""
    got, expected = f"columns {_few(columns, str)}", f"{_few(lacking)} {more}"
    return mistake(caller, got=got, expected=expected, remedy=remedy)


def _nameless(caller: str, names: Sequence[str]) -> JnnError:
    """The error for a column without a name, such as the numbers of rows that pandas writes."""
    place = names.index("")
    remedy = "Name it, or drop it."
    if place == 0:
        remedy = "Is it the index of a pandas table? Write that with index=False."
    elif place == len(names) - 1:
        remedy = "Does each line end in a delimiter? Drop it."
    got = f"no name of column {place + 1} of {len(names)}"
    return mistake(caller, got=got, expected="a name for each", remedy=remedy)


def _few(names: Collection[str], form: Callable[[str], str] = repr) -> str:
    """The first names, and how many others there are."""
    names = list(map(form, names))
    others = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + others


def _delimiter(text: str) -> str:
    """The delimiter that divides the first line of a CSV file into the most names.

    Within quotes a line goes on, as a name in a cell of several lines does.
    """

    def names(delimiter: str) -> int:
        lines = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
        try:
            return len(next((line for line in lines if "".join(line).strip()), []))
        except csv.Error:  # which reading the line will say
            return 0

    return max(DELIMITERS, key=names)


def _row(
    fields: list[str],
    names: list[str],
    chosen: list[str],
    caller: str,
    words: Collection[str],
    missing: float | None,
) -> list[float | str]:
    if len(fields) != len(names):
        expected = f"{len(names)}, as in the first line"
        raise mistake(caller, got=f"{len(fields)} fields", expected=expected)
    named = dict(zip(names, fields, strict=True))
    return [
        _word(named[name], name, caller)
        if name in words
        else _number(named[name], name, caller, missing)
        for name in chosen
    ]


def _word(field: str, name: str, caller: str) -> str:
    if not field:
        got, remedy = f"no value in column {name!r}", "Fill it in, or drop the line."
        raise mistake(caller, got=got, expected="a word or a number", remedy=remedy)
    return field


def _number(field: str, name: str, caller: str, missing: float | None) -> float:
    if not field and missing is not None:
        return missing
    short = field if len(field) <= _LONGEST else f"{field[: _LONGEST - 4]} ..."
    got, expected, remedy = f"{short!r} in column {name!r}", "a number", "Encode words as numbers."
    try:
        number = parse_number(field) if field else math.nan
    except ValueError:
        if re.fullmatch(r"[-+]?\d*,\d+", field):
            remedy = "Write decimal points, not commas."
        elif re.fullmatch(r"[-+]?\d{1,3}([, ']\d{3})+(\.\d*)?", field):
            remedy = "Write no separators of thousands."
        elif re.search(r"\d", field):
            remedy = "Write numbers as in -1234.5, dates and units as numbers."
        raise mistake(caller, got=got, expected=expected, remedy=remedy) from None
    if math.isnan(number):
        got = got if field else f"no value in column {name!r}"
        remedy = "Fill it in, or drop the line; read_columns(missing=...) takes a number for all."
        raise mistake(caller, got=got, expected=expected, remedy=remedy)
    if abs(number) > FLOAT32_MAX:
        expected = f"a number in float32's range, at most {FLOAT32_MAX:.1e} in size"
        remedy = "Fill it in, or drop the line." if math.isinf(number) else "Choose a larger unit."
        raise mistake(caller, got=got, expected=expected, remedy=remedy)
    return number


def parse_number(field: str) -> float:
    """The number that a field of a text file spells; raises ValueError where it spells none.

    Unlike Python's ``float``, it has no underscores.

    >>> parse_number(" -1e3 ")
    -1000.0
    """
    if "_" in field:
        raise ValueError(f"{field!r} is no number")
    return float(field)
