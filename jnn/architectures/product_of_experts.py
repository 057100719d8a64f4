"""An ensemble of classifiers and one of another kind, whose probabilities are multiplied."""

import jax

from jnn.errors import mistake
from jnn.model import Model


def product_of_experts(
    model: Model, *, ensemble: str, other: str, share: float, scale: float = 1.0
) -> Model:
    """The logarithms of the classes' probabilities, from a model that gives both kinds of logits.

    ``p ∝ ((1 / M) Σ_m softmax(z_m))^(1 - share) exp(share scale z)``

    ``model`` gives a mapping: ``ensemble`` names the logits z_m ``(M, ..., classes)`` of the M
    members, whose mean probability counts, and ``other`` those of the other model, z
    ``(..., classes)``. ``share`` weighs the kinds against each other, from 0, the ensemble alone,
    to 1; ``scale`` corrects the other's confidence. The params are those of ``model``.

    Raises JnnError for a share outside [0, 1]. Source: a weighted product of experts, Heskes 1998,
    "Selecting weighting factors in logarithmic opinion pools".

    >>> import jax.numpy as jnp, jnn
    >>> logits = jnn.parallel(networks=jnn.ensemble(jnn.dense(3), 4), bag=jnn.dense(3))
    >>> model = product_of_experts(logits, ensemble="networks", other="bag", share=0.5)
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones(5))
    >>> print(f"{jnp.exp(model.apply(params, state, jnp.ones(5))[0]).sum():.3f}")
    1.000
    """
    if not 0 <= share <= 1:
        raise mistake("product_of_experts", got=f"share={share}", expected="a fraction in [0, 1]")

    def apply(params, state, x, **options):
        logits, state = model.apply(params, state, x, **options)
        mean = jax.nn.logsumexp(jax.nn.log_softmax(logits[ensemble], axis=-1), axis=0)
        product = (1 - share) * mean + share * scale * logits[other]
        return jax.nn.log_softmax(product, axis=-1), state

    return Model(model.init, apply)
