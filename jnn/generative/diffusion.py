"""Diffusion models as mathematics: noise schedules, training targets and deterministic samplers.

At time t from 0 to 1 an example x has become ``x_t = α_t x + σ_t ε`` with normal ε and
``α² + σ² = 1``. A network predicts the velocity ``v = α_t ε - σ_t x`` (Salimans & Ho 2022,
https://arxiv.org/abs/2202.00512) from x_t and t, trained by the squared error; x and ε follow from
it: ``x = α_t x_t - σ_t v`` and ``ε = σ_t x_t + α_t v``.

All functions are pure and independent of the network; times ``(...)`` are one for each example.
Schedules are computed in float32 at least.

>>> import jax, jax.numpy as jnp
>>> x, noise, t = jnp.ones((5, 2)), jnp.zeros((5, 2)), jnp.linspace(0, 1, 5)
>>> x_t, v = diffused(x, noise, t), velocity(x, noise, t)
>>> bool(jnp.allclose(denoised(x_t, v, t), x, atol=1e-6))
True
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.layers.checks import check_float, check_positive
from jnn.precision import numerics

Schedule = Callable[[jax.Array], tuple[jax.Array, jax.Array]]
"""``t -> α_t, σ_t``, of any shape, t from 0 (the example) to 1 (noise)."""


def cosine(t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The cosine schedule, ``α = cos(π t / 2), σ = sin(π t / 2)``.

    Source: Nichol & Dhariwal 2021, https://arxiv.org/abs/2102.09672, without their small offset.

    >>> [round(float(value), 3) for value in cosine(jnp.array(0.5))]
    [0.707, 0.707]
    """
    angle = 0.5 * jnp.pi * t
    return jnp.cos(angle), jnp.sin(angle)


