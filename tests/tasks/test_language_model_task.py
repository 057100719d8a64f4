"""The task of a language model: what is measured, trained on and written, of known logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.rnn import RNNConfig
from jnn.architectures.transformer import TransformerConfig
from jnn.data.corpus import corpus_of_files, tokenized
from jnn.data.sets.texts import Texts
from jnn.data.token_files import token_files, tokens_of_texts, write_token_files
from jnn.data.tokenizers import character_tokenizer
from jnn.errors import JnnError
from jnn.tasks import next_token_losses
from jnn.tasks.language_model import LanguageModel, language_model
from jnn.tasks.language_model_task import language_model_outline, language_model_task

SINGLE = 1e-5  # float32: sums of some hundred numbers
LENGTH = 6
TEXTS = Texts("so many words, so many tokens. " * 9, "some tokens", "some words, and no more")


def of_pairs(vocabulary):
    """A language model whose logits of the next token depend on the last one alone."""
    table = np.random.default_rng(0).normal(size=(vocabulary, vocabulary)).astype(np.float32)
    model = jnn.function(lambda x: jnp.asarray(table)[x])
    settings = RNNConfig(outputs=vocabulary, vocabulary=vocabulary)
    lm = LanguageModel(model, next_token_losses(model), settings, LENGTH, lambda model: model)
    return table, lm


@pytest.mark.parametrize("vocabulary", [0, pytest.param(260, marks=pytest.mark.slow)])
def test_the_loss_is_that_of_the_whole_text_over_its_characters(vocabulary):
    if vocabulary:
        pytest.importorskip("tokenizers", reason='byte pairs need pip install -e ".[text]"')
    corpus = tokenized(TEXTS, vocabulary)
    table, lm = of_pairs(corpus.tokenizer.vocabulary)
    task = language_model_task(lm, corpus, batch_size=4)
    for evaluate, split in ((task.validate, "validation"), (task.test, "test")):
        text = getattr(TEXTS, split)
        tokens = corpus.tokenizer.encode(text)
        log_p = jax.nn.log_softmax(table.astype(np.float64))[tokens[:-1], tokens[1:]]
        characters = len(text) - len(corpus.tokenizer.decode(tokens[:1]))
        (name, value), *others = evaluate({}, {}).items()
        assert (name, others) == (f"{split}/nats_per_character", [])
        np.testing.assert_allclose(value, -log_p.sum() / characters, rtol=SINGLE)


def test_the_objective_is_the_mean_of_a_batch_of_the_training_part():
    corpus = tokenized(TEXTS)
    table, lm = of_pairs(corpus.tokenizer.vocabulary)
    task = language_model_task(lm, corpus, batch_size=4)
    batch = task.feed.batch_of(task.feed.data, jax.random.key(0), 0)
    loss, (state, logged) = jax.jit(task.objective)({}, {}, batch, jax.random.key(1))
    log_p = jax.nn.log_softmax(table)[batch["tokens"], batch["targets"]]
    np.testing.assert_allclose(loss, -np.mean(log_p), rtol=SINGLE)
    assert (state, logged) == ({}, {})
    assert batch["tokens"].shape == (4, LENGTH)
    assert corpus.tokenizer.decode(np.asarray(batch["tokens"])[0]) in TEXTS.train
    planned = language_model_outline(lm, batch_size=4).feed.data
    assert jax.tree.map(jnp.shape, planned) == jax.tree.map(jnp.shape, batch)


def test_all_tokens_may_come_from_files(tmp_path):
    """A test in nats per character, of which the end of a document is one."""
    pytest.importorskip("grain", reason='streams need Grain: pip install -e ".[data]"')
    tokenizer = character_tokenizer("abc", special=("end", "unknown"))
    texts = {"train": ["abcab" * 10] * 4, "validation": ["cab", "abba"], "test": ["bacca", "abc"]}
    train, *held = (tokens_of_texts(part, tokenizer) for part in texts.values())
    options = {"vocabulary": 5, "tokenizer": tokenizer}
    write_token_files(tmp_path, train, validation=held[0], test=held[1], **options)
    corpus = corpus_of_files(token_files(tmp_path))
    table, lm = of_pairs(5)
    task = language_model_task(lm, corpus, batch_size=4)
    assert task.feed.identity["source"]["kind"] == "token_files"
    assert task.feed.steps_per_epoch == (4 * 51 - 1) // LENGTH // 4
    batch = next(task.feed.read(jax.random.key(0), 0))
    assert tokenizer.decode(np.asarray(batch["tokens"])[0]).strip("abc") == ""
    np.testing.assert_array_equal(batch["tokens"][:, 1:], batch["targets"][:, :-1])
    assert task.data == {"tokens": {"train": 204, "validation": 9, "test": 10}}
    for evaluate, split in ((task.validate, "validation"), (task.test, "test")):
        tokens = np.concatenate([*tokens_of_texts(texts[split], tokenizer)])
        log_p = jax.nn.log_softmax(table.astype(np.float64))[tokens[:-1], tokens[1:]]
        (value,) = evaluate({}, {}).values()
        np.testing.assert_allclose(value, -log_p.mean(), rtol=SINGLE)
        assert getattr(corpus.texts, split) == "\n".join([*texts[split], ""])


def test_a_part_of_files_shorter_than_a_window_is_named(tmp_path):
    tokenizer = character_tokenizer("abc", special=("end", "unknown"))
    write_token_files(tmp_path, [[2, 3] * 50], vocabulary=5, tokenizer=tokenizer)
    corpus = corpus_of_files(token_files(tmp_path))
    with pytest.raises(JnnError, match=r"validation of tokens .*: got 5 tokens, .* at least 7"):
        language_model_task(of_pairs(5)[1], corpus, batch_size=4)


def test_it_writes_as_far_as_there_are_positions(monkeypatch):
    """The prompt of 4 letters has room for 2 more; a recurrent network has no positions."""
    asked = lambda *parts, **options: iter([options["length"]])
    monkeypatch.setattr("jnn.tasks.language_model.stream_text", asked)
    tokenizer, key = character_tokenizer("abc"), jax.random.key(0)
    settings = TransformerConfig(vocabulary=3, length=LENGTH, width=8, depth=1, heads=2)
    of_positions, recurrent = (
        language_model(settings, length=LENGTH)
        for settings in (settings, RNNConfig(outputs=3, vocabulary=3))
    )
    write = lambda lm, prompt: next(lm.write({}, {}, tokenizer, prompt, length=100, key=key))
    assert write(of_positions, "abca") == LENGTH - 4
    assert write(recurrent, "abcabc") == 100
    with pytest.raises(JnnError, match="got 6 tokens, expected at most 5, to write one more"):
        write(of_positions, "abcabc")
