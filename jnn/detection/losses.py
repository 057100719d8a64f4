"""Losses of object detection: maps that peak at the centers of objects, and boxes."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.detection import boxes as box
from jnn.losses import checks


def heat_map_focal(
    logits: ArrayLike, heat: ArrayLike, *, alpha: ArrayLike = 2.0, beta: ArrayLike = 4.0
) -> jax.Array:
    """The penalty-reduced focal loss of a heat map, element by element.

        -(1 - p)^α log p                where the target y is 1,        p = σ(logit)
        -(1 - y)^β p^α log(1 - p)       elsewhere

    The target is 1 at the centers of objects and falls off around them, so that a peak next to a
    center costs little. ``logits`` and ``heat`` (from 0 to 1) have one shape, and so has the
    result, at least float32, computed in log space. The papers divide the sum over a map by its
    number of objects.

    Source: Law & Deng 2018, https://arxiv.org/abs/1808.01244, equation 1; Zhou et al. 2019,
    https://arxiv.org/abs/1904.07850.

    >>> losses = heat_map_focal(jnp.zeros(3), jnp.array([1.0, 0.5, 0.0]))
    >>> print((losses / jnp.log(2)).round(4))
    [0.25   0.0156 0.25  ]
    """
    x, y = checks.paired("heat_map_focal", logits, heat, ("logits", "heat"))
    alpha = checks.number("heat_map_focal", "alpha", alpha, x.dtype, 0)
    beta = checks.number("heat_map_focal", "beta", beta, x.dtype, 0)
    log_p, log_q = jax.nn.log_sigmoid(x), jax.nn.log_sigmoid(-x)
    center = jnp.exp(alpha * log_q) * log_p
    elsewhere = (1 - y) ** beta * jnp.exp(alpha * log_p) * log_q
    return -jnp.where(y == 1, center, elsewhere)


def generalized_iou(predictions: ArrayLike, targets: ArrayLike) -> jax.Array:
    """One minus the generalized intersection over union of each box with its target: from 0 to 2.

    Both are ``(..., 4)``, left, top, right, bottom; the result is ``(...)``, at least float32. It
    does not depend on the scale of the boxes.

    Source: Rezatofighi et al. 2019,
    https://arxiv.org/abs/1902.09630.

    >>> print(generalized_iou(jnp.array([0.0, 0.0, 1.0, 1.0]), jnp.array([3.0, 0.0, 4.0, 1.0])))
    1.5
    """
    return 1 - box.generalized_intersection_over_union(predictions, targets)
