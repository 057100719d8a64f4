"""Streams of attention: prompts of any length, unequal prompts, and a memory that is never
overrun.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers import cache
from jnn.layers.attention import attention
from jnn.layers.cross_attention import cross_attention
from jnn.layers.position_vectors import learned_positions
from jnn.layers.positions import alibi, relative_buckets, rotary

STREAM = 1e-10  # float64: rounding of sums in another order

LAYERS = {
    "plain": attention(4, causal=True),
    "grouped, rotary": attention(4, causal=True, key_value_heads=2, positions=rotary()),
    "alibi, window": attention(4, causal=True, positions=alibi(), window=3),
    "relative": attention(4, causal=True, positions=relative_buckets(4, 8)),
}


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def made(layer, x):
    return jax.jit(layer.init)(jax.random.key(0), x)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("prompt", [1, 4, 7])
def test_a_prompt_and_steps_equal_apply(float64, name, prompt):
    layer, x = LAYERS[name], draw(2, 7, 8)
    params, state = made(layer, x)
    y, carry = jax.jit(layer.read)(params, state, layer.carry(params, x[:, 0], 9), x[:, :prompt])
    ys, step = [y], jax.jit(layer.step)
    for t in range(prompt, 7):
        y_t, carry = step(params, state, carry, x[:, t])
        ys.append(y_t[:, None])
    np.testing.assert_allclose(
        jnp.concatenate(ys, axis=1), jax.jit(layer.apply)(params, state, x)[0], atol=STREAM
    )
    assert carry["position"].tolist() == [7, 7]


@pytest.mark.parametrize("name", LAYERS)
def test_unequal_prompts_are_each_prompt_alone(float64, name):
    layer, x, lengths = LAYERS[name], draw(3, 5, 8), (5, 2, 3)
    params, state = made(layer, x)
    mask = jnp.arange(5)[None] < jnp.array(lengths)[:, None]
    more = draw(3, 2, 8, seed=1)
    _, carry = jax.jit(layer.read)(
        params,
        state,
        layer.carry(params, x[:, 0], 7),
        jnp.where(mask[..., None], x, jnp.nan),
        mask=mask,
    )
    y, carry = jax.jit(layer.read)(params, state, carry, more)
    for i, length in enumerate(lengths):
        alone = jnp.concatenate([x[i, :length], more[i]])
        np.testing.assert_allclose(
            y[i], jax.jit(layer.apply)(params, state, alone)[0][length:], atol=STREAM
        )
    assert carry["position"].tolist() == [7, 4, 5]


@pytest.mark.parametrize("name", LAYERS)
def test_padding_anywhere_is_as_if_it_were_not_there(float64, name):
    layer, x, mask = (
        LAYERS[name],
        draw(8, 8),
        jnp.array([False, True, True, False, False, True, True, True]),
    )
    params, state = made(layer, x)
    y = jax.jit(layer.apply)(params, state, jnp.where(mask[:, None], x, jnp.nan), mask=mask)[0]
    expected = jax.jit(layer.apply)(params, state, x[mask])[0]
    np.testing.assert_allclose(y[mask], expected, atol=STREAM)
    y, carry = jax.jit(layer.read)(params, state, layer.carry(params, x[0], 5), x, mask=mask)
    np.testing.assert_allclose(y[mask], expected, atol=STREAM)
    assert int(carry["position"]) == 5


def test_more_than_the_memory_holds_is_refused():
    layer, x = attention(2, causal=True), jnp.ones((2, 5, 8))
    params, state = made(layer, x)
    carry = layer.carry(params, x[:, 0], 4)
    with pytest.raises(
        jnn.JnnError,
        match=(
            r"attention: got 5 elements after 0, expected at most 4 in all.*Make "
            r"the carry with the whole length"
        ),
    ):
        layer.read(params, state, carry, x)
    with pytest.raises(jnn.JnnError, match="got 5 elements after 0"):
        jax.jit(layer.read)(params, state, carry, x)
    _, carry = jax.jit(layer.read)(params, state, carry, x[:, :4])
    with pytest.raises(jnn.JnnError, match="got 1 elements after 4"):
        layer.step(params, state, carry, x[:, 0])


def test_where_the_count_is_not_known_overflow_is_nan_and_overwrites_nothing():
    layer, x = attention(2, causal=True, positions=rotary()), draw(2, 5, 8).astype(jnp.float32)
    params, state = made(layer, x)
    mask = jnp.array([[True] * 3, [True, False, False]])
    _, carry = jax.jit(layer.read)(
        params, state, layer.carry(params, x[:, 0], 4), x[:, :3], mask=mask
    )
    y, after = jax.jit(layer.read)(params, state, carry, x[:, 3:])
    assert jnp.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()
    np.testing.assert_array_equal(after["key"][0, :, :3], carry["key"][0, :, :3])
    y, _ = jax.jit(layer.step)(params, state, after, x[:, 0])
    assert jnp.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


def test_a_pair_mask_is_for_apply():
    layer, x = attention(2, causal=True), jnp.ones((5, 8))
    params, state = made(layer, x)
    with pytest.raises(jnn.JnnError, match="attention: got a mask of pairs"):
        layer.read(params, state, layer.carry(params, x[0], 5), x, mask=jnp.ones((5, 5), bool))


def test_new_keys_are_written_in_place():
    """Within a scan the compiled program holds one memory: what it needs besides its input and
    output does not grow with the length.
    """
    layer, x = attention(2, causal=True), jnp.ones((4, 8))
    params, state = made(layer, x)

    def temporary(length):
        run = lambda carry: jax.lax.scan(
            lambda carry, _: layer.step(params, state, carry, x)[::-1], carry, length=10
        )
        return (
            jax.jit(run, donate_argnums=0)
            .lower(layer.carry(params, x, length))
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
        "memory_mask": jnp.array([[True] * 4, [True, False, True, False]]),
    }
    x["memory"] = jnp.where(x["memory_mask"][..., None], x["memory"], jnp.nan)
    params, state = made(layer, x)
    expected = layer.apply(params, state, x)[0]
    carry = layer.carry(params, x | {"x": x["x"][:, 0]}, 5)
    y, carry = layer.read(params, state, carry, {"x": x["x"][:, :3]})
    ys = [y, *(layer.step(params, state, carry, {"x": x["x"][:, t]})[0][:, None] for t in (3, 4))]
    np.testing.assert_allclose(jnp.concatenate(ys, axis=1), expected, atol=STREAM)
    assert set(carry) == {"key", "value", "mask"}


def test_cross_attention_to_pairs(float64):
    layer, x = cross_attention(2), {"x": draw(3, 8), "memory": draw(4, 6, seed=1)}
    params, state = made(layer, x)
    look = jnp.array([[True, False, False, True], [False] * 4, [False, True, False, False]])
    y = layer.apply(params, state, x, mask=look)[0]
    for t in (0, 2):
        alone = {"x": x["x"][t : t + 1], "memory": x["memory"][look[t]]}
        np.testing.assert_allclose(y[t], layer.apply(params, state, alone)[0][0], atol=STREAM)
    np.testing.assert_array_equal(y[1], params["output"]["bias"])


def test_learned_positions_end():
    layer, x = learned_positions(4), jnp.zeros((2, 5, 3))
    params, state = made(layer, x)
    with pytest.raises(
        jnn.JnnError, match="learned_positions: got a sequence of 5 elements, expected at most 4"
    ):
        layer.apply(params, state, x)
    with pytest.raises(jnn.JnnError, match="learned_positions: got a sequence of 5 elements"):
        layer.carry(params, x[:, 0], 5)
    y, carry = layer.read(
        params,
        state,
        layer.carry(params, x[:, 0], 4),
        x[:, :3],
        mask=jnp.array([[True] * 3, [True, False, True]]),
    )
    np.testing.assert_array_equal(y[1], params["embedding"][jnp.array([0, 0, 1])])
    with pytest.raises(jnn.JnnError, match="learned_positions: got 2 elements after 3"):
        layer.read(params, state, carry, x[:, :2])
    y, _ = jax.jit(layer.read)(params, state, carry, x[:, :2])
    assert jnp.isnan(y[:, :, 0]).tolist() == [[False, True], [False, False]]


def test_writing_drops_what_is_masked_or_beyond():
    memory = jnp.zeros((1, 1, 3, 1))
    new = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1)
    written = cache.write(
        memory, new, jnp.array([[1, 1, 2, 3]]), jnp.array([[True, False, True, True]])
    )
    assert written.ravel().tolist() == [0, 1, 3]
