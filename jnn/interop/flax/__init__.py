"""Modules of Flax as models, and models as modules of Flax: Linen and NNX."""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__, {"from_flax": ["from_linen", "from_nnx"], "to_flax": ["to_linen", "to_nnx"]}
)
