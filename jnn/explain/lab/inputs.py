"""Examples for a page, found in the data of a run by their shapes.

An experiment does not say which of its arrays are inputs of the model. They are looked for where
`load_data` and the batches have them: in the test part by preference, as what the model has not
seen says more.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.tokenizers import Tokenizer
from jnn.errors import JnnError
from jnn.train.preparation import Preparation

MOST = 12
"""Examples of a page."""
LABELS = ("label", "target", "person", "y")
"""Names of true answers, a number for each input."""
CHANNELS = (1, 3, 4)


class Example(NamedTuple):
    """One input: a text, or a prepared x, and the true answer where it is known."""

    x: Any
    truth: str = ""


class Examples(NamedTuple):
    """Inputs of a model, and the part of the data that they are from, "" for none."""

    part: str
    inputs: Sequence[Example]


NONE = Examples("", ())


def find_examples(
    example: Any,
    preparation: Preparation | None = None,
    tokenizer: Tokenizer | None = None,
    data: Any = None,
    batch: Mapping[str, Any] | None = None,
) -> Examples:
    """Inputs like ``example``: of the test part of ``data``, else of a ``batch`` for training.

    ``example`` is a pytree of shapes, prepared; texts, if there is a ``tokenizer``, are returned as
    they are. What has another length is cut to that of the example.
    """
    kind, classes = kind_of(example, tokenizer), preparation.classes if preparation else ()
    test = next(_named("test", data), None)
    if kind == "text":
        texts = list(_texts(test, classes, tokenizer))
        return Examples("test", texts) if texts else NONE
    if kind in ("arrays", "pair"):
        examples = _of_batch(example, batch or {}, classes)
        return Examples("training", examples) if examples else NONE
    for part, arrays in (("test", test), ("training", batch)):
        if examples := list(_of_arrays(example, preparation, classes, arrays, part)):
            return Examples(part, examples)
    windows = list(_windows(example, preparation, data)) if kind == "series" else []
    return Examples("data", windows) if windows else NONE


def columns_in(data: Any, count: int) -> Sequence[str]:
    """The names of so many columns, where the data has them."""
    for name in ("columns", "feature_names", "features", "names"):
        for names in _named(name, data):
            is_list = isinstance(names, list | tuple) and len(names) == count
            if is_list and all(isinstance(column, str) for column in names):
                return names
    return ()


def kind_of(example: Any, tokenizer: Tokenizer | None = None) -> str:
    """``picture``, ``text``, ``pair`` (of texts), ``table``, ``series``, ``arrays`` for others."""
    if isinstance(example, Mapping) or not hasattr(example, "shape"):
        is_pair = (
            tokenizer and isinstance(example, Mapping) and {"tokens", "source"} <= set(example)
        )
        return "pair" if is_pair else "arrays"
    shape, is_float = example.shape, np.issubdtype(example.dtype, np.floating)
    if not is_float:
        return "text" if tokenizer and len(shape) == 1 else "arrays"
    if len(shape) == 3 and shape[-1] in CHANNELS:
        return "picture"
    return {1: "table", 2: "series"}.get(len(shape), "arrays")


def _named(name: str, value: Any, depth: int = 3) -> Iterator[Any]:
    """What is called ``name`` within records, nearest first."""
    fields = _fields(value)
    if name in fields:
        yield fields[name]
    if depth:
        for field in fields.values():
            yield from _named(name, field, depth - 1)


def _fields(value: Any) -> Mapping[str, Any]:
    if isinstance(value, tuple):
        return dict(zip(getattr(value, "_fields", ()), value, strict=False))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value if isinstance(value, Mapping) else {}


def _texts(test: Any, classes: Sequence[str], tokenizer: Tokenizer | None) -> Iterator[Example]:
    """Texts of a part: a long one or its tokens in pieces, or a list of them with their labels."""
    is_tokens = isinstance(test, np.ndarray) and test.ndim == 1 and test.dtype.kind in "iu"
    if isinstance(test, str) or is_tokens:
        step = max(1, len(test) // MOST)
        pieces = [test[start : start + 40] for start in range(0, len(test), step)[:MOST]]
        text = tokenizer.decode if tokenizer is not None and is_tokens else str
        yield from (Example(text(piece)) for piece in pieces)
        return
    fields = _fields(test)
    lists = [v for v in fields.values() if isinstance(v, list | tuple) and v]
    texts = next((v for v in lists if all(isinstance(text, str) for text in v[:3])), ())
    others = [v for v in fields.values() if v is not texts and np.ndim(v) == 1]
    labels = next((v for v in others if np.asarray(v).dtype.kind in "iuf"), [])
    for i in _chosen(labels if len(labels) == len(texts) else np.arange(len(texts))):
        truth = _truth(labels[i], classes) if len(labels) == len(texts) else ""
        yield Example(texts[i], truth)


def _of_arrays(
    example: Any, preparation: Preparation | None, classes: Sequence[str], arrays: Any, part: str
) -> Iterator[Example]:
    """Rows of the first array that is prepared to the shape of the example."""
    arrays = {name: np.asarray(a) for name, a in _fields(arrays).items() if np.ndim(a)}
    size = max((len(a) for a in arrays.values()), default=0)
    labels = _labels(arrays)
    chosen = _chosen(labels if labels is not None else np.arange(size))
    for array in arrays.values():
        if len(array) != size or array.dtype.kind not in "uif":
            continue
        x = _prepared(array[chosen], example, preparation, is_raw=part == "test")
        if x is None:
            continue
        for i, row in zip(chosen, x, strict=True):
            yield Example(row, _truth(labels[i], classes) if labels is not None else "")
        return


def _prepared(
    x: np.ndarray, example: Any, preparation: Preparation | None, *, is_raw: bool
) -> np.ndarray | None:
    """Rows as the model takes them; None for an array that is something else."""
    columns = columns_of(example, preparation)
    x = _cut(x, columns.shape)
    if x.shape[1:] != columns.shape:
        return None
    if preparation is None or preparation.tokenizer:
        return x.astype(example.dtype) if x.dtype.kind == "f" else None
    plain = preparation._replace(pieces=None, example=columns)
    try:
        encoded = plain.encode(x)[0]
    except JnnError:
        return None
    # batches may be scaled already: then they look more like standard numbers than if they were
    # scaled once more
    scaled = plain.scaling is not None and not is_raw and _oddness(x) < _oddness(encoded)
    return x.astype(np.float32) if scaled else encoded


def columns_of(example: Any, preparation: Preparation | None) -> Any:
    """The shape of an input before its columns are cut into pieces."""
    if preparation is None or preparation.pieces is None or preparation.scaling is None:
        return example
    return jax.ShapeDtypeStruct(np.shape(preparation.scaling.mean), np.dtype(np.float32))


def _oddness(x: np.ndarray) -> float:
    return abs(float(np.mean(x))) + abs(float(np.std(x)) - 1)


def _cut(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows cut to a shape along all axes but the last."""
    if x.ndim != len(shape) + 1:
        return x
    return x[(slice(None), *(slice(n) for n in shape[:-1]))]


