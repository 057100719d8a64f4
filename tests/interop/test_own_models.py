"""Models of jnn, written for Hugging Face's transformers to read."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.data.tokenizers import byte_pair_tokenizer, character_tokenizer
from jnn.errors import JnnError
from jnn.interop import as_pretrained, load, save
from jnn.interop.own import differences
from jnn.layers.positions import LongScaling
from tests.interop import tiny

SIZES = {"vocabulary": 13, "length": 9, "width": 8, "depth": 2, "heads": 2, "hidden": 12}
LLAMA = {"gated": True, "norm": "rms", "positions": "rotary", "activation": "silu"}
SETTINGS = {
    "gpt2": TransformerConfig(**SIZES, dropout=0.1),
    "llama": TransformerConfig(**SIZES, **LLAMA, use_bias=False, attention_bias="none"),
    "mistral": TransformerConfig(**SIZES, **LLAMA, use_bias=False, window=3, head="dense"),
    "gpt_neox": TransformerConfig(
        **SIZES, positions="rotary", rotary_fraction=0.5, head="dense", branches="parallel"
    ),
    "phi": TransformerConfig(
        **SIZES, positions="rotary", branches="shared_norm", head="dense", head_bias=True
    ),
    "gpt_neo": TransformerConfig(**SIZES, window=(0, 3), scaled=False, attention_bias="output"),
    "qwen2": TransformerConfig(
        **SIZES, **LLAMA, use_bias=False, attention_bias="inputs", window=(0, 3), norm_epsilon=1e-6
    ),
    "phi3": TransformerConfig(
        **{**SIZES, "width": 16},
        **LLAMA,
        use_bias=False,
        head="dense",
        rotary_scaling=LongScaling((1.0, 2.0, 3.0, 4.0), (2.0, 4.0, 6.0, 9.0), 5, 1.2),
    ),
    "opt": TransformerConfig(**SIZES, activation="relu", first_position=2),
    "electra": TransformerConfig(
        **SIZES,
        **tiny.ENCODER,
        head="none",
        norm_epsilon=1e-12,
        segments=2,
        embedding_width=6,
        pooled=True,
        pooled_activation="gelu",
        outputs=3,
    ),
    "bloom": TransformerConfig(
        **SIZES | {"hidden": 0}, positions="alibi", embedding_norm=True, head="none"
    ),
}
T5 = {"norm": "rms", "positions": "relative", "scaled": False, "use_bias": False}
BART = {"norm_first": False, "logits_bias": True}
ENCODER_DECODERS = {
    "t5": {**T5, "activation": "gelu_tanh"},
    "t5 gated": {**T5, "gated": True, "activation": "gelu_tanh", "tied": False},
    "t5 silu": {**T5, "gated": True, "activation": "silu"},
    "bart": {**BART, "embedding_norm": True, "first_position": 2, "decoder_depth": 1},
    "marian": {**BART, "positions": "sinusoidal_halves", "activation": "silu"},
}
TOKENS = np.arange(7)
BATCHES = TOKENS[None], np.random.default_rng(1).integers(0, SIZES["vocabulary"], (3, 4))
"""One sequence, which is longer than the windows and the ``length`` of a scaling, and three."""


def x_of(settings, tokens=TOKENS):
    return {"tokens": tokens, "segments": 0 * tokens} if settings.segments else tokens


def drawn(settings):
    """Params of which norms and biases are drawn too, which are ones and zeros at first."""
    rng = np.random.default_rng(0)
    x = x_of(settings)
    shapes = jax.eval_shape(transformer(settings).init, jax.random.key(0), x)[0]
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0.3, 0.3, leaf.shape), "f4"), shapes)


def own(family):
    settings = SETTINGS[family]
    return as_pretrained(family, settings, drawn(settings))


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=[] if family in ("gpt2", "mistral") else pytest.mark.slow)
        for family in SETTINGS
    ],
)
def test_what_is_written_is_read_as_the_same_model(family, tmp_path):
    loaded = own(family)
    save(tmp_path / "own", loaded)
    again = load(tmp_path / "own")
    assert jax.tree.structure(again.params) == jax.tree.structure(loaded.params)
    jax.tree.map(np.testing.assert_array_equal, again.params, loaded.params)
    assert differences(loaded.settings, again.settings) == []
    assert differences(dataclasses.replace(loaded.settings, heads=4), again.settings)


@pytest.mark.slow
def test_a_vision_transformer_is_written_and_read_as_the_same_model(tmp_path):
    folder = tiny.vision_transformer_folder(tmp_path / "vit")
    again = load(folder)
    assert json.loads((folder / "config.json").read_text())["qkv_bias"] is True
    assert {leaf.dtype for leaf in jax.tree.leaves(again.params)} == {np.dtype("float32")}
    save(tmp_path / "again", again)
    names = [each / "model.safetensors" for each in (folder, tmp_path / "again")]
    assert names[0].read_bytes() == names[1].read_bytes()


@pytest.mark.torch
@pytest.mark.parametrize("family", SETTINGS)
def test_transformers_read_it_as_the_same_function(family, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    loaded = own(family)
    save(tmp_path / "own", loaded)
    (name,) = loaded.config["architectures"]
    theirs, report = getattr(transformers, name).from_pretrained(
        tmp_path / "own", output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys"))
    theirs = theirs.float().eval()
    for tokens in BATCHES:
        y = theirs(torch.tensor(tokens))[0].detach().numpy()
        ours = jax.jit(loaded.model.apply)(loaded.params, {}, x_of(loaded.settings, tokens))[0]
        np.testing.assert_allclose(ours, y, atol=2e-5 * np.abs(y).max())  # float32


def own_encoder_decoder(name):
    sizes = {key: SIZES[key] for key in ("length", "width", "depth", "heads", "hidden")}
    settings = EncoderDecoderConfig(source_vocabulary=13, **sizes, **ENCODER_DECODERS[name])
    rng, x = np.random.default_rng(0), {"tokens": TOKENS, "source": TOKENS}
    shapes = jax.eval_shape(encoder_decoder(settings).init, jax.random.key(0), x)[0]
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0.3, 0.3, leaf.shape), "f4"), shapes)
    return as_pretrained(name.split()[0], settings, params)


@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_an_encoder_and_decoder_is_written_with_its_own_tokens_and_activation(name, tmp_path):
    loaded = own_encoder_decoder(name)
    save(tmp_path / "own", loaded)
    again = load(tmp_path / "own")
    assert differences(loaded.settings, again.settings) == []
    special = {key: again.config[key] for key in again.config if key.endswith("_token_id")}
    assert special == dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))


@pytest.mark.torch
@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_transformers_read_an_encoder_and_decoder_as_the_same_function(name, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    loaded = own_encoder_decoder(name)
    save(tmp_path / "own", loaded)
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "own").float().eval()
    sources = np.arange(9)[None], np.random.default_rng(2).integers(0, 13, (3, 2))
    for source, target in zip(sources, BATCHES, strict=True):
        x = {"input_ids": torch.tensor(source), "decoder_input_ids": torch.tensor(target)}
        y = theirs(**x).logits.detach().numpy()
        x = {"tokens": target, "source": source}
        ours = jax.jit(loaded.model.apply)(loaded.params, {}, x)[0]
        np.testing.assert_allclose(ours, y, atol=2e-5 * np.abs(y).max())  # float32


def test_a_tokenizer_of_byte_pairs_comes_along(tmp_path):
    tokenizer = byte_pair_tokenizer("low lower lowest " * 9, vocabulary=262, special=("end",))
    settings = dataclasses.replace(SETTINGS["gpt2"], vocabulary=300, depth=1)
    params = drawn(settings)
    save(tmp_path / "own", as_pretrained("gpt2", settings, params, tokenizer=tokenizer))
    again = load(tmp_path / "own").tokenizer
    text = "lower néé"
    assert again.encode(text).tolist() == tokenizer.encode(text).tolist()
    assert again.decode(again.encode(text)) == text
    config = json.loads((tmp_path / "own" / "config.json").read_text())
    assert (config["eos_token_id"], config["pad_token_id"]) == (tokenizer.end, None)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("mamba", {}, r"got the family 'mamba', expected one of bart, "),
        ("gpt2", {"use_bias": False}, r"got use_bias=False \(there True\), expected settings that"),
        ("gpt2", {"head_bias": True}, r"got head_bias=True \(there False\)"),
        ("llama", {}, r"got .*positions='learned' \(there 'rotary'\)"),
        ("vit", {}, r"got settings of type TransformerConfig, expected VisionTransformerConfig"),
        ("gpt2", {"width": 4}, r"got params of another model"),
    ],
)
def test_settings_that_a_family_does_not_have_are_refused(family, changes, message):
    params = drawn(SETTINGS["gpt2"])
    settings = dataclasses.replace(SETTINGS["gpt2"], **changes)
    if changes.keys() & {"head_bias", "use_bias"}:
        params = drawn(settings)
    with pytest.raises(JnnError, match=message):
        as_pretrained(family, settings, params)


def test_a_tokenizer_of_characters_has_no_file_there():
    params = drawn(SETTINGS["gpt2"])
    with pytest.raises(JnnError, match=r"got a tokenizer of characters, expected one of byte"):
        as_pretrained("gpt2", SETTINGS["gpt2"], params, tokenizer=character_tokenizer("abc"))
