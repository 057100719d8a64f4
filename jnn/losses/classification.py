"""Losses against classes: integer labels, probabilities, yes or no."""

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jnn.errors import mistake
from jnn.losses import checks
from jnn.tags import tag

LARGE = 1e30


def cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    label_smoothing: ArrayLike = 0.0,
    class_weights: ArrayLike | None = None,
    ignored_label: int | None = None,
) -> jax.Array:
    """The cross entropy of integer labels, ``-log softmax(x)_y``.

    For K classes, smoothing ε and class weights w,

        l = (1 - ε) w_y (-log p_y) + ε/K Σ_c w_c (-log p_c),   p = softmax(x)

    Args:
        logits: ``(..., classes)``, floating point.
        labels: ``(...)``, integers in ``[0, classes)``; others give NaN (check a data set once with
            :func:`check_labels`).
        label_smoothing: ε in ``[0, 1)`` (Szegedy et al. 2016, section 7).
        class_weights: ``(classes,)``, non-negative.
        ignored_label: for this label the loss and its gradient are zero whatever the logits are.

    Returns:
        One loss an example, ``(...)`` in nats, at least float32.

    Raises:
        JnnError: one-hot or floating-point labels; shapes that disagree; ε outside ``[0, 1)``.

    The values are those of PyTorch's ``cross_entropy(..., reduction="none")``, but the classes are
    on the last axis and no label is ignored by default. PyTorch's mean divides by the weight of the
    labels, not by their number: ``mean(cross_entropy(x, y, class_weights=w), total=label_weights(y,
    w).sum())``.

    >>> losses = cross_entropy(jnp.zeros((2, 4)), jnp.array([1, -1]), ignored_label=-1)
    >>> print(f"{losses[0]:.3f} {losses[1]:.3f}")  # log 4, and zero
    1.386 0.000
    """
    logits, labels = checks.labelled("cross_entropy", logits, labels)
    epsilon = checks.number("cross_entropy", "label_smoothing", label_smoothing, logits.dtype, 0, 1)
    classes = logits.shape[-1]
    # Optax gives NaN for a label past the last class, but would wrap a negative one around.
    y = jnp.where(labels < 0, classes, labels)
    if ignored_label is not None:
        ignored = labels == ignored_label
        y = jnp.where(ignored, 0, y)
        # Zero before the loss: with a NaN in padding, the gradient would be NaN even for a zero
        # cotangent.
        logits = jnp.where(ignored[..., None], 0, logits)
    x, w = logits, _class_weights("cross_entropy", class_weights, logits)
    if class_weights is not None:
        without_weight = (w[y] == 0) & (y < classes)
        x = jnp.where(without_weight[..., None], 0, x)  # or infinity times a weight of 0 is NaN
    losses = optax.softmax_cross_entropy_with_integer_labels(x, y)
    if class_weights is not None:
        losses = w[y] * losses
    if not (isinstance(label_smoothing, int | float) and label_smoothing == 0):
        smooth = _expected(logits, jnp.broadcast_to(w / classes, logits.shape))
        losses = (1 - epsilon) * losses + checks.times(epsilon, smooth)
    if ignored_label is not None:
        losses = jnp.where(ignored, 0, losses)
    return tag(losses, "cross_entropy")


def soft_cross_entropy(
    logits: ArrayLike, probabilities: ArrayLike, *, class_weights: ArrayLike | None = None
) -> jax.Array:
    """The cross entropy of a target distribution, ``-Σ_c w_c q_c log softmax(x)_c``.

    ``logits`` and ``probabilities`` are ``(..., classes)``, floating point: targets of mixup,
    distillation, or smoothed by ``optax.smooth_labels``. They are not checked to sum to one, and
    0 log 0 = 0. Returns ``(...)`` in nats, at least float32.

    As PyTorch's ``cross_entropy(reduction="none")`` with probabilities; its mean divides by the
    number of examples, class weights or not.

    >>> print(f"{soft_cross_entropy(jnp.array([0.0, 0.0]), jnp.array([0.3, 0.7])):.3f}")
    0.693
    """
    if jnp.issubdtype(jnp.result_type(probabilities), jnp.integer):
        raise mistake(
            "soft_cross_entropy",
            got=f"targets of dtype {jnp.result_type(probabilities)}",
            expected="probabilities (..., classes)",
            remedy=(
                "Integer labels are for jnn.losses.cross_entropy; "
                "convert integer one-hot rows with .astype(jnp.float32)."
            ),
        )
    logits, q = checks.paired(
        "soft_cross_entropy", logits, probabilities, ("logits", "probabilities")
    )
    w = _class_weights("soft_cross_entropy", class_weights, logits)
    return tag(_expected(logits, q * jnp.broadcast_to(w, q.shape)), "soft_cross_entropy")