def linear(t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The schedule of DDPM in continuous time, ``α² = exp(-∫₀ᵗ β(s) ds)``.

    β rises linearly from 0.1 to 20: the limit of the 1,000 steps of Ho et al. 2020
    (https://arxiv.org/abs/2006.11239), whose β rises from 1e-4 to 0.02. Source: Song et al. 2021,
    appendix B, https://arxiv.org/abs/2011.13456.

    >>> [round(float(value), 3) for value in linear(jnp.array(1.0))]
    [0.007, 1.0]
    """
    low, high = 0.1, 20.0
    log_square = -(low * t + 0.5 * (high - low) * t**2)
    return jnp.exp(0.5 * log_square), jnp.sqrt(-jnp.expm1(log_square))


def diffused(
    x: jax.Array, noise: jax.Array, t: jax.Array, schedule: Schedule = cosine
) -> jax.Array:
    """``x_t = α_t x + σ_t ε``: x and noise ``(..., *example)``, t ``(...)``."""
    alpha, sigma = _at(x, noise, t, schedule)
    return alpha * x + sigma * noise


def velocity(
    x: jax.Array, noise: jax.Array, t: jax.Array, schedule: Schedule = cosine
) -> jax.Array:
    """The training target: ``v = α_t ε - σ_t x``."""
    alpha, sigma = _at(x, noise, t, schedule)
    return alpha * noise - sigma * x


def denoised(x_t: jax.Array, v: jax.Array, t: jax.Array, schedule: Schedule = cosine) -> jax.Array:
    """The example implied by a velocity: ``x = α_t x_t - σ_t v``."""
    alpha, sigma = _at(x_t, v, t, schedule)
    return alpha * x_t - sigma * v


def noise_of(x_t: jax.Array, v: jax.Array, t: jax.Array, schedule: Schedule = cosine) -> jax.Array:
    """The noise implied by a velocity: ``ε = σ_t x_t + α_t v``."""
    alpha, sigma = _at(x_t, v, t, schedule)
    return sigma * x_t + alpha * v


def guided(conditional: jax.Array, unconditional: jax.Array, weight: float) -> jax.Array:
    """Classifier-free guidance: ``v = u + w (c - u)``.

    A weight of 1 gives the conditional prediction, a larger one exaggerates the condition. Source:
    Ho & Salimans 2022, equation 6, https://arxiv.org/abs/2207.12598, whose w is this one minus 1.

    >>> print(guided(jnp.array([1.0]), jnp.array([0.0]), 3.0))
    [3.]
    """
    return unconditional + weight * (conditional - unconditional)


def sample(
    predict: Callable[[jax.Array, jax.Array], jax.Array],
    noise: jax.Array,
    *,
    steps: int,
    schedule: Schedule = cosine,
    order: int = 2,
    limit: float | None = None,
) -> jax.Array:
    """Examples from noise ``(..., *example)``, deterministically, in ``steps`` from t = 1 to 0.

    Args:
        predict: ``(x_t, t) -> v``, t being a scalar.
        noise: ``(..., *example)``, standard normal. ``predict`` is passed its dtype; the steps are
            in float32 at least.
        steps: the number of predictions.
        schedule: that of the training.
        order: 1 for DDIM, ``x_s = α_s x̂ + σ_s ε̂`` (Song et al. 2021, equation 12,
            https://arxiv.org/abs/2010.02502). 2 for the multistep DPM-Solver++ (Lu et al. 2022,
            algorithm 2, https://arxiv.org/abs/2211.01095): the same with x̂ extrapolated from its
            last two values, for as many predictions; its first and last step are those of DDIM.
        limit: x̂ is clipped to ± this, the range of the examples; None for no clipping.

    Raises:
        JnnError: steps < 1, or another order.

    Both solve the differential equation of the flow from noise to examples, DDIM with an error in
    proportion to the length of a step, DPM-Solver++ with a fraction of it.

    >>> point = lambda x_t, t: (cosine(t)[0] * x_t - 3.0) / cosine(t)[1]  # all examples are 3
    >>> bool(jnp.allclose(sample(point, jnp.array([-1.0, 2.0]), steps=4), 3))
    True
    """
    check_positive("sample", steps=steps)
    check_float("sample", noise)
    if order not in (1, 2):
        raise mistake("sample", got=f"order={order!r}", expected="1 or 2")
    start = numerics(noise)
    times = jnp.linspace(1, 0, steps + 1, dtype=start.dtype)
    alpha, sigma = schedule(times)
    weight = _extrapolation(alpha, sigma) if order == 2 else jnp.zeros(steps, start.dtype)

    def step(carry, i):
        x_t, previous = carry
        v = predict(x_t.astype(noise.dtype), times[i].astype(noise.dtype))
        clean = alpha[i] * x_t - sigma[i] * v.astype(x_t.dtype)
        clean = clean if limit is None else jnp.clip(clean, -limit, limit)
        ahead = clean + weight[i] * (clean - previous)
        x_s = alpha[i + 1] * ahead + sigma[i + 1] / sigma[i] * (x_t - alpha[i] * ahead)
        return (x_s, clean), None

    (x, _), _ = jax.lax.scan(step, (start, jnp.zeros_like(start)), jnp.arange(steps))
    return x.astype(noise.dtype)


def _extrapolation(alpha: jax.Array, sigma: jax.Array) -> jax.Array:
    """``h_i / (2 h_{i-1})``, h being the steps of ``λ = log(α / σ)``.

    Zero where λ is infinite, α or σ being zero but for rounding, and for the first step.
    """
    is_finite = jnp.minimum(alpha, sigma) > jnp.finfo(alpha.dtype).eps
    log = lambda values: jnp.log(jnp.where(is_finite, values, 1))
    h = jnp.diff(log(alpha) - log(sigma))
    usable = is_finite[2:] & is_finite[1:-1] & is_finite[:-2]
    ratio = 0.5 * h[1:] / jnp.where(usable, h[:-1], 1)
    return jnp.concatenate([jnp.zeros(1, h.dtype), jnp.where(usable, ratio, 0)]).at[-1].set(0)


def _at(
    x: jax.Array, other: jax.Array, t: jax.Array, schedule: Schedule
) -> tuple[jax.Array, jax.Array]:
    """α and σ at t ``(...)``, with the rank of x ``(..., *example)``."""
    check_float("diffusion", x)
    t = jnp.asarray(t)  # of one example also a number
    if x.shape != other.shape or x.shape[: t.ndim] != t.shape:
        got = f"arrays of shape {x.shape} and {other.shape} with times of shape {t.shape}"
        expected = "equal shapes, and a time for each example, their first axes"
        raise mistake("diffusion", got=got, expected=expected)
    t = t.astype(numerics(x).dtype).reshape(t.shape + (1,) * (x.ndim - t.ndim))
    alpha, sigma = schedule(t)
    return alpha.astype(x.dtype), sigma.astype(x.dtype)
