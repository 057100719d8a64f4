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
from jnn.runs.loading import trained as load_trained
from jnn.runs.run import Run, RunOptions
from jnn.train import Task, TrainingConfig, in_memory, make_evaluate, seed_key, train
from jnn.train.members_as_runs import keep_as_run
from jnn.train.sweep import make_train, product, sweep

SAME = 1e-9  # float64: batched sums in another order, over a few dozen steps
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
LABEL = (X[:, 0] > 0).astype(np.int32)
CONFIG = TrainingConfig(epochs=2, batch_size=16, learning_rate=1e-2)
EVERYTHING = jnn.chain(jnn.dense(4), batch_norm(), jnp.tanh, dropout(0.1), jnn.dense(2))
LINEAR = jnn.dense(2)
PRODUCT = jnn.chain(jnn.dense(2), jnn.dense(2))  # overflows at the second step of a huge rate


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


def test_the_learning_rate_of_a_row_is_that_of_its_last_step_as_in_a_run():
    config = dataclasses.replace(CONFIG, epochs=3, schedule="linear")
    (result,) = sweep(linear, [config], say=lambda text: None)
    solo = train(linear(config), config, seed_key(config.seed), quiet=True).history
    rates = {row["step"]: row["train/learning_rate"] for row in solo if "train/loss" in row}
    logged = {row["step"]: row["train/learning_rate"] for row in result["history"]}
    assert logged == {step: rates[step] for step in logged}


@pytest.mark.slow
def test_each_member_equals_its_solo_run(float64):
    base = dataclasses.replace(CONFIG, weight_decay=0.5, clip=0.5)
    configs = [
        dataclasses.replace(base, seed=1),
        dataclasses.replace(base, learning_rate=1e-3, weight_decay=1.0, clip=0.1),
    ]
    whole_task = task(CONFIG)
    results = sweep(lambda config: whole_task, configs, say=lambda text: None)
    for config, result in zip(configs, results, strict=True):
        assert result["config"] == dataclasses.asdict(config)
        solo = train(whole_task, config, seed_key(config.seed), quiet=True)
        expected = whole_task.test(solo.params, solo.state)
        np.testing.assert_allclose(result["metrics"]["test/loss"], expected["test/loss"], atol=SAME)
        np.testing.assert_allclose(
            result["metrics"]["test/accuracy"], expected["test/accuracy"], atol=SAME
        )
        validation = [row["validation/loss"] for row in solo.history if "validation/loss" in row]
        np.testing.assert_allclose(
            [row["validation/loss"] for row in result["history"]], validation, atol=SAME
        )


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adamw", marks=pytest.mark.slow)])
def test_weight_decay_and_clip_are_values_of_one_program(float64, optimizer):
    base = dataclasses.replace(CONFIG, epochs=1, optimizer=optimizer, weight_decay=0.5, clip=0.5)
    configs = [dataclasses.replace(base, weight_decay=1.0), dataclasses.replace(base, clip=0.1)]
    linear_task, said = linear(base), []
    results = sweep(lambda config: linear_task, configs, say=said.append)
    assert "program 1 of 1: 2 runs" in said
    for config, result in zip(configs, results, strict=True):
        solo = train(linear_task, config, seed_key(config.seed), quiet=True)
        validation = [row["validation/loss"] for row in solo.history if "validation/loss" in row]
        swept = [row["validation/loss"] for row in result["history"]]
        np.testing.assert_allclose(swept, validation, atol=SAME)
    assert len({result["metrics"]["test/loss"] for result in results}) == 2


@pytest.mark.slow
def test_a_member_kept_as_a_run_holds_its_params_and_log(tmp_path):
    config, members = dataclasses.replace(CONFIG, epochs=1), []
    linear_task = linear(config)
    sweep(lambda config: linear_task, [config], say=lambda text: None, on_member=members.append)
    (trained,) = members
    run = Run.create("own", config, out=tmp_path / "best", options=RunOptions(quiet=True))
    with run:
        summary = keep_as_run(trained, run)
    params, _ = load_trained(LINEAR, linear_task.example, tmp_path / "best")
    jax.tree.map(np.testing.assert_array_equal, params, trained.member.kept[0])
    assert summary["kept"] == trained.result["kept"]
    assert summary["metrics"] == trained.result["metrics"]
    assert [row["step"] for row in run.metrics.rows()] == [
        row["step"] for row in trained.result["history"]
    ]


