"""Bidirectional layers: a sequence is read in both directions."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.functions import as_model
from jnn.layers.checks import element_mask
from jnn.masks import axes_of_elements, fits
from jnn.model import Model, apply_child, check_children, check_key, init_child


def concatenate(forward: jax.Array, backward: jax.Array) -> jax.Array:
    """The features of both, forward first."""
    return jnp.concatenate([forward, backward], axis=-1)


def bidirectional(
    forward: Model | Callable,
    backward: Model | Callable | None = None,
    *,
    combine: Callable[[Any, Any], Any] = concatenate,
) -> Model:
    """Two models, one of which reads the sequence from its end.

        y = combine(f(x), reversed(b(reversed(x))))

    x ``(..., T, D)``, or integer tokens ``(..., T)`` -> y ``(..., T, F)``, by default the features
    of both, forward first; params ``forward`` and ``backward``. By default ``backward`` is a second
    copy of ``forward``, with params of its own.

    With a ``mask`` ``(..., T)`` each sequence is reversed within its own length, so that padding at
    its end changes nothing; one of leading axes alone says which whole examples are real. The model
    needs the whole sequence, and does not stream. Raises `JnnError` for x without an axis of time.

    Source: Schuster & Paliwal 1997, https://doi.org/10.1109/78.650093.

    >>> import jax, jax.numpy as jnp
    >>> from jnn.layers.gru import gru
    >>> layer, x = bidirectional(gru(4)), jnp.ones((7, 3))
    >>> layer.apply(*layer.init(jax.random.key(0), x), x)[0].shape
    (7, 8)
    """
    models = {
        "forward": as_model(forward),
        "backward": as_model(forward if backward is None else backward),
    }

    def init(key, x):
        check_key("bidirectional", key)
        params, state = {}, {}
        for name, model in models.items():
            child_params, child_state, _ = init_child(name, model, key, x)
            params, state = params | child_params, state | child_state
        return params, state

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_children("bidirectional", models, params, state)
        if axes_of_elements(x) < 1:
            raise mistake(
                "bidirectional",
                got=f"x of shape {x.shape}",
                expected="at least 2 axes, (..., T, features)",
            )
        real = element_mask("bidirectional", x, mask, rank=x.ndim - axes_of_elements(x))
        backward = _reversal(real)
        options = {"key": key, "train": train, "mask": mask}
        y, forward_state = apply_child("forward", models["forward"], params, state, x, **options)
        options["mask"] = mask if real is None else backward(real)
        z, backward_state = apply_child(
            "backward", models["backward"], params, state, backward(x), **options
        )
        if real is not None and not fits(real, z):
            raise mistake(
                "bidirectional",
                got=f"an output of shape {z.shape} and a mask of shape {real.shape}",
                expected="models that keep the length of a sequence, where there is a mask",
            )
        return combine(y, backward(z)), forward_state | backward_state

    return Model(init, apply)


def _reversal(mask: jax.Array | None) -> Callable[[jax.Array], jax.Array]:
    """The function that reverses sequences, or a mask, up to the last real element.

    It takes sequences ``(..., T, features)``, or tokens or a mask ``(..., T)``, and is its own
    inverse.
    """
    if mask is None:
        return lambda x: jnp.flip(x, axis=axes_of_elements(x) - 1)
    time = jax.lax.broadcasted_iota(jnp.int32, mask.shape, mask.ndim - 1)
    length = jnp.max(jnp.where(mask, time + 1, 0), axis=-1, keepdims=True, initial=0)
    order = jnp.where(time < length, length - 1 - time, time)

    def backward(x):
        index = order.reshape(*order.shape, *(1,) * (x.ndim - order.ndim))
        return jnp.take_along_axis(x, index, axis=order.ndim - 1)

    return backward
