"""Published transformers as settings: the same number of params, in the same places."""

import dataclasses
from typing import Any

from jnn.architectures.encoder_decoder import EncoderDecoderConfig
from jnn.architectures.transformer import TransformerConfig
from jnn.architectures.vision_transformer import VisionTransformerConfig

GPT2 = TransformerConfig(kernel_deviation=0.02)
"""GPT-2, the smallest of four, 124,439,808 params: Radford et al. 2019, Language Models are
Unsupervised Multitask Learners.
"""

GPT2_XL = TransformerConfig(width=1600, depth=48, heads=25, kernel_deviation=0.02)
"""GPT-2, the largest of four, 1,557,611,200 params."""

BERT_BASE = TransformerConfig(
    vocabulary=30_522,
    length=512,
    causal=False,
    activation="gelu",
    norm_first=False,
    norm_epsilon=1e-12,
    segments=2,
    embedding_norm=True,
    head="none",
    pooled=True,
    kernel_deviation=0.02,
)
"""BERT-base, uncased, with its pooler, 109,482,240 params: Devlin et al. 2019,
https://arxiv.org/abs/1810.04805.
"""

VIT_B16 = VisionTransformerConfig()
"""ViT-B/16 for images of 224 x 224 in 1000 classes, 86,567,656 params: Dosovitskiy et al. 2021,
https://arxiv.org/abs/2010.11929.
"""

T5_SMALL = EncoderDecoderConfig(
    source_vocabulary=32_128,
    width=512,
    depth=6,
    heads=8,
    hidden=2048,
    activation="relu",
    norm="rms",
    norm_epsilon=1e-6,
    positions="relative",
    scaled=False,
    use_bias=False,
    scale_logits=True,
    embedding_deviation=1.0,
)
"""T5-small, 60,506,624 params: Raffel et al. 2020, https://arxiv.org/abs/1910.10683."""

TINY_LLAMA = TransformerConfig(
    vocabulary=32_000,
    length=2048,
    width=2048,
    depth=22,
    heads=32,
    key_value_heads=4,
    hidden=5632,
    activation="silu",
    gated=True,
    norm="rms",
    positions="rotary",
    use_bias=False,
    head="dense",
    kernel_deviation=0.02,
)
"""TinyLlama, the architecture of Llama 2 in small, 1,100,048,384 params: Zhang et al. 2024,
https://arxiv.org/abs/2401.02385.
"""

LLAMA2_7B = TransformerConfig(
    vocabulary=32_000,
    length=4096,
    width=4096,
    depth=32,
    heads=32,
    hidden=11_008,
    activation="silu",
    gated=True,
    norm="rms",
    positions="rotary",
    use_bias=False,
    head="dense",
    kernel_deviation=0.02,
)
"""Llama 2, the smallest of three, 6,738,415,616 params: Touvron et al. 2023,
https://arxiv.org/abs/2307.09288.
"""

DECODERS = {"gpt2": GPT2, "gpt2_xl": GPT2_XL, "llama2_7b": LLAMA2_7B}
"""Those that write text and are trained from scratch by ``--preset``."""

PEAK_LEARNING_RATES = {"gpt2": 6e-4, "gpt2_xl": 2e-4, "llama2_7b": 3e-4}
"""Of AdamW for `DECODERS`: that of Llama 2, and for GPT-2, which does not say its own, those of
GPT-3 in these sizes: Brown et al. 2020, https://arxiv.org/abs/2005.14165, table 2.1.
"""


def resized(config: TransformerConfig, width: int, **others: Any) -> TransformerConfig:
    """A model of another width, whose feed-forward layers are wider by the same factor.

    ``others`` are further settings that differ, such as ``depth`` and ``heads``.

    >>> resized(LLAMA2_7B, 512, depth=2, heads=4).hidden
    1376
    """
    hidden = config.hidden * width // config.width
    return dataclasses.replace(config, width=width, hidden=hidden, **others)
