"""Composed models: names, keys, masks, shared weights, errors, and what the earlier pure designs
failed on.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.compose import _computed_once
from tests.compiled import apply, init

FLOAT32 = 1e-6


class OfAnotherLibrary:
    """An array whose dtype is none of NumPy, as that of a tensor of PyTorch."""

    shape, ndim, dtype = (3, 2), 2, "torch.float32"


def shapes(tree):
    return jax.tree.map(jnp.shape, tree)


def shapes_and_dtypes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def recorder(seen):
    """A model that notes the key and mask that it was given."""

    def apply(params, state, x, *, key=None, train=False, mask=None):
        seen.append((None if key is None else jax.random.key_data(key).tolist(), mask))
        return x, state

    return jnn.Model(lambda key, x: ({}, {}), apply)


def test_chain_is_the_composition_of_its_children():
    model = jnn.chain(jnn.dense(5), jnp.tanh, out=jnn.dense(2))
    x = jnp.arange(12.0).reshape(4, 3)
    params, state = init(model, x)
    assert shapes(params) == {
        "0": {"kernel": (3, 5), "bias": (5,)},
        "out": {"kernel": (5, 2), "bias": (2,)},
    }
    assert state == {}
    h = jnp.tanh(x @ params["0"]["kernel"] + params["0"]["bias"])
    expected = h @ params["out"]["kernel"] + params["out"]["bias"]
    np.testing.assert_allclose(apply(model, params, state, x)[0], expected, atol=FLOAT32)


def test_init_needs_shapes_alone_and_is_one_compilation():
    model = jnn.chain(jnn.dense(5), jax.nn.relu, jnn.repeat(jnn.dense(5), 3), jnn.dense(2))
    spec = jax.ShapeDtypeStruct((7, 3), jnp.float32)
    params, _ = jax.jit(lambda key: model.init(key, spec))(jax.random.key(0))
    on_array, _ = jax.jit(model.init)(jax.random.key(0), jnp.ones((7, 3)))
    jax.tree.map(np.testing.assert_array_equal, params, on_array)


def test_a_new_layer_leaves_the_draws_of_the_others_as_they_were():
    seen, keys = [], []
    for parts in (
        {"a": recorder(seen), "b": recorder(seen)},
        {"a": recorder(seen), "new": jnn.dense(3), "b": recorder(seen)},
    ):
        model = jnn.chain(**parts)
        params, state = init(model, jnp.ones(3))
        seen.clear()
        model.apply(params, state, jnp.ones(3), key=jax.random.key(1), train=True)
        keys.append([key for key, _ in seen])
    assert keys[0] == keys[1]
    assert keys[0][0] != keys[0][1]


def test_params_of_a_child_do_not_depend_on_its_neighbours():
    with_one, _ = jnn.chain(a=jnn.dense(3), b=jnn.dense(3)).init(jax.random.key(0), jnp.ones(3))
    with_two, _ = jnn.chain(a=jnn.dense(3), new=jnn.dense(3), b=jnn.dense(3)).init(
        jax.random.key(0), jnp.ones(3)
    )
    np.testing.assert_array_equal(with_one["b"]["kernel"], with_two["b"]["kernel"])


def test_the_mask_travels_until_a_part_makes_one_value_of_the_sequence():
    seen = []
    pool = jnn.global_average_pool(1)
    model = jnn.chain(recorder(seen), jnn.dense(4), recorder(seen), pool, recorder(seen))
    x, mask = jnp.ones((2, 5, 3)), jnp.ones((2, 5), bool)
    apply(model, *init(model, x), x, mask=mask)
    assert [given is not None for _, given in seen[-3:]] == [True, True, False]


def layer(
    init=lambda key, x: ({}, {}),
    apply=lambda params, state, x, *, key=None, train=False, mask=None: (x, state),
):
    return jnn.Model(init, apply)


def draws(params, state, x, *, key=None, train=False, mask=None):
    return x + jax.random.normal(key, x.shape), state


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"a": layer(init=lambda key, x: {})}, r"in a: Model: got dict from init, expected the tu"),
        ({"a": layer(apply=lambda *args, **options: args[2])}, "in a: Model: got .* from apply"),
        (
            {"a": layer(apply=lambda params, state, x: (x, state))},
            r"got an apply without key, train, mask, expected apply\(params, state, x",
        ),
        ({"a": layer(apply=draws)}, r"in a: got no key where it draws, .*Pass key="),
        ({"a": layer(init=lambda key: ({}, {}))}, r"got init\(key\), expected a function \(key, x"),
        (
            {"a": layer()._replace(carry=lambda params, x: x)},
            r"got carry\(params, x\), expected a function \(params, x_t, length\) -> carry",
        ),
        (
            {"a": layer()._replace(step=lambda carry, x: x)},
            r"got step\(carry, x\), expected a function \(params, state, carry, x_t\) -> y_t, c",
        ),
        ({"a": {"b": jnn.dense(2)}}, r"got a dict as a part of .*by name: chain\(\*\*parts\)"),
        ({"a": map(jnn.dense, (2, 3))}, r"got a map as a part of .*one by one: chain\(\*parts\)"),
    ],
)
def test_a_layer_that_is_written_wrongly_is_named(parts, message):
    x = jnp.ones((2, 3))
    with pytest.raises(jnn.JnnError, match=message):
        jnn.chain(**parts).init(jax.random.key(0), x)


def test_params_of_another_model_are_named():
    model, x = jnn.chain(a=jnn.chain(b=jnn.dense(2))), jnp.ones((2, 3))
    foreign = {"a": {"b": {"scale": x}}}
    with pytest.raises(jnn.JnnError, match=r"in a/b: dense: got params without 'kernel', 'bias'"):
        model.apply(foreign, {}, x)
    own = jnn.Model(jnn.dense(2).init, lambda params, state, x, **_: (x @ params["kernel"], state))
    model = jnn.chain(a=jnn.chain(b=own))
    with pytest.raises(jnn.JnnError, match=r"in a/b: got params, state or x without 'kernel', ex"):
        model.apply(foreign, {}, x)
    with pytest.raises(
        jnn.JnnError, match=r"got params, state or x without 'image', .* like that of"
    ):
        jnn.chain(lambda x: x["image"]).init(jax.random.key(0), {"picture": x})


@pytest.mark.parametrize("copies", [jnn.repeat, jnn.ensemble])
def test_copies_need_a_key_as_every_layer_does(copies):
    with pytest.raises(
        jnn.JnnError, match=rf"{copies.__name__}: got a key of type int, .*jax.random.key\(seed\)"
    ):
        copies(jnn.dense(3), 2).init(0, jnp.ones(3))


def test_members_that_have_an_input_each_need_as_many():
    model = jnn.ensemble(jnn.dense(2), 3, x_axis=0)
    message = r"ensemble: got x of shape \(2, 4\), expected 3 members along axis 0"
    with pytest.raises(jnn.JnnError, match=message):
        model.init(jax.random.key(0), jnp.ones((2, 4)))
    params, state = init(model, jnp.ones((3, 4)))
    with pytest.raises(jnn.JnnError, match=message):
        model.apply(params, state, jnp.ones((2, 4)))


def test_residual_adds_and_refuses_another_shape():
    x = jnp.arange(6.0).reshape(2, 3)
    block = jnn.residual(lambda x: 2 * x)
    np.testing.assert_array_equal(apply(block, {}, {}, x)[0], 3 * x)
    with pytest.raises(
        jnn.JnnError,
        match=r"residual: got a body that makes \(2, 4\) and a shortcut that makes \(2, "
        r"3\).*Pass a shortcut",
    ):
        jnn.residual(jnn.dense(4)).init(jax.random.key(0), x)
    with pytest.raises(jnn.JnnError, match=r"makes a dict and .* makes a dict, expected arrays"):
        jnn.residual(lambda x: x).init(jax.random.key(0), {"image": x})


def test_parallel_gives_a_tuple_a_dict_or_what_combine_makes():
    x = jnp.arange(3.0)
    twice, thrice = (lambda x: 2 * x), (lambda x: 3 * x)
    assert [y.tolist() for y in jnn.parallel(twice, thrice).apply({}, {}, x)[0]] == [
        [0, 2, 4],
        [0, 3, 6],
    ]
    assert set(jnn.parallel(a=twice, b=thrice).apply({}, {}, x)[0]) == {"a", "b"}
    np.testing.assert_array_equal(
        jnn.parallel(twice, thrice, combine=jnp.subtract).apply({}, {}, x)[0], -x
    )


def tied(vocabulary, width, trunk):
    """Shared weights are one entry of params, used twice by a plain function."""

    def init(key, tokens):
        embedding = jax.random.normal(jnn.child_key(key, "embedding"), (vocabulary, width))
        h = jax.ShapeDtypeStruct((*tokens.shape, width), embedding.dtype)
        params, state, _ = jnn.init_child("trunk", trunk, key, h)
        return {"embedding": embedding, **params}, state

    def apply(params, state, tokens, *, key=None, train=False, mask=None):
        h = params["embedding"][tokens]
        h, state = jnn.apply_child(
            "trunk", trunk, params, state, h, key=key, train=train, mask=mask
        )
        return h @ params["embedding"].T, state

    return jnn.pointwise(init, apply)


def test_tied_embeddings_get_the_gradients_of_both_uses():
    with jax.enable_x64(True):
        model, tokens = tied(5, 4, jnn.chain(jnn.dense(4), jnp.tanh)), np.array([1, 4, 1])
        params, state = jax.jit(model.init)(jax.random.key(0), tokens)
        assert set(params) == {"embedding", "trunk"}
        total = lambda params: jnp.sum(jnp.sin(apply(model, params, state, tokens)[0]))

        def untied(read, write):
            h = jnp.tanh(
                read[tokens] @ params["trunk"]["0"]["kernel"] + params["trunk"]["0"]["bias"]
            )
            return jnp.sum(jnp.sin(h @ write.T))

        gradients = jax.jit(jax.grad(untied, argnums=(0, 1)))
        both = sum(gradients(params["embedding"], params["embedding"]))
        np.testing.assert_allclose(jax.jit(jax.grad(total))(params)["embedding"], both, atol=1e-12)


SLOW_PURITY = pytest.param("purity", marks=pytest.mark.slow)  # one operation at a time


@pytest.mark.sampled(3)
@pytest.mark.parametrize("law", ["batch", "stream", "capture", SLOW_PURITY])
def test_tied_embeddings_keep_the_laws(law):
    model = tied(5, 4, jnn.chain(jnn.dense(4), jnp.tanh))
    jnn.testing.check_model(model, np.array([1, 4, 1]), sequence=True, laws=[law])


@pytest.mark.parametrize("unroll", [1, 2, True])
def test_repeat_is_a_loop_over_its_copies(unroll):
    model, x = jnn.repeat(jnn.chain(jnn.dense(3), jnp.tanh), 4, unroll=unroll), jnp.ones((2, 3))
    params, state = init(model, x)
    assert params["0"]["kernel"].shape == (4, 3, 3)
    expected = x
    for kernel, bias in zip(params["0"]["kernel"], params["0"]["bias"], strict=True):
        expected = jnp.tanh(expected @ kernel + bias)
    np.testing.assert_allclose(apply(model, params, state, x)[0], expected, atol=FLOAT32)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16, jnp.bfloat16])
def test_what_an_unrolled_stack_computes_once_keeps_its_bits(dtype):
    y = {
        "values": jnp.array([0.1, -3e4, jnp.inf, jnp.nan, -0.0], dtype),
        "tokens": jnp.arange(3),
    }
    params = {"none": jnp.zeros((0, 2)), "kernel": jnp.full((2, 2), 0.3), "number": jnp.arange(2)}
    kept, pull = jax.vjp(
        lambda values: _computed_once({**y, "values": values}, params), y["values"]
    )
    assert shapes_and_dtypes(kept) == shapes_and_dtypes(y)
    jax.tree.map(np.testing.assert_array_equal, *jax.tree.map(np.float32, (kept, y)))
    slope = {"values": y["values"][::-1], "tokens": np.zeros(3, jax.dtypes.float0)}
    np.testing.assert_array_equal(*map(np.float32, (pull(slope)[0], y["values"][::-1])))
    assert _computed_once(y, {"number": jnp.arange(2)}) is y
    spoiled = _computed_once(y, params | {"kernel": jnp.full((2, 2), jnp.nan)})
    assert np.isnan(np.float32(spoiled["values"])).all()
    with jax.set_mesh(jax.make_mesh((1,), ("data",))):  # devices would send each other the divisor
        assert _computed_once(y, params) is y


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jnn.chain(), "chain: got no parts, expected at least one model"),
        (
            lambda: jnn.chain(jnn.dense(2), 3),
            "got 3 as a part of a model, expected a Model or a function",
        ),
        (
            lambda: jnn.chain([jnn.dense(2), jnn.dense(1)]),
            r"got a list as a part of a model.*chain\(\*parts\)",
        ),
        (
            lambda: jnn.residual(lambda x, y: x + y),
            r"jnn: got <lambda>\(x, y\) as a part of a model, expected a Model or a function",
        ),
        (lambda: jnn.repeat(jnn.dense(2), 0), "repeat: got n=0, expected an integer >= 1"),
        (lambda: jnn.ensemble(jnn.dense(2), 1.5), "ensemble: got n=1.5"),
        (lambda: jnn.dense(0), "dense: got features=0, expected an integer >= 1"),
        (lambda: jnn.dense((3, 2)), r"dense: got features=\(3, 2\), expected an integer >= 1"),
        (lambda: jnn.chain(jnp.ones((9, 9))), r"got an array of shape \(9, 9\) as a part of a mod"),
        (
            lambda: jnn.parallel(jnn.dense(2), combine="add"),
            "parallel: got combine='add', expected a function, such as jnp.add",
        ),
        (
            lambda: jnn.repeat(jnn.dense(2), 3).init(jax.random.key(0), jnp.ones(3)),
            "repeat: got a model that makes",
        ),
        (
            lambda: jnn.dense(2).init(jax.random.key(0), jnp.ones(3, int)),
            "dense: got x of dtype int32, expected floating-point.*Convert first",
        ),
        (lambda: jnn.dense(2).init(jax.random.key(0), jnp.ones(())), "expected at least 1 axes"),
        (
            lambda: jnn.dense(2).init(jax.random.key(0), [1.0]),
            "got x of type list, expected an array",
        ),
        (
            lambda: jnn.chain(jnn.dense(2, kernel_init=jax.nn.initializers.he_normal)).init(
                jax.random.key(0), jnp.ones(3)
            ),
            r"in 0: init: got a function from he_normal, expected an array of shape \(3, 2\)\. ",
        ),
        (
            lambda: jnn.chain(jnn.pointwise(lambda key, x: ({"w": jnp.ones}, {}), None)).init(
                jax.random.key(0), jnp.ones(3)
            ),
            "in 0: init: got a function as w, expected an array. Call what makes",
        ),
        (
            lambda: jax.jit(jnn.chain(jnp.tanh).apply)({}, {}, jnp.ones(3), train=True),
            "in 0: apply: got a traced train, expected True or False.*static_argnames='train'",
        ),
        (
            lambda: jnn.dense(2).init(jax.random.key(0), OfAnotherLibrary()),
            "got x of type OfAnotherLibrary, expected an array",
        ),
        (
            lambda: jnn.embedding(3, 2).init(jax.random.key(0), OfAnotherLibrary()),
            "got x of type OfAnotherLibrary, expected an array",
        ),
        (
            lambda: jnn.last_element().apply({}, {}, jnp.ones((3, 2)), mask=OfAnotherLibrary()),
            "got a mask of type OfAnotherLibrary, expected an array",
        ),
    ],
)
def test_what_cannot_be_a_model_is_refused(make, message):
    with pytest.raises(jnn.JnnError, match=message):
        make()


def test_a_plain_class_is_not_taken_for_a_layer():
    with pytest.raises(jnn.JnnError, match="expected a Model or a function of one argument"):
        jnn.chain(dict)


def test_params_and_inputs_of_another_model_are_refused():
    model = jnn.chain(a=jnn.dense(2), b=jnn.dense(2))
    params, state = init(model, jnp.ones(3))
    with pytest.raises(jnn.JnnError, match="chain: got parameters named c, expected only a, b"):
        model.apply({**params, "c": {}}, state, jnp.ones(3))
    with pytest.raises(
        jnn.JnnError,
        match=r"in a: dense: got x of shape \(4,\), expected 3 features in its last axis",
    ):
        apply(model, params, state, jnp.ones(4))
    with pytest.raises(
        jnn.JnnError,
        match="carry: got a model that sees the whole of x at once, "
        "expected one with carry and step",
    ):
        jnn.chain(jnn.flatten(2)).carry({}, jnp.ones(3), 5)


def test_combine_gets_the_outputs_in_the_order_of_the_parts():
    model = jnn.parallel(
        matrix=jnn.dense(6),
        features=jnn.dense(3),
        combine=lambda matrix, features: matrix[..., :2] * features[..., :1],
    )
    params, state = init(model, jnp.ones(4))
    seen = []
    ordered = jnn.parallel(
        b=jnn.dense(6), a=jnn.dense(3), combine=lambda b, a: (seen.append((b.shape, a.shape)), b)[1]
    )
    seen.clear()  # of guesses at what the parts make
    apply(ordered, *init(ordered, jnp.ones(4)), jnp.ones(4))
    assert set(seen) == {((6,), (3,))}
    assert apply(model, params, state, jnp.ones(4))[0].shape == (2,)


@pytest.mark.parametrize(
    "part",
    [
        jnn.last_element(),
        lambda x: x[: x.shape[0]],
        jnn.Model(jnn.identity.init, lambda params, state, x, **_: (x.reshape(x.shape), state)),
    ],
)
def test_several_arrays_where_a_part_takes_one_are_a_mistake(part):
    model = jnn.chain(jnn.parallel(jnn.dense(3), jnn.dense(3)), part)
    with pytest.raises(jnn.JnnError, match=r"in 1: .*tuple.*expected an array"):
        model.init(jax.random.key(0), jnp.ones((5, 2)))


def test_a_repeated_model_streams_in_half_precision():
    block = jnn.residual(jnn.chain(jnn.layer_norm(), jnn.attention(2, causal=True)))
    model, x = jnn.repeat(block, 2), jnp.cos(jnp.arange(12.0)).reshape(3, 4)
    params, state = jax.jit(model.init)(jax.random.key(0), x)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    x = x.astype(jnp.bfloat16)
    carry, ys = model.carry(half, x[0], 3), []
    for x_t in x:
        y_t, carry = jax.jit(model.step)(half, state, carry, x_t)
        ys.append(y_t)
    y = jax.jit(model.apply)(half, state, x)[0]
    assert y_t.dtype == jnp.bfloat16
    np.testing.assert_allclose(*(np.asarray(a, np.float32) for a in (jnp.stack(ys), y)), atol=0.05)


def test_a_repr_tells_models_of_rows_from_streams_with_a_memory():
    rows = jnn.chain(
        jnn.dense(3), jnp.tanh, jnn.residual(jnn.dense(3)), jnn.repeat(jnn.dense(3), 2)
    )
    for wrap in (lambda m: m, jnn.cast, jnn.remat, lambda m: jnn.ensemble(m, 2)):
        assert repr(wrap(rows)).endswith(", pointwise>")
        assert repr(wrap(jnn.chain(rows, jnn.gru(2)))).endswith(", streams>")
    params, _ = jax.eval_shape(rows.init, jax.random.key(0), jnp.ones(3))
    assert jax.tree.leaves(rows.carry(params, jnp.ones(3), 4)) == []


def test_a_function_warns_of_its_own_inputs_alone():
    def f(x):
        if x.dtype == jnp.int32:
            warnings.warn("tokens are no features", stacklevel=1)
        return x / 2

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = jnn.chain(f)
        assert not caught
        jax.eval_shape(model.apply, {}, {}, jnp.ones(3, jnp.int32))
        assert [str(warning.message) for warning in caught] == ["tokens are no features"]


def test_params_of_another_kind_are_refused():
    x = jnp.ones(3)
    model = jnn.chain(jnn.dense(3), jax.nn.relu)
    params, state = init(model, x)
    with pytest.raises(jnn.JnnError, match="chain: got params of type tuple, expected a dict"):
        model.apply((params, state), state, x)
    for whole in (model, jnn.parallel(model), jnn.wired(lambda run, x: run("a", x), {"a": model})):
        with pytest.raises(jnn.JnnError, match="got state of type NoneType, expected a dict"):
            whole.apply({}, None, x)
    for many, name in ((jnn.repeat(model, 2), "repeat"), (jnn.ensemble(model, 2), "ensemble")):
        message = rf"{name}: got 0/bias of shape \(3,\), expected a first axis of 2 copies"
        with pytest.raises(jnn.JnnError, match=message):
            many.apply(params, state, x)


@pytest.mark.parametrize("layer", [jnn.dense, jnn.layer_norm, jnn.conv])
def test_a_layer_that_was_not_called_is_named(layer):
    name = layer.__name__
    message = rf"got {name}, which makes a model, .* Call it with its settings: {name}\(\.\.\.\)"
    with pytest.raises(jnn.JnnError, match=message):
        jnn.chain(jnn.dense(2), layer)


def test_a_repeat_takes_the_float64_of_numpy_as_jax_does():
    x, model = np.linspace(-1, 1, 12).reshape(3, 4), jnn.repeat(jnn.dense(4), 2)
    params, state = model.init(jax.random.key(0), x)
    y, _ = model.apply(params, state, x)
    expected = np.float32(x)
    for kernel, bias in zip(params["kernel"], params["bias"], strict=True):
        expected = expected @ np.asarray(kernel) + np.asarray(bias)
    np.testing.assert_allclose(y, expected, atol=1e-6)
