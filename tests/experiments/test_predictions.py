"""Predictions from raw inputs, by what is saved with a run, are those that the run itself tests."""

import importlib

import numpy as np
import pytest

from jnn.loaded import Loaded
from jnn.train import read_preparation, seed_key, start
from jnn.train.preparation import keep_preparation

SINGLE = 1e-5  # float32: sums over a hundred examples, in another order
SMALL = {"members": 2}
CASES = {
    "pictures": ("image_classification", {"model": "mlp"}, "image"),
    "clothes": ("image_classification", {"model": "mlp", "data": "fashion_mnist"}, "image"),
    "classes of a table": ("tabular_classification", {"data": "iris", **SMALL}, "features"),
    "numbers": ("tabular_regression", SMALL, "features"),
    "numbers by pieces": (
        "tabular_regression",
        {"data": "diamonds", "pieces": 3, "hidden": (4,), **SMALL},
        "features",
    ),
    "texts": ("text_classification", {}, "texts"),
    "sentences": ("sentiment_analysis", {}, "texts"),
}


def raw_and_truth(data, inputs):
    """The raw test inputs, and the labels or targets."""
    if inputs == "texts":
        test = data.splits.test
        return list(test.texts), test.labels
    return data.test[inputs], data.test["label" if "label" in data.test else "target"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", CASES)
def test_the_answers_have_the_score_of_the_run(tmp_path, name):
    file, settings, inputs = CASES[name]
    module = importlib.import_module(f"experiments.{file}")
    config = module.Config(smoke=True, **settings)
    data = module.load_data(config)
    task = module.task(config, data)
    train_state, _ = start(task, config, seed_key(0))
    params, state = train_state.params, train_state.state
    keep_preparation(tmp_path, task.preparation)
    preparation = read_preparation(tmp_path)
    model = module.predictor(config, preparation)
    loaded = Loaded(model, params, state, config, preparation.example, preparation)
    raw, truth = raw_and_truth(data, inputs)
    answer, metrics = loaded.predict(raw), task.test(params, state)
    if "test/rmse" in metrics:
        rmse = np.sqrt(np.mean((answer - truth) ** 2))
        np.testing.assert_allclose(rmse, metrics["test/rmse"], rtol=SINGLE)
        np.testing.assert_allclose(loaded.predict(raw[0]), answer[0], rtol=SINGLE)
        return
    p = answer.probabilities[np.arange(len(truth)), truth]
    np.testing.assert_allclose(-np.mean(np.log(p)), metrics["test/loss"], rtol=SINGLE)
    names = np.array(answer.classes)
    accuracy = np.mean(answer.label == names[truth])
    np.testing.assert_allclose(accuracy, metrics["test/accuracy"], rtol=SINGLE)
    one = loaded.predict(raw[0])
    assert one.label == answer.label[0]
    np.testing.assert_allclose(one.probabilities, answer.probabilities[0], atol=SINGLE)
