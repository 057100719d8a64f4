"""Every architecture on every mesh: the same bits of params, the same loss and gradient."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.sharding import drawn, make_mesh, shardings, split_batch, within
from tests.laws.registry import ARCHITECTURES, CASES
from tests.sharding.test_sharding import MESHES

BATCH = 8
FLOAT32 = 1e-5  # relative to the largest value; sums are made in another order


# XLA's partitioner multiplied gradients of this one by the number of parts; `make test` has a
# transformer, batch normalization and a perceptron on meshes too
IN_MAKE_TEST = ("convolutional_autoencoder", MESHES[3])


@pytest.mark.parametrize(
    ("name", "mesh"),
    [
        pytest.param(*case, marks=() if case == IN_MAKE_TEST else pytest.mark.slow)
        for case in itertools.product(sorted(ARCHITECTURES), MESHES)
    ],
)
def test_a_mesh_changes_nothing_but_the_order_of_sums(name, mesh):
    model, x, _ = CASES[name]
    batch = jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * BATCH), x)
    batch = jax.tree.map(_varied, batch)
    draw = lambda key: model.init(key, batch)
    shapes = jax.eval_shape(draw, jax.random.key(0))

    def loss(params, state, batch):
        y, new = model.apply(params, state, batch, key=jax.random.key(1), train=True)
        floats = [leaf for leaf in jax.tree.leaves(y) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return sum(jnp.mean(jnp.sin(leaf)) for leaf in floats), new

    def run(mesh):
        params, state = jax.jit(draw)(jax.random.key(0))
        if mesh is not None:
            params, state = drawn(draw, jax.random.key(0), shardings(shapes, mesh))
        split = (lambda tree: tree) if mesh is None else lambda tree: split_batch(tree, mesh)
        f = jax.jit(
            lambda params, state, batch: jax.value_and_grad(loss, has_aux=True)(
                params, state, split(batch)
            )
        )
        with within(mesh):
            return (params, state), f(params, state, batch)

    begun, found = run(make_mesh(mesh))
    expected_begun, expected = run(None)
    jax.tree.map(np.testing.assert_array_equal, begun, expected_begun)
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(expected) if leaf.size)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=FLOAT32 * max(1.0, largest))


def _varied(leaf):
    """Examples that differ, where they are numbers rather than tokens."""
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    return leaf * (1 + 0.1 * jnp.arange(BATCH).reshape(-1, *(1,) * (leaf.ndim - 1)))
