"""The sizes and the data of the workloads, which are the same for all libraries."""

from typing import NamedTuple

import numpy as np

LEARNING_RATE = 1e-3  # of Adam, in all training
STEPS = 16  # of one dispatch, where a library makes many at once


class Perceptron(NamedTuple):
    """A multilayer perceptron with relu, and the examples of a step."""

    sizes: tuple[int, ...]
    batch: int


class Recurrent(NamedTuple):
    """An embedding, two recurrent layers and a read-out, over characters."""

    vocabulary: int = 65
    embedding: int = 128
    features: int = 256
    length: int = 128
    batch: int = 64


class GPT(NamedTuple):
    """A decoder-only transformer in pre-norm form, without biases, its read-out tied."""

    depth: int
    width: int
    heads: int
    length: int
    batch: int
    vocabulary: int = 65
    dropout: float = 0.0


MLP = Perceptron((784, 1024, 1024, 10), 128)
MLP_TINY = Perceptron((64, 32, 10), 32)
MEMBERS = 32
MLP_OF_MANY = Perceptron((784, 64, 10), 64)
RECURRENT = Recurrent()
GPT_S = GPT(4, 128, 4, 64, 32)
GPT_S_DROPOUT = GPT_S._replace(dropout=0.1)
GPT_M = GPT(6, 384, 6, 256, 12)
CHANNELS, HIDDEN = (32, 64), 128  # of cnn: two 3x3 convolutions, a 2x2 pooling, a hidden layer
CHANNELS_OF_MANY = (8, 16)  # of each of many: a convolution and a pooling, twice


def examples(work: Perceptron, batches: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Random features and classes."""
    rng, n = np.random.default_rng(0), work.batch * batches
    x = rng.standard_normal((n, work.sizes[0]), np.float32)
    return x, rng.integers(work.sizes[-1], size=n).astype(np.int32)


def images(
    n: int, side: int = 28, channels: int = 1, classes: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Random images ``(n, side, side, channels)`` and classes."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, side, side, channels), np.float32)
    return x, rng.integers(classes, size=n).astype(np.int32)


def characters(work: Recurrent | GPT, batches: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Random characters, and for each the one that follows."""
    shape = work.batch * batches, work.length + 1
    text = np.random.default_rng(0).integers(work.vocabulary, size=shape).astype(np.int32)
    return text[:, :-1], text[:, 1:]
