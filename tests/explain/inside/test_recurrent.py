"""Figures of a recurrent network have the values of its equations, computed here step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import jnn
from jnn.errors import JnnError
from jnn.explain.inside.recurrent import activations, gates, hidden_states, units_by_autocovariance
from jnn.layers.bidirectional import bidirectional
from jnn.layers.gru import gru
from jnn.layers.lstm import lstm
from tests.compiled import init

EXACT = 1e-5  # float32, ten steps
RNG = np.random.default_rng(0)
T, D, F = 9, 3, 4
X = RNG.normal(size=(T, D)).astype(np.float32)
TOKENS = "abcdefghi"


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_the_gates_of_an_lstm_are_those_of_its_equations():
    model = jnn.chain(memory=lstm(F), out=jnn.dense(2))
    params, state = init(model, X)
    weights = {name: np.asarray(value, np.float64) for name, value in params["memory"].items()}
    W, U, b = (weights[name] for name in ("kernel", "recurrent_kernel", "bias"))
    names = ("input_gate", "forget_gate", "output_gate", "cell", "hidden")
    h, c, expected = np.zeros(F), np.zeros(F), {name: [] for name in names}
    for x in X:
        i, f, g, o = np.split(x @ W + h @ U + b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        for name, value in zip(expected, (sigmoid(i), sigmoid(f), sigmoid(o), c, h), strict=True):
            expected[name].append(value)
    values = activations(model, params, state, X)["memory"]
    assert set(values) == {*expected, "candidate"}
    for name, value in expected.items():
        assert_allclose(values[name], value, atol=EXACT)


def test_the_copies_of_a_repeat_are_layers_one_after_the_other():
    model = jnn.chain(deep=jnn.repeat(gru(D), 2))
    params, state = init(model, X)
    values, x = activations(model, params, state, X), X
    assert list(values) == ["deep/0", "deep/1"]
    for i, layer in enumerate(values.values()):
        copy = jax.tree.map(lambda leaf, i=i: leaf[i], params["deep"])
        expected = activations(gru(D), copy, {}, x)[""]
        assert set(layer) == set(expected)
        for name, value in expected.items():
            assert_allclose(layer[name], value, atol=EXACT)
        x = expected["hidden"]


def test_a_repeat_alone_has_its_copies_as_layers():
    model = jnn.repeat(lstm(D), 2)
    assert list(activations(model, *init(model, X), X)) == ["0", "1"]


@pytest.mark.slow
def test_what_reads_backward_is_turned_to_the_order_of_the_text():
    model = jnn.chain(both=bidirectional(gru(F)), out=jnn.dense(2))
    params, state = init(model, X)
    values = activations(model, params, state, X)
    y = jax.jit(jnn.capture(model.apply))(params, state, X)[1]["both/output"]
    assert_allclose(
        np.concatenate(
            [values["both/forward"]["hidden"], values["both/backward"]["hidden"]], axis=-1
        ),
        y,
        atol=EXACT,
    )


def test_the_chosen_units_have_the_largest_autocovariance():
    states, lag = RNG.normal(size=(50, 6)).cumsum(axis=0) * [1, 5, 0.1, 3, 2, 4], 3
    score = []
    for h in states.T:
        score.append(
            np.mean([(h[t] - h.mean()) * (h[t + lag] - h.mean()) for t in range(50 - lag)])
        )
    assert_array_equal(
        units_by_autocovariance(states, 4, lag=lag, alike=1.1), np.argsort(score)[::-1][:4]
    )


def test_a_unit_like_a_chosen_one_comes_after_all_others():
    a, b = np.sign(np.sin(np.arange(40) / 4)), 0.1 * np.sign(np.sin(np.arange(40) / 7))
    states = np.stack([a, -a, b, 0.9 * a], axis=1)
    assert_array_equal(units_by_autocovariance(states, 4), [0, 2, 1, 3])
    assert_array_equal(units_by_autocovariance(states, 9), [0, 2, 1, 3])


def test_the_picture_of_the_memory_has_a_row_for_each_unit():
    states = RNG.normal(size=(T, F))
    ax = hidden_states(states, TOKENS, units=[2, 0]).axes[0]
    assert_allclose(ax.images[0].get_array(), states[:, [2, 0]].T)
    low, high = ax.images[0].get_clim()
    assert low == -high
    assert [label.get_text() for label in ax.get_xticklabels()] == list(TOKENS)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2", "0"]


def test_a_long_text_is_cut_and_the_title_says_so():
    figure = hidden_states(RNG.normal(size=(300, F)), "x" * 300, most=50)
    assert figure.axes[0].images[0].get_array().shape == (F, 50)
    assert figure.get_suptitle().replace("\n", " ").endswith("the first 50 of 300 tokens")


def test_gates_are_drawn_from_closed_to_open_and_counted():
    values = {
        "forget_gate": RNG.random((T, F)),
        "hidden": RNG.normal(size=(T, F)),
        "input_gate": np.eye(T, F),
    }
    figure = gates(values, TOKENS, units=[1, 3])
    forget, inside = values["forget_gate"], figure.axes[1]
    assert_allclose(figure.axes[0].images[0].get_array(), values["input_gate"][:, [1, 3]].T)
    assert_allclose(inside.images[0].get_array(), forget[:, [1, 3]].T)
    assert inside.images[0].get_clim() == (0, 1)
    often, rarely = round(100 * np.mean(forget > 0.9)), round(100 * np.mean(forget < 0.1))
    assert inside.get_title(loc="left") == f"forget gate: open {often} %, closed {rarely} %"


def dense_values():
    model = jnn.chain(jnn.dense(2))
    return activations(model, *model.init(jax.random.key(0), X), X)


def batch_values():
    model = gru(F)
    return activations(model, *model.init(jax.random.key(0), X), jnp.stack([X, X]))


def stacked_batch_values():
    model = jnn.repeat(gru(D), 2)
    return activations(model, *model.init(jax.random.key(0), X), jnp.stack([X, X, X]))


def ensemble_values():
    model = jnn.ensemble(gru(F), 2)
    return activations(model, *model.init(jax.random.key(0), X), X)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (stacked_batch_values, "activations: got several sequences, expected one"),
        (ensemble_values, "activations: got several sequences, expected one"),
        (dense_values, "activations: got a model without a recurrent layer"),
        (batch_values, "activations: got several sequences, expected one"),
        (
            lambda: hidden_states(np.ones((2, 3, 4)), "ab"),
            "got values of shape (2, 3, 4), expected (2, units), a row for each token",
        ),
        (
            lambda: hidden_states(np.ones((3, 4)), "ab"),
            "got values of shape (3, 4), expected (2, units)",
        ),
        (
            lambda: gates({"hidden": np.ones((2, 3))}, "ab"),
            "gates: got hidden, expected some of input_gate, forget_gate",
        ),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call()
    assert text in str(error.value)
