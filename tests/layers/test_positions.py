"""Positions against what their papers and other libraries' code say, written out literally."""

import cmath
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.attention import attention
from jnn.layers.position_vectors import learned_positions, sinusoidal_positions
from jnn.layers.positions import (
    YarnScaling,
    alibi,
    alibi_slopes,
    bucket_of,
    relative_buckets,
    rotary,
)
from tests.compiled import apply, init

EXACT = 1e-12  # float64: sines and cosines of the same angles
FLOAT32 = 2e-6


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_rotary_is_a_product_of_complex_numbers(float64):
    """Su et al. 2021, equation 12 and 34: pairs of neighbours as complex numbers, times exp(i p
    θ).
    """
    x, position = draw(5, 2, 6), np.array([0, 1, 2, 7, 100])
    expected = np.zeros_like(x)
    for t, h, i in np.ndindex(5, 2, 3):
        z = complex(x[t, h, 2 * i], x[t, h, 2 * i + 1]) * cmath.exp(
            1j * position[t] * 500.0 ** (-2 * i / 6)
        )
        expected[t, h, 2 * i : 2 * i + 2] = z.real, z.imag
    y = jax.jit(rotary(500.0, interleaved=True).rotate)(x, position)
    np.testing.assert_allclose(y, expected, atol=EXACT)


def test_rotary_by_halves_is_that_of_hugging_face(float64):
    """``modeling_llama.py``: ``q * cos + rotate_half(q) * sin``, with cos and sin of the angles
    twice.
    """
    x, position = draw(5, 2, 6), np.array([0, 1, 2, 7, 100])
    inverse_frequency = 1.0 / 10000.0 ** (np.arange(0, 6, 2) / 6)
    frequencies = position[:, None] * inverse_frequency[None]
    embedding = np.concatenate([frequencies, frequencies], axis=-1)[:, None]
    rotate_half = np.concatenate([-x[..., 3:], x[..., :3]], axis=-1)
    np.testing.assert_allclose(
        jax.jit(rotary().rotate)(x, position),
        x * np.cos(embedding) + rotate_half * np.sin(embedding),
        atol=EXACT,
    )


def test_yarn_slows_the_slow_pairs_and_enlarges_queries_and_keys(float64):
    """Peng et al. 2023, section 3.2: over 402 elements, pair i makes 63.98 / 2^i turns, so that 4
    and 1 turns lie a little below i = 4 and 6, and are rounded to 3 and 6.
    """
    frequency = 0.5 ** np.arange(9.0)
    scaling = YarnScaling(10.0, 402, fast=4.0, slow=1.0, magnitude=1.25)
    ramp = np.array([1, 1, 1, 1, 2 / 3, 1 / 3, 0, 0, 0])
    expected = ramp * frequency + (1 - ramp) * frequency / 10
    np.testing.assert_allclose(scaling.scaled(frequency), expected, rtol=EXACT)
    x, position = draw(5, 2, 6), np.arange(5)
    plain = jax.jit(rotary(scaling=scaling._replace(magnitude=1.0)).rotate)(x, position)
    larger = jax.jit(rotary(scaling=scaling).rotate)(x, position)
    np.testing.assert_allclose(larger, 1.25 * plain, rtol=EXACT)


@pytest.mark.parametrize("options", [{}, {"interleaved": True}, {"fraction": 0.5}])
def test_rotated_products_see_the_distance_alone(float64, options):
    q, k, turn = draw(1, 2, 8), draw(1, 2, 8, seed=1), jax.jit(rotary(**options).rotate)
    turned = lambda x, position: np.asarray(turn(x, np.array([position])))
    product = lambda p, s: np.sum(turned(q, p) * turned(k, s))
    np.testing.assert_allclose(product(3, 10), product(103, 110), atol=EXACT)
    assert abs(float(product(3, 10) - product(3, 11))) > 1e-3
    rest = int(8 * options.get("fraction", 1))
    np.testing.assert_array_equal(turned(q, 5)[..., rest:], q[..., rest:])


