"""What is particular to `text_generation`."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.text_generation import (
    Config,
    build_model,
    describe,
    load_data,
    losses_of,
    task,
    tokens_of,
    transformer_settings,
)
from jnn.architectures.presets import GPT2, LLAMA2_7B
from jnn.cli import main
from jnn.data.token_files import tokens_of_texts, write_token_files
from jnn.data.tokenizers import character_tokenizer
from jnn.errors import JnnError
from jnn.explain.inside.summary import parameter_count
from tests.compiled import apply, init


def test_in_a_long_text_the_transformer_attends_as_far_back_as_in_training():
    config = Config(model="transformer", smoke=True)
    model, text = build_model(config, 9), np.arange(3 * config.length) % 9
    params, state = init(model, text)
    other = np.where(np.arange(text.size), text, 5)
    logits, changed = jax.device_get([apply(model, params, state, x)[0] for x in (text, other)])
    differs = np.any(logits != changed, axis=-1)
    assert differs[: config.length].all()
    assert not differs[config.length :].any()


def test_a_preset_is_the_published_model_but_for_rows_that_a_mesh_divides():
    """124,439,808 params, and those of 47 more rows."""
    config = Config(preset="gpt2")
    assert transformer_settings(config, 50_257) == dataclasses.replace(
        GPT2, remat="full", embedding_rows=50_304
    )
    assert parameter_count(*describe(config)) == 124_439_808 + 47 * 768
    llama = Config(preset="llama2_7b")
    settings = transformer_settings(llama, 32_000)
    assert settings == dataclasses.replace(LLAMA2_7B, remat="full", embedding_rows=32_000)
    assert (llama.length, llama.loss_rows, llama.learning_rate) == (4096, 8192, 3e-4)


def test_a_preset_is_small_in_a_smoke_run_and_takes_other_sizes():
    assert Config(preset="llama2_7b", smoke=True).width == 24
    settings = transformer_settings(Config(preset="llama2_7b", width=512, heads=4, depth=2), 100)
    assert (settings.hidden, settings.embedding_rows) == (11_008 * 512 // 4096, 128)


def traced(config, vocabulary=9):
    """The text of the gradient's jaxpr, of a batch of 4 windows."""
    model = build_model(config, vocabulary)
    losses = losses_of(config, model, vocabulary)
    tokens = jnp.zeros((4, config.length), jnp.int32)
    batch = {"tokens": tokens, "targets": tokens}
    params, state = jax.eval_shape(model.init, jax.random.key(0), tokens)
    loss = lambda params: losses(params, state, batch, train=True)[0].mean()
    return str(jax.make_jaxpr(jax.grad(loss))(params))


def test_each_setting_that_saves_memory_is_in_the_program():
    """Logits of 4 windows of 16 tokens out of 9, or of 16 rows; features are 24."""
    small = {"model": "transformer", "smoke": True, "dropout": 0.0}
    plain = traced(Config(**small))
    assert "f32[4,16,9]" in plain
    assert "prevent_cse" not in plain
    for policy in ("full", "projections"):
        assert "prevent_cse" in traced(Config(**small, remat=policy))
    by_some = traced(Config(**small, loss_rows=16))
    assert "f32[4,16,9]" not in by_some
    assert "f32[16,9]" in by_some
    half = traced(Config(**small, precision="bfloat16"))
    assert "bf16[4,16,24]" in half
    assert "bf16[4,16,24]" not in plain


@pytest.fixture
def folder(tmp_path):
    """A set of 200 tokens of characters."""
    tokenizer = character_tokenizer("abc", special=("end", "unknown"))
    pieces = tokens_of_texts(["abcab" * 10] * 4, tokenizer)
    write_token_files(tmp_path, pieces, vocabulary=tokenizer.vocabulary, tokenizer=tokenizer)
    return tmp_path


def test_training_tokens_may_come_from_files_and_the_rest_from_the_text(folder):
    pytest.importorskip("grain", reason='streams need Grain: pip install "jnn[data]"')
    config = Config(tokens=str(folder), smoke=True, batch_size=4)
    corpus = load_data(config)
    of_files = task(config, corpus)
    assert of_files.feed.identity["source"]["kind"] == "token_files"
    assert of_files.feed.steps_per_epoch == 203 // 16 // 4
    batch = next(of_files.feed.read(jax.random.key(0), 0))
    assert corpus.tokenizer.decode(batch["tokens"][0]).strip("abc") == ""
    np.testing.assert_array_equal(batch["tokens"][:, 1:], batch["targets"][:, :-1])
    assert of_files.data["test"] == len(load_data(Config(smoke=True)).texts.test)
    assert tokens_of(config) == 5


@pytest.mark.slow
def test_a_run_on_tokens_in_files_resumes_and_generates(folder, tmp_path, capsys):
    run = str(tmp_path / "run")
    words = ["--smoke", "--offline", "--quiet", "--preset", "gpt2", "--tokens", str(folder)]
    assert main(["run", "text_generation", *words, "--batch-size", "4", "--out", run]) == 0
    assert main(["resume", run, "--epochs", "2", "--quiet"]) == 0
    assert main(["generate", run, "--prompt", "ab", "--length", "5"]) == 0
    assert "ab" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"remat": "full"}, "got remat=full for model='lstm', expected --model transformer"),
        ({"loss_rows": 8}, "got loss_rows=8 for model='lstm', expected --model transformer"),
        ({"loss_rows": -1, "model": "transformer"}, "loss_rows=-1, expected an integer >= 0"),
        ({"preset": "gpt2", "model": "gru"}, "got model=gru for preset='gpt2'"),
        ({"tokens": "a", "pretrained": "b"}, "tokens='a' and a pretrained model"),
        ({"fused": True}, "got fused=True, model='lstm', dropout=0.2, expected a transformer"),
        ({"fused": True, "preset": "gpt2", "dropout": 0.1}, "model='transformer', dropout=0.1"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(JnnError, match=message):
        Config(**settings)
