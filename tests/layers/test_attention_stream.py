"""Streams of attention: prompts of any length, unequal prompts, and a memory that is never
overrun.
"""

import functools

import jax
import numpy as np
import pytest

import jnn
from jnn.layers import cache
from jnn.layers.attention import attention
from jnn.layers.cross_attention import cross_attention
from jnn.layers.position_vectors import learned_positions
from jnn.layers.positions import alibi, relative_buckets, rotary
from tests.compiled import apply, init, step

STREAM = 1e-10  # float64: rounding of sums in another order

LAYERS = {
    "plain": attention(4, causal=True),
    "grouped, rotary": attention(4, causal=True, key_value_heads=2, positions=rotary()),
    "alibi, window": attention(4, causal=True, positions=alibi(), window=3),
    "relative": attention(4, causal=True, positions=relative_buckets(4, 8)),
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@functools.partial(jax.jit, static_argnums=(0, 3))
def carry_of(layer, params, x_t, length):
    return layer.carry(params, x_t, length)


@functools.partial(jax.jit, static_argnums=0)
def read(layer, params, state, carry, x, *, mask=None):
    return layer.read(params, state, carry, x, mask=mask)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("prompt", [4, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 7))])
def test_a_prompt_and_steps_equal_apply(float64, name, prompt):
    layer, x = LAYERS[name], draw(2, 7, 8)
    params, state = init(layer, x)
    carry = carry_of(layer, params, x[:, 0], 9)
    y, carry = read(layer, params, state, carry, x[:, :prompt])
    ys = [y]
    for t in range(prompt, 7):
        y_t, carry = step(layer, params, state, carry, x[:, t])
        ys.append(np.asarray(y_t)[:, None])
    expected, _ = apply(layer, params, state, x)
    np.testing.assert_allclose(np.concatenate(ys, axis=1), expected, atol=STREAM)
    assert carry["position"].tolist() == [7, 7]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", LAYERS)
def test_unequal_prompts_are_each_prompt_alone(float64, name):
    layer, x, lengths = LAYERS[name], draw(3, 5, 8), (5, 2, 3)
    params, state = init(layer, x)
    mask = np.arange(5)[None] < np.array(lengths)[:, None]
    more = draw(3, 2, 8, seed=1)
    junk = np.where(mask[..., None], x, np.nan)
    carry = carry_of(layer, params, x[:, 0], 7)
    _, carry = read(layer, params, state, carry, junk, mask=mask)
    y, carry = jax.device_get(read(layer, params, state, carry, more))
    for i, length in enumerate(lengths):
        # Causal: what follows the sequence changes nothing, so that all have one shape.
        alone = np.zeros((7, 8))
        alone[: length + 2] = np.concatenate([x[i, :length], more[i]])
        expected = np.asarray(apply(layer, params, state, alone)[0])[length : length + 2]
        np.testing.assert_allclose(y[i], expected, atol=STREAM)
    assert carry["position"].tolist() == [7, 4, 5]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", LAYERS)
def test_padding_anywhere_is_as_if_it_were_not_there(float64, name):
    layer, x = LAYERS[name], draw(8, 8)
    mask = np.array([False, True, True, False, False, True, True, True])
    params, state = init(layer, x)
    y, _ = apply(layer, params, state, np.where(mask[:, None], x, np.nan), mask=mask)
    expected, _ = apply(layer, params, state, x[mask])
    np.testing.assert_allclose(np.asarray(y)[mask], expected, atol=STREAM)
    y, carry = read(layer, params, state, carry_of(layer, params, x[0], 5), x, mask=mask)
    np.testing.assert_allclose(np.asarray(y)[mask], expected, atol=STREAM)
    assert int(carry["position"]) == 5


def test_more_than_the_memory_holds_is_refused():
    layer, x = attention(2, causal=True), np.ones((2, 5, 8), np.float32)
    params, state = init(layer, x)
    carry = carry_of(layer, params, x[:, 0], 4)
    with pytest.raises(
        jnn.JnnError,
        match=(
            r"attention: got 5 elements after 0, expected at most 4 in all.*Make "
            r"the carry with the whole length"
        ),
    ):
        layer.read(params, state, carry, x)
    with pytest.raises(jnn.JnnError, match="got 5 elements after 0"):
        read(layer, params, state, carry, x)
    _, carry = read(layer, params, state, carry, x[:, :4])
    with pytest.raises(jnn.JnnError, match="got 1 elements after 4"):
        layer.step(params, state, carry, x[:, 0])


def test_where_the_count_is_not_known_overflow_is_nan_and_overwrites_nothing():
    layer, x = attention(2, causal=True, positions=rotary()), draw(2, 5, 8).astype(np.float32)
    params, state = init(layer, x)
    mask = np.array([[True] * 3, [True, False, False]])
    carry = carry_of(layer, params, x[:, 0], 4)
    _, carry = read(layer, params, state, carry, x[:, :3], mask=mask)
    y, after = read(layer, params, state, carry, x[:, 3:])
    assert np.isnan(y).all(axis=(1, 2)).tolist() == [True, False]
    assert np.isfinite(y).all(axis=(1, 2)).tolist() == [False, True]
    keys_before, keys_after = (np.asarray(memory["key"])[0, :, :3] for memory in (carry, after))
    np.testing.assert_array_equal(keys_after, keys_before)
    y, _ = step(layer, params, state, after, x[:, 0])
    assert np.isnan(y).all(axis=1).tolist() == [True, False]
    assert np.isfinite(y).all(axis=1).tolist() == [False, True]


