"""What is wrong with the batch of a step that was not finite."""

import jax
import jax.numpy as jnp
import numpy as np

from jnn.train.batch_faults import ranges_of_integers, rows_not_finite


def test_rows_of_bfloat16_are_looked_at():
    x = jnp.ones((4, 2), jnp.bfloat16).at[2, 1].set(jnp.nan)
    assert rows_not_finite({"x": x}) == "x in rows 2"
    assert rows_not_finite({"x": np.asarray(x)}) == "x in rows 2"


def test_rows_of_float64_are_as_jax_computes_with_them():
    x = np.array([1.0, 1e300, np.inf])
    assert rows_not_finite({"x": x}) == "x in rows 1, 2"  # as float32
    with jax.enable_x64(True):
        assert rows_not_finite({"x": x}) == rows_not_finite({"x": jnp.asarray(x)}) == "x in rows 2"


def test_arrays_without_rows_of_numbers_have_no_faults():
    without = {
        "keys": jax.random.split(jax.random.key(0), 3),
        "no rows": np.ones((0, 3), np.float32),
        "no columns": np.ones((3, 0), np.float32),
        "no labels": np.ones((0,), np.int32),
        "number": 1.0,
    }
    assert rows_not_finite(without) == ranges_of_integers(without) == ""
    batch = without | {"x": np.array([1, np.inf]), "label": np.array([3, 5])}
    assert rows_not_finite(batch) == "x in rows 1"
    assert ranges_of_integers(batch) == "label has 3 to 5, the largest in row 1"
