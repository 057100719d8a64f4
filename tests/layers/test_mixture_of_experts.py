"""The mixture of experts against brute force, the balance loss through `jnn.capture`, and the
feed-forward block by its formula.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.activation import activation
from jnn.layers.feed_forward import feed_forward
from jnn.layers.mixture_of_experts import mixture_of_experts
from tests.compiled import apply, init

EXACT = 1e-12  # float64: the same sums
E = 4


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def made(top, x, mask=None):
    layer = mixture_of_experts(feed_forward(5), E, top=top)
    params, state = jax.jit(layer.init)(jax.random.key(0), x)
    return params, lambda params: apply(layer, params, state, x, mask=mask)


def member(params, i):
    return jax.tree.map(lambda leaf: leaf[i], params["experts"])


def probabilities(params, x):
    return jax.nn.softmax(x @ params["router"]["kernel"])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("top", [1, 2, 4])
def test_each_element_is_the_mean_of_its_experts(float64, top):
    x = draw(7, 3)
    params, run = made(top, x)
    y, p = jax.jit(run)(params)[0], np.asarray(probabilities(params, x))
    alone = jax.jit(lambda params, i, x: feed_forward(5).apply(member(params, i), {}, x)[0])
    for t in range(7):
        best = np.argsort(-p[t])[:top]
        gates = p[t, best] if top == 1 else p[t, best] / p[t, best].sum()
        expected = sum(g * alone(params, i, x[t]) for g, i in zip(gates, best, strict=True))
        np.testing.assert_allclose(y[t], expected, atol=EXACT)


def test_an_expert_that_is_not_selected_may_overflow(float64):
    """Nothing of its infinite output is in y, nor in any gradient."""
    x = draw(1, 3)
    params, run = made(2, x)
    unused = jnp.argmin(probabilities(params, x))
    output = params["experts"]["output"]
    infinite = output | {"bias": output["bias"].at[unused].set(jnp.inf)}
    changed = params | {"experts": params["experts"] | {"output": infinite}}
    total = jax.jit(jax.value_and_grad(lambda params: jnp.sum(run(params)[0])))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=EXACT), total(changed), total(params)
    )


@pytest.mark.sampled(2)
@pytest.mark.parametrize("masked", [False, True])
def test_the_balance_loss_and_its_gradient_through_capture_are_those_of_the_formula(
    float64, masked
):
    x, top = draw(3, 5, 4), 2
    mask = jnp.arange(5)[None] < jnp.array([[5], [2], [4]]) if masked else None
    params, run = made(top, x if mask is None else jnp.where(mask[..., None], x, jnp.nan), mask)
    real = x.reshape(-1, 4) if mask is None else x[mask]

    def objective(params):
        (y, _), values = jnn.capture(run)(params)
        return (
            jnp.sum(jnp.sin(y if mask is None else y[mask]))
            + values["load_balance"]
            + 0.1 * values["router_z"]
        )

    def by_hand(params):
        p = probabilities(params, real)
        order = jnp.argsort(-p, axis=-1)[:, :top]
        f = jnp.stack([jnp.mean(jnp.sum(order == i, axis=-1)) / top for i in range(E)])
        kept = jnp.take_along_axis(p, order, axis=-1)
        ys = jnp.stack(
            [feed_forward(5).apply(member(params, i), {}, real)[0] for i in range(E)], axis=1
        )
        chosen = jnp.take_along_axis(ys, order[..., None], axis=1)
        y = jnp.sum(chosen * (kept / kept.sum(-1, keepdims=True))[..., None], axis=1)
        z = jnp.mean(jnp.log(jnp.sum(jnp.exp(real @ params["router"]["kernel"]), axis=-1)) ** 2)
        return jnp.sum(jnp.sin(y)) + E * jnp.sum(f * p.mean(0)) + 0.1 * z

    np.testing.assert_allclose(jax.jit(objective)(params), jax.jit(by_hand)(params), atol=EXACT)
    got, expected = jax.jit(jax.grad(objective))(params), jax.jit(jax.grad(by_hand))(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=EXACT * 10), got, expected)
    assert all(leaf.any() for leaf in jax.tree.leaves(got))


def test_the_balance_of_an_undecided_router_is_one_and_of_a_lopsided_one_is_more(float64):
    layer, x = mixture_of_experts(jnn.dense(3), E, top=2), jnp.abs(draw(6, 3))
    params, state = jax.jit(layer.init)(jax.random.key(0), x)
    balance = lambda kernel: jnn.capture(layer.apply)(
        params | {"router": {"kernel": kernel}}, state, x
    )[1]["load_balance"]
    np.testing.assert_allclose(balance(jnp.zeros((3, E))), 1, atol=EXACT)
    lopsided = jnp.zeros((3, E)).at[:, 0].set(50).at[:, 1].set(20)
    assert float(balance(lopsided)) > E / 2 * 0.99


@pytest.mark.parametrize(("examples", "mask"), [(0, None), (2, jnp.zeros(2, bool))])
def test_without_a_real_element_the_losses_are_zero(examples, mask):
    layer = mixture_of_experts(jnn.dense(3), E)
    params, state = jax.jit(layer.init)(jax.random.key(0), jnp.ones((2, 3)))
    x = jnp.ones((examples, 3))
    _, values = jnn.capture(layer.apply)(params, state, x, mask=mask)
    assert values["load_balance"] == values["router_z"] == 0


def test_a_stack_gives_the_loss_of_each_layer():
    layer, x = jnn.repeat(mixture_of_experts(jnn.dense(3), E), 3), draw(5, 3).astype(jnp.float32)
    params, state = jax.jit(layer.init)(jax.random.key(0), x)
    assert jax.eval_shape(jnn.capture(layer.apply), params, state, x)[1]["load_balance"].shape == (
        3,
    )


def test_the_router_is_float32_in_bfloat16():
    layer, x = mixture_of_experts(jnn.dense(3), E), draw(5, 3).astype(jnp.float32)
    params, state = jax.jit(layer.init)(jax.random.key(0), x)
    _, values = jax.eval_shape(jnn.capture(jnn.cast(layer).apply), params, state, x)
    assert values["gates"].dtype == jnp.float32


def test_feed_forward_is_its_formula(float64):
    x = draw(2, 5, 3)
    plain, gated = (
        feed_forward(7, activation=jnp.tanh),
        feed_forward(7, activation=jax.nn.silu, gated=True),
    )
    params, _ = init(plain, x)
    W, V = params["hidden"], params["output"]
    expected = jnp.tanh(x @ W["kernel"] + W["bias"]) @ V["kernel"] + V["bias"]
    np.testing.assert_allclose(apply(plain, params, {}, x)[0], expected, atol=EXACT)
    params, _ = init(gated, x)
    W, U, V = params["hidden"]["gate"], params["hidden"]["value"], params["output"]
    expected = (jax.nn.silu(x @ W["kernel"] + W["bias"]) * (x @ U["kernel"] + U["bias"])) @ V[
        "kernel"
    ] + V["bias"]
    np.testing.assert_allclose(apply(gated, params, {}, x)[0], expected, atol=EXACT)


def test_the_default_activation_is_the_exact_gelu():
    x = jnp.array([[1.0, -2.0]])
    params, state = feed_forward(3).init(jax.random.key(0), x)
    expected = feed_forward(3, activation=activation("gelu")).apply(params, state, x)[0]
    np.testing.assert_array_equal(feed_forward(3).apply(params, state, x)[0], expected)


MISTAKES = {
    "experts with a memory": (
        lambda: mixture_of_experts(jnn.lstm(3), 2),
        r"mixture_of_experts: got experts of <Model lstm, streams>, expected those that treat each",
    ),
    "experts of sequences": (
        lambda: mixture_of_experts(jnn.chain(jnn.dense(3), jnn.conv(3, (3,))), 2),
        r"mixture_of_experts: got experts of <Model chain>",
    ),
    "top": (
        lambda: mixture_of_experts(jnn.dense(3), 2, top=3),
        r"mixture_of_experts: got top=3 of 2 experts",
    ),
    "no experts": (
        lambda: mixture_of_experts(jnn.dense(3), 0),
        r"mixture_of_experts: got experts=0",
    ),
    "tokens": (
        lambda: mixture_of_experts(jnn.dense(3), 2).init(jax.random.key(0), jnp.ones(3, int)),
        r"got x of dtype int32",
    ),
    "hidden": (lambda: feed_forward(0), r"feed_forward: got hidden=0"),
    "rate": (lambda: feed_forward(4, dropout=1.0), r"feed_forward: got dropout=1.0"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said(name):
    make, message = MISTAKES[name]
    with pytest.raises(jnn.JnnError, match=message):
        make()
