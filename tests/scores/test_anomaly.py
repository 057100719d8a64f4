"""Scores of how unusual times are, against plain loops and scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from jnn.errors import JnnError
from jnn.scores.anomaly import (
    alarms,
    clean_threshold,
    detection,
    forecast_score,
    hit,
    ranking,
    reconstruction_score,
    running_forecasts,
    step_means,
    throughout,
    trailing_mean,
)

SINGLE = 1e-5  # float32: a sum of four products, of forecasts that the next depend on
RNG = np.random.default_rng(0)
WEIGHTS = np.array([0.1, -0.3, 0.2, 0.9], np.float32)
SERIES = RNG.normal(size=60).astype(np.float32)
SERIES[[20, 21, 40]] = 8.0
SCORE, ANOMALOUS = RNG.normal(size=50), np.arange(50) % 10 < 3


def forecast(window):
    return window @ jnp.asarray(WEIGHTS)


def one_by_one(x, horizon, limit):
    """The definition, in a loop over time."""
    accepted, expected = x.astype(np.float64), np.full(len(x), np.nan)
    for t in range(len(x)):
        if t >= 4 + horizon - 1:
            expected[t] = WEIGHTS @ accepted[t - horizon - 3 : t - horizon + 1]
            if abs(x[t] - expected[t]) > limit:
                accepted[t] = expected[t]
    return expected


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("limit", [np.inf, 3.0])
def test_forecasts_are_those_of_the_definition(horizon, limit):
    forecasts = jax.jit(
        lambda x: running_forecasts(forecast, x, length=4, horizon=horizon, limit=limit)
    )(SERIES)
    np.testing.assert_allclose(
        forecasts, one_by_one(SERIES, horizon, limit), rtol=SINGLE, atol=SINGLE
    )


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_future_changes_no_forecast(horizon):
    other = SERIES.copy()
    other[30:] += 5
    a, b = (
        np.asarray(
            running_forecasts(forecast, jnp.asarray(x), length=4, horizon=horizon, limit=3.0)
        )
        for x in (SERIES, other)
    )
    np.testing.assert_array_equal(a[: 30 + horizon], b[: 30 + horizon])
    assert a[30 + horizon] != b[30 + horizon]


def test_what_is_rejected_changes_no_later_forecast():
    wave = np.sin(np.arange(60, dtype=np.float32))
    # continues any sine of this frequency
    step = lambda window: 2 * np.cos(1) * window[-1] - window[-2]
    disturbed = wave.copy()
    disturbed[20:30] = 9.0
    forecasts = np.asarray(running_forecasts(step, jnp.asarray(disturbed), length=2, limit=0.5))
    # ten steps of float32 on their own, each of which doubles an error
    np.testing.assert_allclose(forecasts[2:], wave[2:], atol=1e-3)


def test_a_trailing_mean_does_not_look_ahead():
    expected = [np.mean(SCORE[max(0, t - 6) : t + 1]) for t in range(50)]
    np.testing.assert_allclose(trailing_mean(SCORE, 7), expected)


def test_throughout():
    mask = RNG.uniform(size=50) < 0.8
    expected = [t >= 2 and bool(mask[t - 2 : t + 1].all()) for t in range(50)]
    assert throughout(mask, 3).tolist() == expected


def test_metrics_are_those_of_scikit_learn():
    metrics = alarms(SCORE, ANOMALOUS, 0.5)
    precision, recall, f1, _ = sklearn.metrics.precision_recall_fscore_support(
        ANOMALOUS, SCORE > 0.5, average="binary"
    )
    np.testing.assert_allclose(
        [metrics["precision"], metrics["recall"], metrics["f1"]], [precision, recall, f1]
    )
    assert metrics["events_found"] == np.mean(
        [(SCORE[t : t + 3] > 0.5).any() for t in range(0, 50, 10)]
    )
    assert alarms(SCORE, ANOMALOUS, 99.0) == {
        "precision": 0,
        "recall": 0,
        "f1": 0,
        "events_found": 0,
    }
    pairs = SCORE[ANOMALOUS][:, None] > SCORE[~ANOMALOUS][None]
    np.testing.assert_allclose(ranking(SCORE, ANOMALOUS)["auc"], pairs.mean())


@pytest.mark.parametrize(
    ("highest", "expected"), [(0, False), (1, True), (4, True), (7, True), (8, False)]
)
def test_a_hit_is_near_an_event(highest, expected):
    assert hit(np.eye(9)[highest], [range(3, 6)], near=2) == expected


def test_mistakes_are_named():
    with pytest.raises(
        JnnError,
        match=r"length=4, horizon=0, limit=inf, expected x \(T,\) of at least length >= 1 times",
    ):
        running_forecasts(forecast, jnp.asarray(SERIES), length=4, horizon=0)
    with pytest.raises(JnnError, match=r"x of shape \(60,\), length=61"):
        running_forecasts(forecast, jnp.asarray(SERIES), length=61)
    with pytest.raises(JnnError, match="0 of 50 times in events"):
        ranking(SCORE, np.zeros(50, bool))
    with pytest.raises(JnnError, match="a score that is not finite"):
        alarms(np.full(50, np.nan), ANOMALOUS, 0.0)
    with pytest.raises(JnnError, match=r"scores \(50,\) and int64 \(50,\)"):
        ranking(SCORE, ANOMALOUS.astype(np.int64))
    with pytest.raises(JnnError, match="trailing_mean: got size=0"):
        trailing_mean(SCORE, 0)
    with pytest.raises(JnnError, match="throughout: got size=0"):
        clean_threshold(SCORE, SCORE > 0, quantile=0.5, reach=0)
    with pytest.raises(JnnError, match="clean_threshold: got 3 clean times, no 4 of them in a row"):
        clean_threshold(SCORE, np.arange(50) < 3, quantile=0.5, reach=4)
    with pytest.raises(JnnError, match=r"clean_threshold: got scores \(50,\) and .* \(3,\)"):
        clean_threshold(SCORE, np.ones(3, bool), quantile=0.5, reach=1)
    with pytest.raises(JnnError, match=r"clean_threshold: got quantile=99, expected a fraction"):
        clean_threshold(SCORE, SCORE > 0, quantile=99, reach=1)
    with pytest.raises(JnnError, match="hit: got 0 events, 50 scores"):
        hit(SCORE, [])
    with pytest.raises(JnnError, match="hit: got 1 events, 2 scores, 1 of them NaN"):
        hit(np.array([0.0, np.nan]), [range(1)])
    with pytest.raises(JnnError, match="forecast_score: got deviation=0"):
        forecast_score(forecast, SERIES, length=4, deviation=0)


def test_the_score_of_forecasts_is_their_error_in_deviations():
    settings = {"length": 4, "horizon": 2}
    errors = np.abs(SERIES - one_by_one(SERIES, 2, 3.0))
    plain = forecast_score(forecast, SERIES, **settings, deviation=1.5, cleaning=2.0)
    np.testing.assert_allclose(plain.score[5:], errors[5:] / 1.5, rtol=SINGLE, atol=SINGLE)
    assert not plain.score[:5].any()
    assert np.isnan(plain.expected[:5]).all()
    smooth = forecast_score(forecast, SERIES, **settings, deviation=1.5, cleaning=2.0, smoothing=3)
    np.testing.assert_array_equal(smooth.score, trailing_mean(plain.score, 3))


@pytest.mark.parametrize("step", [1, 3])
def test_the_score_of_reconstructions_is_the_error_of_all_windows_over_a_time(step):
    perfect = reconstruction_score(lambda x: x, SERIES, length=6, step=step)
    np.testing.assert_array_equal(perfect.score, 0)
    off = reconstruction_score(lambda x: x + 2, SERIES, length=6, step=step)
    np.testing.assert_allclose(off.score, 2, rtol=SINGLE)
    steps = np.repeat(SERIES.reshape(-1, step).mean(axis=1), step)
    np.testing.assert_allclose(perfect.expected, steps, rtol=SINGLE, atol=SINGLE)


def test_steps_are_means_and_whole():
    np.testing.assert_allclose(
        step_means(np.arange(48.0)[:, None], 4)[:, 0], np.arange(12) * 4 + 1.5
    )
    with pytest.raises(JnnError, match="step=5 for windows of 48 times, expected whole steps"):
        step_means(jnp.arange(48.0)[:, None], 5)


def test_a_threshold_depends_on_clean_times_alone():
    clean = np.arange(60) != 30
    score = np.where((np.arange(60) >= 30) & (np.arange(60) < 34), 1e6, 1.0)
    assert clean_threshold(score, clean, quantile=1.0, reach=4) == 1.0
    assert clean_threshold(score, clean, quantile=1.0, reach=3) == 1e6
    extremes = np.array([-100, 100], np.int8)
    assert clean_threshold(extremes, np.ones(2, bool), quantile=0.25, reach=1) == -50


def test_alarms_of_lists_are_those_of_arrays():
    of_lists = alarms(SCORE.tolist(), ANOMALOUS.tolist(), 0.5)
    assert of_lists == alarms(SCORE, ANOMALOUS, 0.5)


def test_detection_is_of_the_tested_times():
    tested = np.arange(50) >= 20
    expected = ranking(SCORE[20:], ANOMALOUS[20:]) | alarms(SCORE[20:], ANOMALOUS[20:], 0.5)
    assert detection(SCORE, ANOMALOUS, tested, 0.5) == expected
