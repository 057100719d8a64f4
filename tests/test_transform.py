"""Transformed models: ensembles, recomputation, mixed precision, params frozen or of low rank."""

import operator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn.errors import JnnError
from tests.compiled import apply, init

X = jnp.asarray(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))
MODEL = jnn.chain(hidden=jnn.dense(5), tanh=jnp.tanh, out=jnn.dense(2))


def total(model, state):
    return lambda params: jnp.sum(jnp.sin(model.apply(params, state, X)[0]))


def test_ensemble_members_may_see_inputs_of_their_own():
    many = jnn.ensemble(MODEL, 3, x_axis=0)
    xs = np.stack([X, 2 * X, 3 * X])
    params, state = init(many, xs)
    ys = np.asarray(apply(many, params, state, xs)[0])
    start = jax.jit(lambda i: MODEL.init(jax.random.fold_in(jax.random.key(0), i), X)[0])
    for i in range(3):
        np.testing.assert_allclose(ys[i], apply(MODEL, start(i), {}, xs[i])[0], atol=1e-6)


def kept_for_the_way_back(model, params, state):
    """How many numbers the backward pass needs."""
    return sum(leaf.size for leaf in jax.tree.leaves(jax.vjp(total(model, state), params)[1]))


def test_remat_keeps_less_and_gives_the_same_gradient():
    with jax.enable_x64(True):
        params, state = jax.jit(MODEL.init)(jax.random.key(0), X.astype(jnp.float64))
        plain, again = (
            jax.jit(jax.grad(total(MODEL, state)))(params),
            jax.jit(jax.grad(total(jnn.remat(MODEL), state)))(params),
        )
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), plain, again)
        none, some = jnn.remat(MODEL), jnn.remat(MODEL, save=("output",))
        assert kept_for_the_way_back(none, params, state) < kept_for_the_way_back(
            some, params, state
        )


def test_policies_of_remat_keep_less_from_one_to_the_next():
    """Of attention: all, with its logits, queries to values and outputs, and nothing."""
    model, x = jnn.attention(2, causal=True), jnp.ones((12, 4))
    params, state = jax.eval_shape(model.init, jax.random.key(0), x)
    kept = {}
    for policy in jnn.transform.REMAT_POLICIES:
        block = jnn.remat(model, policy=policy)
        loss = lambda params, block=block: jnp.sum(block.apply(params, state, x)[0])
        backward = jax.eval_shape(lambda params, loss=loss: jax.vjp(loss, params)[1], params)
        kept[policy] = sum(leaf.size for leaf in jax.tree.leaves(backward))
    squares, features, kernel = 2 * 12 * 12, 12 * 4, 4 * 4
    assert list(kept.values()) == sorted(kept.values(), reverse=True)
    assert kept["products"] - kept["projections"] >= squares
    # queries, keys and values in place of the kernels that make them
    assert kept["projections"] - kept["full"] == 3 * (features - kernel)


def test_a_policy_that_there_is_not_is_refused():
    with pytest.raises(JnnError, match="policy='dots', expected one of none, products, projec"):
        jnn.remat(jnn.dense(2), policy="dots")
    model = jnn.dense(2)
    assert jnn.remat(model, policy="none") is model
    with pytest.raises(JnnError, match="remat: got save='output', expected names, as in "):
        jnn.remat(model, save="output")


def test_cast_to_integers_is_refused():
    with pytest.raises(JnnError, match="cast: got compute=int32, expected a floating-point type"):
        jnn.cast(jnn.dense(2), compute=jnp.int32)
    assert jnn.cast(jnn.dense(2), compute="bfloat16")


def test_cast_computes_in_bfloat16_and_trains_float32():
    seen = []
    spy = jnn.function(lambda x: seen.append(x.dtype) or x)
    model = jnn.cast(jnn.chain(jnn.dense(4), spy, jnn.dense(2)))
    params, state = init(model, X)
    seen.clear()
    gradient = jax.jit(jax.grad(total(model, state)))(params)
    assert set(seen) == {jnp.dtype(jnp.bfloat16)}
    assert {leaf.dtype.name for leaf in jax.tree.leaves((params, gradient))} == {"float32"}
    assert apply(model, params, state, X)[0].dtype == jnp.float32


def test_frozen_params_stay_where_they_are():
    model = jnn.frozen(MODEL, "hidden/.*")
    params, state = init(model, X)
    optimizer = optax.adamw(
        0.1, mask=lambda params: jax.tree.map(operator.not_, jnn.path_mask(params, "hidden/.*"))
    )

    @jax.jit
    def updated(params):
        gradient = jax.grad(total(model, state))(params)
        updates, _ = optimizer.update(gradient, optimizer.init(params), params)
        return optax.apply_updates(params, updates)

    new = updated(params)
    jax.tree.map(np.testing.assert_array_equal, new["hidden"], params["hidden"])
    assert np.all(new["out"]["kernel"] != params["out"]["kernel"])


