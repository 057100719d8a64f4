"""Draws of `jnn.threefry`: the reference is `jax.random` with the plain key."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.threefry import (
    bits,
    fold_in,
    fold_in_each,
    folded,
    jitted,
    key_words,
    on_host,
    split,
    unrolled,
)

KEY = jax.random.key(7)
DRAWS = {
    "normal": lambda key: jax.random.normal(key, (5, 3)),
    "truncated_normal": lambda key: jax.random.truncated_normal(key, -2, 2, (5, 3)),
    "bernoulli": lambda key: jax.random.bernoulli(key, 0.3, (50,)),
    "randint": lambda key: jax.random.randint(key, (50,), 0, 1000),
    "permutation": lambda key: jax.random.permutation(key, 50),
    "split": lambda key: jax.random.key_data(jax.random.split(key, (2, 3))),
    "fold_in": lambda key: jax.random.key_data(jax.random.fold_in(key, 3)),
}


def draw_bits(key):
    return jax.random.bits(key, (4,))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 0, 2), (2, 3, 4, 5), (70_000,)])
def test_bits_are_those_of_jax(shape, dtype):
    drawn = jax.random.bits(unrolled(KEY), shape, dtype)
    expected = jax.random.bits(KEY, shape, dtype)
    assert drawn.dtype == expected.dtype
    assert np.array_equal(drawn, expected)


def test_bits_of_64_are_those_of_jax():
    with jax.enable_x64(True):
        drawn = jax.random.bits(unrolled(KEY), (3, 5), "uint64")
        assert np.array_equal(drawn, jax.random.bits(KEY, (3, 5), "uint64"))


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_those_of_jax(name):
    draw = DRAWS[name]
    for form in (draw, jax.jit(draw)):
        assert np.array_equal(form(unrolled(KEY)), form(KEY))


def test_each_of_several_keys_has_its_own_draws():
    keys, draw = jax.random.split(KEY, (2, 3)), DRAWS["normal"]
    drawn = jax.vmap(jax.vmap(lambda key: draw(unrolled(key))))(keys)
    assert np.array_equal(drawn, jax.vmap(jax.vmap(draw))(keys))


def test_bits_that_depend_on_how_many_they_are_are_those_of_jax():
    with jax.threefry_partitionable(False):
        drawn = jax.random.bits(unrolled(KEY), (3, 5))
        assert np.array_equal(drawn, jax.random.bits(KEY, (3, 5)))


def test_more_draws_than_a_word_counts_are_left_to_jax():
    for shape in [(2**16, 2**16), (2**32,)]:
        draw = partial(jax.random.bits, shape=shape)
        assert jax.eval_shape(lambda key, draw=draw: draw(unrolled(key)), KEY).shape == shape


@pytest.mark.parametrize("key", [jax.random.key(0, impl="rbg"), jax.random.PRNGKey(0)])
def test_other_keys_are_left_as_they_are(key):
    assert unrolled(key) is key


def test_the_hash_is_in_the_program_and_not_in_a_loop():
    text = lambda f: jax.jit(f).lower(KEY).as_text()
    assert "stablehlo.while" in text(draw_bits)
    assert "stablehlo.while" not in text(lambda key: draw_bits(unrolled(key)))


def test_programs_with_sizes_that_are_symbols_draw():
    (n,) = jax.export.symbolic_shape("n")
    x = jax.ShapeDtypeStruct((n,), jnp.float32)
    draw = lambda x: jax.random.bits(unrolled(KEY), x.shape)
    exported = jax.export.export(jax.jit(draw))(x)
    assert np.array_equal(exported.call(jnp.ones(9)), jax.random.bits(KEY, (9,)))


def test_the_host_has_the_bits_of_jax():
    numbers = [0, 1, 7, 2**32 - 1]
    keys = [jax.random.fold_in(KEY, number) for number in numbers]
    of_keys = folded(key_words(KEY), numbers)
    assert np.array_equal(of_keys, [key_words(key) for key in keys])
    assert np.array_equal(bits(of_keys, 5), [jax.random.bits(key, 5) for key in keys])
    split = [key_words(key) for key in jax.random.split(KEY)]
    assert np.array_equal(folded(key_words(KEY), [0, 1]), split)
    assert np.array_equal(folded(key_words(KEY), 7), key_words(jax.random.fold_in(KEY, 7)))


@pytest.mark.parametrize("key", [jax.random.key(0, impl="rbg"), jax.random.PRNGKey(0)])
def test_other_keys_have_no_words_for_the_host(key):
    assert key_words(key) is None
    with jax.threefry_partitionable(False):
        assert key_words(KEY) is None


@pytest.mark.parametrize("key", [KEY, jax.random.key(0, impl="rbg"), jax.random.PRNGKey(0)])
def test_a_number_is_folded_in_as_by_jax(key):
    expected, number = jax.random.fold_in(key, 2**32 - 1), 2**32 - 1
    as_data = lambda key: key if key.dtype == jnp.uint32 else jax.random.key_data(key)
    with on_host():
        found = [fold_in(key, number), jax.jit(partial(fold_in, number=number))(key)]
        placed = fold_in(jax.device_put(key, jax.devices()[0]), number)
    for key in (*found, placed):
        assert key.dtype == expected.dtype
        assert np.array_equal(as_data(key), as_data(expected))
    assert placed.committed


@pytest.mark.parametrize("key", [KEY, jax.random.key(0, impl="rbg"), jax.random.PRNGKey(0)])
def test_a_key_is_split_as_by_jax(key):
    as_data = lambda key: key if key.dtype == jnp.uint32 else jax.random.key_data(key)
    expected = as_data(jax.random.split(key, 3))
    with on_host():
        found = [split(key, 3), jax.jit(partial(split, number=3))(key)]
        placed = split(jax.device_put(key, jax.devices()[0]))
    for keys in found:
        assert np.array_equal([as_data(key) for key in keys], expected)
    assert all(key.committed for key in placed)


def test_a_legacy_key_of_numpy_is_folded_by_jax():
    key = jax.random.PRNGKey(0)
    with on_host():
        assert np.array_equal(fold_in(np.asarray(key), 3), jax.random.fold_in(key, 3))


def draw(key):
    key, other = split(fold_in(key, 1))
    return {"a": jax.random.normal(fold_in(key, 2), (3,)), "key": fold_in(other, 3)}


@pytest.mark.parametrize("key", [KEY, jax.random.key(0, impl="rbg")])
def test_the_keys_that_a_function_derives_are_arguments_of_its_program(key):
    drawn, expected = jitted(draw, key), jax.jit(draw)(key)
    assert np.array_equal(drawn["a"], expected["a"])
    assert drawn["key"].dtype == expected["key"].dtype
    assert drawn["key"] == expected["key"]


def of_copies(key):
    return jax.vmap(draw)(fold_in_each(key, 3))


def of_copies_of_copies(key):
    return jax.vmap(of_copies)(fold_in_each(key, 2))


@pytest.mark.parametrize("derive", [of_copies, of_copies_of_copies])
@pytest.mark.parametrize("key", [KEY, jax.random.key(0, impl="rbg")])
def test_the_keys_of_copies_are_those_of_jax(key, derive):
    drawn, expected = jitted(derive, key), jax.jit(derive)(key)
    assert np.array_equal(drawn["a"], expected["a"])
    assert np.array_equal(*map(jax.random.key_data, (drawn["key"], expected["key"])))


@pytest.mark.parametrize("derive", [draw, of_copies])
def test_a_program_has_no_hash_for_keys_that_are_derived(derive):
    with on_host():
        program = str(jax.make_jaxpr(lambda: derive(KEY))())
    assert "random_fold_in" not in program
    assert "random_split" not in program


def test_several_keys_are_not_folded_as_one():
    keys = jax.random.split(KEY, 3)
    with on_host(), pytest.raises(ValueError, match="key"):
        fold_in(keys, 1)


def test_without_jit_a_function_runs_as_it_is():
    with jax.disable_jit():
        drawn = jitted(lambda key: {**draw(key), "is": bool(draw(key)["a"].sum() > -100)}, KEY)
    assert isinstance(drawn["a"], jax.Array)
    assert drawn["is"] is True


def test_other_arrays_stay_where_the_program_runs():
    """A committed array that is a part of the params does not decide where they are."""
    array = jax.device_put(jnp.ones(3), jax.devices()[-1])
    drawn = jitted(lambda key: (array, draw(key)), jax.device_put(KEY, jax.devices()[0]))
    assert drawn[0].devices() == drawn[1]["a"].devices() == {jax.devices()[0]}
