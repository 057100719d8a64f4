"""Normalization layers, for the registry."""

import jax.numpy as jnp

import jnn
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.conditional_norm import conditional_norm
from jnn.layers.normalization import group_norm, instance_norm, layer_norm, rms_norm
from jnn.layers.weight_normalization import weight_norm
from tests.laws.case import Case, example

CASES = {
    "layer_norm": Case(layer_norm(), example(5, 4), sequence=True),
    "rms_norm": Case(rms_norm(), example(5, 4), sequence=True),
    "group_norm, image": Case(group_norm(2, rank=3), example(3, 3, 4)),
    "group_norm, sequence": Case(group_norm(2, rank=2), example(5, 4), sequence=True),
    "conditional_norm": Case(
        conditional_norm(group_norm(2, rank=3, use_scale=False, use_bias=False), 4, rank=3),
        {"x": example(3, 3, 4), "condition": example(2)},
    ),
    "instance_norm": Case(instance_norm(rank=2), example(5, 4), sequence=True),
    "batch_norm": Case(
        jnn.chain(jnn.dense(4, use_bias=False), batch_norm(), jnp.tanh),
        example(5, 4),
        sequence=True,
    ),
    "batch_norm, no scale": Case(
        jnn.chain(batch_norm(use_scale=False, use_bias=False), jnn.dense(4)), example(4)
    ),
    "weight_norm": Case(
        weight_norm(jnn.chain(jnn.dense(4), jnp.tanh)), example(5, 4), sequence=True
    ),
}