def _windows(example: Any, preparation: Preparation | None, data: Any) -> Iterator[Example]:
    """Windows of a long series within the data, spread over its end."""
    length, columns = example.shape
    for value in _fields(data).values():
        series = value if isinstance(value, np.ndarray) else np.zeros(0)
        series = series[:, None] if series.ndim == 1 and columns == 1 else series
        if series.dtype.kind != "f" or series.shape[1:] != (columns,) or len(series) <= length:
            continue
        starts = np.linspace(len(series) // 2, len(series) - length, MOST).astype(int)
        cut = np.stack([series[start : start + length] for start in starts])
        x = _prepared(cut, example, preparation, is_raw=True)
        yield from (Example(row) for row in (() if x is None else x))
        return


def _of_batch(example: Any, batch: Any, classes: Sequence[str]) -> list[Example]:
    """Inputs of several arrays, each by its name; without names by its shape, cut to it."""
    arrays = {name: np.asarray(array) for name, array in _fields(batch).items()}
    is_named = isinstance(example, Mapping)
    names = list(example) if is_named else _names_by_shape(jax.tree.leaves(example), arrays)
    if names is None or not set(names) <= set(arrays):
        return []
    if is_named and not all(_has_kind(arrays[name], example[name]) for name in names):
        return []  # such as bytes: which floats the model takes for them is not known here
    rest = {name: array for name, array in arrays.items() if name not in names}
    numbers = [array for array in rest.values() if array.ndim == 1 and array.dtype.kind in "iuf"]
    labels = numbers[0] if len(numbers) == 1 else _labels(rest)
    if is_named:
        x = {name: arrays[name] for name in names}
    else:
        leaves, structure = jax.tree.flatten(example)
        pairs = zip(names, leaves, strict=True)
        x = structure.unflatten(_cut(arrays[name], jnp.shape(leaf)) for name, leaf in pairs)
    rows = min(MOST, *(len(array) for array in jax.tree.leaves(x)))
    row = lambda i: jax.tree.map(lambda array: array[i], x)
    truth = lambda i: "" if labels is None else _truth(labels[i], classes)
    return [Example(row(i), truth(i)) for i in range(rows)]


def _names_by_shape(leaves: Sequence[Any], arrays: Mapping[str, np.ndarray]) -> list[str] | None:
    """For each leaf the first array that is like it and not taken yet; None where one has none."""
    names: list[str] = []
    for leaf in leaves:
        rest = (name for name in arrays if name not in names)
        is_like = lambda name, leaf=leaf: _is_like(_cut(arrays[name], jnp.shape(leaf)), leaf)
        name = next(filter(is_like, rest), None)
        if name is None:
            return None
        names.append(name)
    return names


def _labels(arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The true answers among arrays, a number for each row."""
    return next((arrays[n] for n in LABELS if n in arrays and arrays[n].ndim == 1), None)


def _is_like(x: np.ndarray, leaf: Any) -> bool:
    """Whether rows of x are such arrays."""
    return x.ndim > 0 and x.shape[1:] == jnp.shape(leaf) and _has_kind(x, leaf)


def _has_kind(x: np.ndarray, leaf: Any) -> bool:
    """Whether both have floats, integers or booleans."""
    return x.dtype.kind == np.dtype(getattr(leaf, "dtype", float)).kind


def _truth(label: Any, classes: Sequence[str]) -> str:
    if np.issubdtype(np.asarray(label).dtype, np.integer) and 0 <= label < len(classes):
        return classes[int(label)]
    return f"{label:.4g}" if isinstance(label, float | np.floating) else str(label)


def _chosen(labels: Any) -> list[int]:
    """Indices of at most `MOST` examples, of every class where there are classes."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        return list(range(min(MOST, len(labels))))
    _, first = np.unique(labels, return_index=True)
    others = np.setdiff1d(np.arange(len(labels)), first)
    return sorted([*first, *others][:MOST], key=lambda i: (labels[i], i))
