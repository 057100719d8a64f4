"""Activations with parameters, for the registry."""

from jnn.layers.activation import activation, gated, prelu
from tests.laws.case import Case, example

CASES = {
    "prelu": Case(prelu(), example(5, 4), sequence=True),
    "gated": Case(gated(4), example(5, 4), sequence=True),
    "gated gelu": Case(gated(3, activation("gelu"), use_bias=True), example(4)),
}
