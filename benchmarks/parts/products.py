"""The products and convolutions of a training step, each in a program of its own: the time that a
step would take if all else took none, at the rate that XLA has for their shapes. Those of writing
are in one program, for they are short: it takes the time to read all weights and the cache.
"""

import collections
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from benchmarks import works
from benchmarks.peers.of_jnn import NETWORKS, decoder, objective_of
from jnn._jaxprs import bind
from jnn.decoding.generate import LONGEST_STAGE
from jnn.layers.dense import linear
from jnn.train import compiler_options

KINDS = ("dot_general", "conv_general_dilated", "convolution")  # the last is that of jnn


def alone(name: str) -> Callable[[], Any]:
    """The products of a workload's step, one after the other, as often as they occur in it."""
    alike = collections.defaultdict(list)
    for equation, count in products(gradient(name)):
        shapes = tuple(v.aval.shape for v in equation.invars)
        alike[str(equation.primitive), shapes, str(equation.params)].append((equation, count))
    calls = []
    for (_, shapes, _), occurrences in alike.items():
        operands = [jax.random.normal(jax.random.key(0), shape) for shape in shapes]
        once = partial(_once, occurrences[0][0])
        program = jax.jit(once, compiler_options=compiler_options()).lower(*operands).compile()
        calls.append((partial(program, *operands), sum(count for _, count in occurrences)))
    return lambda: [[call() for _ in range(count)][-1] for call, count in calls]


def of_writing(batch: int) -> Callable[[], Any]:
    """The products of `of_jnn.write`, for one token after the other: with weights and the cache.

    Each waits for the one before it, as in the model, so that none is computed once for all tokens.
    """
    work = works.GPT_M
    model = decoder(work, work.length + 1)
    params, _ = jax.jit(model.init)(jax.random.key(0), jnp.zeros(1, int))
    kernels = [leaf for leaf in jax.tree.leaves(params["blocks"]) if leaf.ndim == 3]
    blocks = list(zip(*kernels, strict=True))
    heads = (batch * work.heads, work.width // work.heads)
    stages = range(LONGEST_STAGE, work.length + 1, LONGEST_STAGE)

    def cache(capacity):
        shape = (work.depth, 2, heads[0], capacity, heads[1])
        return [tuple(block) for block in jax.random.normal(jax.random.key(0), shape)]

    def token(_, total, blocks, cache):
        for kernels, (k, v) in zip(blocks, cache, strict=True):
            for kernel in kernels:
                y = linear(jnp.broadcast_to(total, (batch, kernel.shape[0])), kernel)
                total = jnp.tanh(y[0, 0])
            q = jnp.broadcast_to(total, (heads[0], 1, heads[1]))
            total = jnp.tanh((q @ jnp.swapaxes(k, -1, -2) @ v)[0, 0, 0])
        return total

    @jax.jit
    def write(blocks, caches):
        total = jnp.float32(1)
        for cache in caches:
            one = partial(token, blocks=blocks, cache=cache)
            total = jax.lax.fori_loop(0, LONGEST_STAGE, one, total)
        return total

    return partial(write, blocks, [cache(capacity) for capacity in stages])


def _once(equation, *operands: jax.Array) -> jax.Array:
    return bind(equation, list(operands))[0]


def gradient(name: str) -> Any:
    """The jaxpr of a workload's loss and gradient."""
    network, data = NETWORKS[name]
    model, (x, label) = network(), map(jnp.asarray, data(1))
    params, state = jax.eval_shape(model.init, jax.random.key(0), x[:1])
    find = jax.value_and_grad(objective_of(model), has_aux=True)
    return jax.make_jaxpr(find)(params, state, {"x": x, "label": label}, jax.random.key(0)).jaxpr


def products(jaxpr: Any) -> Iterator[tuple[Any, int]]:
    """Each product and convolution, and how often it is computed."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in KINDS:
            yield equation, 1
            continue
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        for inner in core.jaxprs_in_params(equation.params):
            yield from ((product, times * count) for product, count in products(inner))
