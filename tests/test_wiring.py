"""Models wired by a function; that they keep the laws is checked with the others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from tests.compiled import apply, init

X = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


def test_a_flow_of_one_after_the_other_is_a_chain():
    def flow(run, x):
        return run("out", jax.nn.relu(run("hidden", x)))

    wired, chained = (
        jnn.wired(flow, {"hidden": jnn.dense(8), "out": jnn.dense(2)}),
        jnn.chain(hidden=jnn.dense(8), act=jax.nn.relu, out=jnn.dense(2)),
    )
    params, state = wired.init(jax.random.key(0), X)
    assert jax.tree.all(jax.tree.map(np.array_equal, params, chained.init(jax.random.key(0), X)[0]))
    np.testing.assert_array_equal(
        wired.apply(params, state, X)[0], chained.apply(params, state, X)[0]
    )


def test_a_part_called_twice_has_one_set_of_params_and_draws_anew():
    model = jnn.wired(lambda run, x: (run("drop", x), run("drop", x)), {"drop": jnn.dropout(0.5)})
    first, second = model.apply({}, {}, jnp.ones(100), key=jax.random.key(0), train=True)[0]
    assert (first != second).any()
    shared = jnn.wired(lambda run, x: run("dense", run("dense", x)), {"dense": jnn.dense(4)})
    params, _ = shared.init(jax.random.key(0), X)
    np.testing.assert_allclose(
        shared.apply(params, {}, X)[0],
        X @ params["dense"]["kernel"] @ params["dense"]["kernel"],
        rtol=1e-5,
    )


def test_the_state_of_a_part_called_twice_is_updated_twice():
    model = jnn.wired(lambda run, x: run("norm", run("norm", x)), {"norm": jnn.batch_norm()})
    params, state = model.init(jax.random.key(0), X)
    _, once = jnn.batch_norm().apply(params["norm"], state["norm"], X, train=True)
    _, new = model.apply(params, state, X, train=True)
    assert jax.tree.structure(new["norm"]) == jax.tree.structure(once)
    assert any(
        (a != b).any()
        for a, b in zip(jax.tree.leaves(new["norm"]), jax.tree.leaves(once), strict=True)
    )


def test_what_a_part_computes_is_captured_under_its_name():
    model = jnn.wired(lambda run, x: run("b", run("a", x)), {"a": jnn.dense(3), "b": jnn.dense(2)})
    params, state = model.init(jax.random.key(0), X)
    _, seen = jnn.capture(model.apply)(params, state, X)
    assert seen["a/output"].shape == (6, 3)


def test_a_flow_that_looks_across_time_does_not_stream():
    model = jnn.wired(
        lambda run, x: run("out", x.mean(axis=-2)), {"out": jnn.dense(2)}, streaming=False
    )
    assert not jnn.streams(model)


def test_whether_a_function_looks_across_time_is_known_for_each_number_of_its_values():
    reversed_sum = lambda a, b: a[..., ::-1, :] + b
    a, b, c = (jnn.dense(2) for _ in range(3))
    jnn.parallel(a, b, c, combine=reversed_sum)  # refused when it is run
    assert not jnn.streams(jnn.parallel(a, b, combine=reversed_sum))


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (
            lambda run, x: run("dens", x),
            r"run\('dens', ...\) in the flow, expected one of the parts dense",
        ),
        (lambda run, x: x, "a part 'dense' that the flow never runs"),
    ],
)
def test_a_flow_that_does_not_fit_its_parts_is_refused(flow, message):
    with pytest.raises(jnn.JnnError, match=message):
        jnn.wired(flow, {"dense": jnn.dense(4)}).init(jax.random.key(0), X)


@pytest.mark.parametrize("flow", [lambda run, x: run("dense", x), [jnn.dense(4)]])
def test_what_is_no_flow_and_no_parts_is_refused(flow):
    with pytest.raises(jnn.JnnError, match=r"wired: got flow=.*expected a function \(run, x\)"):
        jnn.wired({"dense": jnn.dense(4)}, flow)
    with pytest.raises(jnn.JnnError, match="wired: got parts of type list, expected a dict of mo"):
        jnn.wired(lambda run, x: x, [jnn.dense(4)])


def test_how_often_a_part_is_traced_grows_with_its_depth_no_faster():
    made = []

    def init(key, x):
        made.append(jnp.shape(x))
        return {"scale": jnp.ones(())}, {}

    part = jnn.Model(init, lambda params, state, x, **options: (params["scale"] * x, state))
    for name in "abcdef":
        part = jnn.wired(lambda run, x, name=name: run(name, x), {name: part})
    params, _ = part.init(jax.random.key(0), jnp.ones(3))
    assert params["f"]["e"]["d"]["c"]["b"]["a"]["scale"] == 1
    assert len(made) <= len("abcdef") + 1


def test_a_function_is_tried_once():
    tried = []

    def double(x):
        tried.append(x.shape)
        return 2 * x

    jnn.chain(double)
    once = len(tried)
    jnn.chain(double, double)
    assert len(tried) == once > 0


@pytest.mark.parametrize("wrap", [lambda part: part, jnn.remat], ids=["as it is", "remat"])
def test_a_part_with_a_state_is_scanned_in_evaluation_alone(wrap):
    part = wrap(jnn.chain(jnn.dense(4), jnn.batch_norm()))

    def flow(run, x):
        return jax.lax.scan(lambda h, _: (run("part", h), None), x, length=3)[0]

    model, x = jnn.wired(flow, {"part": part}, streaming=False), jnp.ones((5, 4))
    params, state = init(model, x)
    y, after = apply(model, params, state, x)
    for _ in range(3):
        x = apply(part, params["part"], state["part"], x)[0]
    np.testing.assert_allclose(y, x, atol=1e-6)  # float32: the same sums in one program
    assert jax.tree.all(jax.tree.map(jnp.array_equal, after, state))
    with pytest.raises(jnn.JnnError, match="a part that changes its state"):
        model.apply(params, state, x, train=True)
