"""A traced function as the source of an ES module."""

import base64
import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import jax
import numpy as np

from jnn.errors import mistake
from jnn.paths import path_name
from jnn.web import rules  # noqa: F401, which registers them
from jnn.web.emitter import Emitter, checked
from jnn.web.memory import shared
from jnn.web.values import ARRAYS, dtype_of, shape_of, view


def javascript(f: Callable, *examples: Any) -> str:
    """The source of an ES module that computes ``f``.

    ``examples`` are the arguments of ``f``, or their shapes: pytrees of arrays, whose leaves are
    the arguments of ``call`` in JavaScript, in their order. The module's default export has

        call(...arrays)   typed arrays in, an array of typed arrays out
        inputs, outputs   for each of them ``{path, shape, dtype}``

    Arrays that ``f`` closes over, such as params, are part of the source. The results of ``call``
    are its own: the next call does not change them.

    Raises `JnnError` for a primitive without a rule, and for dtypes other than float32, int32,
    uint32 and bool.

    >>> import jax.numpy as jnp
    >>> source = javascript(lambda x: jnp.exp(x) + 1, jnp.ones(3))
    >>> "Math.exp(" in source, source.rstrip().endswith("export default model;")
    (True, True)
    """
    closed, shape = jax.make_jaxpr(f, return_shape=True)(*examples)
    emitter, arguments, inputs = Emitter(), [], []
    paths = [path_name(path) for path, _ in jax.tree.leaves_with_path(examples)]
    for i, (variable, path) in enumerate(zip(closed.jaxpr.invars, paths, strict=True)):
        dtype = checked(dtype_of(variable.aval), f"the argument {path or i}")
        arguments.append(view(f"x{i}", dtype, shape_of(variable.aval)))
        inputs.append({"path": path, "shape": list(arguments[-1].shape), "dtype": dtype})
    results = emitter.run(closed.jaxpr, closed.consts, arguments)
    dense, outputs = [emitter.dense(result) for result in results], []
    for value, (path, _) in zip(dense, jax.tree.leaves_with_path(shape), strict=True):
        outputs.append({"path": path_name(path), "shape": list(value.shape), "dtype": value.dtype})
    parts = (
        f"{value.buffer}.slice({value.offset}, {value.offset} + {int(np.prod(value.shape))})"
        for value in dense
    )
    emitter.line(f"return [{', '.join(parts)}];")
    runtime = resources.files("jnn.web").joinpath("runtime.js").read_text(encoding="utf-8")
    constants = [
        f'const {name} = data({ARRAYS[str(array.dtype)]}, "{base64_text(array)}");'
        for name, array in emitter.constants.items()
    ]
    lines, buffers = shared(emitter.lines, emitter.buffers)
    about = f"inputs: {json.dumps(inputs)}, outputs: {json.dumps(outputs)}"
    return "\n".join(
        [
            runtime,
            *constants,
            *(
                f"const {name} = new {ARRAYS[dtype]}({size});"
                for name, (dtype, size) in buffers.items()
            ),
            "",
            *emitter.functions,
            "",
            f"function call({', '.join(argument.buffer for argument in arguments)}) {{",
            *lines,
            "}",
            "",
            f"const model = {{ call, {about} }};",
            "export default model;",
            "",
        ]
    )


def base64_text(array: np.ndarray) -> str:
    """The bytes of an array in C order, little-endian, as base64."""
    if array.dtype.hasobject:
        raise mistake("javascript", got="a constant of Python objects", expected="numbers")
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(little.tobytes()).decode()
