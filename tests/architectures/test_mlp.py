"""The multilayer perceptron: the formula in NumPy, its number of parameters, and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.losses import cross_entropy, squared_error
from tests.architectures import eight, loss_after_training, parameters

SAME = 1e-12  # float64: the same sums in another order
LEARNED = 0.01  # nats, of 1.4 at first; or of a variance of 1


def test_it_is_the_formula(float64):
    x = np.random.default_rng(0).standard_normal((6, 3))
    model = mlp(MLPConfig(outputs=2, hidden=(5, 4), activation="tanh"))
    params, state = jax.jit(model.init)(jax.random.key(0), x)
    h = np.tanh(x @ params["hidden0"]["dense"]["kernel"] + params["hidden0"]["dense"]["bias"])
    h = np.tanh(h @ params["hidden1"]["dense"]["kernel"] + params["hidden1"]["dense"]["bias"])
    expected = h @ params["out"]["kernel"] + params["out"]["bias"]
    np.testing.assert_allclose(
        jax.jit(model.apply)(params, state, jnp.asarray(x))[0], expected, atol=SAME
    )


def test_number_of_parameters():
    assert (
        parameters(mlp(MLPConfig(outputs=10, hidden=(300, 100), input_rank=3)), 28, 28, 1)
        == 784 * 300 + 300 + 300 * 100 + 100 + 1010
    )


def test_without_hidden_layers_it_is_linear():
    model = mlp(MLPConfig(outputs=2, hidden=()))
    assert parameters(model, 3) == 3 * 2 + 2


def test_captured_values_read_well():
    model = mlp(MLPConfig(outputs=10, hidden=(32,), dropout=0.5, input_rank=3))
    params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((4, 4, 1)))
    _, values = jnn.capture(model.apply)(params, state, jnp.ones((4, 4, 1)))
    layers = ["hidden0/dense", "hidden0/activation", "hidden0/dropout", "hidden0"]
    assert list(values) == [f"{name}/output" for name in ["flatten", *layers, "out"]]


def test_it_learns_eight_labels():
    labels = jnp.arange(8) % 4
    model = mlp(MLPConfig(outputs=4, hidden=(32, 32)))
    first, last = loss_after_training(
        model, eight(6), lambda y: cross_entropy(y, labels), enough=LEARNED
    )
    assert last < LEARNED < first


@pytest.mark.slow  # it learns labels in make test
def test_it_learns_eight_values():
    targets = jnp.sin(3 * eight(2))
    first, last = loss_after_training(
        mlp(MLPConfig(outputs=2, hidden=(64, 64))),
        eight(2),
        lambda y: squared_error(y, targets),
        enough=LEARNED,
    )
    assert last < LEARNED < first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": 2, "hidden": 8}, r"hidden=8, expected a tuple .* single one is hidden=\(8,\)"),
        ({"outputs": 0}, r"MLPConfig: got outputs=0, expected an integer >= 1"),
        (
            {"outputs": 2, "hidden": (8, 0)},
            r"MLPConfig: got hidden\[1\]=0, expected an integer >= 1",
        ),
        (
            {"outputs": 2, "dropout": 1.5},
            r"MLPConfig: got dropout=1.5, expected a fraction in \[0, 1\)",
        ),
        (
            {"outputs": 2, "activation": "rellu"},
            r"activation: got 'rellu', expected one of .* Did you mean 'relu'\?",
        ),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match=message):
        mlp(MLPConfig(**settings))


def test_dropout_needs_a_key():
    model = mlp(MLPConfig(outputs=2, hidden=(4,), dropout=0.5))
    params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones(3))
    with pytest.raises(
        jnn.JnnError,
        match=r"dropout: got train=True without a key.* Pass key=jax.random.key\(seed\) to apply",
    ):
        model.apply(params, state, jnp.ones(3), train=True)
