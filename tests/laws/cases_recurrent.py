"""Recurrent layers, for the registry."""

import jax
import jax.numpy as jnp

import jnn
from jnn.layers.bidirectional import bidirectional
from jnn.layers.elman import elman
from jnn.layers.gru import gru
from jnn.layers.lstm import lstm
from jnn.layers.recurrent import recurrent
from tests.laws.case import Case, example


def fading():
    """A cell of a user's own: a mean over time with a rate that is learned for each feature."""

    def init(key, x_t):
        return {"rate": jnp.zeros(x_t.shape[-1], x_t.dtype)}

    def carry(params, x_t):
        return jnp.zeros(x_t.shape, x_t.dtype)

    def step(params, memory, x_t):
        keep = jax.nn.sigmoid(params["rate"]).reshape((1,) * (x_t.ndim - 1) + (-1,))
        memory = keep * memory + (1 - keep) * x_t
        return memory, memory

    return recurrent(init, carry, step)


CASES = {
    name: Case(model, example(5, 3), sequence=True)
    for name, model in {
        "elman": elman(3),
        "lstm": lstm(3),
        "lstm, peephole": lstm(2, peephole=True),
        "lstm, projection": lstm(3, projection=2),
        "gru": gru(3),
        "gru, reset before": gru(2, reset="before"),
        "bidirectional": bidirectional(lstm(2)),
        "bidirectional, one of each": bidirectional(gru(2), elman(2), combine=jnp.add),
        "stacked with dropout": jnn.chain(lstm(3), jnn.dropout(0.3), gru(2)),
        "cell of one's own": fading(),
    }.items()
}
