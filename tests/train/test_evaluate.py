"""What `make_evaluate` refuses."""

import numpy as np
import pytest

from jnn import metrics
from jnn.errors import JnnError
from jnn.train import make_evaluate

RIGHT = {
    "predict": lambda params, state, batch: batch["x"],
    "metric": metrics.collection({"accuracy": metrics.accuracy()}),
    "arrays": {"x": np.eye(3, dtype=np.float32), "label": np.arange(3)},
    "target": "label",
    "split": "test",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predict": 3}, r"predict=3, expected a function \(params, state, batch\) -> predictions"),
        (
            {"predict": lambda batch: batch},
            r"predict\(batch\), expected a function \(params",
        ),
        ({"metric": metrics.accuracy}, "metric of type function, expected a Metric, such as jnn.m"),
        ({"target": "class"}, "target='class', expected one of 'x', 'label'"),
    ],
)
def test_arguments_of_another_kind_are_refused(change, message):
    with pytest.raises(JnnError, match=f"make_evaluate: got {message}"):
        make_evaluate(**(RIGHT | change))