@pytest.mark.slow
def test_a_member_kept_as_a_run_may_be_resumed_with_more_epochs(tmp_path):
    linear_task, members = linear(CONFIG), []
    sweep(lambda config: linear_task, [CONFIG], say=lambda text: None, on_member=members.append)
    with Run.create("own", CONFIG, out=tmp_path / "best", options=RunOptions(quiet=True)) as run:
        keep_as_run(members[0], run)
    with Run.open(tmp_path / "best", epochs=3, options=RunOptions(quiet=True)) as longer:
        fitted = train(linear_task, dataclasses.replace(CONFIG, epochs=3), seed_key(0), longer)
    assert fitted.counts["steps"] == 3 * linear_task.feed.steps_per_epoch


def test_a_whole_run_is_a_pure_function_that_vmaps(float64):
    linear_task = linear(CONFIG)
    run = make_train(linear_task, CONFIG)
    keys, rates = jnp.stack([seed_key(0), seed_key(1)]), jnp.array([1e-2, 1e-3])
    many, history = jax.jit(jax.vmap(run, in_axes=(0, 0, None)))(keys, rates, linear_task.feed.data)
    one, _ = jax.jit(run)(keys[1], rates[1], linear_task.feed.data)
    assert history["train/loss"].shape == (2, 2)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, atol=SAME), many.kept, one.kept)


def test_a_sweep_goes_on_where_it_stopped(tmp_path):
    configs, linear_task = product(CONFIG, {"seed": [0, 1]}), linear(CONFIG)
    whole = sweep(lambda config: linear_task, configs, say=lambda text: None)

    def stop(text):
        if text.startswith("epoch 1/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(lambda config: linear_task, configs, folder=tmp_path / "cut", say=stop)
    said = []
    again = sweep(lambda config: linear_task, configs, folder=tmp_path / "cut", say=said.append)
    assert again == whole
    assert [text for text in said if text.startswith("epoch")] == [
        text for text in said if text.startswith("epoch 2/2")
    ]


@pytest.mark.slow
def test_settings_that_cannot_be_traced_get_programs_of_their_own():
    said = []
    config = dataclasses.replace(CONFIG, epochs=1)
    configs = product(config, {"seed": [0, 1], "batch_size": [16, 20]})
    results = sweep(linear, configs, say=said.append)
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
    product_task = task(CONFIG, PRODUCT)

    def test(params, state):
        """As scikit-learn's scores, which raise where a number is not finite."""
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
        return product_task.test(params, state)

    for best in (product_task.best, None):
        changed = product_task._replace(test=test, best=best)
        fine, diverged = sweep(lambda config, task=changed: task, configs, say=lambda text: None)
        assert np.isfinite(fine["metrics"]["test/loss"])
        assert np.isnan(diverged["metrics"]["test/loss"])


def test_without_a_finite_metric_the_last_params_are_tested_as_of_a_run():
    def unknown(params, state):
        return {"validation/loss": jnp.nan}

    watched = linear(CONFIG)._replace(validate=unknown)
    (swept,) = sweep(lambda config: watched, [CONFIG], say=lambda text: None)
    fitted = train(watched, CONFIG, seed_key(CONFIG.seed), quiet=True)
    expected = watched.test(fitted.params, fitted.state)["test/loss"]
    assert swept["kept"] is None
    np.testing.assert_allclose(swept["metrics"]["test/loss"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"best": "validation/acc"}, "sweep: got best='validation/acc', expected a metric that va"),
        ({"validate": None}, "sweep: got best='validation/loss' and no validate"),
        ({"validate": lambda *_: {"step": 1.0}, "best": None}, "sweep: got a metric 'step' of va"),
        (
            {"validate": lambda *_: {"train/loss": 1.0}, "best": None},
            "sweep: got a metric 'train/loss' of validate, expected another name",
        ),
    ],
)
def test_metrics_that_a_run_refuses_are_refused(changes, message):
    with pytest.raises(JnnError, match=message):
        sweep(lambda config: linear(config)._replace(**changes), [CONFIG], say=lambda text: None)


def test_what_cannot_be_swept_is_refused():
    with pytest.raises(JnnError, match="sweep: got a setting 'learning_rat', expected some of "):
        product(CONFIG, {"learning_rat": [1.0]})
    with pytest.raises(JnnError, match=r"sweep: got patience=3, expected 0.*Add --patience 0\."):
        sweep(task, [dataclasses.replace(CONFIG, patience=3)], say=lambda text: None)


def test_data_that_streams_is_refused():
    streaming = task(CONFIG)
    streaming = streaming._replace(feed=streaming.feed._replace(stream=lambda *place: iter(())))
    with pytest.raises(JnnError, match="got data that streams, expected data in memory"):
        make_train(streaming, CONFIG)
