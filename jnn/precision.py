"""Floating-point types: of statistics, which are computed in float32 at least, and of params."""

import jax
import jax.numpy as jnp
import numpy as np


def wide(dtype: np.dtype) -> np.dtype:
    """The type for statistics, sums and logarithms: float32 at least, float64 stays.

    By NumPy's promotion, since under strict promotion JAX refuses to lift bfloat16.

    >>> wide(jnp.ones(2, jnp.bfloat16).dtype).name
    'float32'
    """
    is_inexact = jnp.issubdtype(dtype, jnp.inexact)
    return np.promote_types(dtype, np.float32) if is_inexact else np.dtype(np.float32)


def numerics(x: jax.Array) -> jax.Array:
    """``x`` in the type for statistics, sums and logarithms, that of `wide`.

    >>> numerics(jnp.ones(2, jnp.bfloat16)).dtype.name
    'float32'
    """
    return x.astype(wide(x.dtype))


def parameter_dtype(x: jax.Array | jax.ShapeDtypeStruct) -> np.dtype:
    """The dtype of params for an input ``x``: float32 at least, and JAX's default for integers.

    >>> parameter_dtype(jnp.ones(2, jnp.bfloat16)).name
    'float32'
    """
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.result_type(float)
    return jax.dtypes.canonicalize_dtype(wide(x.dtype))
