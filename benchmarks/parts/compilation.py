"""What is compiled before the first step: many steps of jnn in one dispatch, as `jnn.train.fit`
has them, and one step of JAX alone. Each call traces and compiles anew.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
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
    found = ALONE[name](make=jax_alone.ready) if form == "JAX alone" else of_fit(name)

    def call() -> None:
        jax.clear_caches()
        found()

    return call


def of_fit(name: str) -> Callable[[], Any]:
    """What `jnn.train.fit` compiles."""
    network, data = of_jnn.NETWORKS[name]
    model, optimizer, (x, label) = network(), optax.adam(works.LEARNING_RATE), data(works.STEPS)
    feed = in_memory({"x": x, "label": label}, len(x) // works.STEPS)
    train_state = init_train_state(seed_key(0), model, optimizer, x[:1])
    step = make_step(of_jnn.objective_of(model), optimizer)
    return lambda: compiled(step, feed, train_state)
