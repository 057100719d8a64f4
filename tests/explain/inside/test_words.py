"""Word attributions: exact where the logit is a sum over words, complete where it is not, equal to
brute force.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jnn
from jnn.errors import JnnError
from jnn.explain.inside.words import (
    Decision,
    attribution_bars,
    coloured_decisions,
    decisions,
    integrated_words,
    leave_one_out,
    log_odds,
    right_and_worst,
)
from jnn.layers.gru import gru
from tests.compiled import apply, init

COMPLETE = 1e-4  # what the middle rule with 256 steps leaves on a small smooth network
EXACT = 1e-10  # float64
RNG = np.random.default_rng(0)
V, D, T, N = 7, 3, 5, 3
TOKENS, TARGETS = RNG.integers(1, V, (N, T)), np.array([0, 1, 0])
MASK = np.arange(T) < np.array([[5], [3], [4]])

pytestmark = pytest.mark.usefixtures("float64")


def classifier(*layers, classes):
    return jnn.chain(
        embedding=jnn.embedding(V, D),
        **dict(layers),
        last=jnn.last_element(),
        out=jnn.dense(classes),
    )


@functools.cache
def reader(classes=2):
    model = classifier(("memory", gru(6)), classes=classes)
    return model, *init(model, TOKENS[0])


def bag_of_words():
    """Logits that are sums over words: each word adds its vector's."""

    def total(params, state, x, *, key=None, train=False, mask=None):
        real = x if mask is None else jnp.where(mask[..., None], x, 0)
        return jnp.sum(real, axis=-2), state

    model = jnn.chain(
        embedding=jnn.embedding(V, 2), total=jnn.Model(lambda key, x: ({}, {}), total)
    )
    return model, *init(model, TOKENS[0])


def odds(logits, target):
    p = np.exp(logits) / np.exp(logits).sum()
    return np.log(p[target] / (1 - p[target]))


def test_log_odds_are_those_of_the_softmax():
    z = RNG.normal(size=5)
    for target in range(5):
        assert_allclose(log_odds(jnp.asarray(z), target), odds(z, target), atol=EXACT)


def test_where_words_are_summed_both_methods_give_each_words_own_term():
    model, params, state = bag_of_words()
    params = {"embedding": {"embedding": params["embedding"]["embedding"].at[0].set(0.0)}}
    vectors = np.asarray(params["embedding"]["embedding"])
    sign = np.where(TARGETS == 1, 1, -1)[:, None]
    expected = sign * (vectors[TOKENS, 1] - vectors[TOKENS, 0])
    assert_allclose(
        integrated_words(model, params, state, TOKENS, TARGETS, steps=3), expected, atol=EXACT
    )
    assert_allclose(
        leave_one_out(model, params, state, TOKENS, TARGETS, replacement=0), expected, atol=EXACT
    )


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("classes", [2, 4])
def test_integrated_gradients_add_up_to_the_rise_of_the_log_odds(classes):
    model, params, state = reader(classes)
    values = integrated_words(model, params, state, TOKENS, TARGETS, steps=256)
    inner = jnn.chain(memory=gru(6), last=jnn.last_element(), out=jnn.dense(classes))
    own = {name: params[name] for name in ("memory", "out")}
    nothing, _ = apply(inner, own, state, np.zeros((T, D)))
    for row, tokens, target in zip(values, TOKENS, TARGETS, strict=True):
        logits, _ = apply(model, params, state, tokens)
        rise = odds(np.asarray(logits), target) - odds(np.asarray(nothing), target)
        assert_allclose(row.sum(), rise, atol=COMPLETE)


def test_leaving_one_out_is_what_brute_force_finds():
    model, params, state = reader()
    run = jax.jit(lambda tokens: model.apply(params, state, tokens)[0])
    values = leave_one_out(model, params, state, TOKENS, TARGETS, replacement=0)
    for n, i in np.ndindex(N, T):
        changed = TOKENS[n].copy()
        changed[i] = 0
        fall = odds(np.asarray(run(TOKENS[n])), TARGETS[n]) - odds(
            np.asarray(run(changed)), TARGETS[n]
        )
        assert_allclose(values[n, i], fall, atol=EXACT)


