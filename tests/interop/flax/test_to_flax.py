"""Models as modules of Flax, with the same numbers, and back again."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import jnn
from jnn.interop.flax import from_linen, from_nnx, to_linen, to_nnx

X = jnp.asarray(np.sin(np.arange(24, dtype=np.float32)).reshape(6, 4))
KEY = jax.random.key(0)
MODEL = jnn.chain(
    jnn.dense(5), norm=jnn.batch_norm(), act=jax.nn.gelu, drop=jnn.dropout(0.5), out=jnn.dense(2)
)


def test_a_module_of_linen_has_the_variables_of_the_model():
    module = to_linen(MODEL)
    variables = jax.jit(module.init)(KEY, X)
    params, state = variables["params"], variables["batch_stats"]
    like = jax.eval_shape(MODEL.init, KEY, X)
    assert jax.tree.map(jnp.shape, (params, state)) == jax.tree.map(jnp.shape, like)

    @jax.jit
    def everything(params, state):
        rngs = {"dropout": KEY}
        variables = {"params": params, "batch_stats": state}
        y = module.apply(variables, X)
        _, new = module.apply(variables, X, train=True, rngs=rngs, mutable=["batch_stats"])
        return (y, new["batch_stats"]), (
            MODEL.apply(params, state, X)[0],
            MODEL.apply(params, state, X, key=KEY, train=True)[1],
        )

    jax.tree.map(np.testing.assert_array_equal, *everything(params, state))


def test_linen_and_back():
    back = from_linen(to_linen(MODEL))
    params, state = jax.jit(back.init)(KEY, X)

    @jax.jit
    def both(params):
        return tuple(
            jax.value_and_grad(lambda p, m=m: jnp.sum(jnp.sin(m.apply(p, state, X)[0])))(params)
            for m in (back, MODEL)
        )

    jax.tree.map(np.testing.assert_array_equal, *both(params))
    train = jax.jit(lambda key: back.apply(params, state, X, key=key, train=True))
    (y, new), (other, _) = train(KEY), train(jax.random.key(1))
    assert np.any(y != other)
    assert np.any(new["norm"]["mean"] != state["norm"]["mean"])


def test_a_module_of_nnx_evaluates_trains_and_comes_back():
    module = to_nnx(MODEL, X, rngs=nnx.Rngs(0))
    back = from_nnx(module)
    variables, tree = back.init(KEY, X)
    params, state = variables["params"], tree["state"]
    module.eval()
    solo = jax.jit(MODEL.apply)(params, state, X)[0]
    forward = nnx.jit(lambda module, x: module(x))
    np.testing.assert_allclose(forward(module, X), solo, atol=1e-6)
    again = jax.jit(back.apply)(variables, tree, X)[0]
    np.testing.assert_allclose(again, solo, atol=1e-6)
    module.train()
    y = forward(module, X)
    assert np.any(y != forward(module, X))  # another draw
    changed = back.init(KEY, X)[1]["state"]["norm"]["mean"]
    assert np.any(changed != state["norm"]["mean"])
