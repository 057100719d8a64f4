"""The other views: data, gradient descent on a surface, two networks, points of the reader."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.explain.playground import adversarial, descent, points
from tests.explain.playground.engine import Engine

TOLERANCE = 1e-5
"""float32."""

make = jax.jit(points.make_points)


def data(name, noise=0.0, flips=0.0, seed=0):
    which = np.int32(points.SETS.index(name))
    arguments = {"noise": np.float32(noise), "flips": np.float32(flips), "seed": np.uint32(seed)}
    return jax.tree.map(np.asarray, make({"set": which, **arguments}))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", points.SETS)
def test_a_set_is_balanced_and_in_the_plane(name):
    found = data(name)
    for part in found.values():
        assert np.abs(part["x"]).max() <= points.EDGE
        assert np.abs(part["y"]).max() <= 1
        if name in points.CLASSES:
            assert part["y"].sum() == 0
        if name in points.CURVES:
            assert not part["x"][:, 1].any()
    assert not np.array_equal(found["train"]["x"], found["test"]["x"])


def test_classes_are_what_their_names_say():
    x, y = data("xor")["train"].values()
    np.testing.assert_array_equal(np.sign(x[:, 0] * x[:, 1]), y)
    x, y = data("circles")["train"].values()
    radius = np.hypot(*x.T)
    assert radius[y > 0].max() < radius[y < 0].min()


def test_wrong_labels_are_in_the_training_set_alone():
    right, wrong = data("moons", flips=0.3), data("moons", flips=0.3, noise=0.0, seed=1)
    clean = data("moons")
    np.testing.assert_array_equal(right["train"]["x"], clean["train"]["x"])
    assert 0.15 < np.mean(right["train"]["y"] != clean["train"]["y"]) < 0.45
    np.testing.assert_array_equal(right["test"]["y"], clean["test"]["y"])
    assert not np.array_equal(wrong["train"]["x"], clean["train"]["x"])


def descended(steps, *, surface="bowl", rate=0.3, momentum=0.0, optimizer=0, noise=0.0, at=(2, -1)):
    """The places of a run."""
    hyper = {
        "optimizer": np.int32(optimizer),
        "learning_rate": np.float32(rate),
        "momentum": np.float32(momentum),
        "decay": np.float32(0),
    }
    state = descent.begin({"a": jnp.float32(at[0]), "b": jnp.float32(at[1]), "hyper": hyper})
    shared = {"hyper": hyper, "noise": np.float32(noise), "seed": np.uint32(0)}
    shared["surface"] = np.int32(list(descent.SURFACES).index(surface))
    places = []
    for step in range(steps):
        state = descend({"state": state, "step": np.int32(step), **shared})
        places.append([state["params"]["a"], state["params"]["b"]])
    return np.array(places)


descend = jax.jit(descent.descend)


def test_descent_on_the_bowl_is_geometric():
    factors = (1 - 0.3 / 2) ** np.arange(1, 6)  # the gradient of x²/4 is x/2
    np.testing.assert_allclose(descended(5), np.outer(factors, [2, -1]), rtol=TOLERANCE)


def test_momentum_adds_up_steps():
    x, v, expected = np.array([2.0, -1.0]), np.zeros(2), []
    for _ in range(5):
        v = 0.8 * v + x / 2
        x = x - 0.1 * v
        expected.append(x)
    found = descended(5, rate=0.1, momentum=0.8)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)


def test_the_first_step_of_adam_has_the_size_of_the_learning_rate():
    found = descended(1, surface="valley", rate=0.05, optimizer=1, momentum=0.9)
    np.testing.assert_allclose(found[0], [1.95, -0.95], rtol=1e-4)


def test_lessons_tell_the_truth_of_surfaces():
    far = lambda places: np.abs(places[-1]).max()
    assert far(descended(60, surface="valley", rate=0.9, at=(-2.2, 1.6))) < 0.5
    assert far(descended(60, surface="valley", rate=1.1, at=(-2.2, 1.6))) > 3
    assert far(descended(60, rate=3.0)) < 1e-3
    stuck = descended(200, surface="saddle", rate=0.1, at=(0, 2.2))[-1]
    assert np.abs(stuck).max() < 1e-3
    free = descended(200, surface="saddle", rate=0.1, at=(0, 2.2), noise=0.1)[-1]
    assert abs(free[0]) > 1
    start = (-2.4, 1.8)
    crept = descended(30, surface="plateau", rate=0.3, at=start)[-1]
    ran = descended(30, surface="plateau", rate=0.3, at=start, optimizer=1, momentum=0.9)[-1]
    assert np.hypot(*crept) > 2.7
    assert np.hypot(*ran) < 1


@pytest.mark.slow
def test_each_network_moves_by_its_own_rate():
    start, game = jax.jit(adversarial.begin_game), jax.jit(adversarial.play)

    def played(generator, discriminator):
        rates = {"generator": np.float32(generator), "discriminator": np.float32(discriminator)}
        state = start({"seed": np.uint32(0), "rates": rates})
        new = game({"state": state, "rates": rates, "target": np.int32(0)})["state"]
        moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, new.params)
        return {name: any(jax.tree.leaves(of)) for name, of in moved.items()}

    assert played(0.001, 0.0) == {"generator": True, "discriminator": False}
    assert played(0.0, 0.001) == {"generator": False, "discriminator": True}


@pytest.mark.slow
def test_the_generator_finds_the_cluster():
    rates = {"generator": np.float32(0.002), "discriminator": np.float32(0.004)}
    target = np.int32(list(adversarial.TARGETS).index("blob"))

    @jax.jit
    def trained(state):
        step = lambda state, _: (
            adversarial.play({"state": state, "rates": rates, "target": target})["state"],
            None,
        )
        return jax.lax.scan(step, state, length=1500)[0]

    state = trained(adversarial.begin_game({"seed": np.uint32(0), "rates": rates}))
    seen = {"params": state.params, "target": target, "seed": np.uint32(1)}
    fake = adversarial.judge({**seen, "x": jnp.zeros((1, 2))})["fake"]
    np.testing.assert_allclose(fake.mean(axis=0), [1.3, 0.9], atol=0.4)


@pytest.fixture(scope="module")
def table():
    return Engine("own_points.js")


def test_a_table_becomes_points(table):
    text = "length;width;kind\n1;10;cat\n3;20;dog\n2;15;cat\n5;30;dog\n"
    found = table(f"readTable({json.dumps(text)}, 3, 200)")
    np.testing.assert_allclose(
        found["points"],
        [[-2.7, -2.7, -1], [0, 0, 1], [-1.35, -1.35, -1], [2.7, 2.7, 1]],
        atol=TOLERANCE,
    )
    text = table(f"pointsText({json.dumps(found['points'])})")
    assert table(f"parsePoints({json.dumps(text)}, 3, 3)") == found["points"][:3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 rows"),
        ("a,b,c\n1,2,x\n", "1 rows"),
        ("x,y,k\n1,2,a\n1,b,a\n", "Row 3 needs two numbers"),
        ("1,2\n", "Row 1 needs two numbers"),
        ("1,1,a\n" * 4, "1 different classes"),
        ("1,1,a\n2,1,b\n3,1,c\n4,1,a", "3 different classes"),
        ("1,1,a\n" * 201, "at most 200"),
    ],
)
def test_a_bad_table_is_refused_with_its_row(table, text, message):
    assert message in table(f"readTable({json.dumps(text)}, 3, 200)")["error"]
