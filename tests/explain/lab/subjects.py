"""Small models with random params, as labs show them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.data.tokenizers import character_tokenizer
from jnn.explain.lab.inputs import Example, Examples
from jnn.explain.lab.subject import Subject
from jnn.train import Preparation
from jnn.train.moments import Moment


def drawn(model: jnn.Model, example: Any) -> tuple[Any, Any]:
    """Params and state, which takes no compilation."""
    shapes, rng = jax.eval_shape(model.init, jax.random.key(0), example), np.random.default_rng(1)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), shapes)


def classifier() -> Subject:
    """A convolutional network with three classes, two examples and an earlier moment."""
    model = jnn.chain(
        conv=jnn.conv(4, (3, 3)), relu=jax.nn.relu, flatten=jnn.flatten(3), out=jnn.dense(3)
    )
    example = jax.ShapeDtypeStruct((6, 6, 1), jnp.float32)
    params, state = drawn(model, example)
    preparation = Preparation(example, pixels=True, classes=("a", "</script>", "c"))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 1))
    pictures = pixels.astype(np.float32) / np.float32(255)
    found = [Example(picture, name) for picture, name in zip(pictures, "ac", strict=True)]
    halves = [np.ravel(leaf / 2).astype(np.float16) for leaf in jax.tree.leaves(params)]
    return Subject(
        "A <b>",
        model,
        params,
        state,
        example,
        preparation,
        examples=Examples("test", found),
        moments=[Moment(0, np.concatenate(halves))],
        curves={"train/loss": [(0, 2.0), (10, 1.0)]},
    )


def brightness() -> Subject:
    """A number of a picture, which is not scaled."""
    model, example = jnn.chain(flatten=jnn.flatten(3), out=jnn.dense(1)), jnp.zeros((4, 4, 1))
    preparation = Preparation(jax.eval_shape(lambda: example), pixels=True)
    examples = Examples("test", [Example(np.ones(example.shape, np.float32))])
    params, state = drawn(model, example)
    return Subject(
        "Brightness", model, params, state, preparation.example, preparation, examples=examples
    )


def writer() -> Subject:
    """A recurrent language model of eight letters."""
    model = jnn.chain(embedding=jnn.embedding(8, 6), lstm=jnn.lstm(4), out=jnn.dense(8))
    example = jax.ShapeDtypeStruct((12,), jnp.int32)
    params, state = drawn(model, example)
    examples = Examples("test", [Example("abcd"), Example("hgfedcba")])
    tokenizer = character_tokenizer("abcdefgh")
    return Subject("Writer", model, params, state, example, tokenizer=tokenizer, examples=examples)


def towers() -> Subject:
    """A model of two arrays without names."""
    left, right = jnn.chain(hidden=jnn.dense(3)), jnn.chain(hidden=jnn.dense(3))

    def init(key, x):
        params = [tower.init(key, part)[0] for tower, part in zip((left, right), x, strict=True)]
        return dict(zip(("left", "right"), params, strict=True)), {}

    def apply(params, state, x, **options):
        with jax.named_scope("left"):
            a, _ = left.apply(params["left"], {}, x[0])
        with jax.named_scope("right"):
            b, _ = right.apply(params["right"], {}, x[1])
        return jnp.tanh(a * b), state

    model, rng = jnn.Model(init, apply), np.random.default_rng(0)
    example = tuple(jax.ShapeDtypeStruct((size,), jnp.float32) for size in (4, 5))
    params, state = drawn(model, example)
    x = tuple(rng.normal(size=leaf.shape).astype(np.float32) for leaf in example)
    examples = Examples("test", [Example(x)])
    return Subject("Towers", model, params, state, example, examples=examples)


def deep() -> Subject:
    """Three copies of a residual block, which read the input themselves."""
    block = jnn.residual(jnn.chain(norm=jnn.layer_norm(), dense=jnn.dense(4), tanh=jnp.tanh))
    model = jnn.chain(blocks=jnn.repeat(block, 3), out=jnn.dense(2))
    example = jax.ShapeDtypeStruct((4,), jnp.float32)
    params, state = drawn(model, example)
    x = np.random.default_rng(0).normal(size=4).astype(np.float32)
    examples = Examples("test", [Example(x)])
    return Subject("Deep", model, params, state, example, examples=examples)
