"""The order of examples by sorting beside jnn's keyed bijection, and three forms of a random
crop.
"""

from functools import partial

import jax
import jax.numpy as jnp
from measure import Comparison, main

from jnn.data.augment import random_crop
from jnn.data.batches import batch_indices, steps_per_epoch

BATCH, STEPS = 128, 20
SIDE, PADDING = 28, 2


def in_a_scan(indices):
    """The indices of `STEPS` steps in one dispatch, as training makes them."""
    return partial(
        jax.jit(lambda key: jax.lax.map(partial(indices, key), jnp.arange(STEPS))),
        jax.random.key(0),
    )


def sorted_indices(key, step, *, size):
    """The batch of a step from an order that is found by sorting."""
    epoch, place = divmod(step, steps_per_epoch(size, BATCH))
    order = jax.random.permutation(jax.random.fold_in(key, epoch), size)
    return jax.lax.dynamic_slice(order, (place * BATCH,), (BATCH,))


def order(size: int) -> Comparison:
    """The examples of one batch of many."""
    bijection = partial(batch_indices, size=size, batch_size=BATCH)
    ways = {
        "bijection (jnn)": in_a_scan(bijection),
        "sorting": in_a_scan(partial(sorted_indices, size=size)),
    }
    return Comparison(f"a batch of {BATCH} out of {size:,}", ways, units=STEPS, tolerance=None)


def sizes() -> Comparison:
    """The bijection for few examples and for many."""
    ways = {
        f"{size:,} examples": in_a_scan(partial(batch_indices, size=size, batch_size=BATCH))
        for size in (1_437, 48_000, 10_000_000)
    }
    return Comparison("bijection", ways, units=STEPS, tolerance=None)


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
    rows, columns = (jax.nn.one_hot(each, SIDE + 2 * PADDING) for each in places(key))
    return jnp.einsum("nih,nhwc,njw->nijc", rows, pad(x), columns)


def crop() -> Comparison:
    """128 images of 28x28, each cropped at its own place."""
    x = jax.random.uniform(jax.random.key(1), (BATCH, SIDE, SIDE, 1))
    forms = {
        "slices under vmap (jnn)": partial(random_crop, padding=PADDING),
        "gather": by_gather,
        "0-1 matrices": by_matrices,
    }
    ways = {name: partial(jax.jit(form), jax.random.key(0), x) for name, form in forms.items()}
    return Comparison(f"random crop of {BATCH} images of {SIDE}x{SIDE}", ways)


if __name__ == "__main__":
    main(__file__, [partial(order, 1_437), partial(order, 48_000), sizes, crop])
