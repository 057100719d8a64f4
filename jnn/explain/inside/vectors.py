"""A model of tokens as a differentiable function of their vectors."""

from collections.abc import Callable
from typing import Any

import jax

from jnn.errors import mistake
from jnn.model import Model
from jnn.precision import numerics
from jnn.tags import capture, intervene

EMBEDDING = "embedding/output"


def by_vectors(
    model: Model,
    params: Any,
    state: Any,
    tokens: Any,
    *,
    at: str = EMBEDDING,
    mask: jax.Array | None = None,
) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """The vectors x ``(..., T, D)`` of the tokens, and the rest of the model, ``f(x) -> y``.

    x is float32 at least. ``at`` is the tagged path of the vectors, or its last parts. Raises
    `JnnError` where it names no value, or several.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(embedding=jnn.embedding(5, 3), out=jnn.dense(2))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.arange(4))
    >>> x, f = by_vectors(model, params, state, jnp.arange(4))
    >>> x.shape, f(x).shape
    ((4, 3), (4, 2))
    """
    apply = lambda tokens: model.apply(params, state, tokens, mask=mask)[0]
    _, values = capture(apply)(tokens)
    paths = [path for path in values if path == at or path.endswith("/" + at)]
    if len(paths) != 1:
        raise mistake(
            "by_vectors",
            got=f"{at!r}, which names {', '.join(paths) or 'nothing'}",
            expected=f"one of {', '.join(values) or 'the values that the model tags: none'}",
        )
    return numerics(values[paths[0]]), lambda x: intervene(apply, {paths[0]: x})(tokens)
