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


def loss_after_training(model, x, loss, learning_rate=3e-3):
    """The mean of ``loss(y)`` on the same few examples, before and after 200 steps of Adam."""
    optimizer = optax.adam(learning_rate)
    params, state = jax.jit(model.init)(jax.random.key(0), x)

    def objective(params, state, key):
        y, state = model.apply(params, state, x, key=key, train=True)
        return jnp.mean(loss(y)), state

    @jax.jit
    def step(params, state, moments, key):
        (value, state), gradient = jax.value_and_grad(objective, has_aux=True)(params, state, key)
        updates, moments = optimizer.update(gradient, moments)
        return optax.apply_updates(params, updates), state, moments, value

    moments, losses = optimizer.init(params), []
    for i in range(STEPS):
        params, state, moments, value = step(params, state, moments, jax.random.key(i))
        losses.append(value)
    return float(losses[0]), float(losses[-1])