def binary_cross_entropy(
    logits: ArrayLike, targets: ArrayLike, *, positive_weight: ArrayLike = 1.0
) -> jax.Array:
    """The cross entropy of binary targets, ``-a y log σ(x) - (1 - y) log σ(-x)``.

    ``logits`` and ``targets`` have one shape; targets are 0 or 1 (any dtype) or probabilities.
    ``positive_weight`` a > 0 is a number, or ``(labels,)`` for the last axis of several binary
    labels: negatives / positives balances rare positives.

    Returns element-wise losses in nats, at least float32, as PyTorch's
    ``binary_cross_entropy_with_logits(pos_weight=a, reduction="none")``. Computed with
    ``log_sigmoid``, so that no logit is too large.

    >>> print(f"{binary_cross_entropy(0.0, 1):.3f}")
    0.693
    """
    x, y = checks.paired("binary_cross_entropy", logits, targets, ("logits", "targets"))
    caller, name, shape = "binary_cross_entropy", "positive_weight", x.shape[-1:]
    a = checks.number(caller, name, positive_weight, x.dtype, 0, ends="()", shape=shape)
    a = jnp.broadcast_to(a, x.shape)
    positive, negative = jax.nn.log_sigmoid(x), jax.nn.log_sigmoid(-x)
    losses = -a * checks.times(y, positive) - checks.times(1 - y, negative)
    return tag(losses, "binary_cross_entropy")


def focal(
    logits: ArrayLike, targets: ArrayLike, *, gamma: ArrayLike = 2.0, alpha: ArrayLike | None = None
) -> jax.Array:
    """The focal loss of binary targets, ``-α_t (1 - p_t)^γ log p_t``.

    p_t is σ(x) for a positive and σ(-x) for a negative. Examples that are already classified well
    have little weight, so that many easy negatives do not outweigh the few positives.

    ``logits`` and ``targets`` (0, 1 or between) have one shape. ``gamma`` >= 0, where 0 gives
    :func:`binary_cross_entropy`; ``alpha`` in [0, 1] weighs positives by α and negatives by 1 - α,
    None neither. The paper has γ = 2, α = 0.25. Element-wise, at least float32, computed by Optax
    in log space.

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, equations 4 and 5.

    >>> print(f"{focal(0.0, 1):.3f}")
    0.173
    """
    x, y = checks.paired("focal", logits, targets, ("logits", "targets"))
    gamma = checks.number("focal", "gamma", gamma, x.dtype, 0)
    if alpha is not None:
        alpha = checks.number("focal", "alpha", alpha, x.dtype, 0, 1, ends="[]")
    # Optax subtracts logarithms of zero: a large number stands for an infinite logit.
    finite = jnp.clip(x, -LARGE, LARGE)
    losses = optax.losses.sigmoid_focal_loss(finite, y, alpha=alpha, gamma=gamma)
    return tag(jnp.where(jnp.isinf(x) & (losses > 0), jnp.inf, losses), "focal")


def hinge(scores: ArrayLike, targets: ArrayLike) -> jax.Array:
    """The hinge loss of a margin classifier, ``max(0, 1 - y s)`` for targets y of -1 or 1.

    ``scores`` and ``targets`` have one shape, and so has the result. Targets of 0 would have no
    gradient: convert 0 and 1 by ``2 * y - 1``. Booleans and unsigned integers, which cannot hold
    -1, are refused.

    >>> print(hinge(jnp.array([2.0, 0.5, 0.5]), jnp.array([1, 1, -1])))
    [0.  0.5 1.5]
    """
    dtype = jnp.result_type(targets)
    if jnp.issubdtype(dtype, jnp.bool_) or jnp.issubdtype(dtype, jnp.unsignedinteger):
        remedy = "Convert 0 and 1 by 2 * y.astype(int) - 1."
        raise mistake(
            "hinge", got=f"targets of dtype {dtype}", expected="targets -1 or 1", remedy=remedy
        )
    s, y = checks.paired("hinge", scores, targets, ("scores", "targets"))
    return tag(optax.losses.hinge_loss(s, y), "hinge")


def multiclass_hinge(scores: ArrayLike, labels: ArrayLike) -> jax.Array:
    """The multi-class hinge loss, ``max(0, 1 + max_{j ≠ y} s_j - s_y)``.

    ``scores`` are ``(..., classes)``, ``labels`` integers ``(...)``; returns ``(...)``.
    Out-of-range labels give NaN. Source: Crammer and Singer 2001, as scikit-learn's ``hinge_loss``;
    PyTorch's ``multi_margin_loss`` sums over the classes instead (Weston and Watkins).

    >>> print(multiclass_hinge(jnp.array([[3.0, 1.0, 0.0], [0.5, 0.0, 0.0]]), jnp.array([0, 0])))
    [0.  0.5]
    """
    s, y = checks.labelled("multiclass_hinge", scores, labels)
    right = jax.nn.one_hot(y, s.shape[-1], dtype=bool)
    s_y = jnp.take_along_axis(s, jnp.where(y < 0, s.shape[-1], y)[..., None], axis=-1)
    losses = jnp.max(jnp.where(right, 0, 1 + s - s_y), axis=-1)  # infinity less itself is 0 here
    return tag(losses, "multiclass_hinge")


def _expected(logits, weights):
    """``-Σ_c weights_c log softmax(logits)_c``, where 0 log 0 = 0, ``(...)``."""
    log_p = jax.nn.log_softmax(logits, axis=-1)
    return -jnp.sum(checks.times(weights, log_p), axis=-1)


def _class_weights(caller, weights, logits):
    classes = logits.shape[-1]
    if weights is None:
        return jnp.ones(classes, logits.dtype)
    weights = jnp.asarray(weights).astype(logits.dtype)
    if weights.shape != (classes,):
        raise mistake(
            caller,
            got=f"class_weights {weights.shape} for {classes} classes",
            expected=f"shape ({classes},)",
        )
    return weights
