"""Numbers that the page shows, compared with arithmetic by hand."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np

from jnn.explain.playground import inspect, network
from tests.explain.playground.engine import Engine

TOLERANCE = 1e-5
"""float32, whatever the order of sums."""
RNG = np.random.default_rng(3)


def settings(widths=(2,), activation="tanh", loss="cross_entropy", inputs=("x", "y")):
    """The settings of a small network as arrays."""
    neurons = np.zeros((network.LAYERS, network.WIDTH), np.float32)
    for i, n in enumerate(widths):
        neurons[i, :n] = 1
    return {
        "features": np.array([name in inputs for name in network.FEATURES], np.float32),
        "layers": (np.arange(network.LAYERS) < len(widths)).astype(np.float32),
        "neurons": neurons,
        "activation": np.full(network.LAYERS, network.NAMES.index(activation), np.int32),
        "loss": np.int32(list(network.LOSSES).index(loss)),
        "dropout": np.float32(0),
        "l1": np.float32(0),
    }


def drawn_params():
    """Params of the largest network."""
    draw = lambda *shape: RNG.standard_normal(shape).astype(np.float32)
    dense = lambda n: {"kernel": draw(network.WIDTH, n), "bias": draw(n)}
    return {f"hidden{i}": dense(network.WIDTH) for i in range(network.LAYERS)} | {"out": dense(1)}


@functools.cache
def example():
    """One example on a 2-2-1 network, and all its numbers by `backpropagate`."""
    params, x, y = drawn_params(), np.array([[0.7, -1.2]], np.float32), np.ones(1, np.float32)
    arguments = {"params": params, "settings": settings(), "x": x, "y": y}
    return params, x[0], jax.tree.map(np.asarray, jax.jit(inspect.backpropagate)(arguments))


def test_backpropagation_on_two_two_one_is_what_one_computes_by_hand():
    params, x, found = example()
    w, b = params["hidden0"]["kernel"][:2, :2], params["hidden0"]["bias"][:2]
    v, c = params["out"]["kernel"][:2, 0], params["out"]["bias"][0]
    z = x @ w + b
    h = np.tanh(z)
    output = h @ v + c
    of_output = 1 / (1 + np.exp(-output)) - 1  # of -ln σ
    of_h = v * of_output
    of_z = of_h * (1 - h**2)
    expected = {
        ("values", "hidden0/before"): z,
        ("values", "hidden0/after"): h,
        ("values", "output"): output,
        ("gradients", "output"): of_output,
        ("gradients", "hidden0/after"): of_h,
        ("gradients", "hidden0/before"): of_z,
    }
    for (kind, name), value in expected.items():
        shown = found[kind][name].ravel()[: np.size(value)]
        np.testing.assert_allclose(shown, np.ravel(value), atol=TOLERANCE)
    np.testing.assert_allclose(found["loss"], np.log1p(np.exp(-output)), atol=TOLERANCE)
    slopes = found["slopes"]
    np.testing.assert_allclose(
        slopes["hidden0"]["kernel"][:2, :2], np.outer(x, of_z), atol=TOLERANCE
    )
    np.testing.assert_allclose(slopes["hidden0"]["bias"][:2], of_z, atol=TOLERANCE)
    np.testing.assert_allclose(slopes["out"]["kernel"][:2, 0], h * of_output, atol=TOLERANCE)
    assert not slopes["hidden0"]["kernel"][2:].any()  # of inputs that are off
    assert not slopes["hidden1"]["kernel"].any()  # of a layer that is not there


def test_the_gradient_of_the_mean_is_the_mean_of_those_of_examples():
    params, chosen = drawn_params(), settings((3,), loss="squared")
    x, y = RNG.uniform(-3, 3, (3, 2)).astype(np.float32), np.array([1, -1, 7], np.float32)
    weight = np.array([1, 1, 0], np.float32)
    batch = {"params": params, "settings": chosen, "x": x, "y": y, "weight": weight}
    found = jax.jit(inspect.gradients)(batch)
    one = jax.jit(inspect.backpropagate)
    slopes = [
        one({"params": params, "settings": chosen, "x": x[i : i + 1], "y": y[i : i + 1]})["slopes"]
        for i in range(2)
    ]
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *slopes)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=TOLERANCE * np.abs(b).max() + TOLERANCE),
        found,
        mean,
    )


def test_equations_say_what_was_computed():
    params, x, found = example()
    by_path = lambda tree: {
        "/".join(key.key for key in path): np.ravel(leaf).tolist()
        for path, leaf in jax.tree.leaves_with_path(tree)
    }
    shown = {**by_path(found), "x": x.tolist(), "y": [1.0]}
    state = {"layers": "2", "features": "x,y", "activation": "tanh", "loss": "cross_entropy"}
    arguments = ", ".join(json.dumps(part) for part in (state, by_path(params), shown))
    net = Engine("arithmetic.js")(f"((s, p, f) => arithmetic(s, facts, p, f))({arguments})")
    assert [len(level) for level in net["levels"]] == [2, 2, 1]
    edges = {(e["level"], e["i"], e["j"]): e for e in net["edges"]}
    assert len(edges) == 6
    for i in range(2):
        for j in range(2):
            edge = edges[0, i, j]
            kernel, slope = params["hidden0"]["kernel"], found["slopes"]["hidden0"]["kernel"]
            np.testing.assert_allclose([edge["weight"], edge["slope"]], [kernel[i, j], slope[i, j]])
    as_number = lambda text: float(text.replace("−", "-"))
    forwards = [text for text in net["equations"] if text.startswith("z")]
    assert len(forwards) == 3
    for text in forwards:  # each sum, computed again from the rounded numbers in it
        _, terms, result = text.split(" = ")
        products = terms.replace(" − ", " + −").split(" + ")
        total = sum(np.prod([as_number(n) for n in p.split(" · ")]) for p in products)
        assert abs(total - as_number(result)) < 0.05


def test_pictures_are_of_what_each_neuron_gives():
    params, x = drawn_params(), RNG.uniform(-3, 3, (5, 2)).astype(np.float32)
    chosen = settings((3, 2), "relu", inputs=("x", "r"))
    found = jax.jit(inspect.look)({"params": params, "settings": chosen, "x": x})
    inputs = np.stack([x[:, 0], np.hypot(*x.T)], -1)
    first = np.maximum(
        inputs @ params["hidden0"]["kernel"][[0, 7], :3] + params["hidden0"]["bias"][:3], 0
    )
    second = np.maximum(
        first @ params["hidden1"]["kernel"][:3, :2] + params["hidden1"]["bias"][:2], 0
    )
    logit = second @ params["out"]["kernel"][:2, 0] + params["out"]["bias"][0]
    np.testing.assert_allclose(found["neurons"][1, :, :3], first, atol=TOLERANCE * 10)
    np.testing.assert_allclose(found["neurons"][2, :, :2], second, atol=TOLERANCE * 10)
    assert not found["neurons"][1, :, 3:].any()
    np.testing.assert_allclose(found["output"], np.tanh(logit / 2), atol=TOLERANCE * 10)


def test_the_penalty_counts_weights_that_are_there():
    params, chosen = drawn_params(), settings((3, 2), inputs=("y",))
    expected = (
        np.abs(params["hidden0"]["kernel"][1, :3]).sum()
        + np.abs(params["hidden1"]["kernel"][:3, :2]).sum()
        + np.abs(params["out"]["kernel"][:2]).sum()
    )
    found = jax.jit(network.absolute_weights)(params, chosen)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)


def test_dropout_keeps_the_mean():
    params, x = drawn_params(), jnp.ones((4000, 2))
    chosen = settings((8,)) | {"dropout": np.float32(0.4)}
    f = jax.jit(network.forward)
    outputs, whole = f(params, chosen, x, jax.random.key(0)), f(params, chosen, x[:1])
    assert len(np.unique(outputs)) > 100
    spread = 5 * float(outputs.std()) / len(outputs) ** 0.5
    assert abs(float(outputs.mean() - whole[0])) < spread
