"""Gradients through time: finite differences, and a linear recurrence whose gradient is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jnn
from jnn.errors import JnnError
from jnn.explain.inside.through_time import (
    gradient_norms,
    gradient_through_time,
    loss_gradients,
    reach,
    relative,
)
from jnn.layers.elman import elman
from jnn.layers.gru import gru
from tests.compiled import init

EXACT = 1e-10  # float64
DIFFERENCES = 1e-6  # central differences with a step of 1e-5 in float64

T, V, D = 6, 5, 3

pytestmark = pytest.mark.usefixtures("float64")


def test_a_linear_recurrence_keeps_a_power_of_its_weight():
    """``h_t = 0.5 h_{t-1} + x_t``, the last h is Σ 0.5^(T-1-t) x_t."""
    layer = elman(2, activation="identity")
    x = np.ones((T, 2))
    params, state = init(layer, x)
    params = params | {"kernel": np.eye(2), "recurrent_kernel": 0.5 * np.eye(2)}
    last = jax.jit(lambda x: layer.apply(params, state, x)[0][-1] @ np.array([3.0, 4.0]))
    norms = gradient_norms(last, x)
    assert_allclose(norms, 5 * 0.5 ** np.arange(T)[::-1], atol=EXACT)


@pytest.mark.slow
def test_the_gradients_of_a_models_last_loss_are_finite_differences():
    model = jnn.chain(embedding=jnn.embedding(V, D), memory=gru(4), out=jnn.dense(V))
    tokens, targets = np.random.default_rng(0).integers(0, V, (2, T)), np.array([1, 4])
    params, state = init(model, tokens[0])
    norms = loss_gradients(model, params, state, tokens, targets)
    rest = {name: params[name] for name in ("memory", "out")}
    inside = jax.jit(
        lambda x: jnn.chain(memory=gru(4), out=jnn.dense(V)).apply(rest, state, x)[0][-1]
    )
    for row, sequence, target in zip(norms, tokens, targets, strict=True):
        x = np.asarray(params["embedding"]["embedding"])[sequence]

        def loss(x, target=target):
            z = np.asarray(inside(x))
            return np.log(np.exp(z).sum()) - z[target]

        slopes = np.zeros_like(x)
        for place in np.ndindex(*x.shape):
            step = np.zeros_like(x)
            step[place] = 1e-5
            slopes[place] = (loss(x + step) - loss(x - step)) / 2e-5
        assert_allclose(row, np.linalg.norm(slopes, axis=-1), atol=DIFFERENCES)


def test_lines_are_geometric_means_of_what_is_left_of_the_last():
    norms = np.random.default_rng(0).random((3, 7)) + 0.1
    expected = [np.prod([row[6 - k] / row[6] for row in norms]) ** (1 / 3) for k in range(7)]
    assert_allclose(relative(norms), expected, atol=EXACT)
    figure = gradient_through_time({"gru": norms, "rnn": 0.5 ** np.arange(10)[::-1]}, most=5)
    ax = figure.axes[0]
    assert_allclose(ax.lines[0].get_ydata(), expected[:5], atol=EXACT)
    assert ax.get_yscale() == "log"
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["gru: above 1 % all the way", "rnn: below 1 % after 7 steps"]
    assert "the last 5 of 10 inputs" in figure.get_suptitle().replace("\n", " ")


def test_a_gradient_that_is_gone_is_drawn_and_counted():
    line = relative([0.0, 0.0, 1.0])
    assert reach(line) == 1
    assert np.all(np.isfinite(gradient_through_time({"none": [0.0, 0.0, 1.0]}).axes[0].get_ylim()))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: relative([1.0, 0.0]),
            "got norms (1, 2), expected (T,) or (N, T), above 0 at the last input",
        ),
        (
            lambda: loss_gradients(jnn.dense(2), {}, {}, np.ones(3, int), 1),
            "loss_gradients: got tokens (3,) and targets ()",
        ),
        (
            lambda: gradient_norms(lambda x: x[0], jnp.ones(3)),
            "gradient_norms: got x of shape (3,)",
        ),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call()
    assert text in str(error.value)
