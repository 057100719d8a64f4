"""Looking inside and changing what is there, through every transformation of JAX that a model may
hold.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn import at_iteration, capture, intervene, tag
from tests.compiled import init

X = jnp.array([0.3, -0.5, 0.8])


@jax.custom_jvp
def squared(x):
    return tag(x**2, "squared")


squared.defjvps(lambda t, y, x: 2 * x * t)


@jax.custom_vjp
def cubed(x):
    return tag(x**3, "cubed")


cubed.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))


def winding(x, scale=2.0, train=False):
    """A function with tags under jit, remat, scan, vmap and custom derivatives."""
    sine = lambda x: tag(jnp.sin(x), "sine")
    with jax.named_scope("outer"):
        x = tag(x * scale, "scaled")
        with jax.named_scope("jit"):
            x = jax.jit(sine)(x)
        x = jax.checkpoint(sine)(x)
        x, ys = jax.lax.scan(lambda c, s: (tag(c * 2 + s, "state"), c.sum()), x, jnp.arange(3.0))
        x = jax.vmap(sine)(x)
        x = cubed(squared(x)) + jax.nn.relu(x) + ys.sum()
        return x + jax.lax.cond(x[0] > 0, lambda: 1.0, lambda: 2.0)


PATHS = [
    "outer/scaled",
    "outer/jit/sine",
    "outer/sine",
    "outer/state",
    "outer/sine#2",
    "outer/squared",
    "outer/cubed",
]


def test_capture_finds_every_value_under_its_path():
    y, values = capture(winding)(X, train=True)
    assert list(values) == PATHS
    np.testing.assert_allclose(y, winding(X), rtol=1e-6)
    np.testing.assert_allclose(values["outer/scaled"], X * 2, rtol=1e-6)
    np.testing.assert_allclose(values["outer/jit/sine"], np.sin(X * 2), rtol=1e-6)
    first = 2 * values["outer/sine"]
    np.testing.assert_allclose(
        values["outer/state"], [first, 2 * first + 1, 2 * (2 * first + 1) + 2], rtol=1e-6
    )


def test_what_was_changed_can_be_captured_and_changed_again():
    y, values = capture(intervene(winding, {"squared": lambda x: x}))(X)
    assert list(values) == PATHS
    np.testing.assert_allclose(y, winding(X), rtol=1e-6)
    twice = intervene(
        intervene(winding, {"outer/jit/sine": lambda x: 2 * x}), {"outer/state": lambda x: 3 * x}
    )
    both = intervene(winding, {"outer/jit/sine": lambda x: 2 * x, "outer/state": lambda x: 3 * x})
    np.testing.assert_allclose(twice(X), both(X), rtol=1e-6)


@pytest.mark.parametrize(
    "transform", [jax.jit, lambda f: jax.vmap(f), lambda f: jax.jit(jax.vmap(f))]
)
def test_capture_composes_with_transformations(transform):
    x = jnp.stack([X, 2 * X])
    plain = transform(winding)(x if transform is not jax.jit else X)
    y, values = transform(capture(winding))(x if transform is not jax.jit else X)
    np.testing.assert_allclose(y, plain, rtol=1e-5)
    assert sorted(values) == sorted(PATHS)


def test_values_are_in_the_order_in_which_they_are_computed():
    f = lambda x: tag(tag(x + 1, "second") * 2, "first")
    assert list(jax.jit(capture(f))(X)[1]) == list(jax.eval_shape(capture(f), X)[1])
    assert list(jax.vmap(capture(f))(X)[1]) == ["second", "first"]


def test_gradients_pass_through_capture_and_capture_through_gradients():
    expected = jax.grad(lambda x: winding(x).sum())(X)
    np.testing.assert_allclose(
        jax.grad(lambda x: capture(winding)(x)[0].sum())(X), expected, rtol=1e-5
    )
    gradient, values = capture(jax.grad(lambda x: winding(x).sum()))(X)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)
    np.testing.assert_allclose(values["outer/scaled"], X * 2, rtol=1e-6)


def test_a_call_without_tags_keeps_its_own_gradient():
    @jax.custom_vjp
    def clipped(x):
        return x

    clipped.defvjp(lambda x: (x, None), lambda _, g: (g * 0 + 7,))
    f = lambda x: jnp.sum(clipped(tag(x, "in")))
    np.testing.assert_array_equal(jax.grad(lambda x: capture(f)(x)[0])(X), [7, 7, 7])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("path", PATHS)
def test_putting_a_captured_value_back_changes_nothing(path):
    y, values = capture(winding)(X)
    changed = jax.jit(lambda value: intervene(winding, {path: value})(X))(values[path])
    np.testing.assert_allclose(changed, y, rtol=1e-5)


def test_a_value_or_a_function_replaces_what_was_there():
    f = lambda x: tag(tag(x, "a") * 2, "b") + 1
    np.testing.assert_allclose(intervene(f, {"a": jnp.ones(3)})(X), [3, 3, 3])
    np.testing.assert_allclose(intervene(f, {"b": lambda b: -b})(X), 1 - 2 * X, rtol=1e-6)
    doubled = lambda x: jax.lax.scan(lambda c, _: (tag(c + 1, "c"), None), x, length=3)[0]
    np.testing.assert_allclose(intervene(doubled, {"c": lambda c: 10 * c})(0.0), 1110)


def test_one_iteration_of_a_scan_is_changed_and_later_ones_follow():
    model = jnn.chain(stack=jnn.repeat(jnn.chain(jnn.dense(3), jnp.tanh), 4), out=jnn.dense(2))
    params, state = init(model, X)
    y, values = capture(
        intervene(model.apply, {"stack/1/output": at_iteration(1, lambda h: h + 1)})
    )(params, state, X)
    _, before = capture(model.apply)(params, state, X)
    h = before["stack/1/output"][1] + 1
    for i in (2, 3):
        layer = jax.tree.map(lambda leaf, i=i: leaf[i], params["stack"]["0"])
        h = jnp.tanh(h @ layer["kernel"] + layer["bias"])
    np.testing.assert_allclose(y[0], h @ params["out"]["kernel"] + params["out"]["bias"], rtol=1e-5)
    np.testing.assert_array_equal(values["stack/1/output"][0], before["stack/1/output"][0])
    given = intervene(
        model.apply, {"stack/1/output": at_iteration(1, before["stack/1/output"][1] + 1)}
    )
    np.testing.assert_allclose(given(params, state, X)[0], y[0], rtol=1e-6)


@pytest.mark.parametrize(
    "transform", [lambda f: f, jax.jit, lambda f: lambda x: jax.vmap(f)(x[None])[0]]
)
def test_scans_within_scans_are_counted_from_the_outermost(transform):
    inner = lambda c: jax.lax.scan(lambda c, _: (tag(c + 1, "c"), None), c, length=2)[0]
    f = lambda x: jax.lax.scan(lambda c, _: (inner(c), None), x, length=3)[0]
    x, ten = jnp.float32(0), lambda c: 10 * c
    run = lambda change: float(transform(intervene(f, {"c": change}))(x))
    assert run(at_iteration(1, ten)) == ((2 + 1) * 10 + 1) * 10 + 2
    assert run(at_iteration(1, at_iteration(0, ten))) == (2 + 1) * 10 + 1 + 2
    assert run(at_iteration(2, at_iteration(1, ten))) == 60


def test_gradients_flow_into_what_replaces():
    f = lambda x: jnp.sum(tag(x, "a") ** 2)
    np.testing.assert_allclose(
        jax.grad(lambda value: intervene(f, {"a": value})(X))(2 * X), 4 * X, rtol=1e-6
    )
    root = lambda x: jnp.sum(tag(jnp.sqrt(x), "root"))
    # not 0 times infinity
    assert jax.grad(intervene(root, {"root": jnp.ones(3)}))(jnp.zeros(3)).tolist() == [0, 0, 0]


def test_the_last_parts_of_a_path_name_a_value():
    model = jnn.chain(block=jnn.chain(attention=jnn.dense(3), mlp=jnn.dense(3)))
    params, state = init(model, X)
    run = lambda changes: intervene(model.apply, changes)(params, state, X)[0]
    zero = {"attention/output": jnp.zeros_like}
    np.testing.assert_array_equal(run(zero), params["block"]["mlp"]["bias"])
    np.testing.assert_array_equal(run(zero), run({"block/attention/output": jnp.zeros_like}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sinus": 0.0},
            "intervene: got a change of 'sinus', expected a tagged value: outer/scaled, "
            "outer/jit/sine",
        ),
        (
            {"scaled": jnp.ones(4)},
            r"intervene: got shape \(4,\) for 'outer/scaled', expected its shape \(3,\)",
        ),
        (
            {"state": jnp.ones((2, 3))},
            r"intervene: got shape \(2, 3\) for 'outer/state', "
            "expected one value for each of the 3 iterations",
        ),
        (
            {"state": at_iteration(3, jnp.zeros(3))},
            "intervene: got iteration 3 for 'outer/state', expected one of 0 to 2",
        ),
        (
            {"state": at_iteration(0, jnp.zeros(2))},
            r"intervene: got shape \(2,\) for 'outer/state', expected its shape \(3,\)",
        ),
        (
            {"scaled": at_iteration(0, jnp.zeros(3))},
            "intervene: got an iteration for 'outer/scaled', expected a value inside a scan",
        ),
        (
            {"state": at_iteration(0, at_iteration(0, jnp.zeros(3)))},
            "expected a value inside a scan, or inside so many scans",
        ),
    ],
)
def test_a_change_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(jnn.JnnError, match=message):
        intervene(winding, changes)(X)


def test_layers_of_a_scanned_stack_come_stacked():
    model = jnn.chain(stack=jnn.repeat(jnn.chain(jnn.dense(3), jnp.tanh), 4))
    params, state = init(model, X)
    (y, _), values = capture(model.apply)(params, state, X)
    np.testing.assert_array_equal(values["stack/1/output"][-1], y)
    assert values["stack/1/output"].shape == (4, 3)


def test_what_capture_returned_changes_nothing_where_names_end_alike():
    """A value in a scan, and one outside, whose paths both end in ``0/output``."""
    block = jnn.chain(jnn.dense(3), jnp.tanh)
    model = jnn.chain(jnn.dense(3), blocks=jnn.repeat(block, 2))
    x = np.ones((4, 3), np.float32)
    params, state = init(model, x)
    (y, _), values = jnn.capture(model.apply)(params, state, x)
    assert {"0/output", "blocks/0/output"} <= set(values)
    again, _ = jnn.intervene(model.apply, values)(params, state, x)
    np.testing.assert_array_equal(again, y)
    changed, _ = jnn.intervene(model.apply, {"0/output": 0 * values["0/output"]})(params, state, x)
    assert np.any(changed != y)


def branching(index, x):
    """One of three branches, of which two share a path and one has another shape."""
    with jax.named_scope("choice"):
        return jax.lax.switch(
            index,
            [
                lambda x: tag(2 * x, "scaled") + 1,
                lambda x: tag(tag(3 * x, "scaled") ** 2, "square"),
                lambda x: x + tag(jnp.sum(x), "scaled"),
            ],
            x,
        )


def test_branches_may_all_have_other_shapes():
    sizes = (1, 2, 3)
    branches = [lambda x, n=n: jnp.sum(tag(tag(x[:n], "part") + 1, "part")) for n in sizes]
    pick = lambda index: jax.lax.switch(index, branches, jnp.arange(3.0))
    for index, n in enumerate(sizes):
        _, values = jax.jit(capture(pick))(index)
        assert sorted(value.shape for value in values.values()) == [
            (1,),
            (1,),
            (2,),
            (2,),
            (3,),
            (3,),
        ]
        real = [value for value in values.values() if not np.isnan(value).any()]
        np.testing.assert_array_equal(np.stack(real), np.arange(n) + np.array([[0.0], [1.0]]))


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit])
def test_the_values_of_a_branch_are_those_of_the_one_taken(transform):
    captured = transform(capture(branching))
    x, absent = jnp.arange(1.0, 4.0), np.full(3, np.nan)
    for index, scaled, square, total in (
        (0, 2 * x, absent, np.nan),
        (1, 3 * x, 9 * x**2, np.nan),
        (2, absent, absent, 6.0),
    ):
        y, values = captured(index, x)
        np.testing.assert_array_equal(y, branching(index, x))
        expected = {"choice/scaled": scaled, "choice/square": square, "choice/scaled#2": total}
        assert set(values) == set(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(values[name], value)


def test_branches_under_vmap_and_grad_are_looked_into():
    x = jnp.arange(6.0).reshape(2, 3)
    y, values = jax.vmap(capture(branching))(jnp.array([0, 1]), x)
    np.testing.assert_array_equal(y, [branching(0, x[0]), branching(1, x[1])])
    np.testing.assert_array_equal(values["choice/scaled"], [2 * x[0], 3 * x[1]])
    loss = lambda x: jnp.sum(capture(branching)(1, x)[0])
    np.testing.assert_array_equal(jax.grad(loss)(x[1]), 18 * x[1])


def test_a_change_in_a_branch_counts_where_it_is_taken():
    x = jnp.arange(3.0)
    changed = intervene(branching, {"scaled": lambda old: 10 * old})
    np.testing.assert_array_equal(changed(0, x), 20 * x + 1)
    np.testing.assert_array_equal(changed(1, x), 900 * x**2)
    np.testing.assert_array_equal(changed(2, x), x + 3)  # its value is scaled#2
    one = intervene(branching, {"choice/scaled#2": jnp.float32(5)})
    np.testing.assert_array_equal(one(2, x), x + 5)
    np.testing.assert_array_equal(one(0, x), 2 * x + 1)


def halving(x, least):
    """Halve until the sum is below a bound; the number of iterations is not known before."""
    with jax.named_scope("loop"):
        return jax.lax.while_loop(
            lambda carry: jnp.sum(carry[0]) > least,
            lambda carry: (tag(carry[0] / 2, "half"), tag(carry[1] + 1, "count")),
            (x, 0),
        )


def test_the_values_of_a_loop_are_those_of_its_last_iteration():
    x = jnp.array([8.0, 8.0])
    (y, count), values = jax.jit(capture(halving))(x, 3.0)
    assert (y.tolist(), int(count)) == ([1.0, 1.0], 3)
    assert values["loop/half"].tolist() == [1.0, 1.0]
    assert int(values["loop/count"]) == 3
    _, values = capture(halving)(x, 100.0)  # no iteration
    assert np.isnan(values["loop/half"]).all()
    assert int(values["loop/count"]) == 0


def test_a_change_in_a_loop_applies_to_each_iteration():
    x = jnp.array([8.0, 8.0])
    changed = intervene(halving, {"half": lambda old: old / 2})
    y, count = changed(x, 3.0)
    assert (y.tolist(), int(count)) == ([0.5, 0.5], 2)
    with pytest.raises(jnn.JnnError, match="an iteration for 'loop/half'"):
        intervene(halving, {"half": at_iteration(0, jnp.zeros(2))})(x, 3.0)


def test_a_loop_under_vmap_is_looked_into_from_outside_too():
    x = jnp.array([[8.0, 8.0], [3.0, 1.0], [1.0, 1.0]])  # three, one and no iterations
    loop = lambda x: halving(x, 3.0)
    inner = jax.vmap(capture(loop))(x)
    outer = capture(jax.vmap(loop))(x)
    np.testing.assert_array_equal(outer[0][0], [[1, 1], [1.5, 0.5], [1, 1]])
    np.testing.assert_array_equal(outer[0][1], [3, 1, 0])
    for name in ("loop/half", "loop/count"):
        np.testing.assert_array_equal(outer[1][name], inner[1][name])
    changes = {"half": lambda old: old / 2}
    inner = jax.vmap(intervene(loop, changes))(x)
    jax.tree.map(np.testing.assert_array_equal, intervene(jax.vmap(loop), changes)(x), inner)


def test_keys_and_values_of_one_for_all_in_a_loop_under_vmap():
    def loop(key, n):
        body = lambda carry: (tag(jax.random.fold_in(carry[0], 1), "key"), carry[1] - tag(1, "one"))
        return jax.lax.while_loop(lambda carry: carry[1] > 0, body, (key, n))[0]

    keys, n = jax.random.split(jax.random.key(0), 2), jnp.array([2, 1])
    outputs, values = capture(jax.vmap(loop))(keys, n)
    expected = jax.vmap(loop)(keys, n)
    for found in (outputs, values["key"]):
        np.testing.assert_array_equal(jax.random.key_data(found), jax.random.key_data(expected))
    assert int(values["one"]) == 1


def test_a_branch_in_a_scan_is_stacked():
    def f(x):
        def step(carry, i):
            return jax.lax.cond(i > 0, lambda c: tag(c + 1, "sum"), lambda c: c, carry), None

        return jax.lax.scan(step, x, jnp.arange(3))[0]

    _, values = capture(f)(0.0)
    np.testing.assert_array_equal(values["sum"], [np.nan, 1.0, 2.0])


def test_a_name_in_the_place_of_the_value_is_refused():
    with pytest.raises(jnn.JnnError, match=r"tag: got name of type .*, expected tag\(x, name\)"):
        tag("double", X)


@pytest.mark.parametrize("look", [capture, lambda model: intervene(model, {})])
def test_a_model_is_no_function(look):
    with pytest.raises(jnn.JnnError, match="got <Model dense, pointwise>, expected a function"):
        look(jnn.dense(2))


def test_names_with_parentheses_are_whole_in_paths_under_transformations():
    parts = {"conv(3)": jnn.dense(3), "3": jnn.dense(3), "f(x": jnp.tanh}
    model = jnn.remat(jnn.repeat(jnn.chain(**parts), 2))
    params, state = jax.jit(model.init)(jax.random.key(0), X)
    loss = lambda params: model.apply(params, state, X)[0].sum()
    paths = ["conv(3)/output", "3/output", "f(x/output"]
    assert list(capture(loss)(params)[1]) == paths
    _, values = capture(jax.grad(loss))(params)
    assert [path for path in values if "#" not in path] == paths
    changed = intervene(loss, {"conv(3)/output": lambda y: 0 * y})
    gradient = jax.grad(changed)(params)
    assert not np.any(gradient["conv(3)"]["kernel"])
    assert np.any(gradient["3"]["bias"])


def test_a_tagged_constant_and_a_constant_result_are_arrays():
    f = lambda x: (x + tag(2.0, "gain"), 3)
    (y, three), values = capture(f)(jnp.float32(1))
    assert (float(y), three.item(), values["gain"].shape) == (3.0, 3, ())
    assert intervene(f, {"gain": lambda gain: 10 * gain})(jnp.float32(1))[0].item() == 21


def test_a_function_that_shard_map_splits_is_looked_into_from_within():
    mesh = jax.make_mesh((1,), ("device",), axis_types=(jax.sharding.AxisType.Auto,))
    split = jax.sharding.PartitionSpec("device")
    double = lambda x: tag(x * 2, "double") + 1
    shard = lambda f: jax.shard_map(f, mesh=mesh, in_specs=split, out_specs=split)
    x = jnp.arange(4.0)
    y, values = shard(capture(double))(x)
    np.testing.assert_array_equal(values["double"], 2 * x)
    outside, none = capture(shard(double))(x)
    np.testing.assert_array_equal(outside, y)
    assert not none
