"""A carry that was made for other examples, or by another layer, is refused by name."""

import jax
import jax.numpy as jnp
import pytest

import jnn
from jnn.errors import JnnError

LAYERS = {
    "attention": jnn.attention(2, causal=True),
    "conv": jnn.conv(4, (3,), padding="CAUSAL"),
    "cross_attention": jnn.cross_attention(2),
    "elman": jnn.elman(3),
    "gru": jnn.gru(3),
    "learned_positions": jnn.learned_positions(9),
    "lstm": jnn.lstm(3),
    "sinusoidal_positions": jnn.sinusoidal_positions(),
}


def inputs(name, *shape):
    x = jnp.ones((*shape, 4))
    return {"x": x, "memory": jnp.ones((*shape[:1], 5, 4))} if name == "cross_attention" else x


@pytest.mark.parametrize(("of_carry", "of_x"), [((3,), (2,)), ((), (2,)), ((3,), ()), ((1,), (2,))])
@pytest.mark.parametrize("name", LAYERS)
def test_a_carry_of_other_examples_is_refused(name, of_carry, of_x):
    layer = LAYERS[name]
    params, state = jax.eval_shape(layer.init, jax.random.key(0), inputs(name, 7))
    carry = jax.eval_shape(lambda p: layer.carry(p, inputs(name, *of_carry), 6), params)
    with pytest.raises(JnnError, match=f"{name}: got a carry of shape .* for this x"):
        jax.eval_shape(layer.step, params, state, carry, inputs(name, *of_x))
    with pytest.raises(JnnError, match=f"{name}: got a carry of shape .* for this x"):
        jax.eval_shape(jnn.reader(layer), params, state, carry, inputs(name, *of_x, 2))


@pytest.mark.parametrize("carry", [None, {}, jnp.ones(3)], ids=str)
@pytest.mark.parametrize("name", ["attention", "cross_attention", "learned_positions"])
def test_what_is_no_dict_of_memories_is_refused(name, carry):
    layer, x = LAYERS[name], inputs(name, 7)
    params, state = jax.eval_shape(layer.init, jax.random.key(0), x)
    message = r"got a carry .*expected a dict with '(position|key)'. Begin with model.carry\("
    with pytest.raises(JnnError, match=message):
        jax.eval_shape(lambda *trees: layer.step(*trees, carry, inputs(name)), params, state)


@pytest.mark.parametrize("name", ["attention", "cross_attention"])
def test_the_carry_of_other_heads_is_refused(name):
    of = {
        "attention": lambda heads: jnn.attention(heads, causal=True),
        "cross_attention": jnn.cross_attention,
    }[name]
    params, state = jax.eval_shape(of(2).init, jax.random.key(0), inputs(name, 5))
    carry = jax.eval_shape(lambda params: of(1).carry(params, inputs(name), 5), params)
    with pytest.raises(JnnError, match=rf"^{name}: got a carry of shape .*for this x"):
        jax.eval_shape(of(2).step, params, state, carry, inputs(name))


@pytest.mark.parametrize(
    "wrong", [{}, None, "a", jnp.ones(()), jnp.ones(3), jnp.ones((2, 5))], ids=str
)
@pytest.mark.parametrize("memory", ["key", "value"])
@pytest.mark.parametrize("name", ["attention", "cross_attention"])
def test_what_is_no_cache_is_refused(name, memory, wrong):
    layer = LAYERS[name]
    params, state = layer.init(jax.random.key(0), inputs(name, 7))
    carry = layer.carry(params, inputs(name), 6) | {memory: wrong}
    for call, x in ((layer.step, inputs(name)), (layer.read, inputs(name, 3))):
        with pytest.raises(JnnError, match=f"{name}: got a carry of shape .* for this x"):
            call(params, state, carry, x)


def test_the_carry_of_another_cell_is_refused():
    params, state = jnn.lstm(3).init(jax.random.key(0), jnp.ones((5, 4)))
    message = (
        r"lstm: got a carry of shape {'hidden': \(3,\)}, "
        r"expected {'cell': \(3,\), 'hidden': \(3,\)} for this x"
    )
    with pytest.raises(JnnError, match=message):
        jnn.lstm(3).step(params, state, {"hidden": jnp.zeros(3)}, jnp.ones(4))


