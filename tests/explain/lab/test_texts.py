"""Texts in the page: its tokenizers and its sampling are jnn's."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from jnn.data.tokenizers import byte_pair_tokenizer, character_tokenizer, word_tokenizer
from jnn.decoding.sampling import Sampling, adjusted
from jnn.explain.lab.tokens import tokenizer_data
from tests.explain.lab.engine import Engine

TEXTS = ["low lower lowest", "It's 3 o'clock, naïve\tÉtoile_漢字!  ", "a<b>\n🙂", " newer  12 wide"]


@pytest.fixture(scope="module")
def engine():
    return Engine("next_tokens.js")


def byte_pairs(texts, special):
    pytest.importorskip("tokenizers")
    return byte_pair_tokenizer(texts, vocabulary=300, special=special)


@pytest.mark.parametrize(
    "make",
    [
        lambda: character_tokenizer("low erst", special=("unknown",)),
        lambda: word_tokenizer(TEXTS, lower=True),
        lambda: word_tokenizer(TEXTS, pattern=r"\S+|\n"),
        lambda: byte_pairs(TEXTS * 3, ("start", "end")),
    ],
)
def test_texts_are_the_tokens_of_jnn(make):
    tokenizer = make()
    engine = Engine("tokenizers.js")
    engine.context.eval(f"const T = tokenizer({json.dumps(tokenizer_data(tokenizer))});")
    assert engine.value("T.canEncode")
    for text in [*TEXTS, "new words"]:
        expected = tokenizer.encode(text).tolist()
        assert engine.value(f"T.encode({json.dumps(text)})") == expected
        missing = engine.value(f"T.missing({json.dumps(text)})")
        unknown = tokenizer.special.get("unknown")
        assert bool(missing) == (unknown in expected)
        assert all(tokenizer.encode(part).tolist() == [unknown] for part in missing)
        written = engine.value(f"T.written({expected})")
        assert written == tokenizer.decode(expected)
        assert engine.value(f"T.read({json.dumps(written)})") == expected


def test_what_the_vocabulary_lacks_is_named():
    engine, words = Engine("lab.js"), word_tokenizer(["a cat"], pattern=r"\S+")
    named = lambda tokenizer, text: engine.value(
        f"missingText(tokenizer({json.dumps(tokenizer_data(tokenizer))}), {json.dumps(text)})"
    )
    assert named(words, "a cat a") == ""
    assert named(words, "a dog a dog <i>") == (
        "The vocabulary lacks “dog”, “<i>”: the model reads <unknown>."
    )
    assert named(words, "1 2 3 4 5 6 7").endswith("“5” and 2 more: the model reads <unknown>.")
    assert named(character_tokenizer("ab"), "a\nb") == (
        "The vocabulary lacks “⏎”: the model leaves them out."
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.5},
        {"top_k": 3},
        {"top_p": 0.6},
        {"min_p": 0.2},
        {"temperature": 2.0, "top_k": 5, "top_p": 0.9, "min_p": 0.1},
    ],
)
def test_tokens_are_drawn_from_the_distribution_of_jnn(engine, settings):
    logits = np.random.default_rng(0).normal(size=9).astype(np.float32)
    names = {"top_k": "topK", "top_p": "topP", "min_p": "minP", "temperature": "temperature"}
    options = {names[name]: value for name, value in settings.items()}
    found = engine.value(f"softmax(adjusted({logits.tolist()}, {json.dumps(options)}))")
    expected = np.exp(adjusted(jnp.asarray(logits), Sampling(**settings)))
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-6)


def test_what_is_no_token_is_never_drawn(engine):
    found = engine.value("nextProbabilities(Float32Array.of(0, 0, 9), 2, {})")
    assert found == [0.5, 0.5]


def test_a_draw_has_the_probability_of_its_token(engine):
    assert engine.value("[0, 0.19, 0.21, 0.99].map((u) => drawn([0.2, 0.5, 0.3], u))") == [
        0,
        0,
        1,
        2,
    ]


def test_a_source_without_text_is_read_as_padding():
    real, tokens, mask = Engine("text_input.js").value("""(() => {
      const inputs = [Int32Array.of(1, 0, 0), Int32Array.of(5, 6, 0), Uint8Array.of(1, 1, 0)];
      const tokenizer = { text: () => "x" };
      const lab = { input: { padding: 0 } };
      const page = { inputs, tokenizer, lab, tokens: {}, changed: () => {} };
      const fields = { source: { show: () => {} } };
      const place = { tokens: 0, source: 1, source_mask: 2 };
      const input = { page, fields, place, length: 3, tokens: { source: [5, 6], tokens: [1] } };
      PairInput.prototype.set.call(input, "source", [], true);
      return [page.real, [...inputs[1]], [...inputs[2]]];
    })()""")
    assert real == {"source": 1, "tokens": 1}
    assert tokens == [0, 0, 0]
    assert mask == [1, 0, 0]
