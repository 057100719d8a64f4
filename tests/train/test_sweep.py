"""A sweep is one program whose members equal solo runs."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn import losses, metrics
from jnn.errors import JnnError
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.dropout import dropout
from jnn.train import Task, TrainingConfig, in_memory, make_evaluate, seed_key, train
from jnn.train.sweep import make_train, product, sweep

SAME = 1e-9  # float64: batched sums in another order, over a few dozen steps
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
LABEL = (X[:, 0] > 0).astype(np.int32)
CONFIG = TrainingConfig(epochs=3, batch_size=16, learning_rate=1e-2)
EVERYTHING = jnn.chain(jnn.dense(4), batch_norm(), jnp.tanh, dropout(0.1), jnn.dense(2))
LINEAR = jnn.dense(2)


def task(config, model=EVERYTHING):
    data = {"x": np.asarray(X, jnp.result_type(float)), "label": LABEL}

    def objective(params, state, batch, key):
        logits, state = model.apply(params, state, batch["x"], key=key, train=True)
        return jnp.mean(losses.cross_entropy(logits, batch["label"])), (state, {})

    predict = lambda params, state, batch: model.apply(params, state, batch["x"])[0]
    metric = metrics.collection(
        {"loss": metrics.mean_of(losses.cross_entropy), "accuracy": metrics.accuracy()}
    )
    evaluate = lambda split: make_evaluate(predict, metric, data, target="label", split=split)
    feed = in_memory(data, config.batch_size)
    return Task(
        model,
        objective,
        feed,
        data["x"][0],
        validate=evaluate("validation"),
        test=evaluate("test"),
        best="validation/loss",
        lowest=True,
    )


def linear(config):
    """For what does not depend on the model, whose programs take longer to compile."""
    return task(config, LINEAR)


def test_each_member_equals_its_solo_run(float64):
    configs = product(CONFIG, {"seed": [0, 1], "learning_rate": [1e-2, 1e-3]})
    results = sweep(task, configs, say=lambda text: None)
    for config, result in zip(configs, results, strict=True):
        assert result["config"] == dataclasses.asdict(config)
        solo = train(task(config), config, seed_key(config.seed))
        expected = task(config).test(solo.params, solo.state)
        np.testing.assert_allclose(result["metrics"]["test/loss"], expected["test/loss"], atol=SAME)
        np.testing.assert_allclose(
            result["metrics"]["test/accuracy"], expected["test/accuracy"], atol=SAME
        )
        validation = [row["validation/loss"] for row in solo.history if "validation/loss" in row]
        np.testing.assert_allclose(
            [row["validation/loss"] for row in result["history"]], validation, atol=SAME
        )


def test_a_whole_run_is_a_pure_function_that_vmaps(float64):
    what = task(CONFIG)
    run = make_train(what, CONFIG)
    keys, rates = jnp.stack([seed_key(0), seed_key(1)]), jnp.array([1e-2, 1e-3])
    many, history = jax.jit(jax.vmap(run, in_axes=(0, 0, None)))(keys, rates, what.feed.data)
    one, _ = jax.jit(run)(keys[1], rates[1], what.feed.data)
    assert history["train/loss"].shape == (2, 3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, atol=SAME), many.kept, one.kept)


def test_a_sweep_goes_on_where_it_stopped(tmp_path):
    configs = product(CONFIG, {"seed": [0, 1]})
    whole = sweep(linear, configs, folder=tmp_path / "whole", say=lambda text: None)

    def stop(text):
        if text.startswith("epoch 2/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(linear, configs, folder=tmp_path / "cut", say=stop)
    said = []
    assert sweep(linear, configs, folder=tmp_path / "cut", say=said.append) == whole
    assert [text for text in said if text.startswith("epoch")] == [
        text for text in said if text.startswith("epoch 3/3")
    ]


def test_settings_that_cannot_be_traced_get_programs_of_their_own():
    said = []
    results = sweep(
        linear, product(CONFIG, {"seed": [0, 1], "batch_size": [16, 20]}), say=said.append
    )
    assert [text for text in said if "program" in text] == [
        "program 1 of 2: 2 runs",
        "program 2 of 2: 2 runs",
    ]
    assert [result["config"]["batch_size"] for result in results] == [16, 20, 16, 20]


def test_a_member_that_diverges_says_so_and_leaves_the_others_alone():
    configs = product(
        dataclasses.replace(CONFIG, optimizer="sgd", schedule="constant", warmup=0.0),
        {"learning_rate": [1e-2, 1e38]},
    )
    fine, diverged = sweep(task, configs, say=lambda text: None)
    assert np.isfinite(fine["metrics"]["test/loss"])
    assert np.isnan(diverged["metrics"]["test/loss"])


def test_what_cannot_be_swept_is_refused():
    with pytest.raises(JnnError, match="sweep: got a setting 'learning_rat', expected some of "):
        product(CONFIG, {"learning_rat": [1.0]})
    with pytest.raises(JnnError, match="sweep: got patience=3, skip_bad=0, expected 0"):
        sweep(task, [dataclasses.replace(CONFIG, patience=3)], say=lambda text: None)


def test_data_that_streams_is_refused():
    streaming = task(CONFIG)
    streaming = streaming._replace(feed=streaming.feed._replace(stream=lambda key, step: iter(())))
    with pytest.raises(JnnError, match="got data that streams, expected data in memory"):
        make_train(streaming, CONFIG)
