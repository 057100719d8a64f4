"""Scores of a recording with labelled events: a threshold, and metrics of the tested times.

A score is ``(T,)``, as `jnn.scores.anomaly` makes it: larger for more unusual times.
"""

from typing import NamedTuple

import numpy as np

from jnn.data.sets.anomalies import Recording
from jnn.scores.anomaly import clean_threshold, detection, hit


class RecordingJudge(NamedTuple):
    """How scores of the times of a recording are turned into alarms and measured.

    The threshold is chosen in the training stretch without its events; labels of the tested
    stretches are used for `metrics` alone.

    >>> anomalous = np.array([False, False, False, False, True, False])
    >>> parts = {"training": range(3), "tested": (range(3, 6),)}
    >>> recording = Recording(np.arange(6), np.zeros(6), anomalous, **parts, unit="")
    >>> judge, score = RecordingJudge(recording, quantile=0.5), np.array([1.0, 2, 3, 4, 9, 1])
    >>> judge.threshold(score), judge.metrics(score)["precision"]
    (2.0, 0.5)
    """

    recording: Recording
    quantile: float = 0.999
    """Of the scores in the training stretch without its events: the threshold of an alarm."""
    reach: int = 1
    """Times that the score of one depends on, itself included."""
    one_event: bool = False
    """Whether ``hit``, by `jnn.scores.anomaly.hit`, is among the metrics."""

    def threshold(self, score: np.ndarray) -> float:
        """The quantile of the scores at training times that depend on no event."""
        clean = self.recording.clean
        return clean_threshold(score, clean, quantile=self.quantile, reach=self.reach)

    def metrics(self, score: np.ndarray) -> dict[str, float]:
        """The metrics of `jnn.scores.anomaly.detection` at the tested times."""
        recording, tested = self.recording, self.recording.under_test
        values = detection(score, recording.anomalous, tested, self.threshold(score))
        if self.one_event:
            events = [event for event in recording.events if tested[event].all()]
            values["hit"] = float(hit(np.where(tested, score, -np.inf), events))
        return values
