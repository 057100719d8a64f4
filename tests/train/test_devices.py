"""Training on several devices: what accumulation does in turn is done at once, and a run that is
cut goes on to the same bits.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.errors import JnnError
from jnn.layers.batch_normalization import batch_norm
from jnn.runs import Run, RunOptions
from jnn.sharding import gathered, make_mesh
from jnn.train import (
    Task,
    TrainingConfig,
    device_mesh,
    fit,
    in_memory,
    make_step,
    on_each,
    on_one,
    seed_key,
    train,
)
from jnn.train.evaluate import evaluated
from jnn.train.experiment import once
from jnn.train.feed import streamed
from jnn.train.sweep import sweep
from jnn.train.task import start
from tests.train.same import assert_same, assert_same_bits

DEVICES = 4
SAME = 1e-12  # float64: sums in another order
RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 3))
Y = np.sin(X[:, :1])
CONFIG = TrainingConfig(epochs=3, batch_size=8, learning_rate=1e-2)


def task(model):
    data = {"x": np.asarray(X, jnp.result_type(float)), "y": np.asarray(Y, jnp.result_type(float))}

    def objective(params, state, batch, key):
        y, state = model.apply(params, state, batch["x"], key=key, train=True)
        return jnp.mean((y - batch["y"]) ** 2), (state, {"size": jnp.mean(jnp.abs(y))})

    def validate(params, state):
        return {
            "validation/loss": jnp.mean((model.apply(params, state, data["x"])[0] - data["y"]) ** 2)
        }

    return Task(
        model,
        objective,
        in_memory(data, CONFIG.batch_size),
        data["x"][0],
        jax.jit(validate),
        best="validation/loss",
        lowest=True,
    )


PLAIN = jnn.chain(jnn.dense(8), jnp.tanh, jnn.dense(1))
DROPPING = jnn.chain(jnn.dense(8), jnp.tanh, jnn.dropout(0.5), jnn.dense(1))


@pytest.mark.parametrize(
    ("model", "one", "many"),
    [
        pytest.param(PLAIN, {}, {"devices": DEVICES}, marks=pytest.mark.slow),
        pytest.param(PLAIN, {}, {"devices": 2, "accumulate": 2}, marks=pytest.mark.slow),
        (DROPPING, {"accumulate": DEVICES}, {"devices": DEVICES}),
    ],
    ids=["the whole batch", "with accumulation", "draws"],
)
def test_devices_make_the_updates_of_one(float64, model, one, many):
    one, many = (
        train(task(model), dataclasses.replace(CONFIG, **settings), seed_key(0))
        for settings in (one, many)
    )
    assert_same(one.train_state, many.train_state, SAME)
    assert_same(one.params, many.params, SAME)
    for a, b in zip(one.history, many.history, strict=True):
        assert a == pytest.approx(b, abs=SAME)


SETTINGS = [
    pytest.param({"devices": DEVICES}, marks=pytest.mark.slow),
    {"devices": 2, "accumulate": 2},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_devices_count_by_the_weight_of_their_parts(float64, settings):
    """A mean over real examples, of which the parts have different numbers."""

    def objective(params, state, batch, key):
        y, state = PLAIN.apply(params, state, batch["x"], key=key, train=True)
        real = batch["x"][:, 0] > 0.3
        count = jnp.sum(real)
        errors = jnp.where(real, (y - batch["y"])[:, 0] ** 2, 0)
        return jnp.sum(errors) / jnp.maximum(count, 1), (state, {"weight": count})

    masked = task(PLAIN)._replace(objective=objective)
    one, many = (
        train(masked, dataclasses.replace(CONFIG, **changes), seed_key(0))
        for changes in ({}, settings)
    )
    assert_same(one.train_state, many.train_state, SAME)


def test_each_device_has_a_part_of_the_batch_and_the_whole_train_state():
    seen, plain_task = [], task(PLAIN)

    def objective(params, state, batch, key):
        seen.append(batch["x"].shape)
        return plain_task.objective(params, state, batch, key)

    fitted = train(
        plain_task._replace(objective=objective),
        dataclasses.replace(CONFIG, devices=DEVICES),
        seed_key(0),
    )
    assert set(seen) == {(CONFIG.batch_size // DEVICES, 3)}
    everywhere = set(jax.devices()[:DEVICES])
    assert all(
        leaf.devices() == everywhere and leaf.is_fully_replicated
        for leaf in jax.tree.leaves(fitted.train_state)
    )
    assert all(leaf.devices() == {jax.devices()[0]} for leaf in jax.tree.leaves(fitted.params))


def test_running_averages_are_means_over_the_devices(float64):
    model = jnn.chain(batch_norm(), jnn.dense(1))
    train_state, step = start(
        task(model), dataclasses.replace(CONFIG, devices=DEVICES), seed_key(0)
    )
    batch = {"x": X[:8], "y": Y[:8]}
    _, state = on_one((train_state.params, jax.jit(step)(train_state, batch)[0].state))
    parts = [
        model.apply(*on_one((train_state.params, train_state.state)), part, train=True)[1]
        for part in X[:8].reshape(DEVICES, 2, 3)
    ]
    assert_same(state, jax.tree.map(lambda *leaves: sum(leaves) / DEVICES, *parts), SAME)


@pytest.mark.slow  # that of one device is in test_loop.py
def test_a_run_that_was_cut_ends_in_the_same_bits(tmp_path):
    config, options = (
        dataclasses.replace(CONFIG, devices=DEVICES, schedule="constant", warmup=0.0),
        RunOptions(quiet=True),
    )
    whole = train(task(DROPPING), config, seed_key(0))
    with Run.create("test", config, out=tmp_path / "cut", options=options) as run:
        train(task(DROPPING), dataclasses.replace(config, epochs=2), seed_key(0), run)
    with Run.open(tmp_path / "cut", options=options) as run:
        resumed = train(task(DROPPING), config, seed_key(0), run)
    assert_same_bits(resumed.train_state, whole.train_state)
    assert_same_bits(resumed.params, whole.params)
    assert all(len(leaf.devices()) == DEVICES for leaf in jax.tree.leaves(resumed.train_state))


@pytest.mark.slow  # on one device that is shown in test_stream_feed.py
def test_a_stream_gives_what_memory_gives():
    pytest.importorskip("grain", reason='streams need Grain: pip install -e ".[data]"')
    train_state, step = start(
        task(DROPPING), dataclasses.replace(CONFIG, devices=DEVICES), seed_key(0)
    )
    rows = [
        {"x": x.astype(np.float32), "y": y.astype(np.float32)} for x, y in zip(X, Y, strict=True)
    ]
    runs = [
        fit(step, train_state, feed, epochs=2)
        for feed in (task(DROPPING).feed, streamed(rows, CONFIG.batch_size))
    ]
    assert_same_bits(runs[0].train_state, runs[1].train_state)


def test_what_is_predicted_on_a_mesh_is_not_predicted_again_for_the_report():
    calls = []
    predict = once(lambda params, state: calls.append(params) or float(params["w"].sum()))
    split = jax.NamedSharding(make_mesh({"data": 4}), jax.P("data"))
    params, state = {"w": jax.device_put(jnp.arange(8.0), split)}, {}
    assert predict(params, state) == predict(gathered(params), {}) == 28
    assert len(calls) == 1
    assert predict({"w": params["w"] + 1}, state) == 36
    assert predict({"w": params["w"][:4]}, state) == 6
    assert predict({"v": params["w"][:4]} | params, state) == 28
    assert len(calls) == 4


def test_mistakes_are_named():
    most = jax.device_count()
    expected = f"expected 1 to {most} devices, those that JAX finds here"
    with pytest.raises(JnnError, match=f"^devices: got {most + 1}, {expected}"):
        device_mesh(most + 1)
    with pytest.raises(
        JnnError, match=f"^mesh: got data={most + 1}, {most + 1} devices, {expected}"
    ):
        make_mesh({"data": most + 1})
    with pytest.raises(
        JnnError,
        match="got accumulate=2 and devices=3 for batch_size=8, "
        "expected numbers whose product divides it",
    ):
        TrainingConfig(batch_size=8, accumulate=2, devices=3)
    optimizer, mesh = CONFIG.make_optimizer(10), device_mesh(3)
    train_state = on_each(mesh, start(task(PLAIN), CONFIG, seed_key(0))[0])
    with pytest.raises(
        JnnError,
        match="make_step: got a batch of 24 for 5 devices, expected a batch that they divide",
    ):
        make_step(task(PLAIN).objective, optimizer, mesh=device_mesh(5))(
            train_state, {"x": X, "y": Y}
        )
    with pytest.raises(
        JnnError,
        match=r"sweep: got devices=2, expected 1\. Omit it: members are spread over all devices",
    ):
        sweep(
            lambda config: task(PLAIN),
            [dataclasses.replace(CONFIG, devices=2)],
            say=lambda text: None,
        )


def test_what_fetches_the_parts_of_others_gets_params_that_are_whole(monkeypatch):
    """As an evaluation by scikit-learn does, of several processes."""
    given = []

    def fetch(params, state):
        given.append(params)
        if params == "parts":
            raise RuntimeError("a jax.Array that spans non-addressable devices")
        return {"test/accuracy": 0.5}

    with pytest.raises(RuntimeError, match="non-addressable"):
        evaluated(fetch, "parts", {})
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr("jnn.train.evaluate.gathered", lambda trees: ("whole", trees[1]))
    assert evaluated(fetch, "parts", {}) == {"test/accuracy": 0.5}
    assert given == ["parts", "parts", "whole"]
