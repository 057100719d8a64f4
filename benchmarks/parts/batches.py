"""The order of examples by sorting and by jnn's keyed bijection, and three forms of a random
crop.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jnn.data.augment import random_crop
from jnn.data.batches import batch_indices, steps_per_epoch

BATCH, STEPS = 128, 20
SIDE, PADDING = 28, 2


def by_sorting(key, step, *, size):
    """The batch of a step from an order that is found by sorting."""
    epoch, place = divmod(step, steps_per_epoch(size, BATCH))
    order = jax.random.permutation(jax.random.fold_in(key, epoch), size)
    return jax.lax.dynamic_slice(order, (place * BATCH,), (BATCH,))


def order(form: str, size: int) -> Callable[[], Any]:
    """The indices of `STEPS` batches in one dispatch, as training makes them."""
    forms = {"jnn": partial(batch_indices, batch_size=BATCH), "sorting": by_sorting}
    indices = partial(forms[form], size=size)
    loop = jax.jit(lambda key: jax.lax.map(partial(indices, key), jnp.arange(STEPS)))
    return partial(loop, jax.random.key(0))


def places(key):
    """The padded images' windows that `random_crop` draws: rows and columns, (N, SIDE) each."""
    draw = lambda key: (
        jax.random.randint(key, (BATCH,), 0, 2 * PADDING + 1)[:, None] + jnp.arange(SIDE)[None]
    )
    return map(draw, jax.random.split(key))


def pad(x):
    """Images with a border of zeros."""
    return jnp.pad(x, ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)))


def by_gather(key, x):
    """A crop that looks up every pixel."""
    rows, columns = places(key)
    return pad(x)[jnp.arange(BATCH)[:, None, None], rows[:, :, None], columns[:, None, :]]


def by_matrices(key, x):
    """A crop as a product with matrices of 0 and 1 on either side."""
    rows, columns = (jax.nn.one_hot(index, SIDE + 2 * PADDING) for index in places(key))
    return jnp.einsum("nih,nhwc,njw->nijc", rows, pad(x), columns)


def crop(form: str) -> Callable[[], Any]:
    """128 images of 28x28, each cropped at its own place."""
    x = jax.random.uniform(jax.random.key(1), (BATCH, SIDE, SIDE, 1))
    slices = partial(random_crop, padding=PADDING)
    forms = {"jnn": slices, "gather": by_gather, "0-1 matrices": by_matrices}
    return partial(jax.jit(forms[form]), jax.random.key(0), x)
