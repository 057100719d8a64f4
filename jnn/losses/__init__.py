"""Losses: pure functions ``loss(predictions, targets, ...) -> one loss an example``, and ``mean``.

The leading axes are kept, so that a loss can be masked, weighted, inspected or ``vmap``-ed before
it is averaged; classes or features are on the last axis. Weights and masks are passed to
:func:`mean` alone, once. Losses that Optax computes correctly are Optax's, with checks before
tracing (nothing is broadcast silently) and sums and logarithms in at least float32. Those of
`classification` and `regression` are tagged by their names: `jnn.capture` and ``jnn replay
--capture cross_entropy`` show the loss of each example.

The module of a loss depends on its targets: `classification` (labels), `regression` (numbers),
`divergence` (distributions), `embedding` and `margin` (which examples are alike), `sequence`
(sequences without an alignment), `adversarial` (two networks). `labels` has class weights, `checks`
the checks of arguments, `rows` what saves memory where classes are many. The losses of boxes are in
`jnn.detection.losses`.

>>> import jax.numpy as jnp
>>> logits, labels, real = jnp.zeros((3, 2)), jnp.array([0, 1, 1]), jnp.array([True, True, False])
>>> print(f"{mean(cross_entropy(logits, labels), real):.3f}")
0.693
"""

from jnn.labels import check_labels
from jnn.losses.classification import (
    binary_cross_entropy,
    cross_entropy,
    focal,
    hinge,
    multiclass_hinge,
    soft_cross_entropy,
)
from jnn.losses.divergence import gaussian_kl_divergence, kl_divergence
from jnn.losses.embedding import contrastive, info_nce, nt_xent, triplet
from jnn.losses.labels import balanced_weights, label_weights
from jnn.losses.margin import arcface, cosface
from jnn.losses.reduction import mean
from jnn.losses.regression import (
    absolute_error,
    cosine_distance,
    gaussian_negative_log_likelihood,
    huber,
    quantile,
    squared_error,
)
from jnn.losses.rows import by_rows
from jnn.losses.sequence import ctc

__all__ = [
    "absolute_error",
    "arcface",
    "balanced_weights",
    "binary_cross_entropy",
    "by_rows",
    "check_labels",
    "contrastive",
    "cosface",
    "cosine_distance",
    "cross_entropy",
    "ctc",
    "focal",
    "gaussian_kl_divergence",
    "gaussian_negative_log_likelihood",
    "hinge",
    "huber",
    "info_nce",
    "kl_divergence",
    "label_weights",
    "mean",
    "multiclass_hinge",
    "nt_xent",
    "quantile",
    "soft_cross_entropy",
    "squared_error",
    "triplet",
]
