"""Recurrent layers equal PyTorch's and the equations of their papers; the memory, the inside, and
bad inputs.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.extend import core

import jnn
from jnn._jaxprs import equations
from jnn.layers import recurrence
from jnn.layers.bidirectional import bidirectional
from jnn.layers.elman import elman
from jnn.layers.gru import gru
from jnn.layers.lstm import lstm
from jnn.layers.recurrent import recurrent
from tests.compiled import apply, init
from tests.laws.case import example

FORWARD, GRADIENT = 1e-10, 1e-9  # float64: the same sums in another order, carried along a sequence
SINGLE = 1e-6  # float32: the same sums in another order
FEATURES = 3

LIKE_PYTORCH = {
    "elman": elman(FEATURES),
    "elman, relu": elman(FEATURES, activation="relu"),
    "lstm": lstm(FEATURES),
    "lstm, projection": lstm(FEATURES, projection=2),
    "lstm, two layers": jnn.chain(lstm(FEATURES), lstm(FEATURES)),
    "lstm, two layers, both directions": jnn.chain(
        bidirectional(lstm(FEATURES)), bidirectional(lstm(FEATURES))
    ),
    "gru": gru(FEATURES),
    "gru, both directions": bidirectional(gru(FEATURES)),
}


def below(case, group):
    """The nested dict of what stands under ``group/`` in a case."""
    prefix = group + "/"
    leaves = {
        key.removeprefix(prefix): value for key, value in case.items() if key.startswith(prefix)
    }
    return unflatten_dict(leaves, sep="/")


def assert_parity(run, case):
    """Output ``run(params, x)`` and all gradients equal those of PyTorch."""

    def loss(params, x):
        y = run(params, x)
        return jnp.sum(case["weights"] * y), y

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
    (to_params, to_x), y = gradients(below(case, "params"), case["x"])
    np.testing.assert_allclose(y, case["y"], atol=FORWARD)
    got, expected = (
        flatten_dict({**to_params, "x": to_x}, sep="/"),
        flatten_dict(below(case, "gradient"), sep="/"),
    )
    assert got.keys() == expected.keys()
    for path, gradient in got.items():
        np.testing.assert_allclose(gradient, expected[path], atol=GRADIENT, err_msg=path)


@pytest.mark.parametrize("name", LIKE_PYTORCH)
def test_layers_equal_pytorch(float64, reference, name):
    case, model = reference("recurrent", name), LIKE_PYTORCH[name]
    assert_parity(lambda params, x: model.apply(params, {}, x)[0], case)


@pytest.mark.parametrize("name", LIKE_PYTORCH)
def test_params_have_the_shapes_of_pytorch(reference, name):
    params, _ = jax.eval_shape(LIKE_PYTORCH[name].init, jax.random.key(0), X[0, :, :2])
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(
        jnp.shape, below(reference("recurrent", name), "params")
    )


def test_sequences_of_unequal_length_equal_pytorch_packed(float64, reference):
    case = reference("recurrent", "lengths")
    model = bidirectional(lstm(FEATURES))
    mask = np.arange(case["x"].shape[1])[None] < case["lengths"][:, None]
    run = lambda params, x: model.apply(
        params, {}, jnp.where(mask[..., None], x, jnp.nan), mask=mask
    )[0]
    assert_parity(run, case)


def test_truncated_back_propagation_equals_pytorch(float64, reference):
    case, layer = reference("recurrent", "truncated"), lstm(FEATURES)
    half = case["x"].shape[1] // 2

    def run(params, x):
        first, memory = layer.read(params, {}, layer.carry(params, x[:, 0], 0), x[:, :half])
        second, _ = layer.read(params, {}, jax.lax.stop_gradient(memory), x[:, half:])
        return jnp.concatenate([first, second], axis=1)

    assert_parity(run, case)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def drawn_params(model, x):
    """Params of the order of one, biases too."""
    rng, (params, _) = np.random.default_rng(1), jax.eval_shape(model.init, jax.random.key(0), x)
    return jax.tree.map(lambda leaf: 0.5 * rng.standard_normal(leaf.shape), params)


def test_gru_with_reset_before_equals_the_paper(float64):
    """Cho et al. 2014, equations 5 to 8, unit by unit: their z is the update gate, their W, U act
    on x and h.
    """
    x, layer = example(6, 3).astype(np.float64), gru(FEATURES, reset="before")
    params = drawn_params(layer, x)
    (W_r, W_z, W), (U_r, U_z, U), (b_r, b_z, b) = (
        np.split(params[name], 3, axis=-1) for name in ("kernel", "recurrent_kernel", "bias")
    )
    h, expected = np.zeros(FEATURES), []
    for x_t in x:
        r = [sigmoid(W_r[:, j] @ x_t + U_r[:, j] @ h + b_r[j]) for j in range(FEATURES)]
        z = [sigmoid(W_z[:, j] @ x_t + U_z[:, j] @ h + b_z[j]) for j in range(FEATURES)]
        candidate = [
            np.tanh(W[:, j] @ x_t + U[:, j] @ (np.array(r) * h) + b[j]) for j in range(FEATURES)
        ]
        h = np.array([z[j] * h[j] + (1 - z[j]) * candidate[j] for j in range(FEATURES)])
        expected.append(h)
    np.testing.assert_allclose(apply(layer, params, {}, x)[0], expected, atol=FORWARD)


def test_peepholes_equal_the_paper(float64):
    """Gers et al. 2002, section 3: input and forget gate see the cell before the update, the output
    gate the one after it.
    """
    x, layer = example(6, 3).astype(np.float64), lstm(FEATURES, peephole=True)
    params = drawn_params(layer, x)
    p_in, p_forget, p_out = params["peephole"]
    y, cell, expected = np.zeros(FEATURES), np.zeros(FEATURES), []
    for x_t in x:
        net = x_t @ params["kernel"] + y @ params["recurrent_kernel"] + params["bias"]
        net_in, net_forget, net_cell, net_out = np.split(net, 4)
        y_in, y_forget = sigmoid(net_in + p_in * cell), sigmoid(net_forget + p_forget * cell)
        cell = y_forget * cell + y_in * np.tanh(net_cell)
        y = sigmoid(net_out + p_out * cell) * np.tanh(cell)
        expected.append(y)
    np.testing.assert_allclose(apply(layer, params, {}, x)[0], expected, atol=FORWARD)


@pytest.mark.slow
@pytest.mark.parametrize("is_by_steps", [False, True])
@pytest.mark.parametrize(
    "model",
    [lstm(3, peephole=True, projection=2), gru(3, reset="before"), gru(3)],
    ids=["lstm", "gru before", "gru"],
)
def test_derivatives_equal_those_of_a_plain_scan(float64, model, is_by_steps, monkeypatch):
    """The scan with the weights' products taken out, against ``lax.scan``: gradient, Hessian, and
    the gradient of a forward derivative.
    """
    monkeypatch.setattr(recurrence, "_is_projected_by_steps", lambda *_: is_by_steps)
    x = example(2, 4, 2).astype(np.float64)
    mask = np.array([[True] * 4, [True, True, False, False]])
    params = drawn_params(model, x)

    def derivatives():
        loss = lambda params: jnp.sum(jnp.sin(model.apply(params, {}, x, mask=mask)[0]))
        directional = lambda params: jax.jvp(loss, (params,), (params,))[1]
        squared_gradient = lambda params: sum(
            jnp.sum(leaf**2) for leaf in jax.tree.leaves(jax.grad(loss)(params))
        )
        return jax.jit(
            lambda params: [jax.grad(f)(params) for f in (loss, directional, squared_gradient)]
        )(params)

    hoisted = derivatives()
    monkeypatch.setattr(recurrence.jax, "custom_jvp", Plain)
    for a, b in zip(jax.tree.leaves(hoisted), jax.tree.leaves(derivatives()), strict=True):
        np.testing.assert_allclose(a, b, atol=GRADIENT, rtol=GRADIENT)


@pytest.mark.parametrize("layer", [elman(5), lstm(5), gru(5), gru(5, reset="before")])
def test_a_sequence_projected_by_steps_is_one_projected_as_a_whole(float64, layer, monkeypatch):
    x = example(2, 4, 3).astype(np.float64)
    params = drawn_params(layer, x)

    def value_and_gradient(is_by_steps):
        monkeypatch.setattr(recurrence, "_is_projected_by_steps", lambda *_: is_by_steps)
        loss = lambda params, x: jnp.sum(jnp.sin(layer.apply(params, {}, x)[0]))
        return jax.jit(jax.value_and_grad(loss, (0, 1)))(params, x)

    both = map(jax.tree.leaves, (value_and_gradient(True), value_and_gradient(False)))
    for a, b in zip(*both, strict=True):
        np.testing.assert_allclose(a, b, atol=FORWARD)


@pytest.mark.parametrize(
    ("layer", "shape", "products"),
    [
        (gru(64), (8, 4, 3), 2),
        (gru(64), (2, 4, 4, 3), 2),
        (gru(64), (7, 4, 3), 1),
        (gru(64), (4, 3), 1),
        (gru(64, reset="before"), (8, 4, 3), 2),
        (lstm(64), (64, 128, 3), 1),  # 8 MB of gates
        (lstm(64), (64, 129, 3), 2),
    ],
)
def test_a_cpu_projects_by_steps_what_is_large_or_added_to_no_product(layer, shape, products):
    params, _ = jax.eval_shape(layer.init, jax.random.key(0), jnp.ones(shape[-2:]))
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    traced = jax.make_jaxpr(lambda params, x: layer.apply(params, {}, x)[0])(params, x)
    (step,) = loops(traced.jaxpr)
    names = [equation.primitive.name for equation in equations(step)]
    assert names.count("dot_general") == products


class Plain:
    """``jax.custom_jvp`` that forgets the rule."""

    def __init__(self, f):
        self.f = f

    def defjvp(self, rule):
        pass

    def __call__(self, *args):
        return self.f(*args)


def test_the_gradient_of_weights_is_one_product():
    """No loop on the way back makes anything of the shape of the weights."""
    layer, x = lstm(5), np.ones((7, 2, 3), np.float32)
    params, _ = init(layer, x)
    traced = jax.make_jaxpr(jax.grad(lambda params: layer.apply(params, {}, x)[0].sum()))(params)
    shapes_in_loops = [shape for inner in loops(traced.jaxpr) for shape in output_shapes(inner)]
    assert (7, 20) in shapes_in_loops
    assert (5, 20) not in shapes_in_loops


def loops(jaxpr):
    for equation in jaxpr.eqns:
        for inner in core.jaxprs_in_params(equation.params):
            yield from [inner] if equation.primitive.name == "scan" else loops(inner)


def output_shapes(jaxpr):
    for equation in jaxpr.eqns:
        yield from (variable.aval.shape for variable in equation.outvars)
        for inner in core.jaxprs_in_params(equation.params):
            yield from output_shapes(inner)


def test_gates_can_be_seen_and_changed():
    model, x = jnn.chain(memory=lstm(4), out=jnn.dense(1)), example(2, 6, 3)
    params, state = init(model, x)
    (y, _), values = jax.device_get(jax.jit(jnn.capture(model.apply))(params, state, x))
    gates = {
        f"memory/{name}": (6, 2, 4)
        for name in ("input_gate", "forget_gate", "candidate", "cell", "output_gate", "hidden")
    }
    assert {path: value.shape for path, value in values.items()} == gates | {
        "memory/output": (2, 6, 4),
        "out/output": (2, 6, 1),
    }
    np.testing.assert_array_equal(
        np.moveaxis(values["memory/hidden"], 0, 1), values["memory/output"]
    )
    cell, gates = (
        np.zeros((2, 4)),
        [values[f"memory/{name}"] for name in ("forget_gate", "input_gate", "candidate")],
    )
    for forget, let_in, candidate in zip(*gates, strict=True):
        cell = forget * cell + let_in * candidate
    np.testing.assert_allclose(cell, values["memory/cell"][-1], rtol=1e-6)
    forget = {"memory/forget_gate": jnp.zeros_like, "memory/hidden": jnp.zeros_like}
    forgetful, _ = jax.jit(jnn.intervene(model.apply, forget))(params, state, x)
    np.testing.assert_allclose(forgetful, np.broadcast_to(params["out"]["bias"], y.shape))


@pytest.mark.parametrize(
    ("reset", "names"),
    [("after", {"reset_gate", "update_gate", "candidate", "hidden"}), ("before", {"reset_gate"})],
)
def test_gru_shows_its_gates(reset, names):
    layer, x = gru(4, reset=reset), example(6, 3)
    _, values = jax.eval_shape(jnn.capture(layer.apply), *init(layer, x), x)
    assert names <= values.keys()
    assert {value.shape for value in values.values()} == {(6, 4)}


def test_forget_bias_is_that_of_the_forget_gate():
    layer, x = lstm(4, forget_bias=7.0), np.zeros((6, 3), np.float32)
    _, values = jax.device_get(jax.jit(jnn.capture(layer.apply))(*init(layer, x), x))
    np.testing.assert_allclose(values["forget_gate"][0], 1 / (1 + np.exp(-7.0)), rtol=1e-6)
    np.testing.assert_allclose(values["input_gate"][0], 0.5, rtol=1e-6)


def test_recurrent_kernels_are_orthogonal_gate_by_gate():
    params, _ = init(lstm(5), np.ones((6, 3), np.float32))
    for block in np.split(np.asarray(params["recurrent_kernel"]), 4, axis=1):
        np.testing.assert_allclose(block @ block.T, np.eye(5), atol=1e-6)


def test_masked_elements_of_y_are_zero_and_have_no_gradient():
    mask = np.array([[True, True, False, False, False], [True] * 5])
    layer, x = elman(4), np.where(mask[..., None], example(2, 5, 3), np.float32(np.nan))
    params, state = init(layer, x)

    def total(params, x):
        y, _ = layer.apply(params, state, x, mask=mask)
        return y.sum(), y

    gradients = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
    (to_params, to_x), y = jax.device_get(gradients(params, x))
    assert not y[0, 2:].any()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(to_params))
    assert not to_x[0, 2:].any()
    assert to_x[0, :2].all()


def test_a_cell_of_ones_own_with_matrices_equals_elman(float64):
    def init(key, x_t):
        return {
            "W": jnp.zeros((x_t.shape[-1], FEATURES), x_t.dtype),
            "R": jnp.zeros((FEATURES, FEATURES), x_t.dtype),
        }

    def carry(params, x_t):
        return jnp.zeros((*x_t.shape[:-1], FEATURES), x_t.dtype)

    def step(params, h, x_t):
        h = jnp.tanh(x_t @ params["W"] + h @ params["R"])
        return h, h

    x, model = example(2, 5, 3).astype(np.float64), recurrent(init, carry, step)
    params = drawn_params(model, x)
    same = {"kernel": params["W"], "recurrent_kernel": params["R"], "bias": np.zeros(FEATURES)}
    expected, _ = apply(elman(FEATURES), same, {}, x)
    np.testing.assert_allclose(apply(model, params, {}, x)[0], expected, atol=FORWARD)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: elman(0), r"elman: got features=0, expected an integer >= 1"),
        (lambda: elman(4, activation="tahn"), r"activation: got 'tahn'.*Did you mean 'tanh'"),
        (lambda: lstm(4, projection=0), r"lstm: got projection=0, expected an integer >= 1"),
        (lambda: lstm(4, forget_bias="one"), r"lstm: got forget_bias='one', expected a number"),
        (lambda: lstm(4, peephole=3), r"lstm: got peephole=3, expected True or False"),
        (
            lambda: gru(4, reset="maybe"),
            r"gru: got reset='maybe', expected 'after' \(PyTorch, Keras, Flax\) or 'before'",
        ),
        (lambda: bidirectional(3), r"got 3 as a part of a model"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(jnn.JnnError, match=message):
        make()


X = np.ones((2, 5, 3), np.float32)


BAD_INPUTS_TO = {"elman": elman(4), "lstm": lstm(4), "gru": gru(4)}


@pytest.mark.parametrize("name", BAD_INPUTS_TO)
@pytest.mark.parametrize(
    ("x", "mask", "message"),
    [
        (
            X[..., :2],
            None,
            r"got x of shape \(2, 5, 2\), expected 3 features in its last axis, as in params",
        ),
        (X.astype(np.int32), None, r"got x of dtype int32, expected floating-point numbers"),
        (
            X[0, 0],
            None,
            r"got x of shape \(3,\), expected at least 2 axes, \(\.\.\., T, features\)",
        ),
        (
            X,
            np.ones((5, 2), bool),
            r"got a mask of shape \(5, 2\) for x of shape \(2, 5, 3\), expected \(2, 5\)",
        ),
        (
            X,
            np.ones((2, 5), np.float32),
            r"got a mask of dtype float32, expected an array of bool",
        ),
    ],
)
def test_bad_inputs_are_named(name, x, mask, message):
    layer = BAD_INPUTS_TO[name]
    params, state = init(layer, X)
    with pytest.raises(jnn.JnnError, match=f"{name}: {message}"):
        layer.apply(params, state, x, mask=mask)


def test_both_directions_cannot_be_streamed():
    layer = bidirectional(gru(4))
    assert not jnn.streams(layer)
    params, state = init(layer, X[0])
    with pytest.raises(jnn.JnnError, match="bidirectional: got x of shape"):
        layer.apply(params, state, X[0, 0])


def test_both_directions_of_whole_examples_equal_those_of_each():
    """With a mask of leading axes alone, and for tokens, it is time that is reversed."""
    layer, x = bidirectional(gru(4)), example(2, 5, 3)
    params, state = init(layer, x)
    expected = [apply(layer, params, state, x[i])[0] for i in range(2)]
    y, _ = jax.jit(layer.apply)(params, state, x, mask=np.ones(2, bool))
    np.testing.assert_allclose(y, expected, atol=SINGLE)
    tokens = np.array([[3, 1, 4, 1, 5], [2, 6, 0, 0, 7]])
    of_tokens = bidirectional(jnn.chain(jnn.embedding(10, 4), gru(3)))
    params, state = init(of_tokens, tokens)
    expected = [apply(of_tokens, params, state, row)[0] for row in tokens]
    np.testing.assert_allclose(apply(of_tokens, params, state, tokens)[0], expected, atol=SINGLE)


def test_both_directions_within_each_word_of_a_padded_sentence():
    """An encoder of words by their characters, with the mask of words."""
    encoder = jnn.chain(jnn.embedding(10, 4), bidirectional(lstm(3)), jnn.last_element())
    words, mask = np.arange(36).reshape(2, 3, 6) % 10, np.array([[True] * 3, [True, False, False]])
    model = jnn.per_element(encoder)
    params, state = init(model, words)
    y, _ = jax.jit(model.apply)(params, state, words, mask=mask)
    expected, _ = apply(encoder, params, state, words.reshape(6, 6))
    np.testing.assert_allclose(y[mask], expected.reshape(2, 3, -1)[mask], atol=SINGLE)


def own_cell():
    """A recurrent layer of one's own, which is scanned step by step."""
    return recurrent(
        lambda key, x: {},
        lambda params, x_t: jnp.zeros_like(x_t),
        lambda params, memory, x_t: (memory + x_t, jnp.tanh(memory + x_t)),
    )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("layer", [elman(2), gru(2), lstm(2), own_cell()], ids=repr)
def test_devices_of_a_shard_map_have_the_memory_of_their_own_examples(float64, layer, masked):
    n, P = len(jax.devices()), jax.P
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2 * n, 5, 3)))
    mask = jnp.arange(5) < 1 + jnp.arange(2 * n)[:, None] % 5 if masked else None
    params, state = init(layer, x, 1)

    def loss(params, x, mask):
        return jnp.mean(jnp.sin(layer.apply(params, state, x, mask=mask)[0]))

    mean = lambda *operands: jax.lax.pmean(loss(*operands), "data")
    mesh = jax.make_mesh((n,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    split = jax.shard_map(mean, mesh=mesh, in_specs=(P(), P("data"), P("data")), out_specs=P())
    got, expected = (jax.jit(jax.value_and_grad(f, (0, 1)))(params, x, mask) for f in (split, loss))
    for ours, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=GRADIENT)
