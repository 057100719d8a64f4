"""The web law: what a function computes in V8 equals JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.errors import JnnError
from jnn.losses import cross_entropy
from jnn.model import streams
from jnn.testing import _batch
from jnn.train import init_train_state, make_step, seed_key
from jnn.web import elementwise, javascript, rule
from jnn.web.emitter import RULES
from tests.laws.registry import CASES
from tests.web.engine import check, run

IN_MAKE_TEST = ("dense", "conv, image", "lstm", "attention, causal", "batch_norm")
LAWS = ("apply", "capture", "step", "gradient")


def inputs_of(model, x):
    """A batch of two different examples, params and state."""
    batch = jax.tree.map(jnp.asarray, _batch(x, 2))
    params, state = jax.jit(model.init)(jax.random.key(0), batch)
    return batch, params, state


def real(tree):
    """The sum of sines of all floats."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return sum(jnp.sum(jnp.sin(leaf)) for leaf in leaves)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("name", "law"),
    [
        pytest.param(name, law, marks=() if name in IN_MAKE_TEST else pytest.mark.slow)
        for name in CASES
        for law in LAWS
    ],
)
def test_every_model_computes_the_same_in_a_page(name, law):
    model, x, is_sequence = CASES[name]
    batch, params, state = inputs_of(model, x)
    key = jax.random.key(1)
    if law == "apply":
        check(lambda params, x: model.apply(params, state, x)[0], params, batch)
    elif law == "capture":
        f = jnn.capture(lambda params, x, key: model.apply(params, state, x, key=key, train=True))
        check(lambda *args: f(*args)[1], params, batch, key)
    elif law == "gradient":
        loss = lambda params, x: real(model.apply(params, state, x, key=key, train=True)[0])
        check(jax.grad(loss), params, batch, tolerance=1e-4)  # long sums in single precision
    elif not (is_sequence and streams(model)):
        pytest.skip("it does not stream")
    else:
        x_t = jax.tree.map(lambda leaf: leaf[:, 0], batch)
        carry = model.carry(params, x_t, 4)
        check(lambda params, carry, x: model.step(params, state, carry, x), params, carry, x_t)


MODEL = jnn.chain(jnn.dense(8), jnp.tanh, jnn.dropout(0.2), jnn.dense(3))
X = np.random.default_rng(0).standard_normal((16, 2)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32) + (X[:, 1] > 0)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "optimizer",
    [
        optax.sgd(0.1),
        optax.sgd(0.1, momentum=0.9, nesterov=True),
        optax.adam(1e-2),
        optax.adamw(1e-2, weight_decay=0.1),
    ],
    ids=["sgd", "momentum", "adam", "adamw"],
)
def test_a_training_step_is_that_of_jnn(optimizer):
    def objective(params, state, batch, key):
        logits, state = MODEL.apply(params, state, batch["x"], key=key, train=True)
        return jnp.mean(cross_entropy(logits, batch["y"])), (state, {})

    step = make_step(objective, optimizer)
    train_state = init_train_state(seed_key(0), MODEL, optimizer, X[0])
    check(step, train_state, {"x": X, "y": Y.astype(np.int32)})


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_model_starts_with_the_same_params(name):
    model, x, _ = CASES[name]
    check(lambda key: model.init(key, x), jax.random.key(2))


def test_init_and_random_numbers_have_the_same_bits():
    config = TransformerConfig(vocabulary=7, length=5, width=8, depth=2, heads=2)
    check(lambda key: transformer(config).init(key, jnp.arange(5))[0], jax.random.key(3))
    draws = lambda key: (
        jax.random.bits(key, (3, 4)),
        jax.random.randint(key, (5,), -3, 9),
        jax.random.permutation(key, 9),
        jax.random.split(jax.random.fold_in(key, 7), 3),
        jax.random.bernoulli(key, 0.3, (17,)),
        jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i)))(jnp.arange(4)),
        jnn.child_key(key, "name"),
    )
    check(draws, jax.random.key(1))


def test_what_a_call_returns_is_not_changed_by_the_next():
    source = javascript(lambda x: x * 2, jnp.ones(2))
    script = source.replace("export default model;", "")
    import py_mini_racer

    found = py_mini_racer.MiniRacer().eval(
        f"(() => {{ {script} const a = model.call(new Float32Array([1, 2]))[0];"
        "model.call(new Float32Array([5, 6])); return Array.from(a).join(); })()"
    )
    assert found == "2,4"


def test_loops_that_are_alike_are_one_function_for_each_dtype():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    source = check(lambda *arrays: [array.T for array in arrays], x, -x, x.astype(np.int32))
    assert source.count("function nest") == 2


def test_the_source_says_what_goes_in_and_out():
    source = javascript(lambda params, x: {"y": params["w"] * x}, {"w": jnp.ones(3)}, jnp.ones(3))
    assert '"path": "0/w", "shape": [3], "dtype": "float32"' in source
    assert 'outputs: [{"path": "y"' in source


@pytest.mark.parametrize(
    ("f", "x", "message"),
    [
        (lambda x: x.astype(jnp.int8), jnp.ones(2), "got int8 in convert_element_type"),
        (lambda x: x, jnp.ones(2, jnp.uint8), "got uint8 in the argument 0"),
        (
            jnp.linalg.svd,
            jnp.ones((2, 2)),
            "the primitive .*, expected one that there is a rule for",
        ),
        (
            lambda x: jax.named_scope("deep")(jax.lax.lgamma)(x),
            jnp.ones(2),
            r'the primitive lgamma in deep.*Add it: @jnn.web.rule\("lgamma"\)',
        ),
    ],
)
def test_what_has_no_rule_is_refused_by_name(f, x, message):
    with pytest.raises(JnnError, match=message):
        javascript(f, x)


def test_a_rule_comes_from_outside(monkeypatch):
    monkeypatch.setattr("jnn.web.emitter.RULES", dict(RULES))
    import jnn.web.emitter as emitter_module

    @rule("digamma")
    def _(emitter, equation, inputs):
        return [elementwise(emitter, equation, inputs, "Math.log({0})")]

    assert emitter_module.RULES["digamma"]
    (found,) = run(javascript(jax.lax.digamma, jnp.ones(2)), [np.ones(2, np.float32)])
    assert found.tolist() == [0.0, 0.0]
    del emitter_module.RULES["digamma"]
