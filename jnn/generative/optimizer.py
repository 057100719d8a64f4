"""The optimizer of the two players of a generative adversarial network."""

from collections.abc import Callable

import jax
import optax


def of_two_players(
    player: Callable[[float | jax.Array], optax.GradientTransformation],
    learning_rate: float | jax.Array,
    *,
    discriminator_rate: float = 1.0,
    discriminator_steps: int = 1,
) -> optax.GradientTransformation:
    """An optimizer of each player, so that one update is a step of both.

    Params are ``{"generator": ..., "discriminator": ...}``, and ``player`` makes the optimizer of
    one from its learning rate. That of the discriminator is ``discriminator_rate`` times that of
    the generator, which moves in the last of each ``discriminator_steps`` updates.

    >>> optimizer = of_two_players(optax.sgd, 1.0, discriminator_rate=2.0, discriminator_steps=2)
    >>> params = {"generator": 1.0, "discriminator": 1.0}
    >>> state = optimizer.init(params)
    >>> for _ in range(2):
    ...     updates, state = optimizer.update(params, state)
    ...     print(float(updates["generator"]), float(updates["discriminator"]))
    0.0 -2.0
    -1.0 -2.0
    """
    is_turn = lambda step, **_: step % discriminator_steps == discriminator_steps - 1
    players = {
        "generator": optax.conditionally_mask(player(learning_rate), is_turn),
        "discriminator": player(discriminator_rate * learning_rate),
    }
    return optax.partition({**players}, lambda params: {name: name for name in params})
