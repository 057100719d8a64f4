"""What is particular to `text_generation`."""

import jax
import numpy as np
import pytest

from experiments.text_generation import Config, build
from jnn.cli import main
from jnn.data.token_files import tokens_of_texts, write_token_files
from jnn.data.tokenizers import character_tokenizer
from tests.compiled import apply, init


def test_in_a_long_text_the_transformer_attends_as_far_back_as_in_training():
    config = Config(model="transformer", smoke=True)
    model, text = build(config, 9).model, np.arange(3 * config.length) % 9
    params, state = init(model, text)
    other = np.where(np.arange(text.size), text, 5)
    logits, changed = jax.device_get([apply(model, params, state, x)[0] for x in (text, other)])
    differs = np.any(logits != changed, axis=-1)
    assert differs[: config.length].all()
    assert not differs[config.length :].any()


@pytest.mark.slow
def test_a_run_on_tokens_in_files_resumes_and_generates(tmp_path, capsys):
    tokenizer = character_tokenizer("abc", special=("end", "unknown"))
    pieces = tokens_of_texts(["abcab" * 10] * 40, tokenizer)
    folder, run = tmp_path / "tokens", str(tmp_path / "run")
    write_token_files(folder, pieces, vocabulary=tokenizer.vocabulary, tokenizer=tokenizer)
    words = ["--smoke", "--offline", "--quiet", "--preset", "gpt2", "--tokens", str(folder)]
    assert main(["run", "text_generation", *words, "--batch-size", "4", "--out", run]) == 0
    assert main(["resume", run, "--epochs", "2", "--quiet"]) == 0
    assert main(["generate", run, "--prompt", "ab", "--length", "5"]) == 0
    assert "ab" in capsys.readouterr().out
