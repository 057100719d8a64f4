"""Balanced classes and the use of validation data, in the experiment that has both settings."""

from functools import partial

import jax
import numpy as np
import scipy.special
import sklearn.metrics
import sklearn.utils.class_weight

from experiments import tabular_classification as experiment
from jnn.data.scaling import standardize
from jnn.train import seed_key, start

SINGLE = 1e-5  # float32 against float64: sums over a few hundred examples


def set_up(**settings):
    config = experiment.Config(
        data="breast_cancer", members=2, hidden=(4,), dropout=0.0, **settings
    )
    splits = experiment.load_data(config)
    task = experiment.task(config, splits)
    splits, _ = standardize(splits)
    return task, splits, start(task, config, seed_key(0))[0]


def test_the_balanced_loss_is_scikit_learns():
    task, splits, train_state = set_up(class_weights="balanced")
    loss, _ = jax.jit(partial(task.objective, key=jax.random.key(0)))(
        train_state.params, train_state.state, splits.train
    )
    logits, _ = task.model.apply(train_state.params, train_state.state, splits.train["features"])
    y = splits.train["label"]
    weight = sklearn.utils.class_weight.compute_sample_weight("balanced", y)
    expected = sum(
        sklearn.metrics.log_loss(y, scipy.special.softmax(z, axis=-1), sample_weight=weight)
        for z in np.asarray(logits, float)
    )
    np.testing.assert_allclose(loss, expected, rtol=SINGLE)


def test_balanced_accuracy_is_scikit_learns():
    task, splits, train_state = set_up()
    balanced = task.test(train_state.params, train_state.state)["test/balanced_accuracy"]
    logits, _ = task.model.apply(train_state.params, train_state.state, splits.test["features"])
    probabilities = scipy.special.softmax(np.asarray(logits, float), axis=-1).mean(axis=0)
    expected = sklearn.metrics.balanced_accuracy_score(
        splits.test["label"], probabilities.argmax(axis=-1)
    )
    np.testing.assert_allclose(balanced, expected, rtol=SINGLE)


def test_without_validation_all_but_the_test_part_is_trained_on():
    everything, _, _ = set_up()
    task, splits, _ = set_up(validation=True)
    assert (everything.validate, everything.best) == (None, None)
    assert everything.feed.identity["examples"] == len(splits.train_and_validation["label"])
    assert task.best == "validation/loss"
