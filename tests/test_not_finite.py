"""Where NaNs and infinities come from."""

import jax
import jax.numpy as jnp
import pytest

import jnn
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.not_finite import origin

X = jnp.array([1.0, 2.0, 0.0])


def planted(x):
    """log 0 in a named scope, on its way through a sum and a product."""
    with jax.named_scope("planted"):
        y = jnp.log(x)
    return jnp.sum(jnp.tanh(x) + y) * 2


def test_an_infinity_is_followed_to_the_operation_that_made_it():
    found = origin(planted, X)
    assert (found.kind, found.operation, found.path) == ("infinity", "log", "planted")
    line = planted.__code__.co_firstlineno + 3
    assert found.source == f"test_not_finite.py:{line}"
    expected = f"The first infinity is made by log in planted (test_not_finite.py:{line})."
    assert str(found) == expected


def in_scan(x):
    step = lambda carry, x: (carry + 1, jnp.sqrt(x - 1))
    return jax.lax.scan(step, 0.0, x)[1]


def in_while(x):
    body = lambda carry: (carry[0] - 1, jnp.sqrt(carry[0][2]))
    return jax.lax.while_loop(lambda carry: carry[0][0] > 0, body, (x, x[0]))[1] * 0 + jnp.sqrt(
        -x[0]
    )


@pytest.mark.parametrize(
    "f",
    [
        lambda x: jax.jit(lambda x: jnp.sqrt(x - 1))(x),
        lambda x: jax.checkpoint(lambda x: jnp.sqrt(x - 1))(x),
        lambda x: jax.vmap(lambda x: jnp.sqrt(x - 1))(x),
        lambda x: jax.lax.cond(x[0] > 0, lambda: jnp.sqrt(x - 1), lambda: x),
        in_scan,
        in_while,
    ],
)
def test_it_is_found_inside_of_calls_loops_and_branches(f):
    found = origin(f, X)
    assert (found.kind, found.operation) == ("NaN", "sqrt")
    assert found.source.startswith("test_not_finite.py:")


def test_what_the_function_was_given_is_told():
    found = origin(lambda x, y: x * y, jnp.ones(2), jnp.array([1.0, jnp.nan]))
    assert str(found) == "The first NaN is made by an argument."


@pytest.mark.slow
def test_masked_logits_are_infinite_on_purpose():
    config = TransformerConfig(vocabulary=7, length=5, width=8, depth=2, heads=2)
    model, tokens = transformer(config), jnp.arange(5)
    params, state = jax.jit(model.init)(jax.random.key(0), tokens)
    f = lambda params: model.apply(params, state, tokens)[0]
    assert origin(f, params) is None
    layer = params["blocks"]["feed_forward"]
    layer["hidden"]["bias"] += 10.0
    layer["output"]["kernel"] = jnp.full_like(layer["output"]["kernel"], 3e38)
    found = origin(f, params)
    assert (found.operation, found.path) == ("dot_general", "blocks/feed_forward/output")


def test_a_constant_is_no_cause_but_what_made_a_nan_of_it():
    masked = lambda x: jax.nn.standardize(jnp.where(x > 5, x, -jnp.inf))
    found = origin(masked, X)
    assert (found.kind, found.operation) == ("NaN", "sub")


def test_a_gradient_is_looked_into_too():
    found = origin(jax.grad(lambda x: jnp.sum(jnp.sqrt(x) * 2)), X)
    assert found.kind == "infinity"
    assert found.operation in ("div", "pow", "rsqrt")


def test_what_is_finite_has_no_origin():
    model = jnn.chain(jnn.dense(3), jnp.tanh)
    params, state = jax.jit(model.init)(jax.random.key(0), X)
    assert origin(model.apply, params, state, X) is None


def unchosen(x):
    """A branch of a ``where`` that is NaN where the other one was chosen, and one that was."""
    logarithm, root = jnp.log(x - 5), jnp.sqrt(-1 - x)
    return jnp.where(x >= 0, root, logarithm)


def elsewhere(x):
    """NaN at a place that is left out, and at one that is not."""
    y = jnp.sqrt(x - 1)  # the last is NaN
    return jnp.arccos(y + jnp.array([0.0, 1.0, 0.0]))[:2]


@pytest.mark.parametrize(("f", "operation"), [(unchosen, "sqrt"), (elsewhere, "acos")])
def test_only_that_counts_which_the_result_is_owed_to(f, operation):
    for g in (f, jax.jit(f), lambda x: f(x) + 0 * f(x)):
        found = origin(g, X)
        assert (found.kind, found.operation) == ("NaN", operation)


def test_a_product_of_two_is_owed_to_the_first():
    assert origin(lambda x: jnp.sqrt(x - 3) * jnp.log(x - 3), X).operation == "sqrt"


def test_loops_under_vmap_end_each_by_its_own_condition():
    def f(x):
        body = lambda carry: (carry[0] + 1, jnp.sqrt(carry[1] - 1))
        return jax.lax.while_loop(lambda carry: carry[0] < 3, body, (x, 1.5 + 0 * x))[1]

    start = jnp.array([1.0, 2.5])  # the second ends after one step, which is finite
    found = origin(jax.vmap(f), start)
    assert (found.kind, found.operation) == ("NaN", "sqrt")
    assert origin(jax.vmap(f), start[1:]) is None


def test_the_line_of_a_function_of_jax_is_that_of_its_call():
    def f(x):
        well = jnp.linalg.cholesky(jnp.eye(3))
        return well + jnp.linalg.cholesky(-x * jnp.eye(3))

    found = origin(f, X)
    line = f.__code__.co_firstlineno + 2
    assert (found.operation, found.source) == ("cholesky", f"test_not_finite.py:{line}")


def test_scans_that_run_backward_are_followed_in_their_order():
    def f(x):
        step = lambda carry, x: (jnp.log(x) + 0 * carry, carry)
        return jax.lax.scan(step, jnp.float32(1), x, reverse=True)[1]

    found = origin(f, X)  # log 0, which is then multiplied by zero
    assert (found.kind, found.operation) == ("infinity", "log")
