"""The layers of a model: their shapes and parameters, without computing anything."""

from typing import Any, NamedTuple

import jax

from jnn import tables
from jnn.explain.inside.operations import flops
from jnn.layers.checks import check_array
from jnn.model import Model
from jnn.paths import path_name
from jnn.tags import capture


class Row(NamedTuple):
    """A layer of a model, for a given input."""

    path: str
    output: tuple[tuple[int, ...], ...]
    """The shapes of its output: one, unless the layer returns several arrays."""
    parameters: int
    """Their number."""


def layer_table(model: Model, x: Any, *, depth: int | None = None) -> list[Row]:
    """The layers of ``model`` in the order in which they run, for an input of the shape of ``x``.

    Nothing is computed (`jax.eval_shape`). A layer is a child of a `jnn.chain` or `jnn.parallel`
    that has no such children itself; with ``depth``, paths end after that many parts, and the row
    of a block has all parameters in it. Inside a `jnn.repeat`, shapes have its number of copies in
    front. Parameters that no child holds have a row of their own, without an output.

    >>> import jax.numpy as jnp, jnn
    >>> model = jnn.chain(hidden=jnn.chain(jnn.dense(4), jax.nn.relu), out=jnn.dense(2))
    >>> for row in layer_table(model, jnp.ones(3)): print(*row)
    hidden/0 ((4,),) 16
    hidden/1 ((4,),) 0
    out ((2,),) 10
    >>> layer_table(model, jnp.ones(3), depth=1)[0]
    Row(path='hidden', output=((4,),), parameters=16)
    """
    params, state, x = _shapes(model, x)

    def trace(params, state, x):
        (y, _), values = capture(model.apply)(params, state, x)
        return y, values

    y, values = jax.eval_shape(trace, params, state, x)
    outputs = _outputs(values)
    if depth is not None:
        outputs = {path: shapes for path, shapes in outputs.items() if path.count("/") < depth}
    has_children = lambda path: any(other.startswith(path + "/") for other in outputs)
    layers = [path for path in outputs if not has_children(path)] or [""]
    counts = dict.fromkeys(layers, 0)
    for path, size in _sizes(params).items():
        around = [layer for layer in layers if _inside(path, layer)]
        owner = max(around, key=len, default=path.rpartition("/")[0])
        counts[owner] = counts.get(owner, 0) + size
    outputs.setdefault("", tuple(leaf.shape for leaf in jax.tree.leaves(y)))
    return [
        Row(path, outputs.get(path, ()) if path in layers else (), count)
        for path, count in counts.items()
    ]


def parameter_count(model: Model, x: Any) -> int:
    """The number of parameters of ``model`` for an input of the shape of ``x``.

    >>> import jax.numpy as jnp, jnn
    >>> parameter_count(jnn.dense(2), jnp.ones(3))
    8
    """
    return sum(_sizes(_shapes(model, x)[0]).values())


def table(model: Model, x: Any, *, depth: int | None = None, with_flops: bool = False) -> str:
    """`layer_table` as text in aligned columns, with the total.

    ``with_flops`` adds a line with `jnn.explain.inside.operations.flops`.

    >>> import jax.numpy as jnp, jnn
    >>> print(table(jnn.chain(hidden=jnn.dense(40), out=jnn.dense(2)), jnp.ones(30)))
    layer   output  parameters
    hidden  40           1,240
    out     2               82
    total                1,322
    """
    rows = layer_table(model, x, depth=depth)
    lines = [("layer", "output", "parameters")]
    shapes = lambda row: ", ".join(map(_product, row.output))
    lines += [(row.path or "model", shapes(row), f"{row.parameters:,}") for row in rows]
    lines.append(("total", "", f"{sum(row.parameters for row in rows):,}"))
    text = tables.table(lines, numbers=[2])
    if with_flops:
        text.append(
            f"{flops(model, x):,.0f} floating-point operations in matrix products and "
            "convolutions for an input of this shape"
        )
    return "\n".join(text)


def summary(model: Model, x: Any, *, depth: int | None = None) -> str:
    """The layers of a model as text: path, output shape and parameters of each, and their bytes.

    ``x`` is an input or its shape; nothing is computed. ``depth`` cuts paths, see `layer_table`.

    >>> import jax.numpy as jnp, jnn
    >>> print(jnn.summary(jnn.chain(hidden=jnn.dense(40), out=jnn.dense(2)), jnp.ones(30)))
    layer   output  parameters
    hidden  40           1,240
    out     2               82
    total                1,322
    5,288 bytes of parameters
    """
    leaves = jax.tree.leaves(_shapes(model, x)[0])
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    return f"{table(model, x, depth=depth)}\n{size:,} bytes of parameters"


def _shapes(model: Model, x: Any) -> tuple[Any, Any, Any]:
    """Params, state and x as shapes."""
    for leaf in jax.tree.leaves(x):
        check_array("summary", leaf)
    x = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), x)
    params, state = jax.eval_shape(model.init, jax.random.key(0), x)
    return params, state, x


def _outputs(values: dict[str, Any]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """``{path of a child: shapes of its outputs}``.

    There are several where the child is used twice, or returns several arrays.
    """
    shapes: dict[str, tuple] = {}
    for path, value in values.items():
        layer, _, name = path.rpartition("/")
        if name.partition("#")[0] == "output":
            shapes[layer] = (*shapes.get(layer, ()), value.shape)
    return shapes


def _sizes(params: Any) -> dict[str, int]:
    leaves, _ = jax.tree.flatten_with_path(params)
    return {path_name(path): leaf.size for path, leaf in leaves}


def _inside(path: str, layer: str) -> bool:
    return not layer or path.startswith(layer + "/")


def _product(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "scalar"
