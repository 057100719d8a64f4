"""The last element of a sequence, which sums it up."""

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.layers.checks import check_array, check_positive, element_mask
from jnn.model import Model, no_params


def last_element(rank: int = 1) -> Model:
    """The last real element: x ``(..., T, *element)`` -> y ``(..., *element)``.

    After a recurrent or a causal network it has seen the whole sequence, so that it is the usual
    summary for one answer a sequence. With a mask ``(..., T)`` it is the last element for which the
    mask is True, and 0 if there is none; ``y[..., -1, :]`` would be padding. ``rank`` is the number
    of axes of an element, 1 for features. Raises `JnnError` for x of fewer axes, without an
    element, or of several arrays.

    >>> import jax.numpy as jnp
    >>> x, mask = jnp.array([[1.0], [3.0], [8.0]]), jnp.array([True, True, False])
    >>> layer = last_element()
    >>> layer.apply({}, {}, x)[0].tolist(), layer.apply({}, {}, x, mask=mask)[0].tolist()
    ([8.0], [3.0])
    """
    check_positive("last_element", rank=rank)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_array("last_element", x)
        time = x.ndim - rank - 1
        if time < 0 or not x.shape[time]:
            expected = f"a sequence of elements with {rank} axes, and at least one of them"
            raise mistake("last_element", got=f"x of shape {x.shape}", expected=expected)
        mask = element_mask("last_element", x, mask, rank=rank)
        if mask is None:
            return jnp.take(x, -1, axis=time), state
        place = jnp.arange(mask.shape[-1]).reshape((1,) * (mask.ndim - 1) + (-1,))
        last = jnp.max(jnp.where(mask, place, -1), axis=-1)
        y = jnp.take_along_axis(x, _wide(jnp.maximum(last, 0)[..., None], x.ndim), axis=time)
        return jnp.where(_wide(last >= 0, x.ndim - 1), jnp.squeeze(y, time), 0), state

    def follow(params, state, x, mask):
        return mask if element_mask("last_element", x, mask, rank=rank) is None else None

    return Model(no_params, apply, follow=follow)


def _wide(a: jax.Array, rank: int) -> jax.Array:
    return a.reshape(*a.shape, *(1,) * (rank - a.ndim))
