"""The layer table against what running the model gives."""

import jax
import jax.numpy as jnp
import pytest

import jnn
from jnn.explain.inside.summary import Row, layer_table, parameter_count, table

MODELS = {
    "chain": jnn.chain(first=jnn.dense(4), relu=jax.nn.relu, out=jnn.dense(2)),
    "nested": jnn.chain(
        block=jnn.residual(jnn.chain(jnn.dense(3), jax.nn.relu)),
        heads=jnn.parallel(a=jnn.dense(2), b=jnn.dense(5)),
    ),
    "repeated": jnn.chain(deep=jnn.repeat(jnn.chain(jnn.dense(3), jnp.tanh), 4), out=jnn.dense(2)),
    "one layer": jnn.dense(7),
}
X = jnp.ones((6, 3))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("depth", [None, 1])
def test_the_rows_hold_every_parameter_once(name, depth):
    params, _ = jax.eval_shape(MODELS[name].init, jax.random.key(0), X)
    total = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert (
        sum(row.parameters for row in layer_table(MODELS[name], X, depth=depth))
        == total
        == parameter_count(MODELS[name], X)
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", MODELS)
def test_the_shapes_are_those_of_a_real_run(name):
    model = MODELS[name]
    (y, _), values = jnn.capture(model.apply)(*model.init(jax.random.key(0), X), X)
    for row in layer_table(model, X):
        expected = values[f"{row.path}/output"].shape if row.path else y.shape
        assert row.output == (expected,)


def test_rows_come_in_the_order_in_which_the_layers_run():
    assert layer_table(MODELS["chain"], X) == [
        Row("first", ((6, 4),), 16),
        Row("relu", ((6, 4),), 0),
        Row("out", ((6, 2),), 10),
    ]
    block = jnn.chain(second=jnn.dense(3), first=jnp.tanh)  # an order that sorting would change
    for deep in (jnn.repeat(block, 4), jnn.remat(block), jnn.repeat(jnn.remat(block), 4)):
        assert [row.path for row in layer_table(jnn.chain(deep=deep), X)] == [
            "deep/second",
            "deep/first",
        ]


def test_a_block_stands_for_what_is_in_it():
    assert layer_table(MODELS["nested"], X, depth=1) == [
        Row("block", ((6, 3),), 12),
        Row("heads", ((6, 2), (6, 5)), 28),
    ]


def test_parameters_that_no_child_holds_have_a_row():
    def init(key, x):
        params, state, _ = jnn.init_child("dense", jnn.dense(2), key, x)
        return {**params, "own": {"scale": jnp.ones(5)}}, state

    def apply(params, state, x, **settings):
        return jnn.apply_child("dense", jnn.dense(2), params, state, x)

    assert layer_table(jnn.Model(init, apply), X) == [Row("dense", ((6, 2),), 8), Row("own", (), 5)]


def test_a_layer_that_is_used_twice_counts_once():
    def init(key, x):
        return jnn.init_child("shared", jnn.dense(3), key, x)[:2]

    def apply(params, state, x, **settings):
        once, _ = jnn.apply_child("shared", jnn.dense(3), params, state, x)
        return jnn.apply_child("shared", jnn.dense(3), params, state, once)

    assert layer_table(jnn.Model(init, apply), X) == [Row("shared", ((6, 3), (6, 3)), 12)]


def test_nothing_is_computed():
    """Sizes that no memory holds."""
    huge = jnn.chain(wide=jnn.dense(10**7), out=jnn.dense(10**7))
    x = jax.ShapeDtypeStruct((10**6, 3), jnp.float32)
    assert layer_table(huge, x)[1] == Row("out", ((10**6, 10**7),), 10**14 + 10**7)


def test_the_table_is_aligned():
    lines = table(MODELS["nested"], X, with_flops=True).splitlines()
    assert lines[0].split() == ["layer", "output", "parameters"]
    assert lines[1].split() == ["block/body/0", "6", "×", "3", "12"]
    assert len({len(line) for line in lines[:-1]}) == 1
    assert lines[-2].split() == ["total", "40"]
    assert lines[-1].endswith(
        "floating-point operations in matrix products and convolutions for an input of this shape"
    )


def test_a_shape_is_no_input():
    with pytest.raises(jnn.JnnError, match="summary: got x of type int, expected an array"):
        jnn.summary(jnn.dense(2), (3, 4))
