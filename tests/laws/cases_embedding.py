"""The embedding, for the registry."""

import jax.numpy as jnp
import numpy as np

import jnn
from jnn.layers.embedding import embedding
from tests.laws.case import Case

TOKENS = np.array([0, 2, 5, 2, 1, 3, 4], np.int32)

CASES = {
    "embedding": Case(embedding(6, 3), TOKENS, sequence=True),
    "embedding, read-out": Case(
        jnn.chain(embedding(6, 4), jnp.tanh, jnn.dense(6)), TOKENS, sequence=True
    ),
}
