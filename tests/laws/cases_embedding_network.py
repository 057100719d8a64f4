"""Embedding networks, for the registry: smooth, where a difference quotient across the kink of a
rectifier would be no gradient.
"""

import jnn
from jnn.architectures.embedding_network import (
    EmbeddingNetworkConfig,
    embedding_network,
    prototypes,
)
from tests.laws.case import Case, example

SMALL = embedding_network(
    EmbeddingNetworkConfig(features=4, channels=(3,), activation="tanh", dropout=0.2)
)

CASES = {
    "prototypes": Case(prototypes(3), example(4)),
    "embedding_network": Case(SMALL, example(6, 6, 1)),
    "embedding_network, prototypes": Case(
        jnn.chain(embedding=SMALL, prototypes=prototypes(3)), example(6, 6, 1)
    ),
}
