"""Attention, positions, and what stands beside them in a transformer, for the registry."""

import jax
import numpy as np

import jnn
from jnn.layers.attention import attention
from jnn.layers.cross_attention import cross_attention
from jnn.layers.feed_forward import feed_forward
from jnn.layers.mixture_of_experts import mixture_of_experts
from jnn.layers.position_vectors import learned_positions, sinusoidal_positions
from jnn.layers.positions import alibi, relative_buckets, rotary
from tests.laws.case import Case, example

LINES = np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
PAIR = {
    "x": example(5, 4),
    "memory": LINES,
    "memory_mask": np.array([True, True, False, True, True, False]),
}


def of(layer):
    """The bias of the keys moves all logits of a query alike: it has no gradient, so these layers
    have none.
    """
    return Case(layer, example(5, 4), sequence=True)


CASES = {
    "attention": of(attention(2, use_bias=False)),
    "attention, causal": of(attention(2, use_bias=False, causal=True, dropout=0.2)),
    "attention, grouped": of(
        attention(4, use_bias=False, key_value_heads=2, head_features=2, causal=True)
    ),
    "attention, multi-query": of(attention(2, use_bias=False, key_value_heads=1, head_features=3)),
    "attention, window": of(attention(2, use_bias=False, causal=True, window=2)),
    "attention, fused": of(jnn.chain(attention(2, use_bias=False, fused=True))),
    "attention, rotary": of(
        attention(2, use_bias=False, causal=True, head_features=4, positions=rotary(fraction=0.5))
    ),
    "attention, rotary interleaved": of(
        attention(2, use_bias=False, positions=rotary(interleaved=True))
    ),
    "attention, alibi": of(attention(2, use_bias=False, causal=True, positions=alibi())),
    "attention, relative": of(attention(2, use_bias=False, positions=relative_buckets(4, 8))),
    "attention, relative causal": of(
        attention(2, use_bias=False, causal=True, positions=relative_buckets(4, 8))
    ),
    "attention, block": of(
        jnn.residual(jnn.chain(jnn.layer_norm(), attention(2, use_bias=False, causal=True)))
    ),
    "cross_attention": Case(cross_attention(2, use_bias=False), PAIR),
    "learned_positions": of(learned_positions(8, first=2)),
    "sinusoidal_positions": of(jnn.chain(sinusoidal_positions(), jnn.dense(3))),
    "feed_forward": of(feed_forward(5, dropout=0.2)),
    "feed_forward, gated": of(feed_forward(5, activation=jax.nn.silu, gated=True, use_bias=False)),
    "mixture_of_experts": of(mixture_of_experts(feed_forward(3), 3)),
    "mixture_of_experts, one": of(
        mixture_of_experts(jnn.chain(jnn.dense(4), jax.numpy.tanh), 3, top=1)
    ),
}
