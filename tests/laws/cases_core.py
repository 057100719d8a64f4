"""The laws on dense layers and on the combinators."""

import jax
import jax.numpy as jnp

import jnn
from tests.laws.case import Case, example


def highway(run, x):
    """A flow that uses a part twice, and the params of a part."""
    gate = jax.nn.sigmoid(run("gate", x))
    h = run("twice", run("twice", x)) @ run.params["gate"]["kernel"]
    return gate * h + (1 - gate) * x


CASES = {
    "dense": Case(jnn.dense(3), example(4)),
    "dense, no bias": Case(jnn.dense(3, use_bias=False), example(5, 4), sequence=True),
    "flatten": Case(jnn.chain(jnn.flatten(2), jnn.dense(2)), example(3, 2)),
    "chain": Case(
        jnn.chain(jnn.dense(4), jax.nn.gelu, out=jnn.dense(3)), example(5, 4), sequence=True
    ),
    "residual": Case(jnn.residual(jnn.chain(jnn.dense(4), jnp.tanh)), example(5, 4), sequence=True),
    "parallel": Case(jnn.parallel(a=jnn.dense(2), b=jnn.dense(3)), example(5, 4), sequence=True),
    "repeat": Case(jnn.repeat(jnn.chain(jnn.dense(4), jnp.tanh), 3), example(5, 4), sequence=True),
    "wired": Case(
        jnn.wired(
            highway, {"gate": jnn.dense(4), "twice": jnn.chain(jnn.dense(4), jnn.dropout(0.5))}
        ),
        example(5, 4),
        sequence=True,
    ),
    "wired, in a chain": Case(
        jnn.chain(jnn.dense(4), jnn.wired(highway, {"gate": jnn.dense(4), "twice": jnn.dense(4)})),
        example(5, 3),
        sequence=True,
    ),
    "ensemble": Case(jnn.chain(jnn.dense(3), jnp.tanh, jnn.dense(2)), example(4)),
    "remat": Case(
        jnn.remat(jnn.chain(jnn.dense(4), jax.nn.gelu, jnn.dense(2)), save=("output",)), example(4)
    ),
}
