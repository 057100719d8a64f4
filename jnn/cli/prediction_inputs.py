"""What a user has, in files and on standard input, as prepared inputs of a trained model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jax
import numpy as np

from jnn.data.array_files import read_arrays, read_columns
from jnn.data.grades import numbered
from jnn.data.image_folder import MODES, SUFFIXES, read_image
from jnn.data.text_files import existing_file, read_text, text_of
from jnn.errors import JnnError, mistake
from jnn.loaded import Loaded
from jnn.train.preparation import Preparation

ARRAYS = (".npy", ".npz")
ROTATED = range(5, 9)
"""The orientations in EXIF of a picture whose height and width are exchanged when it is shown."""
STDIN, STANDARD_INPUT = "-", "standard input"
"""The name of standard input among files, and in messages and answers."""


class Prepared(NamedTuple):
    """One input of a model, and where it is from."""

    file: str
    row: int | None
    """Its line in a text, or its row in a table or an array, from 1; None for a whole file."""
    x: np.ndarray
    """Without a batch axis; of a text its tokens ``(T,)``."""


def read_inputs(
    files: Sequence[str], loaded: Loaded, stdin: TextIO | None, say: Callable[[str], None]
) -> Iterator[Prepared]:
    """The inputs of all files, one after the other.

    ``loaded`` says what they are: pictures, ``.npy`` arrays of them, tables in CSV, or lines of
    texts, which may come from standard input. Without a preparation they are arrays as the
    experiment's ``load_data`` prepares them. What a user should know, such as that pictures were
    scaled, is said.

    Raises `JnnError` that names the file, and its line or row, for what is missing, damaged, or
    no such input.
    """
    if not isinstance(loaded.example, jax.ShapeDtypeStruct):
        raise mistake(
            "jnn predict",
            got="a model of several inputs",
            expected="one of pictures, rows or texts",
            remedy="Use `jnn generate`, or jnn.load in Python.",
        )
    preparation = loaded.preparation or Preparation(loaded.example)
    if preparation.tokenizer:
        for file in files or [STDIN]:
            yield from _texts(file, preparation, stdin)
        return
    if not files or STDIN in files:
        got = STANDARD_INPUT if files else "no FILE"
        raise mistake("jnn predict", got=got, expected=f"files: {_kinds(preparation)}")
    scaled: list[str] = []
    for file in files:
        suffix = existing_file(file).suffix.lower()
        if suffix in ARRAYS:
            yield from _of_arrays(file, preparation)
        elif suffix == ".csv" and not preparation.pixels and len(_shape(preparation)) <= 2:
            yield from _of_table(file, preparation, say)
        elif suffix in SUFFIXES and preparation.pixels:
            yield _of_picture(file, preparation, scaled)
        else:
            got = f"a file of kind {suffix or file}"
            raise mistake(file, got=got, expected=_kinds(preparation))
    if scaled:
        height, width, _ = _shape(preparation)
        others = f" and {len(scaled) - 1} more" if len(scaled) > 1 else ""
        say(f"cropped and scaled to {height} x {width} pixels: {scaled[0]}{others}")


def _kinds(preparation: Preparation) -> str:
    """The files that a model takes, in words."""
    shape = f"({', '.join(map(str, _shape(preparation)))})"
    arrays = f"or an array {shape} or (N, {shape[1:]} in {' or '.join(ARRAYS)}"
    if preparation.pixels:
        return f"pictures ({' '.join(SUFFIXES)}), {arrays}"
    return f"a table in .csv, {arrays}" if len(_shape(preparation)) <= 2 else arrays[3:]


def _shape(preparation: Preparation) -> tuple[int, ...]:
    """The shape of one raw input."""
    if preparation.scaling is None:
        return preparation.example.shape
    return (*preparation.example.shape[:-1], *np.shape(preparation.scaling.mean))


def _texts(file: str, preparation: Preparation, stdin: TextIO | None) -> Iterator[Prepared]:
    """One text a line; blank lines are none.

    Lines end where they do for an editor: a form feed or a separator of Unicode is inside one.
    """
    if Path(file).suffix.lower() in (*ARRAYS, *SUFFIXES):
        raise mistake(file, got=f"a file of kind {Path(file).suffix}", expected="lines of text")
    name = STANDARD_INPUT if file == STDIN else file
    lines = (_typed(stdin) if file == STDIN else read_text(file)).split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            x = _encoded(preparation, line.strip(), f"{name}, line {number}")
            yield Prepared(name, number, x)
    if not any(line.strip() for line in lines):
        raise mistake(name, got="no text", expected="a text a line")


def _typed(stdin: TextIO | None) -> str:
    """The text of standard input, decoded as that of a file is; none where that is closed."""
    if stdin is None:
        return ""
    buffer = getattr(stdin, "buffer", None)
    return text_of(buffer.read(), STANDARD_INPUT) if buffer else stdin.read()


def _of_picture(file: str, preparation: Preparation, scaled: list[str]) -> Prepared:
    from PIL import ExifTags, Image  # comes with matplotlib

    height, width, channels = _shape(preparation)
    if channels not in MODES:
        expected = f"an array ({height}, {width}, {channels}) in .npy"
        raise mistake(file, got="a picture", expected=expected)
    image = read_image(file, size=(height, width), channels=channels)
    with Image.open(file) as original:
        is_rotated = original.getexif().get(ExifTags.Base.Orientation) in ROTATED
        if original.size != ((height, width) if is_rotated else (width, height)):
            scaled.append(file)
    return Prepared(file, None, _encoded(preparation, image, file))


def _of_arrays(file: str, preparation: Preparation) -> Iterator[Prepared]:
    arrays = read_arrays(file)
    if len(arrays) != 1:
        got = f"{len(arrays)} arrays: {', '.join(arrays)}"
        raise mistake(file, got=got, expected="a file of one array")
    (array,) = arrays.values()
    shape = _shape(preparation)
    if array.ndim not in (len(shape), len(shape) + 1) or not _fits(array.shape, preparation):
        raise mistake(file, got=f"shape {array.shape}", expected=_kinds(preparation))
    if not array.size:
        raise mistake(file, got=f"no input, shape {array.shape}", expected="one or more")
    x = _encoded(preparation, array, file)
    if array.ndim == len(shape):
        yield Prepared(file, None, x)
        return
    for row, one in enumerate(x, start=1):
        yield Prepared(file, row, one)


def _fits(shape: tuple[int, ...], preparation: Preparation) -> bool:
    """Whether an array has the sizes of an input; a series may be of another length."""
    expected = _shape(preparation)
    free = 1 if len(expected) == 2 else 0
    return shape[len(shape) - len(expected) + free :] == expected[free:]


def _of_table(
    file: str, preparation: Preparation, say: Callable[[str], None]
) -> Iterator[Prepared]:
    """The rows of a CSV file; all of it is one input where that is a series."""
    *length, width = _shape(preparation) or (1,)
    names = preparation.columns
    columns = read_columns(file, only=names or None, words=preparation.grades)
    if len(columns) != width:
        expected = f"{width}, in the order of those that the model was trained on"
        raise mistake(file, got=f"{len(columns)} columns", expected=expected)
    if not names:
        say(f"{file}: the run has no names of columns, so they are taken in their order")
    for name, words in preparation.grades.items():
        columns[name] = numbered(columns[name], words, f"{file}, column {name!r}")
    table = np.stack(list(columns.values()), axis=-1)
    if length:
        yield Prepared(file, None, _encoded(preparation, table, file))
        return
    rows = table if preparation.example.shape else table[:, 0]
    for row, x in enumerate(_encoded(preparation, rows, file), start=1):
        yield Prepared(file, row, x)


def _encoded(preparation: Preparation, raw: Any, place: str) -> np.ndarray:
    """The prepared input; what is wrong with it is said of its place."""
    try:
        return np.asarray(preparation.encode(raw)[0])
    except JnnError as error:
        raise type(error)(f"{place}: {str(error).removeprefix('predict: ')}") from None
