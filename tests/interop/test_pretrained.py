"""Which folders training can begin with, and as what."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import jnn
from jnn.data.tokenizers import from_json
from jnn.errors import JnnError
from jnn.interop import load
from jnn.interop.pictures import Pictures, of_pictures, read_pictures
from jnn.interop.pretrained import (
    Pretrained,
    pretrained_decoder,
    pretrained_encoder,
    pretrained_image_classifier,
    pretrained_text_classifier,
)
from jnn.paths import path_name
from tests.interop import tiny

SINGLE = 1e-5  # float32: the same sums in another order
BYTES = 1.5  # Pillow rounds to bytes after each axis, the first time before it adds rows up
TOKENS = jnp.array([[3, 1, 4, 1, 5], [2, 6, 5, 3, 5]])


@pytest.fixture
def with_words(pretrained):
    """``with_words(name)``: a folder with a tokenizer that puts w1 and w2 around a text."""

    def make(name):
        folder = pretrained(name)
        words = {f"w{i}": i for i in range(7)} | {"[UNK]": 7, "[PAD]": 8}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        ends = [("w1", 1), ("w2", 2)]
        tokenizer.post_processor = processors.TemplateProcessing("w1 $A w2", None, ends)
        tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return make


@pytest.mark.parametrize("name", ["bert", "vit", "t5"])
def test_a_family_that_does_not_write_is_refused_with_those_that_do(pretrained, name):
    those = "bloom, gemma.*, gpt2, .*llama.*, qwen3"
    with pytest.raises(JnnError, match=f"of the family {name}.*the next token.*{those}"):
        pretrained_decoder(pretrained(name))


@pytest.mark.parametrize("name", ["gpt2", "vit"])
def test_families_that_are_no_encoders_and_see_no_images_are_refused(pretrained, name):
    those = "bert, distilbert, electra, roberta"
    with pytest.raises(JnnError, match=f"family {name}, .* classes of texts, .* {those}"):
        pretrained_encoder(pretrained(name))
    if name != "vit":
        those = "deit, resnet, resnet101, .*, vit"
        with pytest.raises(JnnError, match=f"family {name}, .* classes of images, .* {those}"):
            pretrained_image_classifier(pretrained(name), 3)


def test_a_decoder_needs_a_tokenizer_that_fits_its_vocabulary(tmp_path):
    folder = tiny.decoder(tmp_path / "gpt2")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"vocab_size": 262', '"vocab_size": 9'))
    with pytest.raises(JnnError, match=r"got 262 tokens, as .*, expected at most 9, the vocab"):
        pretrained_decoder(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(JnnError, match=r"got no tokenizer.json, expected one to read texts with"):
        pretrained_decoder(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert, masked", "bert", "roberta", "distilbert"])
def test_an_encoder_gives_the_features_that_the_whole_model_reads_out(with_words, name):
    folder = with_words(name)
    encoder = pretrained_encoder(folder)
    params, state = encoder.read()
    features = jax.jit(encoder.model.apply)(params, state, TOKENS)[0]
    whole = load(folder, dtype="float32")
    x = {"tokens": TOKENS, "segments": 0 * TOKENS} if whole.settings.segments else TOKENS
    run = jnn.capture(lambda params: whole.model.apply(params, {}, x)[0])
    values = jax.jit(run)(whole.params)[1]
    np.testing.assert_allclose(features, values["blocks/output"], rtol=SINGLE, atol=SINGLE)


def test_an_encoder_reads_texts_with_the_tokens_around_them(with_words):
    tokenizer = pretrained_encoder(with_words("bert")).tokenizer
    assert tokenizer.encode("w5 w3").tolist() == [1, 5, 3, 2]
    assert tokenizer.vocabulary == 13  # tokens 9 to 12 of the model have no text
    assert tokenizer.decode([5, 12, 3]) == tokenizer.decode([5, 3])
    again = from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert again.encode("w5 w3").tolist() == [1, 5, 3, 2]
    assert again.vocabulary == 13
    assert (tokenizer.padding, tokenizer.unknown) == (8, 7)


def test_pictures_are_resized_and_scaled_and_all_but_the_head_is_loaded(pretrained):
    folder = pretrained("vit")
    given = load(folder, dtype="float32")
    classifier = pretrained_image_classifier(folder)
    params, state = classifier.read()
    x = np.random.default_rng(0).random((2, *given.settings.image_size, 1), np.float32)
    y = jax.jit(classifier.model.apply)(params, state, x)[0]
    expected = jax.jit(given.model.apply)(given.params, {}, jnp.repeat(2 * x - 1, 3, axis=-1))[0]
    np.testing.assert_allclose(y, expected, rtol=SINGLE, atol=SINGLE)
    paths = [path_name(path) for path, _ in jax.tree.leaves_with_path(params)]
    for outputs, new in {3: set(), 4: {"head/kernel", "head/bias"}}.items():
        its = pretrained_image_classifier(folder, outputs).paths
        assert {path for path in paths if not re.fullmatch(its, path)} == new


def test_the_size_and_the_scale_of_pictures_are_those_of_the_folder(tmp_path):
    def told(**config):
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
        return read_pictures(tmp_path)

    assert read_pictures(tmp_path) == Pictures((224, 224), (0.5,) * 3, (0.5,) * 3)
    mean = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.1, 0.2, 0.3]}
    edge = told(size={"shortest_edge": 32}, **mean)
    assert edge == Pictures((32, 32), (0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    assert told(size={"height": 8, "width": 9}, do_normalize=False).mean == (0.0, 0.0, 0.0)
    for config, message in [
        ({"crop_size": 9, "size": 8}, "got crop_size=9, expected one within size=8"),
        ({"crop_pct": 2}, "got crop_pct=2, expected a part from 0 to 1"),
        ({"resample": 4}, "got resample=4, expected a number from 0 to 3"),
        ({"size": {"depth": 3}}, "expected a height and a width"),
        ({"image_mean": [0.5]}, "expected a number for each of 3 channels"),
        ({"image_std": [0.5, 0.0, 1.0]}, "expected numbers > 0"),
    ]:
        with pytest.raises(JnnError, match=message):
            told(**config)


@pytest.mark.parametrize("shape", [(40, 61), (61, 40), (9, 9)])
@pytest.mark.parametrize(
    ("config", "edge", "size", "crop"),
    [
        ({"size": 14, "crop_pct": 0.875, "resample": 3}, 16, None, 14),  # ResNet
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875, "resample": 3}, None, 384, 384),
        ({"size": {"shortest_edge": 16}, "crop_size": {"height": 12, "width": 12}}, 16, None, 12),
        ({"size": 16, "crop_size": 12, "do_center_crop": True, "resample": 1}, None, 16, 12),
        ({"size": 16, "crop_size": 12, "do_center_crop": False, "resample": 0}, None, 16, 16),
        ({"size": {"height": 16, "width": 16}, "resample": 2}, None, 16, 16),  # ViT
    ],
)
def test_pictures_are_resized_and_cropped_as_by_pillow(tmp_path, shape, config, edge, size, crop):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config | {"do_normalize": False}))
    # Pillow cuts values off after each axis: these stay within 0 .. 255
    picture = np.random.default_rng(0).integers(64, 192, (*shape, 3), np.uint8)
    sides = [edge * n // min(shape) if edge else size for n in shape]
    expected = Image.fromarray(picture).resize(sides[::-1], config.get("resample", 2))
    top, left = ((n - crop) // 2 for n in sides)
    expected = np.asarray(expected)[top : top + crop, left : left + crop]
    model = of_pictures(jnn.identity, read_pictures(tmp_path))
    y = model.apply({}, {}, jnp.asarray(picture) / 255)[0]
    np.testing.assert_allclose(255 * y, expected, rtol=0, atol=BYTES)
    y = model.apply({}, {}, jnp.asarray(picture > 128, jnp.float32))[0]
    assert jnp.min(y) >= 0
    assert jnp.max(y) <= 1


@pytest.mark.parametrize(
    ("folder", "outputs", "new"),
    [
        ("bert, masked", 3, {"pooler", "out"}),
        ("bert, classes", 4, {"out"}),
        ("bert, classes", 3, set()),
    ],
)
def test_a_classifier_of_texts_has_of_the_read_out_what_fits(with_words, folder, outputs, new):
    classifier = pretrained_text_classifier(with_words(folder), outputs)
    shapes = jax.eval_shape(classifier.model.init, jax.random.key(0), TOKENS)[0]
    params, _ = classifier.read()
    assert shapes.keys() - params.keys() == new
    like = {name: shapes[name] for name in params}
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, like)
    assert {name for name in shapes if not re.match(classifier.paths, f"{name}/")} == new


def test_as_a_part_with_additions_it_is_what_is_not_trained():
    model = jnn.chain(body=jnn.dense(4), head=jnn.dense(2))
    read = lambda: ({"body": {"kernel": 1.0, "bias": 2.0}}, {})
    pretrained = Pretrained(
        folder=None,
        model=model,
        settings=None,
        tokenizer=None,
        paths=".*",
        read=read,
        read_out="head/.*",
    )
    adapted = pretrained.adapted(2, ".*kernel")
    whole = adapted.within("network", jnn.chain(network=adapted.model, out=jnn.dense(1)))
    params, _ = jax.eval_shape(whole.model.init, jax.random.key(0), jnp.ones(3))
    untrained = [
        path_name(path)
        for path, _ in jax.tree.leaves_with_path(params)
        if re.fullmatch(whole.untrained, path_name(path))
    ]
    assert untrained == ["network/base/body/bias", "network/base/body/kernel"]
    assert whole.read()[0] == {"network": {"base": read()[0]}}