def test_alibi_slopes_are_those_of_the_authors():
    """``attention_with_linear_biases``, ``get_slopes``, as published."""

    def get_slopes(n):
        def get_slopes_power_of_2(n):
            start = 2 ** (-(2 ** -(math.log2(n) - 3)))
            return [start * start**i for i in range(n)]

        if math.log2(n).is_integer():
            return get_slopes_power_of_2(n)
        closest_power_of_2 = 2 ** math.floor(math.log2(n))
        return (
            get_slopes_power_of_2(closest_power_of_2)
            + get_slopes(2 * closest_power_of_2)[0::2][: n - closest_power_of_2]
        )

    for heads in range(1, 35):
        np.testing.assert_allclose(alibi_slopes(heads), get_slopes(heads), rtol=1e-12)
    np.testing.assert_array_equal(
        alibi_slopes(8), [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    )


def test_alibi_lowers_logits_by_distance():
    distance = np.array([[0, 1], [-1, 0], [-2, -1]])
    bias = jax.jit(alibi().bias, static_argnums=(2, 3))
    np.testing.assert_array_equal(bias({}, distance, 2, False)[1], -np.abs(distance) / 256)
    assert bias({}, np.zeros((3, 4, 5), int), 2, True).shape == (3, 2, 4, 5)


def t5_bucket(relative_position, bidirectional, num_buckets, max_distance):
    """``_relative_position_bucket`` of T5 for one number, in plain Python; exact powers are taken
    exactly.
    """
    bucket = 0
    if bidirectional:
        num_buckets //= 2
        bucket += num_buckets if relative_position > 0 else 0
        relative_position = abs(relative_position)
    else:
        relative_position = -min(relative_position, 0)
    max_exact = num_buckets // 2
    if relative_position < max_exact:
        return bucket + relative_position
    large = math.log(relative_position / max_exact, max_distance / max_exact) * (
        num_buckets - max_exact
    )
    return bucket + min(max_exact + int(round(large, 9)), num_buckets - 1)


@pytest.mark.parametrize(("buckets", "longest"), [(32, 128), (16, 100), (4, 8)])
@pytest.mark.parametrize("causal", [True, False])
def test_buckets_are_those_of_t5(buckets, longest, causal):
    distance = np.arange(-300, 301)
    expected = [t5_bucket(int(d), not causal, buckets, longest) for d in distance]
    np.testing.assert_array_equal(bucket_of(distance, buckets, longest, causal), expected)
    params = {"embedding": draw(buckets, 2).astype(np.float32)}
    bias_of = jax.jit(relative_buckets(buckets, longest).bias, static_argnums=(2, 3))
    bias = np.asarray(bias_of(params, distance[None], 2, causal))
    np.testing.assert_array_equal(bias[:, 0], params["embedding"][np.array(expected)].T)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("positions", [rotary(), alibi(), relative_buckets(8, 16)])
def test_attention_adds_and_turns_as_the_positions_say(float64, positions):
    """One layer, one query at a time, by the definition."""
    layer, x = attention(2, positions=positions), draw(5, 8)
    params, state = init(layer, x)

    @jax.jit
    def weights_and_expected(params, x):
        _, values = jnn.capture(layer.apply)(params, state, x)
        q, k = values["query"], values["key"]
        turn = positions.rotate or (lambda x, position: x)
        q, k = turn(q, jnp.arange(5)), turn(k, jnp.arange(5))
        logits = jnp.einsum("thd,shd->hts", q, k) / 2
        if positions.bias is not None:
            distance = jnp.arange(5)[None] - jnp.arange(5)[:, None]
            logits += positions.bias(params.get("positions", {}), distance, 2, False)
        return values["weights"], jax.nn.softmax(logits)

    weights, expected = weights_and_expected(params, x)
    np.testing.assert_allclose(weights, expected, atol=EXACT)


def test_sinusoids_are_those_of_the_paper(float64):
    x = np.ones((2, 50, 6))
    y = np.asarray(apply(sinusoidal_positions(), {}, {}, x)[0])
    for position, i in np.ndindex(50, 3):
        angle = position / 10000 ** (2 * i / 6)
        np.testing.assert_allclose(y[:, position, 2 * i], 1 + math.sin(angle), atol=EXACT)
        np.testing.assert_allclose(y[:, position, 2 * i + 1], 1 + math.cos(angle), atol=EXACT)
    halves, _ = apply(sinusoidal_positions(interleaved=False), {}, {}, x)
    np.testing.assert_array_equal(halves, np.concatenate([y[..., ::2], y[..., 1::2]], axis=-1))


def test_learned_positions_are_rows():
    layer, x = learned_positions(7), draw(2, 5, 3).astype(np.float32)
    params, state = jax.device_get(init(layer, x))
    y, _ = apply(layer, params, state, x)
    np.testing.assert_array_equal(y, x + params["embedding"][None, :5])
    mask = np.array([[False, True, True, True, True], [True, True, False, True, False]])
    y = np.asarray(apply(layer, params, state, x, mask=mask)[0])
    np.testing.assert_array_equal(y[0, 1:], x[0, 1:] + params["embedding"][:4])
    np.testing.assert_array_equal(y[1, 3], x[1, 3] + params["embedding"][2])


MISTAKES = {
    "fraction": (lambda: rotary(fraction=0.0), r"rotary: got fraction=0.0"),
    "buckets": (lambda: relative_buckets(5), r"relative_buckets: got buckets=5"),
    "no far buckets": (lambda: relative_buckets(32, 16), r"max_distance=16"),
    "odd sinusoids": (
        lambda: sinusoidal_positions().init(jax.random.key(0), np.ones((4, 3), np.float32)),
        r"sinusoidal_positions: got 3 features",
    ),
    "base": (lambda: rotary("10000"), r"rotary: got base='10000', expected a number > 0"),
    "base of sinusoids": (lambda: sinusoidal_positions("9"), r"sinusoidal_positions: got base='9'"),
    "first": (lambda: learned_positions(9, first=-3), r"learned_positions: got first=-3"),
    "length": (lambda: learned_positions(0), r"learned_positions: got length=0"),
    "tokens": (
        lambda: learned_positions(3).init(jax.random.key(0), np.ones(3, np.int32)),
        r"learned_positions: got x of dtype int32",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said(name):
    make, message = MISTAKES[name]
    with pytest.raises(jnn.JnnError, match=message):
        make()


def test_a_fraction_of_the_features_is_not_lost_to_rounding():
    """0.58 times 200 is less than 116 in binary floating point."""
    x = np.ones((1, 1, 200), np.float32)
    for fraction in (0.58, np.float32(0.58), np.float64(0.58)):
        y = jax.jit(rotary(fraction=fraction).rotate)(x, np.array([1]))
        assert np.sum(np.asarray(y) != x) == 116
