"""A trained model as one pure function of named arrays, from what a user has to the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.piecewise_linear import encode_pieces
from jnn.data.scaling import Scaling
from jnn.errors import mistake
from jnn.loaded import Loaded, batch_first
from jnn.paths import path_name
from jnn.train.preparation import Preparation

Named = dict[str, Any]
"""Arrays, or their shapes, by name."""


class Program(NamedTuple):
    """``call(weights, inputs) -> outputs``, of which all are arrays by name.

    Inputs are what a user has: rows of a table in their own units as float32, pictures as uint8,
    or, as text is no array, its tokens and their mask. Without a preparation they are prepared
    inputs. Outputs are probabilities of classes, numbers in the unit of the target, or those of
    the model. All have a first axis of the batch.
    """

    call: Callable[[Named, Named], Named]
    weights: dict[str, np.ndarray]
    """Params and state, as in ``"params/0/kernel"``."""
    inputs: dict[str, jax.ShapeDtypeStruct]
    """Of one example."""
    samples: Callable[..., Named]
    """``(n, length=None)``: n inputs to try it on, of texts of this length."""
    expected: Callable[[Named], Named]
    """The outputs for such inputs, by the model and the preparation of jnn."""
    of_text: bool
    """Whether the inputs are tokens and their mask ``(T,)``."""
    longest: int | None
    """The most tokens of a text, None for any number."""

    @property
    def one_example(self) -> str:
        """What a program for one example takes, in words."""
        if not self.of_text:
            return "one example"
        return f"one text of {self.inputs['tokens'].shape[0]} tokens; the mask of padding is false"


def program_of(loaded: Loaded) -> Program:
    """The program of a trained model.

    Raises `JnnError` where two of its arrays have one name.

    >>> import jnn
    >>> from jnn.data.scaling import Scaling
    >>> scaling = Scaling(np.array([10.0]), np.array([2.0]))
    >>> example = jax.ShapeDtypeStruct((1,), np.float32)
    >>> preparation = Preparation(example, scaling=scaling, classes=("no", "yes"))
    >>> params = {"kernel": jnp.ones((1, 2)), "bias": jnp.array([0.0, 1.0])}
    >>> program = program_of(Loaded(jnn.dense(2), params, {}, None, example, preparation))
    >>> sorted(program.weights), program.inputs["x"].shape
    (['params/bias', 'params/kernel'], (1,))
    >>> outputs = program.call(program.weights, {"x": np.array([[12.0]], np.float32)})
    >>> np.asarray(outputs["probabilities"], float).round(2).tolist()
    [[0.27, 0.73]]
    """
    preparation = loaded.preparation or Preparation(loaded.example)
    kept = {"params": loaded.params, "state": loaded.state}
    weights, structure = _named(kept, "weights"), jax.tree.structure(kept)
    apply = batch_first(loaded.model, loaded.params, loaded.state, loaded.example)
    inputs = _inputs(preparation, loaded.example)
    of_text, order = preparation.tokenizer is not None, list(weights)

    def prepared(arrays: Named) -> tuple[Any, Any]:
        """The x of the model, and the mask of texts."""
        if of_text:
            return arrays["tokens"], arrays["mask"]
        if preparation.pixels or preparation.scaling is not None:
            return _encoded(preparation, arrays["x"]), None
        names = jax.tree.leaves(_names(loaded.example, "x"))
        leaves = [arrays[name] for name in names]
        return jax.tree.unflatten(jax.tree.structure(loaded.example), leaves), None

    def call(weights: Named, inputs: Named) -> Named:
        tree = jax.tree.unflatten(structure, [weights[name] for name in order])
        y = apply(tree["params"], tree["state"], *prepared(inputs))
        return _answer(preparation, y)

    def expected(inputs: Named) -> Named:
        x, mask = prepared(inputs)
        if not of_text and loaded.preparation is not None:
            x, _ = preparation.encode(inputs["x"])
        y = jax.jit(apply)(loaded.params, loaded.state, x, mask)
        if preparation.classes:
            return {"probabilities": preparation.decode(np.asarray(y)).probabilities}
        return _named(preparation.decode(y), "prediction")

    samples = partial(_samples, preparation, inputs)
    return Program(call, weights, inputs, samples, expected, of_text, preparation.longest)


def _names(tree: Any, alone: str) -> Any:
    """The tree with the name of each leaf in its place; that of a tree of one leaf is ``alone``."""
    return jax.tree.map_with_path(lambda path, _: path_name(path) or alone, tree)


def _named(tree: Any, alone: str) -> dict[str, np.ndarray]:
    """The leaves by name, on the host."""
    names = jax.tree.leaves(_names(tree, alone))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise mistake("export", got=f"two arrays {twice}", expected="one of each name")
    return dict(zip(names, map(np.asarray, jax.tree.leaves(tree)), strict=True))


def _inputs(preparation: Preparation, example: Any) -> dict[str, jax.ShapeDtypeStruct]:
    """The shape and dtype of each input of one example."""
    if preparation.tokenizer:
        shape = (preparation.longest or preparation.example.shape[0],)
        dtypes = {"tokens": np.int32, "mask": np.bool_}
        return {name: jax.ShapeDtypeStruct(shape, dtype) for name, dtype in dtypes.items()}
    if preparation.pixels:
        return {"x": jax.ShapeDtypeStruct(preparation.example.shape, np.uint8)}
    if preparation.scaling is not None:
        shape = (*preparation.example.shape[:-1], *np.shape(preparation.scaling.mean))
        return {"x": jax.ShapeDtypeStruct(shape, np.float32)}
    names = jax.tree.leaves(_names(example, "x"))
    return dict(zip(names, jax.tree.leaves(example), strict=True))


def _encoded(preparation: Preparation, x: jax.Array) -> jax.Array:
    """The prepared inputs, as `Preparation.encode` has them, in float32."""
    if preparation.pixels:
        return jnp.asarray(x, jnp.float32) / np.float32(255)
    assert preparation.scaling is not None, "what is no picture is scaled"
    x = _scaled(preparation.scaling, x)
    return x if preparation.pieces is None else encode_pieces(preparation.pieces, x)


def _scaled(scaling: Scaling, x: jax.Array) -> jax.Array:
    """(x - mean) / deviation. The mean is taken in two steps, which is as precise as float64."""
    mean = np.asarray(scaling.mean, np.float32)
    rest = np.asarray(scaling.mean - mean, np.float32)
    return ((x - mean) - rest) / np.asarray(scaling.deviation, np.float32)


def _answer(preparation: Preparation, y: Any) -> Named:
    """The outputs, as `Preparation.decode` has them."""
    if preparation.classes:
        return {"probabilities": jax.nn.softmax(jnp.asarray(y, jnp.float32), axis=-1)}
    if (target := preparation.target) is not None:
        mean, deviation = (np.asarray(moment, np.float32) for moment in target)
        y = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) * deviation + mean, y)
    names = jax.tree.leaves(_names(y, "prediction"))
    return dict(zip(names, jax.tree.leaves(y), strict=True))


def _samples(
    preparation: Preparation,
    inputs: Mapping[str, jax.ShapeDtypeStruct],
    n: int,
    length: int | None = None,
) -> dict[str, np.ndarray]:
    """Inputs drawn at random, such as those that the model was trained on."""
    rng = np.random.default_rng(0)
    if (tokenizer := preparation.tokenizer) is not None:
        shape = (n, length or inputs["tokens"].shape[0])
        lengths = rng.integers(1, shape[1] + 1, (n, 1))
        tokens = rng.integers(0, tokenizer.vocabulary, shape).astype(np.int32)
        return {"tokens": tokens, "mask": np.arange(shape[1]) < lengths}
    samples = {}
    for name, spec in inputs.items():
        shape = (n, *spec.shape)
        if np.issubdtype(spec.dtype, np.floating):
            x = rng.standard_normal(shape)
            if preparation.scaling is not None:
                x = x * preparation.scaling.deviation + preparation.scaling.mean
        else:
            x = rng.integers(0, 256 if preparation.pixels else 2, shape)
        samples[name] = x.astype(spec.dtype)
    return samples