def test_a_stream_with_room_has_no_nan_for_jax_to_refuse():
    layer, x = attention(2, causal=True), np.ones((2, 8), np.float32)
    params, state = init(layer, x)
    carry = carry_of(layer, params, x[0], 2)
    with jax.debug_nans(True):
        y, _ = layer.step(params, state, carry, x[0])
    np.testing.assert_array_equal(y, step(layer, params, state, carry, x[0])[0])


def test_a_pair_mask_is_for_apply():
    layer, x = attention(2, causal=True), np.ones((5, 8), np.float32)
    params, state = init(layer, x)
    carry = carry_of(layer, params, x[0], 5)
    with pytest.raises(jnn.JnnError, match="attention: got a mask of pairs"):
        layer.read(params, state, carry, x, mask=np.ones((5, 5), bool))


def test_new_keys_are_written_in_place():
    """Within a scan the compiled program holds one memory: what it needs besides its input and
    output does not grow with the length.
    """
    layer, x = attention(2, causal=True), np.ones((4, 8), np.float32)
    params, state = init(layer, x)

    def temporary(length):
        run = lambda carry: jax.lax.scan(
            lambda carry, _: layer.step(params, state, carry, x)[::-1], carry, length=10
        )
        return (
            jax.jit(run, donate_argnums=0)
            .lower(carry_of(layer, params, x, length))
            .compile()
            .memory_analysis()
            .temp_size_in_bytes
        )

    memory = 2 * 4 * 8 * 4 * 1000
    assert temporary(1100) - temporary(100) < memory / 2


def test_cross_attention_streams_from_a_memory_read_once(float64):
    layer = cross_attention(2, key_value_heads=1)
    x = {
        "x": draw(2, 5, 8),
        "memory": draw(2, 4, 6, seed=1),
        "memory_mask": np.array([[True] * 4, [True, False, True, False]]),
    }
    x["memory"] = np.where(x["memory_mask"][..., None], x["memory"], np.nan)
    params, state = init(layer, x)
    expected, _ = apply(layer, params, state, x)
    carry = carry_of(layer, params, x | {"x": x["x"][:, 0]}, 5)
    y, carry = read(layer, params, state, carry, {"x": x["x"][:, :3]})
    stepped = [step(layer, params, state, carry, {"x": x["x"][:, t]})[0] for t in (3, 4)]
    ys = np.concatenate([y, np.stack(stepped, axis=1)], axis=1)
    np.testing.assert_allclose(ys, expected, atol=STREAM)
    assert set(carry) == {"key", "value", "mask"}


def test_cross_attention_to_pairs(float64):
    layer, x = cross_attention(2), {"x": draw(3, 8), "memory": draw(4, 6, seed=1)}
    params, state = init(layer, x)
    look = np.array([[True, False, False, True], [False] * 4, [False, True, False, False]])
    y = np.asarray(apply(layer, params, state, x, mask=look)[0])
    for t in (0, 2):
        alone = {"x": x["x"][t : t + 1], "memory": x["memory"][look[t]]}
        y_t = np.asarray(apply(layer, params, state, alone)[0])[0]
        np.testing.assert_allclose(y[t], y_t, atol=STREAM)
    np.testing.assert_array_equal(y[1], params["output"]["bias"])


def test_learned_positions_end():
    layer, x = learned_positions(4), np.zeros((2, 5, 3), np.float32)
    params, state = init(layer, x)
    with pytest.raises(
        jnn.JnnError, match="learned_positions: got a sequence of 5 elements, expected at most 4"
    ):
        layer.apply(params, state, x)
    with pytest.raises(jnn.JnnError, match="learned_positions: got a sequence of 5 elements"):
        layer.apply(params, state, x, mask=np.array([[True] * 5, [False] * 5]))
    four = np.array([[True, True, False, True, True], [False] * 5])
    y, _ = layer.apply(params, state, x, mask=four)
    np.testing.assert_array_equal(y[0][four[0]], params["embedding"])
    with pytest.raises(jnn.JnnError, match="learned_positions: got a sequence of 5 elements"):
        layer.carry(params, x[:, 0], 5)
    mask = np.array([[True] * 3, [True, False, True]])
    carry = carry_of(layer, params, x[:, 0], 4)
    y, carry = read(layer, params, state, carry, x[:, :3], mask=mask)
    np.testing.assert_array_equal(np.asarray(y)[1], np.asarray(params["embedding"])[[0, 0, 1]])
    with pytest.raises(jnn.JnnError, match="learned_positions: got 2 elements after 3"):
        layer.read(params, state, carry, x[:, :2])
    y, _ = read(layer, params, state, carry, x[:, :2])
    assert np.isnan(y)[:, :, 0].tolist() == [[False, True], [False, False]]


def test_writing_drops_what_is_masked_or_beyond():
    memory = np.zeros((1, 1, 3, 1), np.float32)
    new = np.array([1, 2, 3, 4], np.float32).reshape(1, 4, 1, 1)
    positions, mask = np.array([[1, 1, 2, 3]]), np.array([[True, False, True, True]])
    written = np.asarray(jax.jit(cache.write)(memory, new, positions, mask))
    assert written.ravel().tolist() == [0, 1, 3]
