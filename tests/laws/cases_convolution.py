"""Convolutions and pooling, for the registry."""

import jnn
from jnn.layers.convolution import conv, conv_transpose, depthwise_conv
from jnn.layers.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
    upsample,
)
from jnn.layers.subpixel import depth_to_space, space_to_depth
from tests.laws.case import Case, example

CASES = {
    "conv, sequence": Case(conv(4, (3,)), example(5, 4), sequence=True),
    "conv, causal": Case(
        jnn.residual(conv(4, (3,), padding="CAUSAL", dilation=2)), example(5, 4), sequence=True
    ),
    "conv, image": Case(conv(4, (3, 3), groups=2), example(4, 5, 4)),
    "conv, strides": Case(conv(3, (3, 2), strides=2, padding=1, use_bias=False), example(5, 4, 2)),
    "depthwise_conv, causal": Case(
        depthwise_conv((3,), padding="CAUSAL"), example(5, 4), sequence=True
    ),
    "depthwise_conv, image": Case(depthwise_conv((3, 3), 2, strides=2), example(4, 5, 2)),
    "conv_transpose": Case(conv_transpose(2, (3, 3), strides=2), example(3, 2, 2)),
    "max_pool": Case(max_pool((3, 3), strides=2, padding="SAME"), example(4, 5, 2)),
    "average_pool": Case(average_pool((3, 3), strides=2, padding="SAME"), example(4, 5, 2)),
    "global_average_pool": Case(global_average_pool(1), example(5, 4), sequence=True),
    "global_max_pool": Case(global_max_pool(1), example(5, 4), sequence=True),
    "adaptive_average_pool": Case(adaptive_average_pool((2, 3)), example(3, 5, 2)),
    "adaptive_max_pool": Case(adaptive_max_pool((2, 3)), example(3, 5, 2)),
    "space_to_depth": Case(jnn.chain(space_to_depth(2), conv(3, (3, 3))), example(4, 4, 2)),
    "depth_to_space": Case(jnn.chain(conv(8, (3, 3)), depth_to_space(2)), example(2, 3, 2)),
    "upsample": Case(jnn.chain(upsample((2, 2)), upsample((2, 1), "linear")), example(2, 3, 2)),
}
