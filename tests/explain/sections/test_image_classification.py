"""The report of a classifier of images looks at its layers in the order in which they run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.architectures.vision_transformer import (
    VisionTransformerConfig,
    class_token,
    vision_transformer,
)
from jnn.explain.inside import saliency
from jnn.explain.inside.attention import attention_weights
from jnn.explain.sections import image_classification
from tests.compiled import init


def test_feature_maps_are_in_order_and_the_saliency_is_that_of_the_last_ones(monkeypatch):
    """The names are in another order than the layers; a chain is omitted beside its last layer."""
    model = jnn.chain(
        stem=jnn.chain(first=jnn.conv(2, (3, 3)), act=jax.nn.relu),
        deep=jnn.conv(3, (3, 3)),
        pool=jnn.global_average_pool(),
        head=jnn.dense(2),
    )
    image, paths = jnp.asarray(np.random.default_rng(0).random((8, 8, 1)), jnp.float32), []
    explanations = saliency.explanations

    def spied(*args, path, **settings):
        paths.append(path)
        return explanations(*args, path=path, **settings)

    monkeypatch.setattr(saliency, "explanations", spied)
    maps, _ = image_classification.inside(model, *init(model, image), np.asarray(image), 0, "zero")
    names = [ax.texts[0].get_text().strip() for ax in maps.figure.axes[::2]]
    assert names == ["image", "stem/first", "stem/act", "deep", "pool", "head"]
    assert paths == ["deep/output"] * 2


def test_of_many_layers_those_within_a_block_are_omitted(monkeypatch):
    monkeypatch.setattr(image_classification, "MOST_LAYERS", 3)
    block = lambda: jnn.chain(conv=jnn.conv(2, (3, 3)), act=jax.nn.relu, scale=lambda x: 2 * x)
    model = jnn.chain(one=block(), two=block(), pool=jnn.global_average_pool())
    image = jnp.asarray(np.random.default_rng(0).random((8, 8, 1)), jnp.float32)
    maps, _ = image_classification.inside(model, *init(model, image), np.asarray(image), 0, "zero")
    names = [ax.texts[0].get_text().strip() for ax in maps.figure.axes[::2]]
    assert names == ["image", "one", "two", "pool"]


def test_of_a_vision_transformer_it_shows_where_the_class_token_looks():
    sizes = {"image_size": (8, 8), "patch_size": 2, "width": 8, "depth": 3, "heads": 2}
    model = vision_transformer(VisionTransformerConfig(outputs=2, **sizes))
    image = jnp.asarray(np.random.default_rng(0).random((8, 8, 1)), jnp.float32)
    params, state = init(model, image)
    looks, pixels = image_classification.inside(model, params, state, np.asarray(image), 0, "zero")
    assert [looks.title, pixels.title] == ["Attention", "Saliency"]
    (weights,) = attention_weights(model, params, state, image).values()
    shown = looks.figure.axes[1].images[0].get_array()  # of block 0 and head 0, beside the image
    np.testing.assert_allclose(shown, weights[0, 0, 0, 1:].reshape(4, 4), rtol=1e-5)
    assert "Grad-CAM" not in {ax.get_title(loc="left") for ax in pixels.figure.axes}


def test_blocks_with_other_numbers_of_heads_have_no_common_picture():
    parts = {
        "patches": jnn.conv(8, (2, 2), strides=2),
        "token": class_token(),
        "few": jnn.attention(2),
        "many": jnn.attention(4),
        "head": jnn.dense(2),
    }

    def flow(run, x):
        h = run("patches", x)
        h = run("token", h.reshape(*h.shape[:-3], 4, 8))
        return run("head", run("many", run("few", h))[..., 0, :])

    model = jnn.wired(flow, parts, streaming=False)
    image = jnp.asarray(np.random.default_rng(0).random((4, 4, 1)), jnp.float32)
    sections = image_classification.inside(model, *init(model, image), np.asarray(image), 0, "0")
    assert [section.title for section in sections] == ["Feature maps", "Saliency"]  # of patches


def test_of_a_multilayer_perceptron_it_shows_saliency_alone():
    model = mlp(MLPConfig(outputs=2, hidden=(4,), input_rank=3))
    image = jnp.asarray(np.random.default_rng(0).random((8, 8, 1)), jnp.float32)
    (section,) = image_classification.inside(model, *init(model, image), np.asarray(image), 0, "0")
    titles = [ax.get_title(loc="left") for ax in section.figure.axes[:5]]
    assert titles == ["image", *(name for name in saliency.METHODS if name != "Grad-CAM")]


@pytest.mark.parametrize("shape", [(30, 3, 1), (3, 30, 3), (1, 1, 1)])
def test_images_of_any_sides_have_a_saliency(shape):
    model = mlp(MLPConfig(outputs=2, hidden=(4,), input_rank=3))
    image = jnp.asarray(np.random.default_rng(0).random(shape), jnp.float32)
    (section,) = image_classification.inside(model, *init(model, image), np.asarray(image), 0, "0")
    occlusion = section.figure.axes[4]
    assert occlusion.get_title(loc="left") == "occlusion"
    assert occlusion.images[0].get_array().shape == shape[:2]


def test_of_a_convolutional_network_with_attention_it_shows_the_maps_alone():
    by_places = lambda h: h.reshape(*h.shape[:-3], 16, h.shape[-1])
    model = jnn.chain(
        conv=jnn.conv(4, (3, 3)),
        pool=jnn.max_pool((2, 2)),
        flat=by_places,
        mix=jnn.attention(2),
        mean=jnn.global_average_pool(1),
        head=jnn.dense(2),
    )
    image = jnp.asarray(np.random.default_rng(0).random((8, 8, 1)), jnp.float32)
    params, state = init(model, image)
    maps, pixels = image_classification.inside(model, params, state, np.asarray(image), 0, "zero")
    names = [ax.texts[0].get_text().strip() for ax in maps.figure.axes[::2]]
    assert names == ["image", "conv", "pool", "mean", "head"]
    assert "Grad-CAM" in {ax.get_title(loc="left") for ax in pixels.figure.axes}


def test_what_is_called_weights_and_is_no_attention_stops_no_report():
    parts = {"gates": jnn.dense(3), "flat": lambda x: x.reshape(*x.shape[:-3], 16)}

    def flow(run, x):
        return jnn.tag(jax.nn.softmax(run("gates", run("flat", x))), "weights")

    model, image = jnn.wired(flow, parts, streaming=False), np.ones((4, 4, 1), np.float32)
    sections = image_classification.inside(model, *init(model, image), image, 0, "zero")
    assert [section.title for section in sections] == ["Saliency"]
