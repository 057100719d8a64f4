"""What the tests of architectures share."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

STEPS = 200


def parameters(model, *shape):
    """How many parameters a model has for examples of this shape; nothing is computed."""
    params, _ = jax.eval_shape(
        model.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32)
    )
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def drawn(model, *shape, dtype=jnp.float32):
    """Params and state for examples of this shape, the params drawn by NumPy, biases and scales
    too: quicker than compiling ``init``.
    """
    x, rng = jax.ShapeDtypeStruct(shape, dtype), np.random.default_rng(0)
    params, _ = jax.eval_shape(model.init, jax.random.key(0), x)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(
            rng.standard_normal(leaf.shape) / np.prod(leaf.shape[:-1]) ** 0.5, leaf.dtype
        ),
        params,
    )
    return params, jax.jit(lambda: model.init(jax.random.key(0), jnp.zeros(shape, dtype))[1])()


def eight(*shape):
    """Eight examples of noise."""
    return jnp.asarray(np.random.default_rng(0).standard_normal((8, *shape)), jnp.float32)


def loss_after_training(model, x, loss, learning_rate=3e-3, enough=0.0):
    """The mean of ``loss(y)`` on the same few examples, before and after at most 200 steps of Adam.

    Training ends at the first loss below ``enough``.
    """
    optimizer = optax.adam(learning_rate)

    def objective(params, state, key):
        y, state = model.apply(params, state, x, key=key, train=True)
        return jnp.mean(loss(y)), state

    @jax.jit
    def begin():
        params, state = model.init(jax.random.key(0), x)
        return params, state, optimizer.init(params)

    @jax.jit
    def step(params, state, moments, i):
        differentiate = jax.value_and_grad(objective, has_aux=True)
        (value, state), gradient = differentiate(params, state, jax.random.key(i))
        updates, moments = optimizer.update(gradient, moments)
        return (optax.apply_updates(params, updates), state, moments), value

    carry, losses = begin(), []
    for i in range(STEPS):
        carry, value = step(*carry, i)
        losses.append(float(value))
        if losses[-1] < enough:
            break
    return losses[0], losses[-1]
