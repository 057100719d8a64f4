"""jnn: neural networks as small records of pure functions that chain."""

from jnn.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "compose": ["chain", "parallel", "repeat", "residual"],
        "errors": ["JnnError"],
        "layers.dense": ["dense", "flatten"],
        "model": ["Model", "apply_child", "as_model", "child_key", "function", "identity", "init_child", "pointwise"],
        "tags": ["capture", "intervene", "tag"],
        "transform": ["cast", "ensemble", "frozen", "path_mask", "remat"],
    },
)
