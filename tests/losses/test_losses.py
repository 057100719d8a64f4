"""Losses against PyTorch, scikit-learn, Optax and brute force, and the laws that all of them
keep.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
import sklearn.utils.class_weight

import jnn
from jnn import losses
from jnn.errors import JnnError

# float64 against float64: rounding of a few dozen operations on values of order one
FORWARD = 1e-10
GRADIENT = 1e-9  # and a little more for differences in the backward pass
SINGLE = 1e-6  # the same in float32


@pytest.fixture(autouse=True)
def _strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def until(lengths, total):
    """The mask of the first ``lengths`` of ``total``."""
    return jnp.asarray(np.arange(total) < np.asarray(lengths)[:, None])


# For each case of PyTorch: the loss of the differentiated arrays, and the arrays by name.
PARITY = {
    "cross_entropy": (lambda x, c: losses.cross_entropy(x, c["labels"]), ["logits"]),
    "cross_entropy_smoothing": (
        lambda x, c: losses.cross_entropy(x, c["labels"], label_smoothing=0.1),
        ["logits"],
    ),
    "soft_cross_entropy": (
        lambda x, c: losses.soft_cross_entropy(
            x, c["probabilities"], class_weights=c["class_weights"]
        ),
        ["logits"],
    ),
    "binary_cross_entropy": (
        lambda x, c: losses.binary_cross_entropy(
            x, c["targets"], positive_weight=c["positive_weight"]
        ),
        ["logits"],
    ),
    "focal": (lambda x, c: losses.focal(x, c["targets"], alpha=0.25), ["logits"]),
    "squared_error": (lambda x, c: losses.squared_error(x, c["targets"]), ["predictions"]),
    "absolute_error": (lambda x, c: losses.absolute_error(x, c["targets"]), ["predictions"]),
    "huber": (lambda x, c: losses.huber(x, c["targets"], delta=0.8), ["predictions"]),
    "cosine_distance": (lambda x, c: losses.cosine_distance(x, c["targets"]), ["predictions"]),
    "kl_divergence": (
        lambda x, c: losses.kl_divergence(jax.nn.log_softmax(x), c["targets"]),
        ["logits"],
    ),
    "gaussian_kl_divergence": (
        lambda m, s, c: losses.gaussian_kl_divergence(m, s),
        ["mean_of", "log_variance"],
    ),
    "contrastive": (
        lambda a, b, c: losses.contrastive(a, b, c["same"], margin=2.0),
        ["first", "second"],
    ),
    "triplet": (
        lambda a, p, n, c: losses.triplet(a, p, n, margin=0.7),
        ["anchors", "positives", "negatives"],
    ),
    "info_nce": (lambda q, k, c: losses.info_nce(q, k, temperature=0.2), ["queries", "keys"]),
    "nt_xent": (lambda a, b, c: losses.nt_xent(a, b, temperature=0.2), ["first", "second"]),
    "ctc": (
        lambda x, c: losses.ctc(
            x, c["labels"], logits_mask=until(c["frames"], 12), labels_mask=until(c["lengths"], 4)
        ),
        ["logits"],
    ),
}


def assert_parity(case, function, inputs):
    """Losses, their mean and its gradients equal PyTorch's; ``function`` gives the mean and the
    losses.
    """
    arguments = range(len(inputs))
    differentiate = jax.jit(jax.value_and_grad(function, argnums=tuple(arguments), has_aux=True))
    (mean, values), gradients = differentiate(*(jnp.asarray(case[name]) for name in inputs))
    np.testing.assert_allclose(values, case["losses"], rtol=FORWARD, atol=FORWARD)
    np.testing.assert_allclose(mean, case["mean"], rtol=FORWARD, atol=FORWARD)
    for i in arguments:
        np.testing.assert_allclose(gradients[i], case[f"gradient{i}"], rtol=GRADIENT, atol=GRADIENT)


@pytest.mark.parametrize("name", PARITY)
def test_equals_pytorch(name, reference, float64):
    loss, inputs = PARITY[name]
    case = reference("losses", name)

    def both(*x):
        values = loss(*x, case)
        return losses.mean(values), values

    assert_parity(case, both, inputs)


@pytest.mark.parametrize(
    ("name", "smoothing", "weighted", "ignored"),
    [
        ("weights", 0.0, True, None),
        ("ignored", 0.0, False, -100),
        ("ignored_class", 0.0, False, 0),
        ("all", 0.1, True, -100),
    ],
)
def test_cross_entropy_reduces_as_pytorch(name, smoothing, weighted, ignored, reference, float64):
    case = reference("losses", f"cross_entropy_{name}")
    y, w = case["labels"], case["class_weights"] if weighted else None

    def both(x):
        values = losses.cross_entropy(
            x, y, label_smoothing=smoothing, class_weights=w, ignored_label=ignored
        )
        return losses.mean(
            values, total=losses.label_weights(y, w, ignored_label=ignored).sum()
        ), values

    assert_parity(case, both, ["logits"])


def test_balanced_weights_equal_scikit_learn(float64):
    labels = np.random.default_rng(0).choice(4, 90, p=[0.6, 0.25, 0.1, 0.05])
    expected = sklearn.utils.class_weight.compute_class_weight(
        "balanced", classes=np.arange(4), y=labels
    )
    np.testing.assert_allclose(losses.balanced_weights(labels, 4), expected, rtol=FORWARD)
    with_padding = np.stack([labels, np.full(90, -100)])
    np.testing.assert_allclose(
        losses.balanced_weights(with_padding, 4, ignored_label=-100), expected, rtol=FORWARD
    )


def test_balanced_weights_give_every_class_the_same_share_and_the_mean_one():
    labels = np.repeat(np.arange(3, dtype=np.uint8), [7, 2, 1])
    weights = losses.label_weights(labels, losses.balanced_weights(labels, 3))
    shares = [weights[labels == c].sum() for c in range(3)]
    np.testing.assert_allclose(shares, 10 / 3, rtol=SINGLE)
    np.testing.assert_allclose(weights.mean(), 1, rtol=SINGLE)


def test_quantile_and_hinges_equal_scikit_learn(float64):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=50), rng.normal(size=50)
    expected = sklearn.metrics.mean_pinball_loss(y, x, alpha=0.8)
    np.testing.assert_allclose(
        losses.mean(losses.quantile(x, y, level=0.8)), expected, rtol=FORWARD
    )
    sign = np.where(y > 0, 1, -1)
    np.testing.assert_allclose(
        losses.mean(losses.hinge(x, sign)), sklearn.metrics.hinge_loss(sign, x), rtol=FORWARD
    )
    scores, labels = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    expected = sklearn.metrics.hinge_loss(labels, scores, labels=range(4))
    np.testing.assert_allclose(
        losses.mean(losses.multiclass_hinge(scores, labels)), expected, rtol=FORWARD
    )


def test_gaussian_negative_log_likelihood_is_scipys_up_to_a_constant(float64):
    mean, s, y = (np.random.default_rng(seed).normal(size=(3, 4)) for seed in range(3))
    expected = -scipy.stats.norm.logpdf(y, mean, np.exp(s / 2)) - math.log(2 * math.pi) / 2
    loss = losses.gaussian_negative_log_likelihood(mean, s, y)
    np.testing.assert_allclose(loss, expected, rtol=FORWARD, atol=FORWARD)


def test_quantile_is_least_at_the_quantile():
    y = np.arange(101.0)
    candidates = jnp.arange(101.0)
    cost = jax.vmap(lambda c: losses.mean(losses.quantile(jnp.full(101, c), y, level=0.9)))(
        candidates
    )
    assert candidates[jnp.argmin(cost)] == np.quantile(y, 0.9)


def test_nt_xent_equals_optax(float64):
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3))
    ours = jax.jit(losses.nt_xent)(a, b, temperature=0.3).mean()
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        theirs = jax.jit(optax.losses.ntxent)(
            jnp.concatenate([a, b]), jnp.tile(jnp.arange(5), 2), 0.3
        )
    np.testing.assert_allclose(ours, theirs, rtol=FORWARD)


def test_ctc_equals_the_sum_over_all_paths(float64):
    frames, classes, blank = 4, 3, 2
    p = jax.nn.softmax(np.random.default_rng(0).normal(size=(frames, classes)))

    def read(path):
        return [c for c, _ in itertools.groupby(path) if c != blank]

    ctc = jax.jit(functools.partial(losses.ctc, blank=blank))
    for labels in ([0, 1], [1, 1], [0, 1, 0]):
        paths = [
            path
            for path in itertools.product(range(classes), repeat=frames)
            if read(path) == labels
        ]
        expected = -math.log(
            sum(math.prod(float(p[t, c]) for t, c in enumerate(path)) for path in paths)
        )
        np.testing.assert_allclose(ctc(jnp.log(p), jnp.array(labels)), expected, rtol=FORWARD)


def test_ctc_without_an_alignment_is_infinite_and_has_no_gradient():
    # the repeated label needs four frames
    x, y = jnp.zeros((2, 3, 4)), jnp.array([[1, 1, 2], [1, 2, 3]])
    values = jax.jit(losses.ctc)(x, y)
    assert values[0] == jnp.inf
    assert values[1] == pytest.approx(3 * math.log(4), abs=SINGLE)  # one path of 4³
    gradient = jax.jit(jax.grad(lambda x: losses.mean(losses.ctc(x, y), jnp.array([0.0, 1.0]))))(x)
    assert jnp.isfinite(gradient).all()
    assert not gradient[0].any()


def test_ctc_does_not_look_at_padding():
    rng = np.random.default_rng(0)
    x, y = jnp.asarray(rng.normal(size=(2, 6, 4)), jnp.float32), jnp.array([[1, 2, 2], [3, 3, 0]])
    masks = {"logits_mask": until([6, 4], 6), "labels_mask": until([3, 1], 3)}
    junk_x, junk_y = x.at[1, 4:].set(jnp.nan), y.at[1, 1:].set(jnp.array([3, -7]))
    total = jax.jit(jax.value_and_grad(lambda x, y: losses.mean(losses.ctc(x, y, **masks))))
    jax.tree.map(np.testing.assert_array_equal, total(x, y), total(junk_x, junk_y))


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# One loss, its floating-point inputs with leading axes (2, 3), and what else it takes: for the laws
# that all losses keep.
LABELS = np.array([[0, 1, 2], [3, 3, 0]])
SIGNS = np.array([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]], np.float32)
ONE_HOT = np.eye(4, dtype=np.float32)[LABELS]
LAWS = {
    "cross_entropy": (
        lambda x, y: losses.cross_entropy(x, y, label_smoothing=0.1, ignored_label=0),
        [normal(0, 2, 3, 4)],
        LABELS,
    ),
    "soft_cross_entropy": (losses.soft_cross_entropy, [normal(0, 2, 3, 4)], ONE_HOT),
    "binary_cross_entropy": (losses.binary_cross_entropy, [normal(0, 2, 3)], SIGNS > 0),
    "focal": (losses.focal, [normal(0, 2, 3)], SIGNS > 0),
    "hinge": (losses.hinge, [normal(0, 2, 3)], SIGNS),
    "multiclass_hinge": (losses.multiclass_hinge, [normal(0, 2, 3, 4)], LABELS),
    "squared_error": (losses.squared_error, [normal(0, 2, 3)], normal(1, 2, 3)),
    "absolute_error": (losses.absolute_error, [normal(0, 2, 3)], normal(1, 2, 3)),
    "huber": (losses.huber, [normal(0, 2, 3)], normal(1, 2, 3)),
    "quantile": (functools.partial(losses.quantile, level=0.3), [normal(0, 2, 3)], normal(1, 2, 3)),
    "cosine_distance": (losses.cosine_distance, [normal(0, 2, 3, 4)], normal(1, 2, 3, 4)),
    "kl_divergence": (
        lambda x, q: losses.kl_divergence(jax.nn.log_softmax(x), q),
        [normal(0, 2, 3, 4)],
        ONE_HOT,
    ),
    "gaussian_kl_divergence": (
        losses.gaussian_kl_divergence,
        [normal(0, 2, 3, 4)],
        np.full((2, 3, 4), 0.5, np.float32),
    ),
    "gaussian_negative_log_likelihood": (
        losses.gaussian_negative_log_likelihood,
        [normal(0, 2, 3), normal(1, 2, 3)],
        normal(2, 2, 3),
    ),
    "contrastive": (
        lambda x, y: losses.contrastive(x, jnp.zeros_like(x), y),
        [normal(0, 2, 3, 4)],
        SIGNS > 0,
    ),
    "triplet": (
        lambda a, p, n: losses.triplet(a, p, n),
        [normal(0, 2, 3, 4), normal(1, 2, 3, 4)],
        normal(2, 2, 3, 4),
    ),
    "info_nce": (losses.info_nce, [normal(0, 2, 3, 4)], normal(1, 2, 3, 4)),
    "nt_xent": (losses.nt_xent, [normal(0, 2, 3, 4)], normal(1, 2, 3, 4)),
    "ctc": (losses.ctc, [normal(0, 2, 7, 4)], np.array([[1, 2], [3, 3]])),
    "arcface": (losses.arcface, [np.clip(normal(0, 2, 3, 4), -1, 1)], LABELS),
    "cosface": (losses.cosface, [np.clip(normal(0, 2, 3, 4), -1, 1)], LABELS),
}


def test_every_loss_is_held_to_the_laws():
    helpers = {"mean", "by_rows", "balanced_weights", "check_labels", "label_weights"}
    assert set(LAWS) == set(losses.__all__) - helpers


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", LAWS)
def test_a_batch_is_vmapped_and_looped_over_examples(name):
    loss, inputs, rest = LAWS[name]

    @jax.jit
    def three_ways(inputs, rest):
        return (
            loss(*inputs, rest),
            jax.vmap(loss)(*inputs, rest),
            jnp.stack([loss(*(x[i] for x in inputs), rest[i]) for i in range(2)]),
        )

    whole, vmapped, looped = three_ways(inputs, rest)
    np.testing.assert_allclose(whole, vmapped, rtol=SINGLE, atol=SINGLE)
    np.testing.assert_allclose(whole, looped, rtol=SINGLE, atol=SINGLE)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", LAWS)
def test_half_precision_is_computed_in_float32(name):
    loss, inputs, rest = LAWS[name]
    if name == "kl_divergence":  # whose log probabilities are not its own
        loss = losses.kl_divergence
    halves = [x.astype(jnp.bfloat16) for x in inputs]
    of_halves, of_singles = jax.jit(
        lambda *x: (loss(*x, rest), loss(*(x.astype(jnp.float32) for x in x), rest))
    )(*halves)
    assert of_halves.dtype == jnp.float32
    np.testing.assert_array_equal(of_halves, of_singles)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", LAWS)
def test_values_and_gradients_are_finite_at_extremes(name):
    loss, inputs, rest = LAWS[name]
    if name == "gaussian_kl_divergence":
        rest = -1e4 * rest  # the variance may vanish; where it is infinite, so is the divergence
    if name == "gaussian_negative_log_likelihood":
        inputs = [inputs[0], np.abs(inputs[1])]  # infinite where the variance vanishes
    function = jax.jit(
        jax.value_and_grad(
            lambda *x: losses.mean(loss(*x, rest)), argnums=tuple(range(len(inputs)))
        )
    )
    for scale in 0.0, 1e-30, 1e4:
        value, gradients = function(*(scale * x for x in inputs))
        assert jnp.isfinite(value)
        assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_directions_and_distances_of_large_vectors_do_not_overflow():
    a, b = jnp.array([[3e25, 0.0], [0.0, 1e30]]), jnp.array([[3e25, 4e25], [0.0, 2e30]])
    zero = jnp.zeros(2)

    @jax.jit
    def found(a, b):
        gradient = jax.grad(losses.triplet)(b[0], a[0], b[0], margin=1.0)
        cosines = losses.cosine_distance(a, b), losses.info_nce(a, b)
        return *cosines, losses.triplet(zero, b[0], zero), gradient

    distance, contrast, triplet, gradient = found(a, b)
    np.testing.assert_allclose(distance, [0.4, 0], atol=SINGLE)
    small = 2.0**-80  # scales without rounding
    np.testing.assert_array_equal(contrast, found(small * a, small * b)[1])
    np.testing.assert_allclose(triplet, 5e25, rtol=SINGLE)
    np.testing.assert_allclose(gradient, [0, 1], atol=SINGLE)  # away from a[0]


def test_distances_have_gradient_zero_where_there_is_none():
    x = jnp.ones((1, 3))
    for loss in (
        lambda x: losses.contrastive(x, jnp.ones((1, 3)), jnp.array([False])),
        lambda x: losses.triplet(x, jnp.ones((1, 3)), jnp.ones((1, 3))),
    ):
        np.testing.assert_array_equal(
            jax.jit(jax.grad(lambda x, loss=loss: losses.mean(loss(x))))(x), 0
        )


def test_probabilities_of_impossible_classes_count_nothing():
    x, q = jnp.array([0.0, -jnp.inf, 1.0]), jnp.array([0.5, 0.0, 0.5])
    possible = x[jnp.array([0, 2])]
    for loss in (
        losses.soft_cross_entropy,
        lambda x, q: losses.kl_divergence(jax.nn.log_softmax(x), q),
    ):
        value, gradient = jax.jit(jax.value_and_grad(loss))(x, q)
        assert value == pytest.approx(float(loss(possible, jnp.array([0.5, 0.5]))), abs=SINGLE)
        assert jnp.isfinite(gradient).all()


def test_ignored_examples_may_hold_anything():
    x, y = normal(0, 4, 3), jnp.array([0, 1, -100, 2])
    junk = np.where(np.arange(4)[:, None] == 2, np.nan, x)
    loss = lambda x: losses.mean(
        losses.cross_entropy(x, y, label_smoothing=0.1, ignored_label=-100), y != -100
    )
    function = jax.jit(jax.value_and_grad(loss))
    jax.tree.map(np.testing.assert_array_equal, function(x), function(junk))


@pytest.mark.parametrize("label", [-1, 3, 2**31 - 1])
def test_a_label_out_of_range_is_not_a_number(label):
    labels = jnp.array([0, label])
    for loss in (losses.cross_entropy, losses.multiclass_hinge):
        assert jnp.isnan(jax.jit(loss)(jnp.zeros((2, 3)), labels)).tolist() == [False, True]
    for class_weights in ([1.0, 2.0, 3.0], [1, 2, 3]):
        weights = losses.label_weights(jnp.array([2, label]), np.array(class_weights))
        np.testing.assert_array_equal(weights, [3, np.nan])
    weights = losses.label_weights(labels, jnp.array([1.0, 2.0, 3.0]), ignored_label=label)
    np.testing.assert_array_equal(weights, [1, 0])


def test_swept_settings_are_traced():
    x, y = normal(0, 4, 3), jnp.array([0, 1, 2, 2])
    loss = functools.partial(losses.cross_entropy, x, y)
    sweep, *alone = jax.jit(
        lambda rates: (
            jax.vmap(lambda rate: loss(label_smoothing=rate))(rates),
            loss(),
            loss(label_smoothing=0.2),
        )
    )(jnp.array([0.0, 0.2]))
    np.testing.assert_allclose(sweep, alone, rtol=SINGLE)


def test_mean_is_the_weighted_mean():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(6, 4)), rng.random(6)
    np.testing.assert_allclose(
        losses.mean(x, w), np.average(x, weights=np.repeat(w[:, None], 4, 1)), rtol=SINGLE
    )
    np.testing.assert_allclose(losses.mean(x), x.mean(), rtol=SINGLE, atol=SINGLE)


def test_mean_of_parts_with_the_whole_total_adds_up():
    x, w = normal(0, 6), jnp.array([1.0, 0.0, 2.0, 1.0, 1.0, 0.5])
    parts = sum(losses.mean(x[i : i + 2], w[i : i + 2], total=w.sum()) for i in range(0, 6, 2))
    np.testing.assert_allclose(parts, losses.mean(x, w), rtol=SINGLE)


def test_mean_of_nothing_is_zero_with_gradient_zero():
    value, gradient = jax.value_and_grad(losses.mean)(jnp.array([1.0, jnp.nan]), jnp.zeros(2))
    assert value == 0
    assert gradient.tolist() == [0, 0]


X, Y = jnp.zeros((4, 3)), jnp.zeros(4, jnp.int32)
MISTAKES = [
    (
        lambda: losses.squared_error(jnp.zeros((4, 1)), jnp.zeros(4)),
        r"predictions \(4, 1\) and targets \(4,\).*predictions\[\.\.\., 0\]",
    ),
    (
        lambda: losses.huber(jnp.zeros(4), jnp.zeros((4, 1))),
        r"targets \(4, 1\).*targets\[\.\.\., 0\]",
    ),
    (
        lambda: losses.absolute_error(jnp.zeros(4), jnp.zeros(5)),
        r"absolute_error: got predictions \(4,\) and targets \(5,\)",
    ),
    (
        lambda: losses.squared_error(jnp.zeros(4, int), jnp.zeros(4)),
        "predictions of dtype int.*floating-point",
    ),
    (
        lambda: losses.cross_entropy(X, jnp.zeros((4, 3))),
        "float32.*integer labels.*one-hot.*soft_cross_entropy",
    ),
    (
        lambda: losses.cross_entropy(X, jnp.zeros((4, 3), int)),
        r"scores \(4, 3\) and labels \(4, 3\)",
    ),
    (lambda: losses.cross_entropy(X, jnp.zeros(4)), "labels of dtype float32.*astype"),
    (lambda: losses.cross_entropy(X, jnp.zeros(5, int)), r"scores \(4, 3\) and labels \(5,\)"),
    (
        lambda: losses.cross_entropy(X[:, :0], Y),
        r"cross_entropy: got scores \(4, 0\), expected at least one class",
    ),
    (
        lambda: losses.cross_entropy(X, Y, label_smoothing=1.0),
        r"label_smoothing=1\.0, expected a number in \[0, 1\)",
    ),
    (lambda: losses.cross_entropy(X, Y, label_smoothing=-0.1), "label_smoothing=-0.1"),
    (
        lambda: losses.cross_entropy(X, Y, class_weights=jnp.ones(4)),
        r"class_weights \(4,\) for 3 classes",
    ),
    (lambda: losses.soft_cross_entropy(X, Y), "int32.*jnn.losses.cross_entropy"),
    (
        lambda: losses.soft_cross_entropy(X, jnp.zeros((3, 3))),
        r"logits \(4, 3\) and probabilities \(3, 3\)",
    ),
    (lambda: losses.binary_cross_entropy(jnp.zeros((4, 1)), jnp.zeros(4)), r"logits\[\.\.\., 0\]"),
    (
        lambda: losses.binary_cross_entropy(X, X, positive_weight=0),
        r"positive_weight=0, expected a number in \(0, inf\)",
    ),
    (
        lambda: losses.binary_cross_entropy(X, X, positive_weight=jnp.ones(4)),
        r"positive_weight of shape \(4,\), expected a number, or shape \(3,\)",
    ),
    *[
        (lambda loss=loss: loss(jnp.ones((3, 1))), r" of shape \(3, 1\), expected a number\. ")
        for loss in (
            lambda delta: losses.huber(X, X, delta=delta),
            lambda level: losses.quantile(X, X, level=level),
            lambda gamma: losses.focal(X, X, gamma=gamma),
            lambda alpha: losses.focal(X, X, alpha=alpha),
            lambda margin: losses.triplet(X, X, X, margin=margin),
            lambda temperature: losses.info_nce(X, X, temperature=temperature),
            lambda scale: losses.arcface(X, Y, scale=scale),
            lambda epsilon: losses.cross_entropy(X, Y, label_smoothing=epsilon),
        )
    ],
    (lambda: losses.focal(X, X, gamma=-1.0), "gamma=-1.0"),
    (lambda: losses.focal(X, X, alpha=1.5), r"alpha=1\.5, expected a number in \[0, 1\]"),
    (lambda: losses.hinge(jnp.zeros(4), jnp.zeros(4, bool)), r"bool.*-1 or 1.*2 \* y"),
    (lambda: losses.huber(X, X, delta=0.0), "delta=0.0"),
    (lambda: losses.quantile(X, X, level=90), "level=90"),
    (
        lambda: losses.gaussian_negative_log_likelihood(X, X, jnp.zeros((4, 1))),
        r"mean \(4, 3\) and targets \(4, 1\)",
    ),
    (lambda: losses.contrastive(X, X, jnp.zeros((4, 1), bool)), r"pairs \(4,\) and same \(4, 1\)"),
    (lambda: losses.triplet(X, X, jnp.zeros((5, 3))), r"negatives \(5, 3\)"),
    (lambda: losses.info_nce(X, X, temperature=0.0), "temperature=0.0"),
    (lambda: losses.info_nce(X, X, temperature="0.1"), "temperature='0.1', expected a number in"),
    (lambda: losses.huber(X, X, delta=True), "delta=True, expected a number in"),
    (lambda: losses.ctc(X, jnp.zeros(2, int), blank="0"), "blank='0', expected a class in"),
    (lambda: losses.by_rows(jnp.sum, X, rows=1, axes=0), "by_rows: got axes=0"),
    (lambda: losses.huber(X, X, delta=None), "delta=None, expected a number in"),
    (lambda: losses.nt_xent(jnp.zeros(3), jnp.zeros(3)), r"\(\.\.\., batch, features\)"),
    (lambda: losses.ctc(jnp.zeros((7, 2, 4)), jnp.zeros((2, 3), int)), "leading axes.*swapaxes"),
    (lambda: losses.ctc(jnp.zeros((2, 7, 4)), jnp.zeros((2, 3))), "integers"),
    (
        lambda: losses.ctc(jnp.zeros((2, 7, 4)), jnp.zeros((2, 3), int), blank=4),
        r"blank=4, expected a class in \[0, 4\)",
    ),
    (
        lambda: losses.ctc(jnp.zeros((7, 4)), jnp.zeros(3, int), logits_mask=jnp.ones(7)),
        r"logits_mask float32 \(7,\), expected bool \(7,\)",
    ),
    (lambda: losses.mean(X, jnp.ones((4, 1))), r"weights \(4, 1\) for values \(4, 3\)"),
    (lambda: losses.mean(jnp.zeros((3, 4)), jnp.ones(4)), r"weights \(4,\)"),
    (lambda: losses.label_weights(jnp.zeros(3)), "integer labels"),
    (
        lambda: losses.balanced_weights(np.array([0, 2, 2]), 4),
        "balanced_weights: got no label of class 1, expected at least one of each of the 4",
    ),
    (
        lambda: losses.balanced_weights(np.array([1, 2, 2]), 2),
        "balanced_weights: got label 2 in row 1.*subtract 1",
    ),
    (lambda: losses.balanced_weights(np.array([], int), 2), "no labels"),
    (
        lambda: losses.balanced_weights(np.array([-1, -1]), 2, ignored_label=-1),
        "no label of class 0",
    ),
]


@pytest.mark.parametrize(("call", "message"), MISTAKES)
def test_mistakes_are_named_before_tracing(call, message):
    with pytest.raises(JnnError, match=message):
        call()


WRONG_LABELS = [
    (
        [0, 1, 10, 2, 11],
        10,
        None,
        r"train: got label 10 in row 2, expected integers in \[0, 10\).*from 0 to 11: correct",
    ),
    ([1, 2, 3], 3, None, r"label 3 in row 2.*from 1 to 3: subtract 1"),
    ([0, -1], 3, None, "label -1 in row 1"),
    ([0, -100, -1], 3, -100, "label -1 in row 2"),
    ([[0, 1], [2, 5]], 5, None, r"label 5 in row \(1, 1\)"),
    ([[0.0, 1.0], [1.0, 0.0]], 2, None, "float64.*one-hot.*argmax"),
    ([0.0, 1.0], 2, None, "float64.*astype"),
    ([], 2, None, "no labels.*empty"),
    ([0, 1], "2", None, "train: got classes='2'"),
]


@pytest.mark.parametrize(("labels", "classes", "ignored", "message"), WRONG_LABELS)
def test_check_labels_names_the_first_wrong_one(labels, classes, ignored, message):
    with pytest.raises(JnnError, match=message):
        losses.check_labels(labels, classes, "train", ignored_label=ignored)


def test_check_labels_accepts_right_ones():
    losses.check_labels(np.array([0, 255, 3], np.uint8), 256)
    losses.check_labels(jnp.array([[0, -100], [2, 1]]), 3, ignored_label=-100)


INF = jnp.inf
RULED_OUT = np.array([-np.inf, 0.3, -0.2, 1.1])
ZERO_TIMES_INFINITY = {
    # a loss of one array, the array, and the value and gradient of the same problem without the
    # class that is ruled out, or of the limit
    "class weight 0": (
        lambda x: losses.cross_entropy(x, 0, class_weights=np.array([0.0, 1, 1, 1])),
        RULED_OUT,
        0.0,
        np.zeros(4),
    ),
    "smoothing 0, as an array": (
        lambda x: losses.cross_entropy(x, 1, label_smoothing=jnp.asarray(0.0)),
        RULED_OUT,
        None,
        None,
    ),
    "probability 0": (
        lambda x: losses.soft_cross_entropy(x, np.array([0.0, 1, 0, 0])),
        RULED_OUT,
        None,
        None,
    ),
    "binary, right": (lambda x: losses.binary_cross_entropy(x, 1), INF, 0.0, 0.0),
    "binary, right negative": (lambda x: losses.binary_cross_entropy(x, 0), -INF, 0.0, 0.0),
    "binary, wrong": (lambda x: losses.binary_cross_entropy(x, 0), INF, INF, 1.0),
    "focal, right": (lambda x: losses.focal(x, 1), INF, 0.0, 0.0),
    "focal, right, gamma 0": (lambda x: losses.focal(x, 0, gamma=0), -INF, 0.0, 0.0),
    "focal, wrong": (lambda x: losses.focal(x, 0), INF, INF, 0.0),
    "kl": (
        lambda x: losses.kl_divergence(jax.nn.log_softmax(x), np.array([0.0, 1, 0, 0])),
        RULED_OUT,
        None,
        None,
    ),
    "exact, no variance": (
        lambda s: losses.gaussian_negative_log_likelihood(1.0, s, 1.0),
        -INF,
        -INF,
        0.5,
    ),
    "infinite variance": (
        lambda s: losses.gaussian_kl_divergence(jnp.ones(1), s[None]),
        INF,
        INF,
        None,
    ),
    "ctc": (lambda x: losses.ctc(x[None], np.array([1]), blank=3), RULED_OUT, None, None),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ZERO_TIMES_INFINITY)
def test_what_has_weight_zero_is_not_multiplied_by_infinity(name, float64):
    loss, x, value, gradient = ZERO_TIMES_INFINITY[name]
    x = jnp.asarray(x)
    if value is None:  # that of label 1, without the class that is ruled out
        p = np.exp(RULED_OUT[1:]) / np.exp(RULED_OUT[1:]).sum()
        value, gradient = -np.log(p[0]), np.array([0, *(p - np.array([1.0, 0, 0]))])
    functions = (loss, jax.jacfwd(loss), jax.jacrev(loss))
    found, *gradients = jax.jit(lambda x: [function(x) for function in functions])(x)
    np.testing.assert_allclose(found, value, rtol=FORWARD, atol=FORWARD)
    if gradient is not None:
        for of_mode in gradients:
            np.testing.assert_allclose(of_mode, gradient, atol=GRADIENT)


def test_an_infinite_score_of_the_right_class_has_no_hinge_loss():
    scores, labels = jnp.array([[jnp.inf, 0.0], [0.0, jnp.inf], [jnp.inf, 0]]), jnp.array([0, 0, 2])
    found = jax.jit(losses.multiclass_hinge)(scores, labels)
    np.testing.assert_array_equal(found, [0, jnp.inf, jnp.nan])


def test_a_label_out_of_range_is_nan_even_beside_a_class_of_weight_zero():
    weights = jnp.array([1.0, 1.0, 0.0])
    values = jax.jit(losses.cross_entropy)(
        jnp.zeros((2, 3)), jnp.array([3, -1]), class_weights=weights
    )
    assert jnp.isnan(values).all()


ctc = jax.jit(losses.ctc)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("frames", [0, 1, 5])
def test_ctc_of_no_labels_is_that_all_frames_are_blank(frames, float64):
    x = np.random.default_rng(0).normal(size=(2, frames, 4))
    blank = -scipy.special.log_softmax(x, axis=-1)[..., 0] if frames else np.zeros((2, 0))
    mask = np.arange(frames) < np.array([[frames], [frames - 1]])
    for length in (0, 3):
        none = {"labels_mask": np.zeros((2, length), bool)}
        labels = np.full((2, length), 2)
        np.testing.assert_allclose(
            ctc(x, labels, **none), blank.sum(axis=-1), rtol=FORWARD, atol=FORWARD
        )
        np.testing.assert_allclose(
            ctc(x, labels, logits_mask=mask, **none),
            (blank * mask).sum(axis=-1),
            rtol=FORWARD,
            atol=FORWARD,
        )
    uniform = ctc(np.zeros((frames, 4)), np.zeros(0, int))
    np.testing.assert_allclose(uniform, frames * math.log(4), rtol=FORWARD)
    assert ctc(x[:0], np.zeros((0, 2), int)).shape == (0,)


def test_ctc_through_a_class_that_is_ruled_out_is_infinite():
    x, y = np.zeros((3, 4), np.float32), np.array([1, 2])
    x[:, 2] = -np.inf
    assert ctc(x, y) == jnp.inf
    assert not jax.jit(jax.grad(losses.ctc))(x, y).any()


def test_ctc_takes_padding_between_labels(float64):
    x = np.random.default_rng(0).normal(size=(7, 4))
    expected = ctc(x, np.array([1, 1, 3]))
    mask = np.array([False, True, False, True, True])
    padded = ctc(x, np.array([2, 1, 2, 1, 3]), labels_mask=mask)
    np.testing.assert_allclose(padded, expected, rtol=FORWARD)


TAGGED = [
    name
    for module in (losses.classification, losses.regression)
    for name, value in vars(module).items()
    if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
]


@pytest.mark.parametrize("name", TAGGED)
def test_losses_against_classes_and_numbers_are_tagged_by_their_names(name):
    loss, inputs, rest = LAWS[name]
    value, values = jnn.capture(loss)(*inputs, rest)
    np.testing.assert_array_equal(values[name], value)


def test_the_loss_of_each_example_can_be_captured():
    """What `jnn replay` shows beside the mean that was differentiated."""
    logits, labels = jnp.array([[1.0, 2.0], [0.5, -1.0]]), jnp.array([0, 1])

    def objective(logits):
        return losses.mean(losses.cross_entropy(logits, labels, label_smoothing=0.1))

    value, values = jnn.capture(jax.value_and_grad(objective))(logits)
    each = losses.cross_entropy(logits, labels, label_smoothing=0.1)
    np.testing.assert_allclose(values["cross_entropy"], each, rtol=1e-6)
    np.testing.assert_allclose(value[0], np.mean(each), rtol=1e-6)
