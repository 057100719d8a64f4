"""Metrics against scikit-learn, accumulated over padded batches, and the laws of a monoid."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics as sk

from jnn import losses, metrics
from jnn.errors import JnnError

SINGLE = 2e-6  # float32 sums of a hundred values of order one, against float64

N, K, BATCH = 101, 5, 16  # seven batches, the last one with eleven rows of padding

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, K - 1, N)  # the last class is never a target
LOGITS = (RNG.normal(size=(N, K)) + 2 * np.eye(K)[LABELS]).astype(np.float32)
PREDICTED = LOGITS.argmax(-1)
Y = RNG.normal(size=N).astype(np.float32)
Y_HAT = (Y + 0.5 * RNG.normal(size=N)).astype(np.float32)
WEIGHTS = RNG.random(N).astype(np.float32)


@pytest.fixture(autouse=True)
def _strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def scores(function, **settings):
    """A scikit-learn score of predicted classes, over all of them."""
    return lambda w: function(
        LABELS, PREDICTED, labels=range(K), sample_weight=w, zero_division=0, **settings
    )


def calibration_error(w):
    """From scikit-learn's reliability curve of the confidences, which knows no weights: examples
    are repeated instead.
    """
    repeats = np.ones(N, int) if w is None else w.astype(int)
    p = np.repeat(np.asarray(jax.nn.softmax(LOGITS).max(-1)), repeats)
    right = np.repeat(LABELS == PREDICTED, repeats)
    accuracy, confidence = sklearn.calibration.calibration_curve(right, p, n_bins=10)
    counts, _ = np.histogram(p, bins=np.linspace(0, 1, 11))
    return np.sum(counts[counts > 0] * abs(accuracy - confidence)) / len(p)


CLASSES, NUMBERS = (LOGITS, LABELS), (Y_HAT, Y)
METRICS = {
    "accuracy": (
        metrics.accuracy(),
        CLASSES,
        lambda w: sk.accuracy_score(LABELS, PREDICTED, sample_weight=w),
    ),
    "accuracy of class numbers": (
        metrics.accuracy(),
        (PREDICTED, LABELS),
        lambda w: sk.accuracy_score(LABELS, PREDICTED, sample_weight=w),
    ),
    "top 2": (
        metrics.top_k_accuracy(2),
        CLASSES,
        lambda w: sk.top_k_accuracy_score(LABELS, LOGITS, k=2, labels=range(K), sample_weight=w),
    ),
    "confusion": (
        metrics.confusion_matrix(K),
        CLASSES,
        lambda w: sk.confusion_matrix(LABELS, PREDICTED, labels=range(K), sample_weight=w),
    ),
    **{
        f"{name} {average}": (
            getattr(metrics, name)(K, average=average),
            CLASSES,
            scores(getattr(sk, f"{name}_score"), average=average),
        )
        for name in ("precision", "recall", "f1")
        for average in (None, "macro", "micro", "weighted")
    },
    "log loss": (
        metrics.mean_of(losses.cross_entropy),
        CLASSES,
        lambda w: sk.log_loss(
            LABELS, np.asarray(jax.nn.softmax(LOGITS)), labels=range(K), sample_weight=w
        ),
    ),
    "mse": (
        metrics.mean_squared_error(),
        NUMBERS,
        lambda w: sk.mean_squared_error(Y, Y_HAT, sample_weight=w),
    ),
    "rmse": (
        metrics.root_mean_squared_error(),
        NUMBERS,
        lambda w: sk.root_mean_squared_error(Y, Y_HAT, sample_weight=w),
    ),
    "mae": (
        metrics.mean_absolute_error(),
        NUMBERS,
        lambda w: sk.mean_absolute_error(Y, Y_HAT, sample_weight=w),
    ),
    "r2": (metrics.r2(), NUMBERS, lambda w: sk.r2_score(Y, Y_HAT, sample_weight=w)),
    "calibration": (metrics.expected_calibration_error(10), CLASSES, calibration_error),
}


def padded(array, junk):
    """The batches of an array, ``(batches, BATCH, ...)``, the last one filled up with junk."""
    missing = -len(array) % BATCH
    filled = np.concatenate([array, np.full((missing, *array.shape[1:]), junk, array.dtype)])
    return filled.reshape(-1, BATCH, *array.shape[1:])


def accumulate(metric):
    """``(predictions, targets, weights) -> value`` over padded batches, by one compiled scan that
    starts from zeros.
    """

    @jax.jit
    def run(batches):
        zero = jax.tree.map(
            lambda x: jnp.zeros(x.shape, x.dtype),
            jax.eval_shape(metric.measure, *(x[0] for x in batches)),
        )
        return metric.compute(
            jax.lax.scan(
                lambda sums, batch: (metric.merge(sums, metric.measure(*batch)), None),
                zero,
                batches,
            )[0]
        )

    junk = lambda x: np.nan if np.issubdtype(x.dtype, np.floating) else 0
    return lambda predictions, targets, weights: run(
        (padded(predictions, junk(predictions)), padded(targets, junk(targets)), padded(weights, 0))
    )


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.sampled(name.split()[0], 4)) for name in METRICS]
)
def test_equals_scikit_learn_at_once_and_over_padded_batches(name):
    metric, (predictions, targets), expected = METRICS[name]
    weights = np.floor(10 * WEIGHTS) if name == "calibration" else WEIGHTS
    at_once = jax.jit(lambda *batch: metric.compute(metric.measure(*batch)))
    np.testing.assert_allclose(
        at_once(predictions, targets), expected(None), rtol=SINGLE, atol=SINGLE
    )
    in_batches = accumulate(metric)
    np.testing.assert_allclose(
        in_batches(predictions, targets, np.ones(N, np.float32)),
        expected(None),
        rtol=SINGLE,
        atol=SINGLE,
    )
    np.testing.assert_allclose(
        in_batches(predictions, targets, weights), expected(weights), rtol=SINGLE, atol=SINGLE
    )


@pytest.mark.parametrize(
    "name",
    ["accuracy", "confusion", "mse", "r2", pytest.param("calibration", marks=pytest.mark.slow)],
)
def test_merging_is_a_commutative_monoid(name):
    metric, (predictions, targets), _ = METRICS[name]
    measure, merge = jax.jit(metric.measure), jax.jit(metric.merge)
    a, b, c = (
        measure(predictions[s], targets[s]) for s in (slice(0, 30), slice(30, 33), slice(33, N))
    )
    zero = jax.tree.map(np.zeros_like, a)

    def same(left, right):
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=SINGLE, atol=SINGLE), left, right
        )

    same(merge(merge(a, b), c), merge(a, merge(b, c)))
    same(merge(a, b), merge(b, a))
    same(merge(merge(a, b), c), measure(predictions, targets))
    jax.tree.map(np.testing.assert_array_equal, merge(a, zero), a)
    jax.tree.map(np.testing.assert_array_equal, merge(zero, a), a)


def test_sharded_over_devices_equals_one():
    devices = np.array(jax.devices())
    rows = jax.sharding.NamedSharding(
        jax.sharding.Mesh(devices, ("batch",)), jax.sharding.PartitionSpec("batch")
    )
    both = metrics.collection({"r2": metrics.r2(), "mae": metrics.mean_absolute_error()})
    evaluate = jax.jit(lambda *batch: both.compute(both.measure(*batch)))
    n = len(devices) * (N // len(devices))
    one, many = (
        evaluate(Y_HAT[:n], Y[:n]),
        evaluate(jax.device_put(Y_HAT[:n], rows), jax.device_put(Y[:n], rows)),
    )
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=SINGLE), one, many)


def test_a_collection_is_its_members():
    both = metrics.collection({"r2": metrics.r2(), "mse": metrics.mean_squared_error()})
    values = accumulate(both)(Y_HAT, Y, WEIGHTS)
    assert values["r2"] == pytest.approx(sk.r2_score(Y, Y_HAT, sample_weight=WEIGHTS), abs=SINGLE)
    assert values["mse"] == pytest.approx(
        sk.mean_squared_error(Y, Y_HAT, sample_weight=WEIGHTS), abs=SINGLE
    )


@pytest.mark.parametrize("mean", [1e4, 1e6])
@pytest.mark.parametrize("order", [np.arange(N), np.argsort(Y)], ids=["any", "sorted"])
def test_r2_keeps_its_digits_beside_a_large_mean(mean, order):
    y, y_hat = ((mean + values[order]).astype(np.float32) for values in (Y, Y_HAT))
    expected = sk.r2_score(y.astype(np.float64), y_hat.astype(np.float64))
    value = accumulate(metrics.r2())(y_hat, y, np.ones(N, np.float32))
    assert value == pytest.approx(expected, abs=SINGLE)
    textbook = 1 - np.sum((y - y_hat) ** 2) / (np.sum(y**2) - N * np.mean(y) ** 2)
    # what the textbook's difference of sums would have given
    assert abs(textbook - expected) > 1000 * SINGLE


def test_r2_of_constant_targets_is_one_or_zero():
    value = accumulate(metrics.r2())
    # 0.1 is no binary fraction: a plain mean would be off, and scikit-learn's is (it gives -10¹³)
    for constant in 0.5, 0.1:
        y = np.full(N, constant, np.float32)
        for error in 0.0, 0.25:
            expected = sk.r2_score(np.full(N, 0.5), np.full(N, 0.5 + error))
            assert value(y + np.float32(error), y, np.ones(N, np.float32)) == expected


@pytest.mark.parametrize(
    "name", ["accuracy", "f1 micro", "f1 weighted", "rmse", "r2", "calibration", "f1 None"]
)
def test_of_nothing_there_is_no_mean_and_no_class_is_found(name):
    metric, (predictions, targets), _ = METRICS[name]
    value = jax.jit(lambda *batch: metric.compute(metric.measure(*batch)))(
        predictions, targets, np.zeros(N, np.float32)
    )
    expected = 0.0 if name == "f1 None" else np.nan
    np.testing.assert_array_equal(value, np.full_like(value, expected))


@pytest.mark.parametrize("name", ["accuracy", "confusion", "f1 macro", "rmse", "r2", "calibration"])
def test_an_empty_batch_changes_nothing(name):
    metric, (predictions, targets), _ = METRICS[name]
    measure, merge, compute = (jax.jit(f) for f in (metric.measure, metric.merge, metric.compute))
    sums, empty = measure(predictions, targets), measure(predictions[:0], targets[:0])
    expected = compute(sums)
    for merged in (merge(sums, empty), merge(empty, sums)):
        np.testing.assert_array_equal(compute(merged), expected)


def test_a_class_without_targets_changes_no_balanced_accuracy():
    targets, predicted = np.array([0, 0, 1, 3, 3]), np.array([0, 2, 1, 3, 0])
    metric = metrics.balanced_accuracy(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the class that is predicted alone
        expected = sk.balanced_accuracy_score(targets, predicted)
    evaluate = jax.jit(lambda *batch: metric.compute(metric.measure(*batch)))
    assert evaluate(predicted, targets) == pytest.approx(expected, abs=SINGLE)
    values = metrics.of_classes(5)
    evaluate_all = jax.jit(lambda *batch: values.compute(values.measure(*batch)))
    value = evaluate_all(np.eye(5, dtype=np.float32)[predicted], targets)["balanced_accuracy"]
    assert value == pytest.approx(expected, abs=SINGLE)
    assert np.isnan(evaluate(predicted, targets, np.zeros(5, np.float32)))


def test_images_and_sequences_count_every_position():
    logits, labels = LOGITS[:96].reshape(4, 6, 4, K), LABELS[:96].reshape(4, 6, 4)
    weights = np.array([1, 0, 1, 1], np.float32)  # one an image
    flat = np.repeat(weights, 24)
    value = metrics.accuracy().compute(metrics.accuracy().measure(logits, labels, weights))
    assert value == pytest.approx(
        sk.accuracy_score(LABELS[:96], PREDICTED[:96], sample_weight=flat), abs=SINGLE
    )


def test_ties_go_to_the_first_class():
    tied, first = np.zeros((1, 4), np.float32), metrics.top_k_accuracy(1)
    assert first.compute(first.measure(tied, np.array([0]))) == 1
    assert first.compute(first.measure(tied, np.array([1]))) == 0


def test_a_negative_class_is_not_counted_as_the_last():
    counts = metrics.confusion_matrix(3).measure(np.array([-1, 2, 2]), np.array([2, -1, 2]))
    assert counts.sum() == counts[2, 2] == 1


X, LABEL = jnp.zeros((4, 3)), jnp.zeros(4, jnp.int32)


def test_a_sum_is_float32_at_least():
    metric, half = metrics.sum_per(2), jnp.full(1000, 1.0, jnp.bfloat16)
    total = metric.measure(half, jnp.zeros(1000), jnp.full(1000, 0.5))
    assert total.dtype == jnp.float32
    assert float(metric.compute(total)) == 250
    with pytest.raises(JnnError, match="sum_per: got predictions of dtype int32"):
        metric.measure(jnp.ones(4, jnp.int32), jnp.zeros(4), jnp.full(4, 0.5))


MISTAKES = [
    (
        lambda: metrics.mean_squared_error().measure(jnp.zeros((4, 1)), jnp.zeros(4)),
        r"squared_error: got predictions \(4, 1\)",
    ),
    (
        lambda: metrics.r2().measure(jnp.zeros((4, 1)), jnp.zeros(4)),
        r"r2: got predictions \(4, 1\).*predictions\[\.\.\., 0\]",
    ),
    (
        lambda: metrics.accuracy().measure(X, jnp.zeros((4, 3))),
        "accuracy: got labels of dtype float32.*one-hot",
    ),
    (
        lambda: metrics.accuracy().measure(LABEL, jnp.zeros(5, int)),
        r"predictions \(4,\) and targets \(5,\)",
    ),
    (lambda: metrics.accuracy().measure(LABEL, jnp.zeros(4)), "targets of dtype float32"),
    (
        lambda: metrics.confusion_matrix(3).measure(X, LABEL, jnp.ones(3)),
        r"weights \(3,\) for values \(4,\)",
    ),
    (lambda: metrics.sum_per("9"), "count='9', expected a number > 0"),
    (lambda: metrics.sum_per(0), "count=0, expected a number > 0"),
    (lambda: metrics.sum_per(np.float64("nan")), "count=nan, expected a number > 0"),
    (lambda: metrics.top_k_accuracy(0), "k=0"),
    (lambda: metrics.top_k_accuracy(4).measure(X, LABEL), "k=4 for 3 classes"),
    (lambda: metrics.f1(3, average="binary"), "f1: got average='binary'"),
    (lambda: metrics.expected_calibration_error(0), "bins=0"),
]


@pytest.mark.parametrize(("call", "message"), MISTAKES)
def test_mistakes_are_named_before_tracing(call, message):
    with pytest.raises(JnnError, match=message):
        call()


def test_a_plain_function_in_a_collection_is_refused():
    with pytest.raises(JnnError, match="as 'off', expected a Metric"):
        metrics.collection({"off": lambda predictions, targets: predictions - targets})
    with pytest.raises(JnnError, match="collection: got metrics of type list, expected a Mapping"):
        metrics.collection([metrics.accuracy()])
