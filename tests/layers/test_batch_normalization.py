"""Batch normalization: PyTorch's values and running statistics, and the same batch in whole, in a
loop, mapped, masked and over devices.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.batch_normalization import batch_norm
from tests.compiled import apply, init

FORWARD = 1e-10  # float64: the same sums in another order
GRADIENT = 1e-9  # float64: a few more sums, divided by a standard deviation
FLOAT32 = 1e-3  # 24 bits for values of 1e4 with a spread of 1
SHARDED = 1e-5  # float32: sums over devices in another order


def assert_same(got, expected, tolerance=FORWARD):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=tolerance), got, expected)


def weighted_values_and_gradients(model, params, state, x, weights, **options):
    def weighted(params, x):
        y, new_state = apply(model, params, state, x, **options)
        return jnp.sum(weights * y), (y, new_state)

    (_, outputs), gradients = jax.jit(jax.value_and_grad(weighted, (0, 1), has_aux=True))(
        params, jnp.asarray(x)
    )
    return outputs, gradients


def test_training_then_evaluation_is_that_of_pytorch(reference, float64):
    case, layer = reference("normalization", "batch_norm"), batch_norm(momentum=0.8)
    params = {name: jnp.asarray(case[f"params/{name}"]) for name in ("scale", "bias")}
    _, state = init(layer, case["0/x"])
    for i in range(3):
        x, weights = case[f"{i}/x"], case[f"{i}/weights"]
        (y, state), (gradient, gradient_x) = weighted_values_and_gradients(
            layer, params, state, x, weights, train=i < 2
        )
        assert_same(y, case[f"{i}/y"])
        assert_same(state, {name: case[f"{i}/{name}"] for name in ("mean", "variance")})
        assert_same(gradient_x, case[f"{i}/gradient/x"], GRADIENT)
        assert_same(
            gradient, {name: case[f"{i}/gradient/{name}"] for name in ("scale", "bias")}, GRADIENT
        )


def test_a_mean_far_from_zero_does_not_cancel_the_variance():
    x = (1e4 + np.random.default_rng(0).normal(size=(4096, 2))).astype(np.float32)
    layer = batch_norm(momentum=0)
    y, state = apply(layer, *init(layer, x), jnp.asarray(x), train=True)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(
        y, (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5), atol=FLOAT32
    )
    np.testing.assert_allclose(state["variance"], exact.var(0, ddof=1), rtol=FLOAT32)


def test_masked_statistics_are_those_of_the_real_elements(float64):
    x = jax.random.normal(jax.random.key(0), (3, 6, 2))
    mask = jnp.arange(6) < jnp.array([[6], [4], [1]])
    layer = batch_norm()
    params, state = init(layer, x)
    junk = jnp.where(mask[..., None], x, jnp.nan)
    weights = jnp.where(mask[..., None], jax.random.normal(jax.random.key(1), x.shape), 0)
    (y, new), (gradient, gradient_x) = weighted_values_and_gradients(
        layer, params, state, junk, weights, train=True, mask=mask
    )
    (y_real, new_real), (gradient_real, gradient_x_real) = weighted_values_and_gradients(
        layer, params, state, x[mask], weights[mask], train=True
    )
    assert_same((y[mask], new), (y_real, new_real))
    assert_same((gradient, gradient_x[mask]), (gradient_real, gradient_x_real), GRADIENT)
    assert not np.any(gradient_x[~mask])


@pytest.mark.parametrize(
    ("count", "changed"), [(0, set()), (1, {"mean"}), (2, {"mean", "variance"})]
)
def test_statistics_that_a_batch_does_not_have_are_not_updated(count, changed):
    layer = batch_norm(momentum=0.5)
    mask = jnp.arange(6).reshape(2, 3) < count
    x = jnp.where(mask[..., None], jnp.arange(12.0).reshape(2, 3, 2), jnp.nan)
    params, state = init(layer, x)
    state = {"mean": state["mean"] + 3, "variance": state["variance"] + 4}
    y, new = apply(layer, params, state, x, train=True, mask=mask)
    assert {name for name in state if np.any(new[name] != state[name])} == changed
    assert np.all(np.isfinite([*new.values()]))
    assert np.all(np.isfinite(y))


def test_inside_repeat_remat_and_vmap_it_equals_a_plain_loop(float64):
    depth, x = 3, jax.random.normal(jax.random.key(0), (5, 4))
    block = lambda **options: jnn.chain(jnn.dense(4), batch_norm(**options), jnp.tanh)
    deep = jnn.repeat(jnn.remat(block(axis_name="batch")), depth)
    params, state = jax.jit(deep.init)(jax.random.key(1), x)

    def mapped(params, x):
        y, new = jax.vmap(
            lambda x: apply(deep, params, state, x, train=True),
            axis_name="batch",
            out_axes=(0, None),
        )(x)
        return jnp.sum(jnp.sin(y)), (y, new)

    def looped(params, x):
        states, take = [], lambda tree, i: jax.tree.map(lambda leaf: leaf[i], tree)
        for i in range(depth):
            x, new = block().apply(take(params, i), take(state, i), x, train=True)
            states.append(new)
        return jnp.sum(jnp.sin(x)), (x, jax.tree.map(lambda *leaves: jnp.stack(leaves), *states))

    (_, got), gradient = jax.jit(jax.value_and_grad(mapped, (0, 1), has_aux=True))(params, x)
    (_, expected), expected_gradient = jax.jit(jax.value_and_grad(looped, (0, 1), has_aux=True))(
        params, x
    )
    assert_same(got, expected)
    assert_same(gradient, expected_gradient, GRADIENT)


def mapped_over_the_batch(model):
    """A user's own model, which maps another over its first axis."""

    def apply(params, state, x, *, key=None, train=False, mask=None):
        inner = lambda x: jnn.apply_child("inner", model, params, state, x, train=train)
        return jax.vmap(inner, axis_name="batch", out_axes=(0, None))(x)

    def init(key, x):
        params, state, _ = jnn.init_child("inner", model, key, x)
        return params, state

    return jnn.Model(init, apply)


