"""Layer, root mean square, group and instance normalization against PyTorch, and in low
precision.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.normalization import group_norm, instance_norm, layer_norm, rms_norm
from tests.compiled import apply, init

FORWARD = 1e-10  # float64: the same sums in another order
GRADIENT = 1e-9  # float64: a few more sums, divided by a standard deviation
# 24 bits for values of 1e4 with a spread of 1 leave 1e-3 / sqrt(12) of a spread in each value, less
# in the mean of many
FLOAT32 = 1e-4
# half a unit in the last place, relative to values below 2: only the output is rounded
BFLOAT16 = 2**-8

LAYERS = {
    "layer_norm": layer_norm(),
    "rms_norm": rms_norm(),
    "group_norm, image": group_norm(2, rank=3),
    "group_norm, sequence": group_norm(3, rank=2),
    "group_norm, vector": group_norm(2, rank=1),
    "instance_norm, image": instance_norm(rank=3),
    "instance_norm, sequence": instance_norm(rank=2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_those_of_pytorch(reference, float64, name):
    case, layer = reference("normalization", name), LAYERS[name]
    names, _ = jax.eval_shape(layer.init, jax.random.key(0), case["x"])
    params = {key: case[f"params/{key}"] for key in names}

    def weighted(params, x):
        y, _ = layer.apply(params, {}, x)
        return jnp.sum(case["weights"] * y), y

    gradients = jax.jit(jax.grad(weighted, (0, 1), has_aux=True))
    (gradient, gradient_x), y = gradients(params, case["x"])
    np.testing.assert_allclose(y, case["y"], atol=FORWARD)
    np.testing.assert_allclose(gradient_x, case["gradient/x"], atol=GRADIENT)
    for key in params:
        np.testing.assert_allclose(gradient[key], case[f"gradient/{key}"], atol=GRADIENT)


@pytest.mark.parametrize("layer", [layer_norm(), group_norm(1, rank=1)])
def test_a_mean_far_from_zero_does_not_cancel_the_variance(layer):
    x = (1e4 + np.random.default_rng(0).normal(size=(3, 4096))).astype(np.float32)
    y, _ = apply(layer, *init(layer, x), x)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean(1, keepdims=True)) / np.sqrt(exact.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, exact, atol=10 * FLOAT32)


@pytest.mark.parametrize(("layer", "mean"), [(layer_norm(), 1), (rms_norm(), 0)])
def test_bfloat16_is_rounded_only_at_the_end(layer, mean):
    x = np.random.default_rng(0).normal(size=(3, 512)).astype(jnp.bfloat16)
    y, _ = apply(layer, *init(layer, x), x)
    exact = np.asarray(x, np.float64)
    exact = exact - mean * exact.mean(1, keepdims=True)
    exact = exact / np.sqrt(np.square(exact).mean(1, keepdims=True))
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(y, np.float64), exact, rtol=BFLOAT16, atol=FLOAT32)


@pytest.mark.parametrize("layer", [group_norm(2, rank=2), instance_norm(rank=2)])
def test_masked_statistics_are_those_of_the_real_elements(layer, float64):
    x = np.random.default_rng(0).normal(size=(2, 7, 4))
    params, state = init(layer, x)
    mask = np.arange(7) < np.array([[5], [3]])

    def loss(x, mask):
        y, _ = layer.apply(params, state, x, mask=mask)
        return jnp.sum(jnp.sin(y) if mask is None else jnp.where(mask[..., None], jnp.sin(y), 0)), y

    gradient_and_output = jax.jit(jax.grad(loss, has_aux=True))
    junk = np.where(mask[..., None], x, np.nan)
    gradient, y = jax.device_get(gradient_and_output(junk, mask))
    for i, length in enumerate((5, 3)):
        gradient_alone, y_alone = gradient_and_output(x[i, :length], None)
        np.testing.assert_allclose(y[i, :length], y_alone, atol=FORWARD)
        np.testing.assert_allclose(gradient[i, :length], gradient_alone, atol=GRADIENT)


X = np.zeros((2, 5, 6), np.float32)
MISTAKES = {
    "integers": (
        lambda: layer_norm().init(jax.random.key(0), np.zeros(3, np.int32)),
        r"layer_norm: got x of dtype int32",
    ),
    "a number": (
        lambda: rms_norm().init(jax.random.key(0), 1.0),
        r"rms_norm: got x of type float, expected an array",
    ),
    "epsilon": (
        lambda: layer_norm(epsilon=-1.0),
        r"layer_norm: got epsilon=-1.0, expected a number > 0",
    ),
    "another width": (
        lambda: layer_norm(use_bias=False).apply({"scale": np.ones(5, np.float32)}, {}, X),
        r"layer_norm: got x of shape \(2, 5, 6\), expected 5 features",
    ),
    "groups": (
        lambda: group_norm(4, rank=2).init(jax.random.key(0), X),
        r"group_norm: got 6 channels in 4 groups",
    ),
    "no groups": (
        lambda: group_norm(0, rank=2),
        r"group_norm: got groups=0, expected an integer >= 1",
    ),
    "rank": (
        lambda: group_norm(2, rank=4).init(jax.random.key(0), X),
        r"group_norm: got x of shape \(2, 5, 6\), expected at least 4 axes",
    ),
    "no space": (
        lambda: instance_norm(rank=1),
        r"instance_norm: got rank=1, expected at least 2 axes",
    ),
    "one element": (
        lambda: instance_norm(rank=2).init(jax.random.key(0), X[:, :1]),
        r"expected more than one element of space",
    ),
    "mask": (
        lambda: group_norm(2, rank=2, use_scale=False, use_bias=False).apply(
            {}, {}, X, mask=np.ones((2, 4), bool)
        ),
        (
            r"group_norm: got a mask of shape \(2, 4\) for x of shape \(2, 5, 6\), "
            r"expected \(2, 5\)"
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said(name):
    make, message = MISTAKES[name]
    with pytest.raises(jnn.JnnError, match=message):
        make()


@pytest.mark.parametrize("norm", [group_norm(2, rank=2), instance_norm(rank=2)])
@pytest.mark.parametrize("masked", [False, True])
def test_a_batch_without_examples_stays_one(norm, masked):
    params, state = norm.init(jax.random.key(0), np.zeros((3, 4), np.float32))
    mask = np.zeros((0, 3), bool) if masked else None
    y, _ = norm.apply(params, state, np.zeros((0, 3, 4), np.float32), mask=mask)
    assert y.shape == (0, 3, 4)