@pytest.mark.parametrize("of_memory", [(7, 6), (1, 7, 6), (2, 7, 6)])
def test_a_memory_of_other_examples_is_refused(of_memory):
    layer, memory = jnn.cross_attention(2), jnp.ones(of_memory)
    x = {"x": jnp.ones((5, 4)), "memory": jnp.ones((7, 6))}
    params, state = jax.eval_shape(layer.init, jax.random.key(0), x)
    message = r"cross_attention: got x of shape .*, expected a memory of shape \(3, 7, 6\)"
    with pytest.raises(JnnError, match=message):
        jax.eval_shape(layer.apply, params, state, {"x": jnp.ones((3, 5, 4)), "memory": memory})
    with pytest.raises(JnnError, match=message):
        jax.eval_shape(
            lambda p: layer.carry(p, {"x": jnp.ones((3, 4)), "memory": memory}, 5), params
        )


LSTM = jnn.lstm(3)
COMPOSED = {
    "chain": (jnn.chain(jnn.dense(3), LSTM), "a dict with '0'"),
    "parallel": (jnn.parallel(a=LSTM, b=jnn.dense(3)), "a dict with 'a'"),
    "repeat": (jnn.repeat(LSTM, 2), "a tuple of 2"),
    "wired": (jnn.wired(lambda run, x: run("cell", x), {"cell": LSTM}), "a dict with 'cell'"),
}


@pytest.mark.parametrize("carry", [None, {}, (), 3, jnp.ones(3), {"hidden": jnp.ones(3)}], ids=str)
@pytest.mark.parametrize("name", COMPOSED)
def test_what_is_no_carry_of_several_parts_is_refused(name, carry):
    model, expected = COMPOSED[name]
    params, state = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((5, 3)))
    message = f"got a carry .*expected {expected}. Begin with model.carry"
    for call, x in ((model.step, jnp.ones(3)), (jnn.reader(model), jnp.ones((5, 3)))):
        with pytest.raises(JnnError, match=message):
            jax.eval_shape(
                lambda *trees, call=call: call(*trees[:2], carry, trees[2]), params, state, x
            )


def test_copies_whose_carries_differ_are_refused():
    model = jnn.repeat(LSTM, 2)
    params, state = model.init(jax.random.key(0), jnp.ones((5, 3)))
    first, second = model.carry(params, jnp.ones(3), 5)
    for other in ({}, second | {"cell": None}, second | {"cell": jnp.ones(2)}):
        for call, x in ((model.step, jnp.ones(3)), (model.read, jnp.ones((5, 3)))):
            with pytest.raises(JnnError, match=r"repeat: got carries of shapes .* expected equal"):
                call(params, state, (first, other), x)


@pytest.mark.parametrize("name", ["repeat", "ensemble"])
def test_copies_of_another_number_do_not_stream(name):
    of = lambda n: getattr(jnn, name)(LSTM, n)
    x = jnp.ones((5, 3))
    params, state = jax.eval_shape(of(3).init, jax.random.key(0), x)
    whole = jax.eval_shape(lambda params: of(3).carry(params, x[0], 5), params)
    two, _ = jax.eval_shape(of(2).init, jax.random.key(0), x)
    half = jax.eval_shape(lambda params: of(2).carry(params, x[0], 5), two)
    message = f"{name}: got .*expected a (first axis of 2 copies|tuple of 2)"
    for carry in (half, whole):
        with pytest.raises(JnnError, match=message):
            jax.eval_shape(of(2).step, params, state, carry, x[0])
        with pytest.raises(JnnError, match=message):
            jax.eval_shape(of(2).read, params, state, carry, x)
    with pytest.raises(JnnError, match=message):
        jax.eval_shape(of(2).step, two, state, whole, x[0])
    with pytest.raises(JnnError, match=message):
        jax.eval_shape(lambda params: of(2).carry(params, x[0], 5), params)
