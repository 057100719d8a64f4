"""Noise in training, for the registry."""

import jnn
from jnn.layers.dropout import (
    alpha_dropout,
    dropout,
    gaussian_noise,
    spatial_dropout,
    stochastic_depth,
)
from tests.laws.case import Case, example

CASES = {
    "dropout": Case(jnn.chain(dropout(0.3), jnn.dense(4)), example(5, 4), sequence=True),
    "spatial_dropout": Case(
        jnn.chain(jnn.dense(4), spatial_dropout(0.3, rank=2)), example(5, 4), sequence=True
    ),
    "stochastic_depth": Case(
        jnn.residual(jnn.chain(jnn.dense(4), stochastic_depth(0.3, rank=2))),
        example(5, 4),
        sequence=True,
    ),
    "alpha_dropout": Case(
        jnn.chain(jnn.dense(4), alpha_dropout(0.3)), example(5, 4), sequence=True
    ),
    "gaussian_noise": Case(
        jnn.chain(gaussian_noise(0.3), jnn.dense(4)), example(5, 4), sequence=True
    ),
}
