"""Pretrained classifiers as they are: `jnn.load` and ``jnn predict`` of their folders."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer, processors

import jnn
from jnn.cli import main
from jnn.interop import load, pretrained_classifier, pretrained_encoder
from tests.interop import tiny

SINGLE = 1e-5  # float32: the same sums in another order

START, END = 260, 261  # of the tokens of `tiny.encoder`


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A RoBERTa of three classes."""
    folder = tmp_path_factory.mktemp("tiny") / "roberta"
    none = {"head": "none", "head_bias": False, "head_transform": False}
    tiny.encoder(folder, "roberta", **none, pooled=True, outputs=3)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ends = [(tokenizer.id_to_token(i), i) for i in (START, END)]
    template = f"{ends[0][0]} $A {ends[1][0]}"
    tokenizer.post_processor = processors.TemplateProcessing(template, None, ends)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def named(folder, names):
    path = folder / "config.json"
    labels = {str(i): name for i, name in enumerate(names)}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id2label": labels}))


def test_a_text_has_the_class_of_its_tokens_between_their_ends(texts, tmp_path, capsys):
    named(texts, ["bad", "fair", "good"])
    loaded = jnn.load(texts)
    answer = loaded.predict(["low", "lowest lower low"])
    assert answer.classes == ("bad", "fair", "good")
    model, params, state, tokenizer = load(texts)
    tokens = jnp.array([START, *tokenizer.encode("low"), END])
    logits = jax.jit(model.apply)(params, state, tokens)[0]
    np.testing.assert_allclose(answer.probabilities[0], jax.nn.softmax(logits), atol=1e-6)
    (tmp_path / "texts.txt").write_text("low\nlowest lower low\n")
    assert main(["predict", str(texts), str(tmp_path / "texts.txt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[1] for line in lines] == answer.label.tolist()


def test_training_begins_with_the_encoder_of_a_classifier(texts):
    encoder = pretrained_encoder(texts, dropout=0.1)
    params, _ = encoder.read()
    its = load(texts).params
    assert its.keys() - params.keys() == {"pooler", "out"}
    jax.tree.map(np.testing.assert_array_equal, params, {name: its[name] for name in params})
    shapes = jax.eval_shape(encoder.model.init, jax.random.key(0), jnp.arange(3))[0]
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, params)


@pytest.mark.slow
def test_a_picture_is_classified_as_its_pixels_are(tmp_path, capsys):
    folder = tiny.vision_transformer_folder(tmp_path / "vit")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    answer = jnn.load(folder).predict(pixels)
    assert main(["predict", str(folder), str(tmp_path / "a.png")]) == 0
    label, p = capsys.readouterr().out.split("\t")[1:]
    assert (label, float(p)) == (answer.label, pytest.approx(answer.probabilities.max(), abs=1e-4))
    model, params, state, _ = load(folder)
    x = (pixels / np.float32(255) - 0.5) / 0.5
    p = jax.nn.softmax(jax.jit(model.apply)(params, state, x)[0])
    np.testing.assert_allclose(answer.probabilities, p, atol=1e-6)


def test_a_classifier_takes_pictures_that_it_crops_itself(tmp_path):
    folder = tiny.resnet_folder(tmp_path)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"crop_pct": 0.875}))
    pixels = np.random.default_rng(0).integers(0, 256, (36, 36, 3), np.uint8)
    classifier = pretrained_classifier(folder)
    assert classifier.example.shape == pixels.shape
    model, params, state, _ = load(folder)
    logits, _ = classifier.pretrained.model.apply(params, state, jnp.asarray(pixels) / 255)
    x = (pixels[2:-2, 2:-2] / np.float32(255) - np.float32(0.4)) / np.float32(0.2)
    np.testing.assert_allclose(logits, model.apply(params, state, x)[0], rtol=SINGLE, atol=SINGLE)


def test_what_is_no_classifier_of_one_class_is_refused(texts, pretrained, tmp_path):
    with pytest.raises(jnn.JnnError, match="got BartForConditionalGeneration, expected a model fo"):
        jnn.load(pretrained("bart"))
    with pytest.raises(jnn.JnnError, match="got GPT2LMHeadModel, expected a model for the classif"):
        jnn.load(tiny.decoder(tmp_path / "gpt2"))
    path = texts / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"problem_type": "multi_label_classification"}))
    with pytest.raises(jnn.JnnError, match="got a model of several labels for each input"):
        jnn.load(texts)
    path.write_text(json.dumps(config | {"id2label": {"0": "a", "2": "b"}}))
    with pytest.raises(jnn.JnnError, match=r"id2label=.* in place of a name for each of 0, 1"):
        jnn.load(texts)
    path.write_text(json.dumps(config))
