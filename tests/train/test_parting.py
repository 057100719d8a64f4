"""Where two runs part, beside where they were made to part."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.train import Task, TrainingConfig, in_memory
from jnn.train.parting import PARTS, Side, first_row, first_step, part

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3)).astype(np.float32)
Y = np.sin(X[:, :1])
CONFIG = TrainingConfig(epochs=3, batch_size=8, learning_rate=1e-2, schedule="constant", warmup=0)
STEPS = 15


def task(at=None, *, where="captured"):
    """A regression that from step ``at`` on computes something else."""

    def layer(h, count):
        planted = at is not None and where == "captured"
        return h * jnp.where(count >= at - 1, 1.001, 1.0) if planted else h

    model = jnn.chain(hidden=jnn.dense(8), act=jnp.tanh, out=jnn.dense(1))

    def objective(params, state, batch, key):
        count = batch["count"][0]
        h = batch["x"] @ params["hidden"]["kernel"] + params["hidden"]["bias"]
        h = jnn.tag(jnp.tanh(jnn.tag(h, "hidden")), "act")
        h = jnn.tag(layer(h, count), "scaled")
        y = jnn.tag(h @ params["out"]["kernel"] + params["out"]["bias"], "out")
        return jnp.mean((y - batch["y"]) ** 2), (state, {})

    feed = in_memory({"x": X, "y": Y}, 8)
    draw = feed.batch_of

    def batch_of(data, key, step):
        batch = {**draw(data, key, step), "count": jnp.full(8, step)}
        if where == "batch" and at is not None:
            batch["x"] = jnp.where(step >= at - 1, batch["x"] + 0.5, batch["x"])
        return batch

    return Task(model, objective, feed._replace(batch_of=batch_of), X[0])


def side(tmp_path, config=CONFIG, **planted):
    return Side(task(**planted), config, tmp_path)


@pytest.mark.parametrize("last", [1, 2, 3, 10, 33])
def test_the_first_step_is_found_with_few_probes(last):
    for first in range(1, last + 1):
        for by_metrics_alone in (False, True) if first == last else (False,):
            probes = []

            def differ(step, first=first, alone=by_metrics_alone, probes=probes):
                probes.append(step)
                return step > first, step >= first and not alone

            assert first_step(differ, last) == first
            assert len(probes) <= 2 + math.log2(last)
    assert first_step(lambda step: (True, True), last) == 1


@pytest.mark.parametrize("last", [2, pytest.param(STEPS, marks=pytest.mark.slow)])
def test_the_step_is_found_and_the_first_value_that_differs(tmp_path, last):
    parting = part(side(tmp_path), side(tmp_path, at=2), last)
    assert parting.step == 2
    name, first = parting.first
    assert (name, first.path) == ("captured values", "scaled")
    assert first.how.startswith("64 of 64 values, by 0.00")
    counts = {name: len(parting.differences[name]) for name in PARTS}
    assert (counts["start"], counts["batch"], counts["captured values"]) == (0, 0, 2)
    assert parting.sizes["captured values"] == 4


@pytest.mark.slow
def test_batches_that_differ_are_named_first(tmp_path):
    name, first = part(side(tmp_path), side(tmp_path, at=3, where="batch"), 3).first
    assert (name, first.path, first.how) == ("batch", "x", "24 of 24 values, by 0.5 at most")


@pytest.mark.slow
def test_another_learning_rate_and_another_seed_part_at_the_start(tmp_path):
    rate = dataclasses.replace(CONFIG, learning_rate=2e-2)
    parting = part(side(tmp_path), side(tmp_path, rate), 2)
    assert (parting.step, parting.first[0]) == (1, "start")
    assert parting.first[1].path.endswith("learning_rate")
    assert not parting.differences["gradient"]
    assert parting.differences["update"][0].path.startswith("params/")
    seed = dataclasses.replace(CONFIG, seed=1)
    parting = part(side(tmp_path), side(tmp_path, seed), 1)
    assert (parting.step, parting.first[0]) == (1, "start")
    assert parting.first[1].path == "params/hidden/kernel"


@pytest.mark.slow
def test_runs_that_differ_in_nothing_here_do_not_part(tmp_path):
    assert part(side(tmp_path), side(tmp_path), 3) is None


@pytest.mark.slow
def test_other_shapes_are_named(tmp_path):
    batch = dataclasses.replace(CONFIG, batch_size=8)
    wide = task()._replace(feed=in_memory({"x": X, "y": Y, "count": np.zeros(40)}, 4))
    parting = part(side(tmp_path), Side(wide, batch, tmp_path), 1)
    assert {d.path: d.how for d in parting.differences["batch"]}["x"] == (
        "float32 [8, 3] and float32 [4, 3]"
    )


def test_logs_are_compared_step_by_step():
    a = [{"step": 2, "loss": math.nan}, {"step": 4, "loss": 0.5}, {"step": 4, "test": 1.0}]
    b = [{"step": 1, "loss": 0.9}, {"step": 2, "loss": math.nan}, {"step": 4, "loss": 0.5}]
    assert first_row(a, b) is None
    assert first_row(a, [*b, {"step": 4, "test": 2.0}]) == (4, "test", 1.0, 2.0)
    assert jax.tree.leaves(first_row(b, [{"step": 1, "loss": math.nan}]))[:2] == [1, "loss"]
