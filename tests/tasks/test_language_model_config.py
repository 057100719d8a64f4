"""What a preset means, and which settings of a language model go together."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from jnn.architectures.presets import GPT2, LLAMA2_7B
from jnn.architectures.rnn import RNNConfig
from jnn.data.sets.texts import Texts
from jnn.data.token_files import write_token_files
from jnn.data.tokenizers import character_tokenizer
from jnn.errors import JnnError
from jnn.explain.inside.summary import parameter_count
from jnn.tasks.language_model_config import LanguageModelConfig

SMALL = {"model": "lstm", "vocabulary": 0, "dropout": 0.2, "learning_rate": 3e-3}
SMALL |= {"length": 16, "width": 24, "depth": 1, "heads": 4, "epochs": 1, "batch_size": 16}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(LanguageModelConfig):
    """Of a small network, if nothing else is asked for."""

    def suited(self):
        return {**SMALL, **super().suited()}


def test_a_preset_is_the_published_model_but_for_rows_that_a_mesh_divides():
    """124,439,808 params, and those of 47 more rows."""
    config = Config(preset="gpt2")
    settings = config.transformer_settings(50_257)
    assert settings == dataclasses.replace(GPT2, remat="full", embedding_rows=50_304)
    lm = config.language_model(settings)
    assert parameter_count(lm.model, lm.example) == 124_439_808 + 47 * 768
    llama = Config(preset="llama2_7b")
    settings = llama.transformer_settings(32_000)
    assert settings == dataclasses.replace(LLAMA2_7B, remat="full", embedding_rows=32_000)
    assert (llama.length, llama.loss_rows, llama.learning_rate) == (4096, 8192, 3e-4)


def test_a_preset_is_small_in_a_smoke_run_and_takes_other_sizes():
    assert Config(preset="llama2_7b", smoke=True).width == 24
    settings = Config(preset="llama2_7b", width=512, heads=4, depth=2).transformer_settings(100)
    assert (settings.hidden, settings.embedding_rows) == (11_008 * 512 // 4096, 128)


def test_without_a_preset_a_transformer_is_what_the_experiment_makes_it():
    config = Config(model="transformer", dropout=0.0)
    settings = config.transformer_settings(9, positions="rotary", window=5)
    assert (settings.positions, settings.window, settings.rows, settings.hidden) == (
        "rotary",
        5,
        9,
        0,
    )


def traced(**settings):
    """The text of the gradient's jaxpr, of a batch of 4 windows of 9 tokens."""
    config = Config(model="transformer", dropout=0.0, **settings)
    lm = config.language_model(config.transformer_settings(9))
    tokens = jnp.zeros((4, config.length), jnp.int32)
    batch = {"tokens": tokens, "targets": tokens}
    params, state = jax.eval_shape(lm.model.init, jax.random.key(0), tokens)
    loss = lambda params: lm.losses(params, state, batch, train=True)[0].mean()
    return str(jax.make_jaxpr(jax.grad(loss))(params))


@pytest.mark.slow
def test_each_setting_that_saves_memory_is_in_the_program():
    """Logits of 4 windows of 16 tokens out of 9, or of 16 rows; features are 24."""
    plain = traced()
    assert "f32[4,16,9]" in plain
    assert "prevent_cse" not in plain
    for policy in ("full", "projections"):
        assert "prevent_cse" in traced(remat=policy)
    by_some = traced(loss_rows=16)
    assert "f32[4,16,9]" not in by_some
    assert "f32[16,9]" in by_some
    half = traced(precision="bfloat16")
    assert "bf16[4,16,24]" in half
    assert "bf16[4,16,24]" not in plain


def test_networks_compute_in_the_precision_that_is_asked_for():
    text = jax.ShapeDtypeStruct((5,), jnp.int32)
    for precision in ("float32", "bfloat16"):
        config = Config(precision=precision)
        lm = config.language_model(RNNConfig(outputs=9, vocabulary=9, width=8))
        for model in (lm.model, lm.variant(cell="gru")):
            init = jax.eval_shape(model.init, jax.random.key(0), text)
            program = str(jax.make_jaxpr(model.apply)(*init, text))
            assert ("bf16[" in program) == (precision == "bfloat16")


def test_the_number_of_tokens_is_known_without_the_text(tmp_path):
    tokenizer = character_tokenizer("abc", special=("end", "unknown"))
    write_token_files(tmp_path, [[0, 1, 2] * 20_000], vocabulary=5, tokenizer=tokenizer)
    of_files = Config(tokens=str(tmp_path))
    assert of_files.tokens_of(9) == 5
    unread = lambda: pytest.fail("no other text is loaded")
    assert of_files.corpus(unread).tokenizer.tokens == tokenizer.tokens
    assert of_files.corpus(unread).sizes["tokens"]["train"] == 54_000
    few = of_files.batch_size * of_files.length + 1
    smoke = of_files.replace(smoke=True, length=of_files.length, batch_size=of_files.batch_size)
    assert smoke.corpus(unread).sizes["tokens"] == {
        "train": min(16 * few, 54_000),
        "validation": min(few, 3_000),
        "test": min(few, 3_000),
    }
    assert Config(vocabulary=300).tokens_of(9) == 300
    texts = Texts("banana", "a", "b")
    assert Config().tokens_of(3) == Config().corpus(lambda: texts).tokenizer.vocabulary == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"remat": "full"}, "got remat=full for model='lstm', expected --model transformer"),
        ({"loss_rows": 8}, "got loss_rows=8 for model='lstm', expected --model transformer"),
        ({"heads": 8}, "got heads=8 for model='lstm', expected --model transformer"),
        ({"loss_rows": -1, "model": "transformer"}, "loss_rows=-1, expected an integer >= 0"),
        ({"preset": "gpt2", "model": "gru"}, "got model=gru for preset='gpt2'"),
        ({"tokens": "a", "pretrained": "b"}, "tokens='a' and a pretrained model"),
        ({"preset": "gpt2", "pretrained": "b"}, "preset='gpt2' and a pretrained model"),
        ({"tokens": "a", "vocabulary": 300}, "vocabulary=300 for tokens in files"),
        ({"fused": True}, "got fused=True, model='lstm', dropout=0.2, expected a transformer"),
        ({"fused": True, "preset": "gpt2", "dropout": 0.1}, "model='transformer', dropout=0.1"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(JnnError, match=message):
        Config(**settings)
