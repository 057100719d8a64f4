"""``jnn describe`` and ``jnn generate`` of a folder with a pretrained model."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from jnn.cli import main
from jnn.decoding.generate import Request
from jnn.decoding.sampling import Sampling
from jnn.errors import JnnError
from jnn.interop import load
from jnn.interop.text import write_text

WORDS = [f"w{i}" for i in range(13)]


@pytest.fixture
def folder(pretrained):
    """``folder(name)``, with a tokenizer of words that puts w1 in front."""

    def make(name):
        folder = pretrained(name)
        model = models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="w0")
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.decoder = decoders.Fuse()
        tokenizer.post_processor = processors.TemplateProcessing("w1 $A", None, [("w1", 1)])
        tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return make


def test_a_folder_is_described_without_its_weights(folder, capsys):
    assert main(["describe", str(folder("gpt2"))]) == 0
    out = capsys.readouterr().out
    assert "gpt2 in " in out
    assert "1,920 parameters, float16, 3,840 bytes; a tokenizer of 13 tokens" in out
    assert "blocks/attention/query/kernel, blocks/attention/key/kernel" in out
    assert "transformer.h.{block}.attn.c_attn.weight" in out
    assert main(["describe", str(folder("vit")), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    params = load(folder("vit")).params
    assert found["parameters"] == sum(leaf.size for leaf in jax.tree.leaves(params))
    assert found["settings"]["image_size"] == [8, 12]


def test_text_is_what_the_model_makes_of_the_prompt(folder, capsys):
    here = folder("gpt2")
    command = ["generate", str(here), "--prompt", "w3 w5", "--temperature", "0", "--length", "9"]
    assert main(command) == 0
    words = re.findall(r"w\d+", capsys.readouterr().out)
    tokens = [1, *map(WORDS.index, words)]  # of which the tokenizer puts the first
    assert len(tokens) == 7  # where its table of positions ends
    model, params, state, _ = load(here)
    logits = jax.jit(model.apply)(params, state, jnp.array(tokens))[0]
    assert tokens[3:] == np.argmax(logits[2:-1], axis=-1).tolist()


@pytest.mark.slow
def test_what_a_model_of_pairs_writes_begins_with_its_start_token(folder, capsys):
    here = folder("marian")
    path = here / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"decoder_start_token_id": 2}))
    command = ["generate", str(here), "--prompt", "w3 w5", "--temperature", "0", "--length", "1"]
    assert main(command) == 0
    model, params, state, _ = load(here)
    x = {"tokens": jnp.array([2]), "source": jnp.array([1, 3, 5])}
    logits = jax.jit(model.apply)(params, state, x)[0]
    assert capsys.readouterr().out == f"{WORDS[int(np.argmax(logits[-1]))]}\n"


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("bert", [], "has no next token"),
        ("gpt2 without a head", [], "has no next token"),
        ("gpt2", ["--prompt", " ".join(WORDS)], "--prompt: got 14 tokens, expected at most 6"),
        ("gpt2", ["--beams", "2"], "--beams: got 2"),
    ],
)
def test_what_cannot_write_is_refused(folder, capsys, name, more, words):
    assert main(["generate", str(folder(name)), "--prompt", "w3", *more]) == 2
    assert words in capsys.readouterr().err


def test_a_prompt_that_has_no_bytes_is_refused(folder):
    with pytest.raises(JnnError, match=r"got the lone surrogate U\+DCFF at position 2"):
        list(write_text(folder("gpt2"), Request(prompt="w3\udcff", length=1, sampling=Sampling())))


def test_a_folder_without_tokenizer_or_with_other_options_is_refused(pretrained, capsys):
    here = str(pretrained("gpt2"))
    assert main(["generate", here, "--prompt", "w3"]) == 2
    assert "got no tokenizer.json" in capsys.readouterr().err
    assert main(["describe", here, "--epochs", "3"]) == 2
    assert "got --epochs 3, expected --json" in capsys.readouterr().err
