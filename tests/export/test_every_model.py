"""Every layer and architecture has a form as StableHLO for a batch of any size, on any platform."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from tests.laws.registry import CASES

SAME = 1e-4  # float32: a program for any size takes its sums in another order


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_program_for_any_batch_computes_the_model(name):
    model, x, sequence = CASES[name]
    params, state = jax.jit(model.init)(jax.random.key(0), x)
    apply = jax.jit(lambda params, state, x, mask: model.apply(params, state, x, mask=mask)[0])
    batch = jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * 3), x)
    of_any_length = sequence and len(jax.tree.leaves(x)) == 1
    if of_any_length:
        length = len(x)
        sizes = jax.export.symbolic_shape("batch, length", constraints=["length >= 16"])
        batch = jnp.concatenate([batch] * (16 // length + 1), axis=1)
        mask = jnp.arange(batch.shape[1]) < jnp.array([[length], [length + 1], [1]])
        masks = jax.ShapeDtypeStruct(sizes, bool)
    else:
        sizes, mask, masks = jax.export.symbolic_shape("batch"), None, None
    shape = lambda leaf: jax.ShapeDtypeStruct((*sizes, *leaf.shape[len(sizes) :]), leaf.dtype)
    shapes = params, state, jax.tree.map(shape, batch), masks
    exported = jax.export.export(apply, platforms=("cpu", "cuda", "tpu"))(*shapes)
    found = exported.call(params, state, batch, mask)
    expected = apply(params, state, batch, mask)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=SAME, atol=SAME)
