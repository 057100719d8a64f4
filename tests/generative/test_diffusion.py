"""The mathematics of diffusion against closed forms: DDPM's product of variances, and the flow of a
Gaussian, which is known.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.generative import diffusion

SAME = 1e-12  # float64: a few operations
LIMIT = 2e-3  # 1,000 steps of DDPM and their limit in continuous time
SCHEDULES = {"cosine": diffusion.cosine, "linear": diffusion.linear}
MEAN, DEVIATION = 0.7, 0.4


@pytest.fixture(autouse=True)
def _strict(float64):
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def gaussian(schedule):
    """The exact velocity where examples are N(MEAN, DEVIATION²): of the posterior mean, by Bayes'
    rule.
    """

    def predict(x_t, t):
        alpha, sigma = schedule(t)
        variance = alpha**2 * DEVIATION**2 + sigma**2
        x = MEAN + alpha * DEVIATION**2 / variance * (x_t - alpha * MEAN)
        return (alpha * x_t - x) / sigma

    return predict


def exact(noise, schedule):
    """Where the flow ends: ``(x_t - α_t μ) / sqrt(α_t² s² + σ_t²)`` stays as it is."""
    alpha, sigma = schedule(jnp.array(1.0))
    return MEAN + DEVIATION * (noise - alpha * MEAN) / jnp.sqrt(alpha**2 * DEVIATION**2 + sigma**2)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_signal_and_noise_share_one_variance(schedule):
    alpha, sigma = schedule(jnp.linspace(0, 1, 101))
    np.testing.assert_allclose(alpha**2 + sigma**2, 1, atol=SAME)
    assert alpha[0] == 1
    assert sigma[0] == 0
    assert jnp.all(jnp.diff(alpha) < 0)


def test_the_linear_schedule_is_the_limit_of_ddpm():
    beta = np.linspace(1e-4, 0.02, 1000)
    alpha, _ = diffusion.linear(jnp.arange(1, 1001) / 1000)
    np.testing.assert_allclose(alpha, np.sqrt(np.cumprod(1 - beta)), atol=LIMIT)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_velocity_and_what_follows_from_it(schedule):
    rng = np.random.default_rng(0)
    x, noise, t = (
        jnp.asarray(rng.normal(size=(5, 2, 3))),
        jnp.asarray(rng.normal(size=(5, 2, 3))),
        jnp.asarray(rng.uniform(size=5)),
    )
    x_t, v = diffusion.diffused(x, noise, t, schedule), diffusion.velocity(x, noise, t, schedule)
    alpha, sigma = (np.asarray(values)[:, None, None] for values in schedule(t))
    np.testing.assert_allclose(x_t, alpha * np.asarray(x) + sigma * np.asarray(noise), atol=SAME)
    np.testing.assert_allclose(diffusion.denoised(x_t, v, t, schedule), x, atol=SAME)
    np.testing.assert_allclose(diffusion.noise_of(x_t, v, t, schedule), noise, atol=SAME)


def test_the_velocity_is_the_derivative_by_the_angle():
    x, noise, t = jnp.array(0.3), jnp.array(-1.2), jnp.array(0.4)
    _, slope = jax.jvp(lambda t: diffusion.diffused(x, noise, t), (t,), (jnp.array(2 / jnp.pi),))
    np.testing.assert_allclose(slope, diffusion.velocity(x, noise, t), atol=SAME)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_the_flow_of_a_gaussian_ends_where_it_is_known_to(schedule):
    noise = jnp.linspace(-2, 2, 9)

    def error(steps, order):
        samples = diffusion.sample(
            gaussian(schedule), noise, steps=steps, schedule=schedule, order=order
        )
        return float(jnp.max(jnp.abs(samples - exact(noise, schedule))))

    first, second = (np.array([error(steps, order) for steps in (40, 80, 160)]) for order in (1, 2))
    # of the first order: half the step, half the error
    np.testing.assert_allclose(first[1:] / first[:-1], 1 / 2, rtol=0.05)
    assert np.all(second < first / 5)
    assert second[-1] < 1e-3


def test_the_first_step_is_ddims():
    predict, noise, t = gaussian(diffusion.linear), jnp.array([0.5, -1.0]), jnp.array([1.0, 1.0])
    steps = 3
    samples = diffusion.sample(predict, noise, steps=1, schedule=diffusion.linear)
    np.testing.assert_allclose(
        samples, diffusion.denoised(noise, predict(noise, t[0]), t, diffusion.linear), atol=SAME
    )
    x_t, times = noise, jnp.linspace(1, 0, steps + 1)
    for now, after in itertools.pairwise(times):
        v, at = predict(x_t, now), jnp.full(2, now)
        x, e = (
            diffusion.denoised(x_t, v, at, diffusion.linear),
            diffusion.noise_of(x_t, v, at, diffusion.linear),
        )
        x_t = diffusion.diffused(x, e, jnp.full(2, after), diffusion.linear)
    np.testing.assert_allclose(
        diffusion.sample(predict, noise, steps=steps, schedule=diffusion.linear, order=1),
        x_t,
        atol=SAME,
    )


def test_what_is_found_is_cut_to_the_limit():
    assert (
        jnp.max(
            jnp.abs(
                diffusion.sample(
                    gaussian(diffusion.cosine), jnp.array([-9.0, 9.0]), steps=5, limit=1.0
                )
            )
        )
        <= 1
    )


def test_guidance_of_one_is_none_and_of_zero_forgets_the_condition():
    c, u = jnp.array([1.0, 2.0]), jnp.array([0.5, -1.0])
    np.testing.assert_allclose(diffusion.guided(c, u, 1.0), c, atol=SAME)
    np.testing.assert_allclose(diffusion.guided(c, u, 0.0), u, atol=SAME)


def test_mistakes_are_named():
    x = jnp.zeros((5, 2))
    with pytest.raises(
        JnnError, match=r"arrays of shape \(5, 2\) and \(5, 3\) with times of shape \(5,\)"
    ):
        diffusion.velocity(x, jnp.zeros((5, 3)), jnp.zeros(5))
    with pytest.raises(
        JnnError, match=r"times of shape \(2,\), expected equal shapes, and a time for each example"
    ):
        diffusion.diffused(x, x, jnp.zeros(2))
    with pytest.raises(JnnError, match="sample: got steps=0"):
        diffusion.sample(lambda x, t: x, x, steps=0)
    with pytest.raises(JnnError, match="sample: got order=3, expected 1 or 2"):
        diffusion.sample(lambda x, t: x, x, steps=2, order=3)
    with pytest.raises(JnnError, match="sample: got x of dtype int64"):
        diffusion.sample(lambda x, t: x, jnp.zeros(2, int), steps=2)
