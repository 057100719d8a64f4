"""Two networks in the plane: a generator of points, and a discriminator that judges them."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax

import jnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.losses.adversarial import NON_SATURATING
from jnn.model import child_key
from jnn.train import TrainState, make_step

BATCH = 64
"""Real points, and as many generated ones, of a step."""
SHOWN = 200
"""Points that are shown."""

_generator = mlp(MLPConfig(outputs=2, hidden=(16, 16), activation="tanh"))
_discriminator = jnn.chain(
    mlp(MLPConfig(outputs=1, hidden=(16, 16), activation="leaky_relu")), lambda x: x[..., 0]
)
_players = jnn.chain(generator=_generator, discriminator=_discriminator)


def _blob(u, n):
    return jnp.array([1.3, 0.9]) + 0.4 * n


def _two(u, n):
    return jnp.where(u > 0.5, 1.4, -1.4)[:, None] + 0.3 * n


def _ring(u, n):
    angle = 2 * math.pi * u
    return 2 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1) + 0.12 * n


def _eight(u, n):
    angle = 2 * math.pi * jnp.floor(8 * u) / 8
    return 2 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1) + 0.12 * n


def _arc(u, n):
    x = 4.4 * u - 2.2
    return jnp.stack([x, 1.3 * jnp.sin(1.6 * x)], -1) + 0.12 * n


TARGETS = {"blob": _blob, "two": _two, "ring": _ring, "eight": _eight, "arc": _arc}
"""Distributions that the generator is to learn."""


def real_points(key: jax.Array, which: jax.Array, count: int) -> jax.Array:
    """Points ``(count, 2)`` of the target with this number."""
    place, noise = jax.random.split(key)
    u, n = jax.random.uniform(place, (count,)), jax.random.normal(noise, (count, 2))
    return jax.lax.switch(which, list(TARGETS.values()), u, n)


def _optimizer(rates: dict[str, jax.Array]) -> optax.GradientTransformation:
    players = {name: optax.adam(rate, b1=0.5) for name, rate in rates.items()}
    return optax.partition({**players}, lambda params: {name: name for name in params})


def begin_game(arguments: dict[str, Any]) -> TrainState:
    """The state of both networks before the first step: of ``seed`` and ``rates``."""
    key = jax.random.key(arguments["seed"])
    params, _ = _players.init(child_key(key, "init"), jax.ShapeDtypeStruct((2,), jnp.float32))
    optimizer_state = _optimizer(arguments["rates"]).init(params)
    return TrainState(
        jnp.zeros((), jnp.int32), params, {}, optimizer_state, child_key(key, "train")
    )


def play(arguments: dict[str, Any]) -> dict[str, Any]:
    """A step of both, each by its own learning rate in ``rates``, towards the ``target``.

    Each is trained by its own loss, with the other's params constant. Returns the new ``state`` and
    ``metrics``.
    """
    constant = jax.lax.stop_gradient

    def objective(params, state, batch, key):
        real = real_points(child_key(key, "real"), arguments["target"], BATCH)
        noise = jax.random.normal(child_key(key, "noise"), (BATCH, 2))
        fake = _generator.apply(params["generator"], {}, noise)[0]
        score = lambda params, x: _discriminator.apply(params["discriminator"], {}, x)[0]
        judged = NON_SATURATING.discriminator(score(params, real), score(params, constant(fake)))
        deceived = NON_SATURATING.generator(score(constant(params), fake))
        metrics = {"discriminator": jnp.mean(judged), "generator": jnp.mean(deceived)}
        return sum(metrics.values()), (state, metrics)

    step = make_step(objective, _optimizer(arguments["rates"]))
    state, metrics = step(arguments["state"], {})
    return {"state": state, "metrics": metrics}


def judge(arguments: dict[str, Any]) -> dict[str, jax.Array]:
    """What there is to see, of ``params``, the ``target``, ``seed``, and points ``x (N, 2)``.

    ``belief (N,)`` is ``2 p - 1`` for the discriminator's probability p that a point is real;
    ``real`` and ``fake`` are ``(200, 2)``, and ``slopes (200, 2)`` is the direction in which each
    generated point would look more real.
    """
    params, key = arguments["params"], jax.random.key(arguments["seed"])
    score = lambda x: _discriminator.apply(params["discriminator"], {}, x)[0]
    noise = jax.random.normal(child_key(key, "shown"), (SHOWN, 2))
    fake = _generator.apply(params["generator"], {}, noise)[0]
    return {
        "belief": jnp.tanh(score(arguments["x"]) / 2),
        "real": real_points(child_key(key, "real"), arguments["target"], SHOWN),
        "fake": fake,
        "slopes": jax.grad(lambda x: jnp.sum(score(x)))(fake),
    }
