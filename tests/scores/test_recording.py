"""The threshold of a recording's alarms, and the metrics of its tested times."""

import numpy as np
import pytest

from jnn.data.sets.synthetic_series import synthetic_recording
from jnn.scores.anomaly import detection
from jnn.scores.recording import RecordingJudge

RECORDING = synthetic_recording()
CLEAN = RECORDING.clean


@pytest.mark.parametrize("reach", [1, 30])
def test_the_threshold_depends_on_times_that_no_event_reaches(reach):
    near = np.convolve(~CLEAN, np.ones(reach))[: len(CLEAN)] > 0
    score = np.where(near, 1e6, np.arange(len(CLEAN)) % 7)
    assert RecordingJudge(RECORDING, quantile=0.5, reach=reach).threshold(score) == 3


def test_metrics_are_of_the_tested_times():
    score, tested = np.random.default_rng(0).random(len(CLEAN)), RECORDING.under_test
    judge = RecordingJudge(RECORDING, quantile=0.9)
    limit = np.quantile(score[CLEAN], 0.9)
    assert judge.metrics(score) == detection(score, RECORDING.anomalous, tested, limit)
    louder = np.where(tested, score, 2 * score)
    ranks = ("auc", "average_precision")
    assert [judge.metrics(louder)[name] for name in ranks] == [
        judge.metrics(score)[name] for name in ranks
    ]


@pytest.mark.parametrize(("time", "is_hit"), [(2900, 1.0), (3500, 0.0), (2801, 1.0)])
def test_the_highest_tested_score_is_a_hit_near_the_event(time, is_hit):
    score = np.zeros(len(CLEAN))
    score[time] = 1
    score[1010] = 2  # of the training event
    assert RecordingJudge(RECORDING, one_event=True).metrics(score)["hit"] == is_hit
    assert "hit" not in RecordingJudge(RECORDING).metrics(score)
