"""What the report of a language model shows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.data.tokenizers import character_tokenizer
from jnn.explain.sections import language_model
from tests.compiled import init

TOKENIZER = character_tokenizer("abcd")
TOKENS = np.array([0, 1, 2, 3, 2, 1])


def started(model):
    return model, *init(model, TOKENS)


def test_a_token_has_the_probability_that_those_before_it_give():
    """A model that says 0.8 of the letter after the last one, in the alphabet."""
    probabilities = np.full((4, 4), 0.2 / 3)
    probabilities[np.arange(4), (np.arange(4) + 1) % 4] = 0.8
    logits = jnp.asarray(np.log(probabilities), jnp.float32)
    model = jnn.Model(lambda key, x: ({}, {}), lambda p, s, x, **options: (logits[x], s))
    text, following = language_model.predictions(*started(model), TOKENS, TOKENIZER)
    html = str(text.figure)
    assert html.count('title="0.8"') == 3  # b, c, d, but not the two that go back
    assert html.count('title="0.067"') == 2
    assert following.title == "Next-token distribution"


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "has_gates"), [("rnn", False), ("gru", True)])
def test_gates_of_the_cells_that_have_them(cell, has_gates):
    settings = RNNConfig(outputs=4, vocabulary=4, embedding=3, cell=cell, width=5, depth=1)
    model = started(rnn(settings))
    sections = language_model.recurrent_units(*model, TOKENS, TOKENIZER)
    titles = [section.title for section in sections]
    assert titles[:3] == [
        "Hidden units over the text",
        "A hidden unit and the predictions",
        "Hidden states",
    ]
    assert titles[3:] == (["Gates"] if has_gates else [])
    (gradient,) = language_model.gradients({"this one": model}, TOKENS[None], np.array([0]))
    assert "geometric mean over 1 windows" in gradient.text


def test_untrained_networks_stand_beside_the_trained_one(monkeypatch):
    compared = {}
    monkeypatch.setattr(language_model, "gradients", lambda models, *_: compared.update(models))
    make = lambda cell: rnn(RNNConfig(outputs=4, vocabulary=4, cell=cell, width=5, depth=1))
    others, model = {"RNN": make("rnn")}, make("gru")
    windows = np.stack([TOKENS, TOKENS]), TOKENS[:2]
    settings = {"name": "GRU", "others": others}
    language_model.gradients_and_untrained(model, {"own": 1}, {}, *windows, **settings)
    trained, untrained = compared["this GRU, trained"], compared["RNN, untrained"]
    assert trained == (model, {"own": 1}, {})
    first, _ = init(others["RNN"], TOKENS)
    assert all(map(np.array_equal, *map(jax.tree.leaves, (untrained[1], first))))


def test_a_transformer_has_maps_and_a_lens():
    settings = TransformerConfig(vocabulary=4, length=6, width=8, depth=1, heads=1)
    model = started(transformer(settings))
    sections = language_model.attention_and_lens(*model, TOKENS, TOKENIZER)
    assert [section.title for section in sections] == [
        "Attention maps",
        "Attention map of one head",
        "Logit lens",
    ]
