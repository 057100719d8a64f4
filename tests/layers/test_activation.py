"""Activations by name, and those with parameters, against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import jnn
from jnn.initializers import constant
from jnn.layers.activation import ACTIVATIONS, activation, gated, log_softmax, prelu, softmax
from tests.references.cases_activation import FUNCTIONS

FORWARD = 1e-10  # float64: the same formula in another order
GRADIENT = 1e-9
BFLOAT16 = 2**-8  # half a unit in the last place, relative: only the output is rounded


def value_and_gradients(f, weights, *inputs):
    """``f(*inputs)``, and the gradients of its weighted sum by each of the inputs."""

    def weighted(*inputs):
        y = f(*inputs)
        return jnp.sum(weights * y), y

    gradients = jax.grad(weighted, tuple(range(len(inputs))), has_aux=True)
    gradient, y = jax.jit(gradients)(*inputs)
    return y, gradient


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_derivatives_are_those_of_pytorch(reference, float64, name):
    case, f = reference("activation", name), activation(name)
    y, (gradient,) = value_and_gradients(f, case["weights"], case["x"])
    np.testing.assert_allclose(y, case["y"], atol=FORWARD)
    np.testing.assert_allclose(gradient, case["gradient"], atol=GRADIENT)


def test_those_that_pytorch_lacks_are_their_formulas(float64):
    x = np.linspace(-5, 5, 41)
    y = jax.jit(activation("squareplus"))(x)
    np.testing.assert_allclose(y, (x + np.sqrt(x**2 + 4)) / 2, atol=FORWARD)
    np.testing.assert_array_equal(activation("identity")(x), x)
    assert set(ACTIVATIONS) == {*FUNCTIONS, "squareplus", "identity"}, (
        "each name is compared with something"
    )


@pytest.mark.parametrize(
    ("f", "exact"), [(softmax, scipy.special.softmax), (log_softmax, scipy.special.log_softmax)]
)
def test_softmax_of_bfloat16_is_rounded_only_at_the_end(f, exact):
    x = (3 * np.random.default_rng(0).normal(size=(4, 1000))).astype(jnp.bfloat16)
    y = jax.jit(f)(x)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        np.asarray(y, np.float64), exact(np.asarray(x, np.float64), axis=-1), rtol=BFLOAT16
    )


def test_prelu_is_that_of_pytorch(reference, float64):
    case = reference("activation", "prelu")
    run = lambda slope, x: prelu().apply({"slope": slope}, {}, x)[0]
    y, gradients = value_and_gradients(run, case["weights"], case["slope"], case["x"])
    np.testing.assert_allclose(y, case["y"], atol=FORWARD)
    for gradient, name in zip(gradients, ("slope", "x"), strict=True):
        np.testing.assert_allclose(gradient, case[f"gradient/{name}"], atol=GRADIENT)


@pytest.mark.parametrize("name", ["silu", "gelu", "sigmoid"])
def test_gated_is_shazeers(reference, float64, name):
    case, layer = reference("activation", f"gated {name}"), gated(4, activation(name))
    params = {part: {"kernel": case[part]} for part in ("gate", "value")}
    run = lambda params: layer.apply(params, {}, case["x"])[0]
    y, (gradient,) = value_and_gradients(run, case["weights"], params)
    np.testing.assert_allclose(y, case["y"], atol=FORWARD)
    for part in params:
        np.testing.assert_allclose(
            gradient[part]["kernel"], case[f"gradient/{part}"], atol=GRADIENT
        )


def test_gated_takes_the_initializers_of_dense():
    layer = gated(4, use_bias=True, kernel_init=constant(2.0), bias_init=constant(3.0))
    params, _ = layer.init(jax.random.key(0), jnp.ones(3))
    expected = {"kernel": jnp.full((3, 4), 2.0), "bias": jnp.full(4, 3.0)}
    jax.tree.map(np.testing.assert_array_equal, params, {"gate": expected, "value": expected})


def test_mistakes_are_said():
    with pytest.raises(
        jnn.JnnError, match=r"activation: got 'rellu', expected one of .*\. Did you mean 'relu'\?"
    ):
        activation("rellu")
    with pytest.raises(jnn.JnnError, match="can be used in a chain directly"):
        activation(jnp.tanh)
    with pytest.raises(jnn.JnnError, match=r"prelu: got x of shape \(2, 3\), expected 4 features"):
        prelu().apply({"slope": np.ones(4, np.float32)}, {}, np.ones((2, 3), np.float32))
    with pytest.raises(jnn.JnnError, match="got features=0"):
        gated(0)
    with pytest.raises(jnn.JnnError, match=r"prelu: got x of dtype int32"):
        prelu().init(jax.random.key(0), np.ones(3, np.int32))
