"""Models in one compiled program each: eagerly, every operation would be compiled alone."""

import functools

import jax

_jitted = functools.partial(jax.jit, static_argnums=0, static_argnames="train")


@_jitted
def init(model, x, seed=0):
    """``params, state`` of the model for x."""
    return model.init(jax.random.key(seed), x)


@_jitted
def apply(model, params, state, x, *, key=None, train=False, mask=None):
    """``y, state`` of the model for x."""
    return model.apply(params, state, x, key=key, train=train, mask=mask)


@_jitted
def step(model, params, state, carry, x_t):
    """``y_t, carry`` of the model for the next element."""
    return model.step(params, state, carry, x_t)
