"""The report of a detector of anomalies in a series, beside others."""

from collections.abc import Mapping

import numpy as np

from jnn.data.scaling import fit_scaling, unscale
from jnn.data.series_windows import stretches
from jnn.explain.page.report import Section
from jnn.explain.results import anomalies
from jnn.scores.anomaly import AnomalyScore
from jnn.scores.recording import RecordingJudge
from jnn.tables import metric_table


def report(
    judge: RecordingJudge,
    model: AnomalyScore,
    baselines: Mapping[str, np.ndarray],
    *,
    model_name: str = "this model",
    name: str = "forecast",
    margin: int = 48,
) -> list[Section]:
    """The score of the model over time, and the curves and metrics of all detectors.

    What the model expects is of the values with mean 0 and deviation 1 at the clean training times;
    ``baselines`` are the scores ``(T,)`` of the others. ``name`` and ``margin`` are those of
    `over_time`.
    """
    recording, scores = judge.recording, {model_name: model.score, **baselines}
    scaling, tested = fit_scaling(recording.values[recording.clean]), recording.under_test
    return [
        *over_time(
            recording.time,
            recording.values,
            recording.anomalous,
            model.score,
            unscale(scaling, model.expected),
            threshold=judge.threshold(model.score),
            training=recording.training,
            unit=recording.unit,
            name=name,
            margin=margin,
        ),
        *detectors(
            {method: score[tested] for method, score in scores.items()},
            recording.anomalous[tested],
            {method: judge.metrics(score) for method, score in scores.items()},
        ),
    ]


def over_time(
    time: np.ndarray,
    values: np.ndarray,
    anomalous: np.ndarray,
    score: np.ndarray,
    expected: np.ndarray,
    *,
    threshold: float,
    training: range,
    unit: str = "value",
    name: str = "forecast",
    margin: int = 48,
) -> list[Section]:
    """The score beside the series, and each event beside what the model expected.

    All arrays are ``(T,)``; ``expected``, in the unit of ``values``, is a forecast or a
    reconstruction, as its ``name`` says; ``training`` is the stretch of the training data. An event
    is shown with ``margin`` times before and after it.
    """
    score_trace = anomalies.score_trace(
        time, values, score, anomalous, threshold=threshold, unit=unit, training=training
    )
    events = anomalies.events_closely(
        time, values, expected, stretches(anomalous), unit=unit, margin=margin, name=name
    )
    return [
        Section(
            "Anomaly score over time",
            "The threshold is a quantile of the score at the training times without an event.",
            score_trace,
        ),
        Section(
            f"Events and {name}",
            f"What was measured, and the {name}; labelled events are shaded, those in the training "
            "stretch too.",
            events,
        ),
    ]


def detectors(
    scores: Mapping[str, np.ndarray],
    anomalous: np.ndarray,
    metrics: Mapping[str, Mapping[str, float]],
) -> list[Section]:
    """The curves and the metrics of several detectors, that of the model first.

    ``scores`` and ``anomalous`` are of the tested times, ``(T,)``; ``metrics`` has those of each
    detector.
    """
    return [
        Section(
            "ROC and precision-recall curves",
            "Over all thresholds, on the tested times. AP is the average precision; the dashed "
            "lines are those of an uninformative score.",
            anomalies.detection_curves(scores, anomalous),
        ),
        Section(
            "Metrics beside the baselines",
            "Each has a threshold of its own, chosen in the same way.",
            metric_table(metrics),
        ),
    ]
