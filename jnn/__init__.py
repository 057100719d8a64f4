"""jnn: neural networks as small records of pure functions that chain."""

from jnn.compose import chain, parallel, repeat, residual
from jnn.errors import JnnError
from jnn.layers.dense import dense, flatten
from jnn.model import Model, apply_child, as_model, child_key, function, identity, init_child, pointwise
from jnn.tags import capture, intervene, tag
from jnn.transform import cast, ensemble, frozen, path_mask, remat

__all__ = [name for name in dir() if not name.startswith("_")]
