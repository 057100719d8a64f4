"""What trains in the page is jnn's step on the network that the reader sees."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jnn.architectures.mlp import MLPConfig, mlp
from jnn.explain.playground import training
from jnn.explain.playground.lessons import lesson_texts, states
from jnn.explain.playground.network import FEATURES, WIDTH, features
from jnn.losses import binary_cross_entropy, squared_error
from tests.explain.playground.engine import trainer

TOLERANCE = 1e-5
"""float32 in V8 beside XLA's."""
STEPS = 4


def array(params, name):
    return np.array(params[name], np.float32)


def small(params, widths, inputs):
    """The params of the small network among those of the largest."""
    names = [f"hidden{i}" for i in range(len(widths))]
    found, rows = {}, [FEATURES.index(name) for name in inputs]
    for name, width in zip(names, widths, strict=True):
        kernel = array(params, f"{name}/kernel").reshape(WIDTH, WIDTH)[rows, :width]
        bias = array(params, f"{name}/bias")[:width]
        found[name] = {"dense": {"kernel": kernel, "bias": bias}}
        rows = list(range(width))
    kernel = array(params, "out/kernel").reshape(WIDTH, 1)[rows]
    return found | {"out": {"kernel": kernel, "bias": array(params, "out/bias")}}


def batches(count, size, steps):
    """The weights of the first steps' batches, in the order that the program draws."""
    order = jax.jit(training.order)
    per_epoch = -(-count // size)
    for step in range(steps):
        rank = order({"seed": np.uint32(5), "epoch": step // per_epoch, "count": count})
        first = step % per_epoch * size
        yield (rank >= first) & (rank < min(first + size, count))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("changes", "widths", "loss"),
    [
        (
            {"layers": "3,2", "features": "x,xy", "optimizer": "sgd", "momentum": 0.9},
            (3, 2),
            lambda z, y: binary_cross_entropy(z, y > 0),
        ),
        (
            {"layers": "5", "activation": "gelu", "optimizer": "adam", "momentum": 0.8}
            | {"set": "hills", "loss": "squared"},
            (5,),
            squared_error,
        ),
        ({"layers": "", "loss": "squared", "momentum": 0}, (), squared_error),
    ],
    ids=["sgd", "adam", "linear"],
)
def test_a_step_is_that_of_the_small_network(changes, widths, loss):
    state = {"points": 24, "batch": 10, "rate": 0.05, "decay": 0.1, "seed": 5} | changes
    found = trainer()(f"""(() => {{
      const t = make({json.dumps(state)});
      const before = t.params;
      for (let i = 0; i < {STEPS}; i++) t.step();
      return {{ before, after: t.params, x: t.train.x, y: t.train.y, steps: t.steps }};
    }})()""")
    inputs = state.get("features", "x,y").split(",")
    config = MLPConfig(outputs=1, hidden=widths, activation=state.get("activation", "tanh"))
    model, momentum = mlp(config), state["momentum"]
    kernels = lambda tree: jax.tree.map_with_path(lambda path, _: path[-1].key == "kernel", tree)
    inner = optax.adam(0.05, b1=momentum)
    if state.get("optimizer") != "adam":
        inner = optax.sgd(0.05, momentum=momentum or None)
    optimizer = optax.chain(optax.add_decayed_weights(0.1, kernels), inner)
    x = jnp.array(found["x"]).reshape(-1, 2)
    x = features(x)[:, np.array([FEATURES.index(name) for name in inputs])]
    y = jnp.array(found["y"])

    @jax.jit
    def step(params, optimizer_state, weight):
        each = lambda params: loss(model.apply(params, {}, x)[0][:, 0], y)
        objective = lambda params: jnp.sum(each(params) * weight) / jnp.sum(weight)
        updates, optimizer_state = optimizer.update(
            jax.grad(objective)(params), optimizer_state, params
        )
        return optax.apply_updates(params, updates), optimizer_state

    params = small(found["before"], widths, inputs)
    optimizer_state = optimizer.init(params)
    for weight in batches(24, 10, STEPS):
        params, optimizer_state = step(params, optimizer_state, weight)
    assert found["steps"] == STEPS
    expected = small(found["after"], widths, inputs)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE), params, expected
    )


def test_a_batch_may_have_room_for_more_points():
    exact, roomy, changed = trainer()("""[[10], [11], [10, 11, 10]].map((sizes) => {
      const t = make({ points: 10, momentum: 0.9 });
      for (let i = 0; i < 6; i++) {
        const batch = sizes[i % sizes.length];
        t.configure(checkedState({ ...DEFAULTS, momentum: 0.9, batch }, facts));
        t.step();
      }
      return [...t.params["hidden0/kernel"], t.steps, t.epoch];
    })""")
    np.testing.assert_allclose(roomy, exact, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(changed, exact, rtol=0, atol=TOLERANCE)
    assert exact[-2:] == [6, 6]


def test_a_seed_repeats_and_another_differs():
    run = """(seed) => {
      const t = make({ seed, dropout: 0.5, flips: 0.2, batch: 7 });
      for (let i = 0; i < 12; i++) t.step();
      return [...t.params["out/kernel"], t.record().test.loss];
    }"""
    same, again, other = trainer()(f"[3, 3, 4].map({run})")
    assert same == again
    assert same != other


def test_neurons_of_the_lesson_on_the_l1_penalty_disappear():
    [link] = [link for link in states(lesson_texts()[2]) if "l1=" in link]
    state = dict(pair.split("=") for pair in link.split("&"))
    rate, l1 = float(state["rate"]), float(state["l1"])
    hidden, out = trainer()(f"""(() => {{
      const t = make({json.dumps(state | {"rate": rate, "l1": l1})});
      for (let i = 0; i < 3000; i++) t.step();
      return [t.params["hidden0/kernel"].slice(0, 4), t.params["out/kernel"].slice(0, 4)];
    }})()""")
    is_zero = np.maximum(np.abs(hidden), np.abs(out)) < 5 * rate * l1  # a step moves by rate · l1
    assert 0 < is_zero.sum() < 4
    assert np.all(np.abs(out)[~is_zero] > 0.1)


def test_a_step_that_is_not_finite_is_not_taken():
    steps, finite, losses = trainer()("""(() => {
      const t = make({ set: "slope", loss: "squared", layers: "", rate: 10, features: "x²,y²" });
      let taken = 0;
      while (taken < 500 && t.step()) taken++;
      const before = t.params["out/kernel"];
      t.step();
      return [taken, t.isFinite, [...before, ...t.params["out/kernel"]].every(Number.isFinite)];
    })()""")
    assert steps < 500
    assert not finite
    assert losses


def test_own_points_train_and_every_fourth_tests():
    count, right = trainer()("""(() => {
      const points = Array.from({ length: 40 }, (_, i) => `${i / 10 - 2},0.5,${i < 20 ? -1 : 1}`);
      const t = make({ set: "own", own: points.join(";"), layers: "", rate: 1 });
      for (let i = 0; i < 60; i++) t.step();
      return [t.count, t.evaluate(t.test).accuracy];
    })()""")
    assert count == 30
    assert right == 1
