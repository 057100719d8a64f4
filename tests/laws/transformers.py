"""Transformers, among the architectures of the registry: without biases, as that of the keys moves
all logits alike and has no gradient.
"""

import numpy as np

import jnn
from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.architectures.transformer_block import BlockConfig, block
from jnn.architectures.vision_transformer import VisionTransformerConfig, vision_transformer
from jnn.layers.positions import RotaryScaling
from tests.laws.case import Case, example

SIZES = {"width": 4, "depth": 2, "heads": 2, "hidden": 3, "use_bias": False}
TOKENS = np.array([3, 1, 4, 1, 5])
PAIR = {
    "tokens": TOKENS,
    "source": np.array([2, 6, 0, 3, 3, 1]),
    "source_mask": np.array([True, True, True, True, False, False]),
}
MEMORY = {
    "x": example(5, 4),
    "memory": example(6, 3),
    "memory_mask": np.array([True, True, False, True, True, False]),
}


def decoder(**settings):
    return Case(
        transformer(TransformerConfig(vocabulary=7, length=12, **{**SIZES, **settings})),
        TOKENS,
        sequence=True,
    )


def translator(**settings):
    return Case(
        encoder_decoder(
            EncoderDecoderConfig(source_vocabulary=7, length=12, **{**SIZES, **settings})
        ),
        PAIR,
    )


TRANSFORMERS = {
    "block": Case(
        block(BlockConfig(**SIZES, dropout=0.2), causal=True), example(5, 4), sequence=True
    ),
    "block, post-norm": Case(
        block(BlockConfig(**SIZES, norm_first=False), causal=False), example(5, 4), sequence=True
    ),
    "block, cross": Case(
        jnn.chain(block(BlockConfig(**SIZES), causal=True, cross=True), lambda y: y["x"]), MEMORY
    ),
    "transformer": decoder(dropout=0.2),
    "transformer, sinusoidal": decoder(
        positions="sinusoidal", scale_embeddings=True, head="dense", remat="full"
    ),
    "transformer, alibi": decoder(positions="alibi", window=3),
    "transformer, relative": decoder(positions="relative", scaled=False, kernel_deviation=0.5),
    "transformer, Llama": decoder(
        positions="rotary",
        heads=4,
        key_value_heads=2,
        head_features=2,
        norm="rms",
        activation="silu",
        gated=True,
        head="dense",
        unroll=True,
    ),
    "transformer, parallel branches": decoder(
        positions="rotary",
        head_features=4,
        rotary_fraction=0.5,
        rotary_scaling=RotaryScaling(2.0),
        norm="rms",
        norm_scale="one_plus",
        query_norm=True,
        branches="shared_norm",
        dropout=0.2,
    ),
    "transformer, experts": decoder(experts=3, positions="none"),
    "transformer, encoder": decoder(
        causal=False, norm_first=False, embedding_norm=True, head="none"
    ),
    "encoder_decoder": translator(dropout=0.2),
    "encoder_decoder, T5": translator(
        positions="relative", norm="rms", scaled=False, scale_logits=True
    ),
    "vision_transformer": Case(
        vision_transformer(
            VisionTransformerConfig(
                outputs=3, image_size=(4, 6), patch_size=2, **SIZES, dropout=0.2
            )
        ),
        example(4, 6, 1),
    ),
}
