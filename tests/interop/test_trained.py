"""Runs that began with a pretrained model, as models of its family."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.errors import JnnError
from jnn.export.transformers import write_transformers
from jnn.interop import (
    load,
    of_trained,
    pretrained_decoder,
    pretrained_image_classifier,
    pretrained_text_classifier,
    save,
)
from jnn.loaded import Loaded
from jnn.tasks.pretrained_texts import log_probabilities
from jnn.train.preparation import Preparation
from tests.interop import tiny

CLASSES = ("bad", "fair", "good")
TOKENS = jnp.array([[260, 5, 9, 261], [260, 7, 8, 261]])


def drawn(model, x):
    """Params of which all are drawn, and additions too, which are zeros at first."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)[0]
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.3, leaf.shape), "f4"), shapes)


def texts(folder, rank=0):
    """A trained classifier of texts, as `jnn.load` has it."""
    its = pretrained_text_classifier(folder, len(CLASSES), dropout=0.1)
    its = its.adapted(rank, ".*query/kernel") if rank else its
    whole = its.within("networks", jnn.parallel(networks=its.model))
    params, example = drawn(whole.model, TOKENS), jax.ShapeDtypeStruct((4,), jnp.int32)
    preparation = Preparation(example, tokenizer=its.tokenizer, longest=16, classes=CLASSES)
    config = SimpleNamespace(pretrained=str(folder))
    return Loaded(log_probabilities(whole.model), params, {}, config, example, preparation)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """A RoBERTa for masked tokens that was trained as a classifier, by low-rank additions."""
    return texts(tiny.encoder(tmp_path_factory.mktemp("tiny") / "roberta", "roberta"), rank=2)


def test_a_trained_classifier_of_texts_is_one_of_its_family(adapted, tmp_path):
    about = write_transformers(tmp_path, adapted)
    assert "RobertaForSequenceClassification" in about["transformers"]
    again = load(tmp_path / "transformers")
    config = json.loads((tmp_path / "transformers" / "config.json").read_text())
    assert config["id2label"] == {"0": "bad", "1": "fair", "2": "good"}
    assert (config["pad_token_id"], config["max_position_embeddings"]) == (1, 34)
    logits = jax.jit(again.model.apply)(again.params, {}, TOKENS)[0]
    y = jax.jit(adapted.model.apply)(adapted.params, {}, TOKENS)[0]
    np.testing.assert_allclose(jax.nn.log_softmax(logits), y, atol=1e-6)
    tokenizers = again.tokenizer, adapted.preparation.tokenizer
    words = [tokenizer.encode("lowest").tolist() for tokenizer in tokenizers]
    assert words[0] == words[1]


@pytest.mark.slow
def test_one_that_answers_otherwise_is_refused(adapted, tmp_path):
    other = adapted._replace(model=jnn.chain(adapted.model, lambda y: 2 * y))
    other = other._replace(params={"0": adapted.params, "1": {}}, state={"0": {}, "1": {}})
    with pytest.raises(JnnError, match="transformers: got output that differs by"):
        write_transformers(tmp_path, other)


@pytest.mark.slow
def test_a_trained_classifier_of_pictures_keeps_their_size_and_scale(tmp_path):
    folder = tiny.vision_transformer_folder(tmp_path / "vit")
    about = {"size": {"height": 8, "width": 8}, "image_mean": [0.4] * 3, "image_std": [0.2] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(about))
    its = pretrained_image_classifier(folder, outputs=4)
    example = jax.ShapeDtypeStruct((8, 8, 1), jnp.float32)
    params, state = jax.jit(its.model.init)(jax.random.key(0), example)
    preparation = Preparation(example, pixels=True, classes=("a", "b", "c", "d"))
    config = SimpleNamespace(pretrained=str(folder))
    write_transformers(tmp_path, Loaded(its.model, params, state, config, example, preparation))
    written = tmp_path / "transformers" / "preprocessor_config.json"
    assert json.loads(written.read_text()) == about


@pytest.mark.slow
def test_a_trained_decoder_is_one_of_its_family(tmp_path):
    folder = tiny.decoder(tmp_path / "gpt2")
    its, example = pretrained_decoder(folder), jax.ShapeDtypeStruct((4,), jnp.int32)
    config = SimpleNamespace(pretrained=str(folder))
    trained = Loaded(its.model, drawn(its.model, TOKENS), {}, config, example)
    save(tmp_path / "out", of_trained(trained))
    jax.tree.map(np.testing.assert_array_equal, load(tmp_path / "out").params, trained.params)


def test_what_is_no_model_of_the_family_is_refused(adapted):
    with pytest.raises(JnnError, match="got a run that did not begin with a pretrained model"):
        of_trained(adapted._replace(config=SimpleNamespace()))
    other = {"networks": {"pooler": adapted.params["networks"]["base"]["pooler"]}}
    with pytest.raises(JnnError, match="no part of which is a model of the family roberta"):
        of_trained(adapted._replace(params=other))


@pytest.mark.torch
@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_transformers_give_a_text_the_same_probabilities(family, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    trained = texts(tiny.encoder(tmp_path / family, family), rank=2)
    save(tmp_path / "out", of_trained(trained))
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tuple(theirs.config.id2label.values()) == CLASSES
    encoded = tokenizer("low lower", return_tensors="pt")
    p = torch.softmax(theirs.eval()(**encoded).logits, dim=-1).detach().numpy()[0]
    np.testing.assert_allclose(trained.predict("low lower").probabilities, p, atol=1e-5)
