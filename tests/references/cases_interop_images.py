"""Folders of residual networks that Hugging Face's transformers write, with random weights and
running statistics, and what these networks make of images (transformers==5.24.0).
"""

import numpy as np

from tests.references.cases_interop import case_of


def _images(torch, rng):
    images = rng.normal(size=(2, 3, 16, 20)).astype(np.float16)
    return {"pixel_values": torch.tensor(images).double()}


def _resnet(depths, kind, width, first, sizes=()):
    return case_of(
        "ResNetForImageClassification",
        _images,
        embedding_size=width,
        hidden_sizes=sizes or [first * 2**i for i in range(4)],
        depths=depths,
        layer_type=kind,
        num_labels=3,
    )


CASES = {
    "resnet18": _resnet([2, 2, 2, 2], "basic", 2, 2),
    "resnet50": _resnet([3, 4, 6, 3], "bottleneck", 1, 4),
    "basic blocks, other sizes": _resnet([2, 1], "basic", 3, 3, [5, 8]),
    "bottlenecks, other sizes": _resnet([1, 2], "bottleneck", 3, 3, [8, 13]),
}