def test_frozen_refuses_a_path_that_matches_nothing():
    with pytest.raises(
        jnn.JnnError,
        match=r"frozen: got 'hiden/\.\*', which matches no path, expected .* hidden/bias, "
        "hidden/kernel",
    ):
        jnn.frozen(MODEL, "hiden/.*").init(jax.random.key(0), X)
    with pytest.raises(jnn.JnnError, match=r"frozen: got 'hidden/\(' \(missing \), unterm"):
        jnn.frozen(MODEL, "hidden/(").init(jax.random.key(0), X)


def test_lora_begins_with_the_same_function_and_trains_a_low_rank():
    deep = jnn.chain(jnn.repeat(jnn.chain(jnn.dense(3), jnp.tanh), 2), out=jnn.dense(2))
    model = jnn.lora(deep, 1, ".*kernel")
    before, state = init(deep, X)
    params, _ = init(model, X)
    jax.tree.map(np.testing.assert_array_equal, params["base"], before)
    y = apply(deep, before, state, X)[0]
    np.testing.assert_array_equal(apply(model, params, state, X)[0], y)

    @jax.jit
    def trained(params):
        for _ in range(3):
            gradient = jax.grad(total(model, state))(params)
            params = jax.tree.map(lambda a, g: a - 0.1 * g, params, gradient)
        return params

    after = trained(params)
    jax.tree.map(np.testing.assert_array_equal, after["base"], before)
    moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), after["lora"], params["lora"])
    assert all(jax.tree.leaves(moved))
    merged = jnn.merge_lora(after)
    y_after = apply(model, after, state, X)[0]
    np.testing.assert_allclose(apply(deep, merged, state, X)[0], y_after, atol=1e-6)
    assert np.abs(y_after - y).max() > 1e-3
    difference = np.asarray(merged["0"]["0"]["kernel"] - before["0"]["0"]["kernel"])
    assert difference.shape == (2, 3, 3)
    assert np.linalg.matrix_rank(difference, tol=1e-5).tolist() == [1, 1]


def test_lora_draws_factors_of_matrices_alone():
    big = jax.eval_shape(jnn.lora(MODEL, 4, "hidden/kernel").init, jax.random.key(0), X)[0]
    assert jax.tree.map(jnp.shape, big["lora"]) == {
        "hidden": {"kernel": {"down": (3, 4), "up": (4, 5)}}
    }
    wide = jnn.lora(jnn.dense(1), 100)
    down = init(wide, jnp.ones(400))[0]["lora"]["kernel"]["down"]
    # the standard deviation of 40,000 draws, within four standard errors
    assert abs(down.std() * 20 - 1) < 4 / np.sqrt(2 * 40_000)


@pytest.mark.parametrize(
    ("rank", "paths", "message"),
    [
        (0, ".*", "lora: got rank=0, expected an integer >= 1"),
        (
            2,
            "out/.*",
            r"lora: got out/bias of shape \(2,\), expected paths of kernels",
        ),
        (2, "query", "lora: got 'query', which matches no path"),
    ],
)
def test_lora_refuses(rank, paths, message):
    with pytest.raises(jnn.JnnError, match=message):
        jnn.lora(MODEL, rank, paths).init(jax.random.key(0), X)


def test_params_that_are_not_those_of_lora_are_refused():
    model = jnn.lora(MODEL, 2, "hidden/kernel")
    params, state = init(model, X)
    plain, added = params["base"], params["lora"]
    for wrong, message in (
        (plain, "lora: got params with hidden, .*, expected those with base and lora"),
        ({"base": plain}, "lora: got params with base, expected those with base and lora"),
        (None, "lora: got params of type NoneType, expected those with base and lora"),
        ({"base": plain, "lora": {"other": added["hidden"]}}, "lora: got an addition to other"),
    ):
        for use in (lambda wrong: model.apply(wrong, state, X), jnn.merge_lora):
            with pytest.raises(jnn.JnnError, match=message):
                use(wrong)


def test_transformations_compose():
    model = jnn.ensemble(jnn.cast(jnn.remat(jnn.repeat(jnn.chain(jnn.dense(3), jnp.tanh), 2))), 4)
    params, state = init(model, X)
    assert params["0"]["kernel"].shape == (4, 2, 3, 3)
    assert apply(model, params, state, X)[0].shape == (4, 4, 3)
