"""The dense layer and the MLP equal PyTorch's; bad inputs are named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn import losses
from jnn.architectures.mlp import MLPConfig, mlp
from tests.compiled import apply, init

FORWARD, GRADIENT = 1e-10, 1e-9  # float64: the same sums in another order


def test_dense_equals_pytorch(float64, reference):
    case = reference("dense", "linear")
    params, x = (
        {"kernel": jnp.asarray(case["kernel"]), "bias": jnp.asarray(case["bias"])},
        jnp.asarray(case["x"]),
    )
    layer = jnn.dense(3)
    np.testing.assert_allclose(apply(layer, params, {}, x)[0], case["y"], atol=FORWARD)
    total = lambda params, x: jnp.sum(jnp.sin(apply(layer, params, {}, x)[0]))
    to_params, to_x = jax.grad(total, argnums=(0, 1))(params, x)
    for name, gradient in {**to_params, "x": to_x}.items():
        np.testing.assert_allclose(gradient, case[f"grad_{name}"], atol=GRADIENT)


def test_mlp_and_its_loss_equal_pytorch(float64, reference):
    case = reference("dense", "perceptron")
    model = mlp(MLPConfig(outputs=3, hidden=(8, 8)))
    numbered = lambda i: {
        "kernel": jnp.asarray(case[f"kernel{i}"]),
        "bias": jnp.asarray(case[f"bias{i}"]),
    }
    params = {
        "hidden0": {"dense": numbered(0)},
        "hidden1": {"dense": numbered(1)},
        "out": numbered(2),
    }
    loss = lambda params: jnp.mean(
        losses.cross_entropy(
            apply(model, params, {}, jnp.asarray(case["x"]))[0], jnp.asarray(case["label"])
        )
    )
    np.testing.assert_allclose(loss(params), case["loss"], atol=FORWARD)
    gradient = jax.grad(loss)(params)
    for i, layer in enumerate(
        [gradient["hidden0"]["dense"], gradient["hidden1"]["dense"], gradient["out"]]
    ):
        np.testing.assert_allclose(layer["kernel"], case[f"grad_kernel{i}"], atol=GRADIENT)
        np.testing.assert_allclose(layer["bias"], case[f"grad_bias{i}"], atol=GRADIENT)


def test_params_are_drawn_as_declared():
    params, _ = init(jnn.dense(400), jnp.ones(300))
    kernel, size = np.asarray(params["kernel"]), 300 * 400
    assert abs(kernel.mean()) < 4 * kernel.std() / size**0.5
    assert abs(kernel.var() * 300 - 1) < 4 * (2 / size) ** 0.5
    assert not params["bias"].any()


def test_channels_first_is_named():
    layer = jnn.dense(2)
    params, state = init(layer, jnp.ones(3))
    with pytest.raises(
        jnn.JnnError,
        match=(
            r"dense: got x of shape \(8, 3, 5\), expected 3 features in its last "
            r"axis.*Channels come last"
        ),
    ):
        apply(layer, params, state, jnp.ones((8, 3, 5)))


def test_flatten_keeps_leading_axes_and_refuses_too_few():
    x = jnp.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(jnn.flatten(2).apply({}, {}, x)[0], x.reshape(2, 12))
    with pytest.raises(
        jnn.JnnError, match=r"flatten: got x of shape \(2, 3, 4\), expected at least 4 axes"
    ):
        jnn.flatten(4).apply({}, {}, x)
