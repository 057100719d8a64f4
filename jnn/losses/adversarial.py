"""Losses of adversarial training: of a discriminator and of a generator.

The discriminator gives each example a score, the logit of "real", ``(...)``; the generator is
trained to raise those of its examples. Each record has both players' losses; whether one is trained
for some steps and then the other, or both at once, is up to the optimizer.

>>> import jax.numpy as jnp
>>> real, fake = jnp.array([2.0, 0.5]), jnp.array([-2.0, 0.0])
>>> print(HINGE.discriminator(real, fake), HINGE.generator(fake))
[0.  1.5] [ 2. -0.]
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jnn.errors import mistake
from jnn.losses import checks


class Adversarial(NamedTuple):
    """The losses ``discriminator(real, fake)`` and ``generator(fake)``.

    Both return one loss an example, at least float32.
    """

    discriminator: Callable[[ArrayLike, ArrayLike], jax.Array]
    generator: Callable[[ArrayLike], jax.Array]


def _scores(real: ArrayLike, fake: ArrayLike) -> tuple[jax.Array, jax.Array]:
    fake = checks.floating("discriminator", "fake", fake)
    return checks.paired("discriminator", real, fake, ("real", "fake"))


def _hinge(real: ArrayLike, fake: ArrayLike) -> jax.Array:
    r, f = _scores(real, fake)
    return jax.nn.relu(1 - r) + jax.nn.relu(1 + f)


def _cross_entropy(real: ArrayLike, fake: ArrayLike) -> jax.Array:
    r, f = _scores(real, fake)
    return jax.nn.softplus(-r) + jax.nn.softplus(f)


def _difference(real: ArrayLike, fake: ArrayLike) -> jax.Array:
    r, f = _scores(real, fake)
    return f - r


def _negative(fake: ArrayLike) -> jax.Array:
    return -checks.floating("generator", "fake", fake)


HINGE = Adversarial(_hinge, _negative)
"""``max(0, 1 - r) + max(0, 1 + f)`` and ``-f``.

Source: Lim & Ye 2017, https://arxiv.org/abs/1705.02894; Miyato et al. 2018.
"""

NON_SATURATING = Adversarial(_cross_entropy, lambda fake: jax.nn.softplus(_negative(fake)))
"""``-log σ(r) - log σ(-f)`` and ``-log σ(f)``.

Source: Goodfellow et al. 2014, section 3, https://arxiv.org/abs/1406.2661.
"""

WASSERSTEIN = Adversarial(_difference, _negative)
"""``f - r`` and ``-f``: the Wasserstein distance as far as scores are 1-Lipschitz.

For that the discriminator needs `gradient_penalty` or spectral normalization (Arjovsky et al. 2017,
https://arxiv.org/abs/1701.07875).
"""


def gradient_penalty(
    score: Callable[[jax.Array], jax.Array], real: ArrayLike, fake: ArrayLike, mix: ArrayLike
) -> jax.Array:
    """How far the norm of a score's gradient is from 1 between real and generated examples.

        (‖∇ₓ score(x)‖ - 1)²,   x = mix real + (1 - mix) fake

    Args:
        score: the discriminator, ``(..., *example) -> (...)``; examples must not influence each
            other, as they do in batch normalization.
        real, fake: examples of one shape ``(..., *example)``, floating point.
        mix: ``(...)``, one number in [0, 1] for each pair, drawn uniformly.

    Returns:
        One penalty for each pair, ``(...)``, at least float32; the paper adds 10 times its mean to
        the discriminator's loss.

    Raises:
        JnnError: shapes that differ; a ``mix`` without the leading axes of the examples; scores of
            another shape than ``mix``.

    The norm has a gradient of zero at zero. Source: Gulrajani et al. 2017, algorithm 1,
    https://arxiv.org/abs/1704.00028.

    >>> score, mix = lambda x: 3 * x[..., 0], jnp.array([0.1, 0.9])
    >>> print(gradient_penalty(score, jnp.ones((2, 1)), jnp.zeros((2, 1)), mix))
    [4. 4.]
    """
    caller = "gradient_penalty"
    fake = checks.floating(caller, "fake", fake)
    real, fake = checks.paired(caller, real, fake, ("real", "fake"))
    ratio = checks.spread(caller, mix, real.shape, real.dtype)
    x = ratio * real + (1 - ratio) * fake
    shape = jax.eval_shape(score, x).shape
    if shape != jnp.shape(mix):
        raise mistake(
            caller,
            got=f"scores of shape {shape} and mix of shape {jnp.shape(mix)}",
            expected="one of each for each example",
        )
    gradient = jax.grad(lambda x: jnp.sum(score(x)))(x)
    square = jnp.sum(jnp.square(gradient), axis=tuple(range(len(shape), x.ndim)))
    norm = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
    return jnp.square(norm - 1)
