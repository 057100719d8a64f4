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
BFLOAT16 = 2**-6  # samples of one or two, of which bfloat16 keeps 8 bits, and their velocities
ROUNDING = 1e-5  # of five steps in float32
LIMIT = 2e-3  # 1,000 steps of DDPM and their limit in continuous time
compiled_sample = jax.jit(
    diffusion.sample, static_argnums=0, static_argnames=("steps", "schedule", "order", "limit")
)
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
    alpha, sigma = jax.device_get(jax.jit(schedule)(np.linspace(0, 1, 101)))
    np.testing.assert_allclose(alpha**2 + sigma**2, 1, atol=SAME)
    assert alpha[0] == 1
    assert sigma[0] == 0
    assert np.all(np.diff(alpha) < 0)


def test_the_linear_schedule_is_the_limit_of_ddpm():
    beta = np.linspace(1e-4, 0.02, 1000)
    alpha, _ = jax.jit(diffusion.linear)(np.arange(1, 1001) / 1000)
    np.testing.assert_allclose(alpha, np.sqrt(np.cumprod(1 - beta)), atol=LIMIT)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_velocity_and_what_follows_from_it(schedule):
    rng = np.random.default_rng(0)
    x, noise, t = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 3)), rng.uniform(size=5)

    @jax.jit
    def there_and_back(x, noise, t):
        x_t = diffusion.diffused(x, noise, t, schedule)
        v = diffusion.velocity(x, noise, t, schedule)
        x, noise = (f(x_t, v, t, schedule) for f in (diffusion.denoised, diffusion.noise_of))
        return schedule(t), x_t, x, noise

    (alpha, sigma), x_t, *back = jax.device_get(there_and_back(x, noise, t))
    alpha, sigma = alpha[:, None, None], sigma[:, None, None]
    np.testing.assert_allclose(x_t, alpha * x + sigma * noise, atol=SAME)
    np.testing.assert_allclose(back[0], x, atol=SAME)
    np.testing.assert_allclose(back[1], noise, atol=SAME)


def test_the_velocity_is_the_derivative_by_the_angle():
    x, noise = np.array(0.3), np.array(-1.2)

    @jax.jit
    def slope_and_velocity(t):
        by_time = jax.grad(lambda t: diffusion.diffused(x, noise, t))(t)
        return by_time * 2 / np.pi, diffusion.velocity(x, noise, t)

    np.testing.assert_allclose(*slope_and_velocity(np.array(0.4)), atol=SAME)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_the_flow_of_a_gaussian_ends_where_it_is_known_to(schedule):
    noise, predict = np.linspace(-2, 2, 9), gaussian(schedule)
    expected = np.asarray(jax.jit(lambda noise: exact(noise, schedule))(noise))

    def error(steps, order):
        samples = compiled_sample(predict, noise, steps=steps, schedule=schedule, order=order)
        return np.max(np.abs(samples - expected))

    first, second = (np.array([error(steps, order) for steps in (40, 80, 160)]) for order in (1, 2))
    # of the first order: half the step, half the error
    np.testing.assert_allclose(first[1:] / first[:-1], 1 / 2, rtol=0.05)
    assert np.all(second < first / 5)
    assert second[-1] < 1e-3


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_samples_in_bfloat16_have_steps_of_more_digits(schedule, order):
    noise = jnp.linspace(-2, 2, 9, dtype=jnp.bfloat16)
    expected = jax.jit(lambda noise: exact(noise, schedule))(noise.astype(float))

    def predict(x_t, t):
        assert x_t.dtype == t.dtype == jnp.bfloat16
        return gaussian(schedule)(x_t.astype(float), t.astype(float))

    samples = compiled_sample(predict, noise, steps=400, schedule=schedule, order=order)
    assert samples.dtype == jnp.bfloat16
    np.testing.assert_allclose(samples.astype(float), expected, atol=BFLOAT16)


