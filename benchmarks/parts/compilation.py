"""What is compiled before the first step: the params, and many steps of jnn in one dispatch, as
`jnn.train.fit` has them, or one step of JAX alone, or many with the same guard and metrics. Each
call traces and compiles anew.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks import works
from benchmarks.peers import jax_alone, of_jnn
from jnn.train import in_memory, init_train_state, make_step, seed_key
from jnn.train.loop import compiled

ALONE = {
    "mlp": partial(jax_alone.mlp, works.MLP),
    "cnn": jax_alone.cnn,
    "lstm": jax_alone.lstm,
    "gpt_s": partial(jax_alone.gpt, works.GPT_S),
}
"""The networks of JAX alone."""


def program(form: str, name: str) -> Callable[[], Any]:
    """The compilation of a training step."""
    jax.config.update("jax_enable_compilation_cache", False)
    making = {"JAX alone": jax_alone.ready, "JAX alone, many steps": jax_alone.ready_of_many}
    compile_step = ALONE[name](make=making[form]) if form in making else of_fit(name)

    def call() -> None:
        jax.clear_caches()
        compile_step()

    return call


def of_fit(name: str) -> Callable[[], Any]:
    """What `jnn.train.fit` compiles."""
    network, data = of_jnn.NETWORKS[name]
    model, optimizer, (x, label) = network(), optax.adam(works.LEARNING_RATE), data(works.STEPS)
    feed = in_memory({"x": x, "label": label}, len(x) // works.STEPS)
    train_state = init_train_state(seed_key(0), model, optimizer, x[:1])
    step = make_step(of_jnn.objective_of(model), optimizer)
    return lambda: compiled(step, feed, train_state)


def params(form: str, name: str) -> Callable[[], Any]:
    """The params of a network and their optimizer's state, compiled and drawn.

    Of JAX alone they are the same arrays, the kernels by its initializer from keys that are split.
    """
    jax.config.update("jax_enable_compilation_cache", False)
    network, data = of_jnn.NETWORKS[name]
    model, optimizer, (x, _) = network(), optax.adam(works.LEARNING_RATE), data(1)
    leaves, structure = jax.tree.flatten(jax.eval_shape(model.init, seed_key(0), x[:1])[0])
    draw = jax.nn.initializers.he_normal()

    @jax.jit
    def alone(key):
        keys = jax.random.split(key, len(leaves))
        drawn = [
            draw(key, leaf.shape, leaf.dtype) if leaf.ndim > 1 else jnp.zeros_like(leaf)
            for key, leaf in zip(keys, leaves, strict=True)
        ]
        params = jax.tree.unflatten(structure, drawn)
        return params, optimizer.init(params)

    def call() -> Any:
        jax.clear_caches()
        if form == "JAX alone":
            return alone(seed_key(0))
        return init_train_state(seed_key(0), model, optimizer, x[:1]).params

    return call
