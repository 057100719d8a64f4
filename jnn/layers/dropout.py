"""Noise in training: dropout, its variants and Gaussian noise; in evaluation, the identity.

Each layer draws with its own key, independently for each example. The mean is kept: dropout divides
the kept values by the fraction that is kept.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.integers import check_fraction, check_number
from jnn.layers.checks import check_float, check_positive
from jnn.model import Model, no_params, pointwise, required_key
from jnn.threefry import unrolled

ALPHA = -1.7580993408473766
"""The limit of SELU at minus infinity, ``-scale alpha``: equation 14 of Klambauer et al. 2017."""


def dropout(rate: float) -> Model:
    """Zero each value with probability ``rate``, and divide the others by ``1 - rate``.

    x of any shape -> y of the same. In training it needs a key. Raises `JnnError` for a rate
    outside of [0, 1) and for integer x.

    Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html.

    >>> import jax, jax.numpy as jnp
    >>> y, _ = dropout(0.5).apply({}, {}, jnp.ones(1000), key=jax.random.key(0), train=True)
    >>> sorted(set(y.tolist()))
    [0.0, 2.0]
    """
    return _dropping("dropout", rate, lambda shape: shape)


def spatial_dropout(rate: float, rank: int) -> Model:
    """Zero whole channels: one draw for each channel of each example.

    x ``(..., *space, C)``, where the last ``rank`` axes are one example, 3 for an image. A single
    zeroed value could be inferred from its neighbours, which are correlated. PyTorch's
    ``Dropout1d`` to ``Dropout3d``. Raises as `dropout`, and in training for fewer axes than
    ``rank``.

    Source: Tompson et al. 2014, https://arxiv.org/abs/1411.4280.

    >>> import jax, jax.numpy as jnp
    >>> layer, key = spatial_dropout(0.5, rank=2), jax.random.key(0)
    >>> y, _ = layer.apply({}, {}, jnp.ones((7, 100)), key=key, train=True)
    >>> bool((y == y[0]).all())
    True
    """
    check_positive("spatial_dropout", rank=rank)
    return _dropping(
        "spatial_dropout", rate, lambda shape: (*shape[:-rank], *(1,) * (rank - 1), shape[-1]), rank
    )


def stochastic_depth(rate: float, rank: int) -> Model:
    """Zero whole examples, one draw for each.

    In ``residual(chain(block, stochastic_depth(0.1, rank=3)))`` the block is skipped for these. x
    is ``(..., *example)``, where the last ``rank`` axes are one example, 3 for an image. Kept
    values are divided by ``1 - rate``; the paper does not divide, but multiplies in evaluation.
    Raises as `dropout`, and in training for fewer axes than ``rank``.

    Source: Huang et al. 2016, https://arxiv.org/abs/1603.09382.

    >>> import jax, jax.numpy as jnp
    >>> layer, key = stochastic_depth(0.5, rank=1), jax.random.key(0)
    >>> y, _ = layer.apply({}, {}, jnp.ones((100, 3)), key=key, train=True)
    >>> sorted(map(tuple, set(map(tuple, y.tolist()))))
    [(0.0, 0.0, 0.0), (2.0, 2.0, 2.0)]
    """
    check_positive("stochastic_depth", rank=rank)
    return _dropping("stochastic_depth", rate, lambda shape: (*shape[:-rank], *(1,) * rank), rank)


def alpha_dropout(rate: float) -> Model:
    """Dropout for networks of SELUs, which keeps a mean of 0 and a variance of 1.

    Dropped values become ``α' = -1.758``, then

        y = a x + b,   a = ((1 - rate)(1 + rate α'²))^(-1/2),   b = -a rate α'

    Raises as `dropout`. Source: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.

    >>> import jax, jax.numpy as jnp
    >>> y, _ = alpha_dropout(0.1).apply({}, {}, jnp.zeros(1000), key=jax.random.key(0), train=True)
    >>> bool(abs(y.mean()) < 0.1)
    True
    """
    rate = check_fraction("alpha_dropout", "rate", rate, ends="[)")
    a = ((1 - rate) * (1 + rate * ALPHA**2)) ** -0.5

    def drop(key, x):
        is_kept = jax.random.bernoulli(unrolled(key), 1 - rate, x.shape)
        return a * jnp.where(is_kept, x, ALPHA) - a * rate * ALPHA

    return _drawing("alpha_dropout", rate, drop)


def gaussian_noise(standard_deviation: float) -> Model:
    """Add noise to each value: ``y = x + standard_deviation * N(0, 1)``.

    Raises `JnnError` for a negative deviation and for integer x.

    >>> import jax, jax.numpy as jnp
    >>> y, _ = gaussian_noise(0.1).apply({}, {}, jnp.ones(1000), key=jax.random.key(0), train=True)
    >>> bool(0.09 < y.std() < 0.11)
    True
    """
    scale = check_number("gaussian_noise", "standard_deviation", standard_deviation, least=0)
    draw = lambda key, x: x + scale * jax.random.normal(key, x.shape, x.dtype)
    return _drawing("gaussian_noise", scale, draw)


def _dropping(caller: str, rate: float, drawn: Callable[[tuple], tuple], rank: int = 0) -> Model:
    """Dropout with one draw for each element of the shape ``drawn(x.shape)``, broadcast to x."""
    rate = check_fraction(caller, "rate", rate, ends="[)")

    def drop(key, x):
        if x.ndim < rank:
            raise mistake(
                caller,
                got=f"x of shape {x.shape}",
                expected=f"at least {rank} axes",
                remedy="rank is that of one example.",
            )
        is_kept = jax.random.bernoulli(unrolled(key), 1 - rate, drawn(x.shape))
        return jnp.where(is_kept, x / (1 - rate), 0)

    return _drawing(caller, rate, drop)


def _drawing(
    caller: str, strength: float, draw: Callable[[jax.Array, jax.Array], jax.Array]
) -> Model:
    """The model of ``y = draw(key, x)`` in training, unless its strength is zero."""

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float(caller, x)
        return (draw(required_key(caller, key), x) if train and strength > 0 else x), state

    apply.__qualname__ = caller
    return pointwise(no_params, apply)