def test_examples_in_bfloat16_are_at_a_time_of_more_digits():
    x, zeros, t = (
        jnp.ones(3, jnp.bfloat16),
        jnp.zeros(3, jnp.bfloat16),
        np.array([0.01, 0.5, 0.999]),
    )
    alpha = diffusion.diffused(x, zeros, t).astype(float)
    np.testing.assert_allclose(alpha, np.cos(np.pi * t / 2), rtol=2**-8)


def test_the_first_step_is_ddims():
    predict, noise, schedule = gaussian(diffusion.linear), np.array([0.5, -1.0]), diffusion.linear
    steps = 3

    @jax.jit
    def step(x_t, now, after):
        """What is denoised, and DDIM's next ``x_t``."""
        v, at = predict(x_t, now), jnp.full(2, now)
        x = diffusion.denoised(x_t, v, at, schedule)
        e = diffusion.noise_of(x_t, v, at, schedule)
        return x, diffusion.diffused(x, e, jnp.full(2, after), schedule)

    samples = compiled_sample(predict, noise, steps=1, schedule=schedule)
    np.testing.assert_allclose(samples, step(noise, 1.0, 0.0)[0], atol=SAME)
    x_t = noise
    for now, after in itertools.pairwise(np.linspace(1, 0, steps + 1)):
        _, x_t = step(x_t, now, after)
    samples = compiled_sample(predict, noise, steps=steps, schedule=schedule, order=1)
    np.testing.assert_allclose(samples, x_t, atol=SAME)


def test_the_level_of_pure_noise_is_infinite_in_every_precision():
    # The cosine of π / 2 is -4e-8 in float32, and 6e-17 in float64.
    predict = lambda x_t, t: jnp.sin(3 * x_t) + t
    noise = np.linspace(-1, 1, 7)
    with jax.debug_nans(True):
        single, double = (
            diffusion.sample(predict, jnp.asarray(noise, dtype), steps=5)
            for dtype in (np.float32, np.float64)
        )
    np.testing.assert_allclose(single, double, atol=ROUNDING)


def test_what_is_found_is_cut_to_the_limit():
    predict, noise = gaussian(diffusion.cosine), np.array([-9.0, 9.0])
    samples = compiled_sample(predict, noise, steps=5, limit=1.0)
    assert np.max(np.abs(samples)) <= 1


def test_the_time_of_one_example_may_be_a_number():
    x, noise = np.array([1.0, -2.0]), np.array([3.0, 0.5])
    x_t = diffusion.diffused(x, noise, 0.25)
    expected = np.cos(np.pi / 8) * x + np.sin(np.pi / 8) * noise
    np.testing.assert_allclose(x_t, expected, atol=SAME)


def test_guidance_of_one_is_none_and_of_zero_forgets_the_condition():
    c, u = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    np.testing.assert_allclose(diffusion.guided(c, u, 1.0), c, atol=SAME)
    np.testing.assert_allclose(diffusion.guided(c, u, 0.0), u, atol=SAME)


def test_mistakes_are_named():
    x = np.zeros((5, 2))
    with pytest.raises(
        JnnError, match=r"arrays of shape \(5, 2\) and \(5, 3\) with times of shape \(5,\)"
    ):
        diffusion.velocity(x, np.zeros((5, 3)), np.zeros(5))
    with pytest.raises(
        JnnError, match=r"times of shape \(2,\), expected equal shapes, and a time for each example"
    ):
        diffusion.diffused(x, x, np.zeros(2))
    with pytest.raises(JnnError, match="sample: got steps=0"):
        diffusion.sample(lambda x, t: x, x, steps=0)
    with pytest.raises(JnnError, match="sample: got order=3, expected 1 or 2"):
        diffusion.sample(lambda x, t: x, x, steps=2, order=3)
    with pytest.raises(JnnError, match="sample: got x of dtype int64"):
        diffusion.sample(lambda x, t: x, np.zeros(2, int), steps=2)
