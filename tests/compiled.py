"""A model's functions as compiled programs: eagerly, every operation is a program of its own."""

import functools

import jax


@functools.partial(jax.jit, static_argnums=0)
def init(model, x, seed=0):
    """``params, state`` of the model for x."""
    return model.init(jax.random.key(seed), x)


@functools.partial(jax.jit, static_argnums=0, static_argnames="train")
def apply(model, params, state, x, *, key=None, train=False, mask=None):
    """``y, state`` of the model for x."""
    return model.apply(params, state, x, key=key, train=train, mask=mask)


@functools.partial(jax.jit, static_argnums=0)
def step(model, params, state, carry, x_t):
    """``y_t, carry`` of the model for the next element."""
    return model.step(params, state, carry, x_t)
