"""How raw inputs become those of a model, and its outputs answers: data, saved with a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn.data.checks import check_finite, check_float32
from jnn.data.grades import Grades, numbered
from jnn.data.image_scaling import to_float
from jnn.data.piecewise_linear import encode_pieces
from jnn.data.scaling import Scaling, scale, unscale
from jnn.data.sequences import pad
from jnn.data.tokenizers import Tokenizer, from_json
from jnn.errors import JnnError, MissingExtraError, mistake
from jnn.files import plain, read_json, write_json
from jnn.integers import as_integer
from jnn.runs import records

FILE = "preparation.json"
SLACK = 1e-3
"""By which a picture of floats may leave 0 .. 1, as what was resized does."""


class Classified(NamedTuple):
    """The answer of a classifier, for one input or for a batch."""

    label: Any
    """The name of the most probable class: a string, or an array of them ``(...)``."""
    probabilities: np.ndarray
    """``(..., classes)`` float32."""
    classes: tuple[str, ...]
    """The names of the classes, in the order of ``probabilities``."""

    @property
    def index(self) -> Any:
        """The number of the most probable class, as in the data: an integer, or ``(...)``."""
        return self.probabilities.argmax(axis=-1)


class Preparation(NamedTuple):
    """What predictions need besides params: it turns what a user has into what a model takes.

    ``example``    shape and dtype of one prepared input
    ``pixels``     whether inputs are pictures, whose bytes 0 .. 255 become floats 0 .. 1
    ``scaling``    mean and deviation of each column of a table
    ``pieces``     the ends of pieces of each scaled column, see `jnn.data.piecewise_linear`
    ``tokenizer``  of texts, of which the first ``longest`` tokens are read, without it all
    ``target``     mean and deviation of the number, or the (D,) numbers, that are predicted
    ``classes``    their names, where outputs are logits or log probabilities ``(..., classes)``
    ``columns``    the names of the columns of a table, in their order
    ``grades``     the words of some of these columns, each of which is the number of its place
    ``unit``       that of the number that is predicted, such as "degrees Celsius"
    ``next_token`` whether outputs are logits of the token that follows each token of a text, which
                   is read whole: the answer is how probable the text is

    >>> scaling = Scaling(np.array([1.0, 20.0]), np.array([0.5, 10.0]))
    >>> example = jax.ShapeDtypeStruct((2,), np.float32)
    >>> preparation = Preparation(example, scaling=scaling, classes=("cat", "dog"))
    >>> x, mask = preparation.encode([2.0, 20.0])
    >>> x.tolist(), mask
    ([2.0, 0.0], None)
    >>> preparation.decode(np.array([0.0, 5.0])).label
    'dog'
    """

    example: jax.ShapeDtypeStruct
    pixels: bool = False
    scaling: Scaling | None = None
    pieces: np.ndarray | None = None
    tokenizer: Tokenizer | None = None
    longest: int | None = None
    target: Scaling | None = None
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    unit: str = ""
    grades: Grades = MappingProxyType({})
    next_token: bool = False

    def encode(self, raw: Any) -> tuple[Any, np.ndarray | None]:
        """The prepared x of one input or a batch, and the mask of texts.

        ``raw`` is a text or a list of texts; rows of a table ``(..., D)`` in their own units, in
        which grades may be words; or pictures ``(..., H, W, C)``, uint8, or floats from 0 to 1.
        Raises `JnnError` for another shape, for what is no number, for NaN and infinity, and for
        pictures and grades out of their range.
        """
        if self.tokenizer:
            return self._encode_texts(self.tokenizer, raw)
        if np.ma.is_masked(raw):
            raise mistake("predict", got="masked values", expected="a number in each place")
        try:
            x = np.asarray(raw)
        except ValueError:
            raise mistake("predict", got="rows of unequal lengths", expected="an array") from None
        x = self._graded(x) if self.grades else x
        if x.dtype.kind not in "biuf":
            raise mistake("predict", got=f"dtype {x.dtype}", expected="numbers")
        columns = None if self.scaling is None else np.shape(self.scaling.mean)
        shape = self.example.shape if columns is None else columns
        if x.shape[-len(shape) :] != shape and (self.pixels or columns):
            expected = f"{'pictures' if self.pixels else 'rows'} (..., {_spelled(shape)})"
            remedy = "Crop or resize them, with as many channels." if self.pixels else ""
            raise mistake("predict", got=f"shape {x.shape}", expected=expected, remedy=remedy)
        check_finite(x, "predict")
        x = _picture(x) if self.pixels else x
        if self.scaling is not None:
            with np.errstate(over="ignore"):  # what is too large for float32 is refused
                scaled = scale(self.scaling, x)
            check_float32(x, "predict, scaled", scaled)
            x = scaled
        x = x if self.pieces is None else np.asarray(encode_pieces(self.pieces, x))
        if np.issubdtype(self.example.dtype, np.integer) and x.dtype.kind == "f":
            raise mistake("predict", got=f"dtype {x.dtype}", expected="integers")
        if self.example.dtype == np.float32:
            check_float32(x, "predict")
        return x.astype(self.example.dtype), None

    def decode(self, y: Any, mask: np.ndarray | None = None) -> Any:
        """The answer for outputs y: a `Classified`, or numbers in the unit of the target.

        Of a text with an output for each token, those of padding are "" and NaN. Other outputs
        are returned as they are. Raises `JnnError` where the probability of a class is no number.
        """
        if self.classes:
            y = np.asarray(y, np.float32)
            probabilities = np.asarray(jax.nn.softmax(y, axis=-1))
            label = np.array(self.classes)[y.argmax(axis=-1)]
            of_tokens = mask is not None and mask.shape == label.shape
            is_real = np.asarray(mask) if of_tokens else np.ones(label.shape, bool)
            if not np.isfinite(probabilities[is_real]).all():
                got = "outputs of the model that are not finite"
                raise mistake("predict", got=got, expected="inputs like those it was trained on")
            probabilities = np.where(is_real[..., None], probabilities, np.nan)
            label = np.where(is_real, label, "")
            return Classified(label if label.ndim else str(label), probabilities, self.classes)
        if (target := self.target) is not None:
            return jax.tree.map(lambda leaf: unscale(target, np.asarray(leaf)), y)
        return y

    def _encode_texts(self, tokenizer: Tokenizer, raw: Any) -> tuple[np.ndarray, np.ndarray]:
        texts = [raw] if isinstance(raw, str) else raw
        if isinstance(texts, np.ndarray):
            texts = texts.tolist()
        is_list = isinstance(texts, Sequence) and len(texts)
        if not is_list or not all(isinstance(text, str) for text in texts):
            raise mistake("predict", got=repr(raw)[:80], expected="a text, or a list of texts")
        encoded = [tokenizer.encode(text) for text in texts]
        least, most = 2 if self.next_token else 1, self.longest
        for text, its in zip(texts, encoded, strict=True):
            if len(its) < least:
                expected = f"a text with {'two tokens' if self.next_token else 'a token'} or more"
                raise mistake("predict", got=repr(text), expected=expected)
            if self.next_token and most and len(its) > most:
                got, remedy = f"a text of {len(its)} tokens", "Give it in parts."
                raise mistake("predict", got=got, expected=f"at most {most}", remedy=remedy)
        tokens = [its[:most] for its in encoded]
        padding = tokenizer.padding if "padding" in tokenizer.special else 0
        padded = pad(tokens, value=padding)
        one = isinstance(raw, str)
        return (padded.tokens[0], padded.mask[0]) if one else (padded.tokens, padded.mask)

    def _graded(self, x: np.ndarray) -> np.ndarray:
        """Rows of numbers, of rows in which grades may be words."""
        names, rows = self.columns, x.reshape(-1, x.shape[-1] if x.ndim else 1)
        if rows.shape[-1] != len(names):
            return x  # which is refused for its shape
        columns = [
            numbered(column, self.grades[name], f"predict: {name}")
            if name in self.grades
            else _as_numbers(column, name)
            for name, column in zip(names, rows.T, strict=True)
        ]
        return np.stack(columns, axis=-1).reshape(x.shape)

    def to_json(self) -> dict[str, Any]:
        """The preparation as JSON values, without loss."""
        of_scaling = lambda scaling: scaling and plain(scaling._asdict())
        return {
            "example": {"shape": list(self.example.shape), "dtype": str(self.example.dtype)},
            "pixels": self.pixels,
            "scaling": of_scaling(self.scaling),
            "pieces": plain(self.pieces),
            "tokenizer": self.tokenizer and self.tokenizer.to_json(),
            "longest": self.longest,
            "target": of_scaling(self.target),
            "classes": list(self.classes),
            "columns": list(self.columns),
            "unit": self.unit,
            **({"grades": plain(self.grades)} if self.grades else {}),
            **({"next_token": True} if self.next_token else {}),
        }


def keep_preparation(folder: Path, preparation: Preparation) -> str:
    """Save the preparation of a new run in its folder, check that of a resumed run; its SHA-256.

    Raises `JnnError` where the data of a resumed run gives another one than that which was saved.
    """
    now = json.loads(json.dumps(preparation.to_json()))
    path = folder / FILE
    digest = _digest(now)
    if not path.exists():
        _check_owner(path, digest)
        write_json(path, {**now, "sha256": digest})
        return digest
    was = _verified(path)
    if changed := [name for name in now if now[name] != was.get(name, now[name])]:
        raise mistake(
            str(path),
            got=f"data that gives another {', '.join(changed)} than the run began with",
            expected="the same data",
            remedy="Put the data back, or begin a new run.",
        )
    return _digest(was)


def read_preparation(folder: Path) -> Preparation | None:
    """The preparation that was saved with a run, None where none was.

    Raises `JnnError` where the file is gone, was altered, is that of another run, or has values
    that no data gives.
    """
    path = folder / FILE
    if not path.exists():
        if _owned(folder):
            raise _altered(path, "no such file")
        return None
    record = _verified(path)
    try:
        return _from_json(record, str(path))
    except (MissingExtraError, JnnError):
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _altered(path, f"{type(error).__name__}: {error}") from error


def _from_json(record: Mapping[str, Any], caller: str) -> Preparation:
    pieces, tokenizer, example = record["pieces"], record["tokenizer"], record["example"]
    classes, longest = record["classes"], record["longest"]
    _require(isinstance(record["pixels"], bool), "pixels that are no truth value")
    _require(all(isinstance(name, str) for name in classes), "names of classes that are no text")
    next_token = record.get("next_token", False)
    _require(isinstance(next_token, bool), "a next_token that is no truth value")
    _require(longest is None or (as_integer(longest) or 0) > 0, f"longest={longest!r}")
    columns, unit = record.get("columns", ()), record.get("unit", "")
    _require(all(isinstance(name, str) for name in [unit, *columns]), "names that are no text")
    grades = {name: tuple(words) for name, words in record.get("grades", {}).items()}
    words = [word for its in grades.values() for word in its]
    _require(all(isinstance(word, str) for word in words), "grades that are no text")
    _require(grades.keys() <= set(columns), "grades of no column")
    scaled = np.size((record["scaling"] or {}).get("mean", ()))
    _require(len(columns) in (0, scaled), f"{len(columns)} names of {scaled} columns")
    pieces = None if pieces is None else np.array(pieces, np.float32)
    _require(pieces is None or bool(np.isfinite(pieces).all()), "pieces that are not finite")
    return Preparation(
        example=jax.ShapeDtypeStruct(tuple(example["shape"]), np.dtype(example["dtype"])),
        pixels=record["pixels"],
        scaling=_scaling(record["scaling"], "scaling"),
        pieces=pieces,
        tokenizer=tokenizer and from_json(tokenizer, caller),
        longest=longest,
        target=_scaling(record["target"], "target"),
        classes=tuple(classes),
        columns=tuple(columns),
        unit=unit,
        grades=grades,
        next_token=next_token,
    )


def _as_numbers(column: np.ndarray, name: str) -> np.ndarray:
    """A column of a table that has words in others."""
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise mistake(f"predict: {name}", got=str(error), expected="numbers") from None


def _picture(x: np.ndarray) -> np.ndarray:
    """A picture as floats from 0 to 1; refuses floats that are bytes, or have another range."""
    x = to_float(x)
    if x.size and not -SLACK <= x.min() <= x.max() <= 1 + SLACK:
        got, remedy = f"floats from {x.min():.4g} to {x.max():.4g}", "Scale them, or give bytes."
        raise mistake("predict", got=got, expected="floats from 0 to 1", remedy=remedy)
    return x


def _scaling(values: Mapping[str, Any] | None, name: str) -> Scaling | None:
    """The scaling of a record; raises ValueError for one that `fit_scaling` does not make."""
    if values is None:
        return None
    mean, deviation = (np.array(values[part], np.float64) for part in Scaling._fields)
    is_sound = mean.shape == deviation.shape and np.isfinite(mean).all()
    is_sound = is_sound and np.isfinite(deviation).all() and (deviation > 0).all()
    _require(bool(is_sound), f"a {name} without a finite mean and a deviation > 0 of each column")
    return Scaling(mean, deviation)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def _verified(path: Path) -> dict[str, Any]:
    record = read_json(path)
    digest = record.pop("sha256", None)
    if digest != _digest(record):
        raise _altered(path, "a file that was altered")
    _check_owner(path, digest)
    return record


def _check_owner(path: Path, digest: str) -> None:
    """Refuse the preparation of another run than that of the folder, whose config.json names it."""
    if _owned(path.parent) not in (None, digest):
        raise _altered(path, "the preparation of another run, or of other data")


def _owned(folder: Path) -> str | None:
    """The SHA-256 of the preparation of a run by its config.json; None where that names none."""
    if not (folder / "config.json").exists():
        return None
    return (records.read(folder, "config.json").get("files") or {}).get(FILE)


def _altered(path: Path, got: str) -> JnnError:
    expected = "the file that the run wrote"
    return mistake(str(path), got=got, expected=expected, remedy="Put a copy of the file back.")


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _spelled(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