@pytest.mark.slow
def test_decisions_are_those_of_the_model_with_a_value_for_each_word():
    model, params, state = reader()
    labels = np.array([1, 0, 1])
    words = [[f"word{token}" for token in row[m]] for row, m in zip(TOKENS, MASK, strict=True)]
    examples = {"tokens": TOKENS, "mask": MASK, "label": labels}
    p = np.asarray(jax.nn.softmax(apply(model, params, state, TOKENS, mask=MASK)[0]))
    decided = decisions(
        model, params, state, examples, p, words=words, classes=("no", "yes"), replacement=0
    )
    assert [decision.truth for decision in decided] == ["yes", "no", "yes"]
    for i, decision in enumerate(decided):
        assert decision.answer == ("no", "yes")[p[i].argmax()]
        assert_allclose(decision.probability, p[i].max(), atol=EXACT)
        one = slice(i, i + 1)
        fall = leave_one_out(
            model, params, state, TOKENS[one], p[one].argmax(axis=1), mask=MASK[one], replacement=0
        )
        assert_allclose(decision.values, fall[0, MASK[i]], atol=EXACT)


def test_texts_to_show_are_the_first_right_and_the_most_wrong():
    p = np.array([[0.6, 0.4], [0.1, 0.9], [0.7, 0.3], [0.2, 0.8]])
    assert right_and_worst(p, [0, 0, 0, 1], most=2).tolist() == [0, 2, 1, 3]


def test_no_text_is_shown_twice_where_all_are_right():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert right_and_worst(p, [0, 1, 0]).tolist() == [0, 1, 2]


def test_padding_does_nothing():
    bag = lambda x, mask: jnp.sum(jnp.where(mask[..., None], x, 0), axis=-2)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        return bag(jnn.tag(params["vectors"][x], "embedding/output"), mask) ** 2, state

    model = jnn.Model(lambda key, x: ({"vectors": jax.random.normal(key, (V, 2))}, {}), apply)
    params, state = model.init(jax.random.key(0), TOKENS[0])
    for values in (
        integrated_words(model, params, state, TOKENS, TARGETS, mask=MASK),
        leave_one_out(model, params, state, TOKENS, TARGETS, replacement=0, mask=MASK),
    ):
        assert np.all(values[~MASK] == 0)
        assert np.all(values[MASK] != 0)


def test_the_bars_are_the_strongest_words_in_the_order_of_the_text():
    values = np.array([0.1, -2.0, 0.0, 1.5, 0.3])
    figure = attribution_bars(
        Decision(["a", "b", "c", "d", "e"], values, "good", 0.75, "bad"), most=3
    )
    bars = figure.axes[0].containers[0]
    assert_allclose([bar.get_width() for bar in bars], [-2.0, 1.5, 0.3])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["b", "d", "e"]
    title = figure.get_suptitle().replace("\n", " ")
    assert title == "Word attributions: predicted good (75 %), true class bad; the largest 3 of 5"


def test_all_texts_are_coloured_on_one_scale_and_escaped():
    decisions = [
        Decision(["<b>", "fine"], [-1.0, 4.0], "<i>", 0.9),
        Decision(["x"] * 50, np.full(50, 4.0), "no", 0.6),
    ]
    html = coloured_decisions(decisions)
    assert "<b>" not in html
    assert "<i>" not in html
    assert 'title="4"' in html
    full = html.split('title="4" style="')[1].split('"')[0]
    assert html.count(full) == 1 + 40
    assert "… (10 more words)" in html
    assert "full colour is 4 nats" in html


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda m: integrated_words(*m, TOKENS[0], TARGETS),
            "integrated_words: got tokens (5,), targets (3,), expected tokens (N, T)",
        ),
        (
            lambda m: leave_one_out(*m, TOKENS, TARGETS, replacement=0, mask=MASK[0]),
            "got tokens (3, 5), targets (3,), mask (5,)",
        ),
        (
            lambda m: integrated_words(*m, TOKENS, TARGETS, at="vectors"),
            "got 'vectors', which names nothing, expected one of embedding/output",
        ),
        (
            lambda m: attribution_bars(Decision(["a"], [1.0, 2.0], "yes", 0.5)),
            "attribution_bars: got values (2,) for 1 words",
        ),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call(reader())
    assert text in str(error.value)
