"""Embedding networks: unit length, cosines against SciPy, and that classes they learn become
neighbours.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist

import jnn
from jnn.architectures.embedding_network import (
    EmbeddingNetworkConfig,
    embedding_network,
    prototypes,
    unit_length,
)
from jnn.errors import JnnError
from jnn.losses.margin import arcface
from tests.architectures import drawn, eight, loss_after_training, parameters

SAME = 1e-10  # float64: the same sums in another order
FLOAT32 = 1e-6  # 24 bits, and a sum of few squares
LEARNED = 0.01  # nats, of more than 5 at first
SMALL = EmbeddingNetworkConfig(features=6, channels=(4, 8))


def test_cosines_are_those_of_scipy(float64):
    rng = np.random.default_rng(0)
    x, kernel = 100 * rng.standard_normal((7, 5)), 0.01 * rng.standard_normal((5, 3))
    y, _ = jax.jit(prototypes(3).apply)({"kernel": jnp.asarray(kernel)}, {}, jnp.asarray(x))
    np.testing.assert_allclose(y, 1 - cdist(x, kernel.T, "cosine"), atol=SAME)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4])
@pytest.mark.parametrize("train", [False, True])
def test_embeddings_have_length_one(scale, train):
    model = embedding_network(SMALL)
    params, state = drawn(model, 16, 12, 1)
    z, _ = jax.jit(model.apply, static_argnames="train")(
        params, state, scale * eight(16, 12, 1), key=jax.random.key(0), train=train
    )
    np.testing.assert_allclose(jnp.linalg.norm(z, axis=-1), 1, rtol=FLOAT32)


def test_a_vector_of_zeros_stays_zero_and_has_a_gradient():
    value, gradient = jax.value_and_grad(lambda x: jnp.sum(unit_length(x)))(jnp.zeros(3))
    assert value == 0
    assert jnp.isfinite(gradient).all()


def test_parameters_are_convolutions_one_dense_layer_and_normalizations_without_other_biases():
    convolutions, dense, normalizations = 9 * (1 * 4 + 4 * 8), 4 * 3 * 8 * 6, 2 * (4 + 8 + 6)
    assert parameters(embedding_network(SMALL), 16, 12, 1) == convolutions + dense + normalizations


@pytest.mark.slow
def test_classes_it_learns_become_neighbours():
    x, labels = eight(8, 8, 1), jnp.arange(8) // 2
    model = jnn.chain(
        embedding=embedding_network(EmbeddingNetworkConfig(features=8, channels=(8,))),
        prototypes=prototypes(4),
    )
    first, last = loss_after_training(
        model, x, lambda y: arcface(y, labels, scale=16.0, margin=0.3), 1e-2, enough=LEARNED
    )
    assert first > 5
    assert last < LEARNED


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: embedding_network(EmbeddingNetworkConfig(features=0)),
            "EmbeddingNetworkConfig: got features=0",
        ),
        (lambda: embedding_network(EmbeddingNetworkConfig(channels=(8, 0))), r"channels\[1\]=0"),
        (
            lambda: embedding_network(EmbeddingNetworkConfig(dropout=1.0)),
            r"dropout=1\.0, expected a fraction",
        ),
        (lambda: prototypes(0), "prototypes: got classes=0"),
        (
            lambda: prototypes(2).init(jax.random.key(0), jnp.arange(3)),
            "prototypes: got x of dtype int",
        ),
        (
            lambda: prototypes(2).apply({"kernel": jnp.ones((3, 2))}, {}, jnp.ones(4)),
            "expected 3 features",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(JnnError, match=message):
        make()