def test_a_model_that_maps_a_stateful_one_equals_the_batched(float64):
    x, weights = jax.random.normal(jax.random.key(0), (2, 6, 3))
    inner = lambda **options: jnn.chain(jnn.dense(3), norm=batch_norm(**options))
    mapped, batched = mapped_over_the_batch(inner(axis_name="batch")), jnn.chain(inner=inner())
    params, state = init(mapped, x, 1)
    for train in (True, False):
        got, gradient = weighted_values_and_gradients(
            mapped, params, state, x, weights, train=train
        )
        expected, expected_gradient = weighted_values_and_gradients(
            batched, params, state, x, weights, train=train
        )
        assert_same(got, expected)
        assert_same(gradient, expected_gradient, GRADIENT)
        state = got[1]


@pytest.mark.skipif(
    jax.device_count() < 8, reason="needs eight devices, which tests/conftest.py forces on a CPU"
)
def test_shards_share_their_statistics():
    x = jax.random.normal(jax.random.key(0), (16, 3))
    layer, whole = batch_norm(axis_name="data"), batch_norm()
    params, state = init(layer, x, 1)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    split, copied = jax.sharding.PartitionSpec("data"), jax.sharding.PartitionSpec()
    run = lambda params, state, x: apply(layer, params, state, x, train=True)
    sharded = jax.jit(
        jax.shard_map(run, mesh=mesh, in_specs=(copied, copied, split), out_specs=(split, copied))
    )
    assert_same(sharded(params, state, x), apply(whole, params, state, x, train=True), SHARDED)


def test_the_state_has_no_gradient_and_stays_in_evaluation():
    layer, x = batch_norm(), jax.random.normal(jax.random.key(0), (6, 3))
    params, state = init(layer, x, 1)
    gradient = jax.grad(
        lambda x: sum(
            jax.tree.leaves(jax.tree.map(jnp.sum, apply(layer, params, state, x, train=True)[1]))
        )
    )(x)
    assert not np.any(gradient)
    assert layer.apply(params, state, x)[1] is state


def test_the_state_is_float32_at_least():
    layer, x = batch_norm(), jax.random.normal(jax.random.key(0), (6, 3), jnp.bfloat16)
    params, state = init(layer, x, 1)
    y, state = apply(layer, params, state, x, train=True)
    assert {leaf.dtype for leaf in jax.tree.leaves((params, state))} == {np.dtype("float32")}
    assert y.dtype == jnp.bfloat16


def train(layer, x, **options):
    return apply(layer, *init(layer, x), x, train=True, **options)


MISTAKES = {
    "one example": (
        lambda: train(batch_norm(), jnp.ones(3)),
        r"batch_norm: got x of shape \(3,\) in training, expected more than one value",
    ),
    "a batch of one": (lambda: train(batch_norm(), jnp.ones((1, 3))), r"Pass a batch"),
    "an empty batch": (
        lambda: train(batch_norm(), jnp.ones((0, 3))),
        r"got x of shape \(0, 3\) in training",
    ),
    "mapped without a name": (
        lambda: jax.vmap(lambda x: train(batch_norm(), x))(jnp.ones((4, 3))),
        r"inside jax.vmap, name its axis",
    ),
    "no such axis": (
        lambda: train(batch_norm(axis_name="batch"), jnp.ones((4, 3))),
        r"got axis_name='batch' where no axis has this name",
    ),
    "mask": (
        lambda: train(batch_norm(), jnp.ones((4, 5, 3)), mask=jnp.ones((4, 7), bool)),
        r"got a mask of shape \(4, 7\) for x of shape \(4, 5, 3\), expected \(4, 5\)",
    ),
    "another width": (
        lambda: batch_norm().apply(
            *batch_norm().init(jax.random.key(0), jnp.ones((4, 3))), jnp.ones((4, 5))
        ),
        r"got x of shape \(4, 5\), expected 3 features in its last axis",
    ),
    "integers": (lambda: train(batch_norm(), jnp.ones((4, 3), int)), r"got x of dtype int32"),
    "momentum": (
        lambda: batch_norm(momentum=1.5),
        r"got momentum=1.5, expected a fraction in \[0, 1\)",
    ),
    "epsilon": (lambda: batch_norm(epsilon=0), r"got epsilon=0, expected a number > 0"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said(name):
    make, message = MISTAKES[name]
    with pytest.raises(jnn.JnnError, match=message):
        make()
