"""The report of a classifier of images looks at its layers in the order in which they run."""

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.explain.inside import saliency
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
