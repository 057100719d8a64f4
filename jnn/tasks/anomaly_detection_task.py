"""The task of detecting anomalies in a recording by networks that see windows of it."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from jnn import metrics
from jnn.scores.recording import RecordingJudge
from jnn.tasks.window_detector import RecordingWindows, WindowDetector
from jnn.train.evaluate import make_evaluate
from jnn.train.experiment import once
from jnn.train.feed import in_memory
from jnn.train.loop import Fitted
from jnn.train.step import Objective
from jnn.train.task import Task


def anomaly_detection(
    detector: WindowDetector,
    objective: Objective,
    data: RecordingWindows,
    judge: RecordingJudge,
    *,
    batch_size: int,
    baselines: Callable[[], Mapping[str, np.ndarray]],
    name: str = "this model",
) -> Task:
    """Train on windows without events; test how the scores of all readings rank the events.

    Params are kept by the mean squared error of the mean of the members on the validation windows.
    Metrics are this error and those of the ``judge``, of which ``test/auc`` is that of the
    ``baselines``, scores ``(T,)`` by method. ``name`` is that of the model in the report.

    >>> import jnn
    >>> from jnn.data.sets.synthetic_series import synthetic_recording
    >>> recording = synthetic_recording()
    >>> persistence = jnn.ensemble(jnn.chain(lambda x: 0 * x), 2)
    >>> detector = WindowDetector(persistence, length=4, horizon=1)
    >>> data, judge = detector.windows(recording), RecordingJudge(recording)
    >>> nothing = lambda: {"nothing": np.zeros(len(data.x))}
    >>> objective = lambda params, state, batch, key: (0.0, (state, {}))
    >>> settings = {"batch_size": 8, "baselines": nothing}
    >>> task = anomaly_detection(detector, objective, data, judge, **settings)
    >>> task.baselines(), task.best
    ({'nothing': 0.5}, 'validation/loss')
    """
    mse = metrics.collection({"loss": metrics.mean_squared_error()})
    evaluate = partial(make_evaluate, detector.predict, mse, target="targets")
    validate = evaluate(data.validation, split="validation")
    score, others = once(partial(detector.score, data=data)), cache(baselines)

    def test(params: Any, state: Any) -> dict[str, Any]:
        values = judge.metrics(score(params, state).score)
        tested = {f"test/{metric}": value for metric, value in values.items()}
        return tested | validate(params, state)

    def sections(fitted: Fitted) -> list[Any]:
        """The score over time beside what was expected, and the curves of all methods."""
        from jnn.explain.sections.anomaly_detection import report

        of_model = score(fitted.params, fitted.state)
        kind = "forecast" if detector.horizon else "reconstruction"
        settings = {"name": kind, "margin": detector.length}
        return report(judge, of_model, others(), model_name=name, **settings)

    sizes = {"validation": len(data.validation["inputs"]), **judge.recording.tested_sizes}
    return Task(
        model=detector.model,
        objective=objective,
        feed=in_memory(data.train, batch_size),
        example=detector.example,
        preparation=detector.preparation(data),
        validate=validate,
        best="validation/loss",
        lowest=True,
        test=test,
        baselines=lambda: {method: judge.metrics(x)["auc"] for method, x in others().items()},
        sections=sections,
        data=sizes,
    )
