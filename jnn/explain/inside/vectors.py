"""A model of tokens as a function of their vectors, by which one can differentiate."""

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
    """The vectors x ``(..., T, D)`` of the tokens, in float32 at least, and the function ``x -> y``
    of the model from there on.

    ``at`` is the tagged path of the vectors, or its last parts. Raises `JnnError` where it names no
    value, or several.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(embedding=jnn.embedding(5, 3), out=jnn.dense(2))
    >>> params, state = model.init(jax.random.key(0), jnp.arange(4))
    >>> x, f = by_vectors(model, params, state, jnp.arange(4))
    >>> x.shape, f(x).shape
    ((4, 3), (4, 2))
    """
    apply = lambda tokens: model.apply(params, state, tokens, mask=mask)[0]
    _, values = capture(apply)(tokens)
    found = [path for path in values if path == at or path.endswith("/" + at)]
    if len(found) != 1:
        got = f"{at!r}, which names {', '.join(found) or 'nothing'}"
        raise mistake(
            "by_vectors",
            got=got,
            expected=f"one of {', '.join(values) or 'the values that the model tags: none'}",
        )
    return numerics(values[found[0]]), lambda x: intervene(apply, {found[0]: x})(tokens)
