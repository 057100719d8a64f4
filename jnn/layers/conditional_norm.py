"""Conditional normalization: scale and bias depend on a class, a time or a noise vector."""

from typing import Any

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.initializers import normal
from jnn.layers.checks import check_float, check_positive
from jnn.layers.dense import dense
from jnn.model import Model
from jnn.precision import numerics
from jnn.wiring import Run, wired


def conditional_norm(norm: Model, features: int, rank: int) -> Model:
    """``y = norm(x) * (1 + scale(c)) + bias(c)``, with dense functions of a condition c.

    x ``{"x": (..., *space, C), "condition": (..., D)}`` -> y ``(..., *space, C)``; the last
    ``rank`` axes are one example, 3 for an image, and C is ``features``.

    ``norm`` is a normalization without scale and bias: of a batch (de Vries et al. 2017,
    https://arxiv.org/abs/1707.00683), of an instance (Huang & Belongie 2017,
    https://arxiv.org/abs/1703.06868) or of groups (Dhariwal & Nichol 2021,
    https://arxiv.org/abs/2105.05233). Scale and bias start near 0, so that the layer starts as the
    norm itself; they are applied in float32 at least.

    Raises `JnnError` if the leading axes of x and the condition differ.

    >>> import jax, jax.numpy as jnp, jnn
    >>> layer = conditional_norm(jnn.layer_norm(use_scale=False, use_bias=False), 4, rank=1)
    >>> x = {"x": jnp.ones((5, 4)), "condition": jnp.ones((5, 3))}
    >>> params, state = jax.jit(layer.init)(jax.random.key(0), x)
    >>> params["modulation"]["kernel"].shape, jax.jit(layer.apply)(params, state, x)[0].shape
    ((3, 8), (5, 4))
    """
    check_positive("conditional_norm", features=features, rank=rank)

    def flow(run: Run, x: dict[str, Any]) -> jax.Array:
        h, c = x["x"], x["condition"]
        check_float("conditional_norm", h, min_rank=rank)
        if c.shape[:-1] != h.shape[: h.ndim - rank]:
            got = f"a condition of shape {c.shape} for x of shape {h.shape}"
            raise mistake(
                "conditional_norm",
                got=got,
                expected=f"one vector for each example, the last {rank} axes of x",
            )
        modulation = numerics(run("modulation", c))
        modulation = modulation.reshape(*c.shape[:-1], *(1,) * (rank - 1), 2 * features)
        scale, bias = jnp.split(modulation, 2, axis=-1)
        return (numerics(run("norm", h)) * (1 + scale) + bias).astype(h.dtype)

    parts = {"modulation": dense(2 * features, kernel_init=normal(0.02)), "norm": norm}
    return wired(flow, parts, streaming=False)
