"""A traced function as the source of an ES module."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
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
    are its own: the next call does not change them. Arrays of bfloat16 and float16 are float32
    there, whose numbers are rounded, as those of arguments have to be.

    Raises `JnnError` for a primitive without a rule, and for dtypes other than these two, float32,
    int32, uint32 and bool.

    >>> import jax.numpy as jnp
    >>> source = javascript(lambda x: jnp.exp(x) + 1, jnp.ones(3))
    >>> "Math.exp(" in source, source.rstrip().endswith("export default model;")
    (True, True)
    """
    return "\n".join([_runtime(), _module(f, examples), "export default model;", ""])


def modules(functions: Mapping[str, Sequence[Any]]) -> str:
    """The modules of several functions as one expression: an object that has them by name.

    Each function comes with its examples, ``(f, *examples)``, which are those of `javascript`. What
    all modules need is in the text once. Raises `JnnError` as `javascript`.

    >>> text = modules({"twice": (lambda x: 2 * x, 1.0), "half": (lambda x: x / 2, 1.0)})
    >>> text.count("function threefry("), text.count("return model;")
    (1, 2)
    """
    parts = [
        f"{json.dumps(name)}: (() => {{\n{_module(f, examples)}\nreturn model;\n}})(),"
        for name, (f, *examples) in functions.items()
    ]
    return "\n".join(["(() => {", _runtime(), "return {", *parts, "};", "})()"])


def _runtime() -> str:
    return resources.files("jnn.web").joinpath("runtime.js").read_text(encoding="utf-8")


def _module(f: Callable, examples: Sequence[Any]) -> str:
    """The statements that declare the constant ``model``."""
    closed, shape = jax.make_jaxpr(f, return_shape=True)(*examples)
    emitter, arguments, inputs = Emitter(), [], []
    paths = [path_name(path) for path, _ in jax.tree.leaves_with_path(examples)]
    for i, (variable, path) in enumerate(zip(closed.jaxpr.invars, paths, strict=True)):
        dtype = checked(dtype_of(variable.aval), f"the argument {path or i}")
        arguments.append(view(f"x{i}", dtype, shape_of(variable.aval)))
        emitter.arguments[f"x{i}"] = dtype
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
    constants = [
        f'const {name} = data({ARRAYS[str(array.dtype)]}, "{base64_text(array)}");'
        for name, array in emitter.constants.items()
    ]
    lines, buffers = shared(emitter.lines, emitter.buffers)
    about = f"inputs: {json.dumps(inputs)}, outputs: {json.dumps(outputs)}"
    return "\n".join(
        [
            *constants,
            *(
                f"const {name} = new {ARRAYS[dtype]}({size});"
                for name, (dtype, size) in buffers.items()
            ),
            "",
            *(f"function {name}{text}" for text, name in emitter.functions.items()),
            "",
            f"function call({', '.join(argument.buffer for argument in arguments)}) {{",
            *lines,
            "}",
            "",
            f"const model = {{ call, {about} }};",
        ]
    )


def base64_text(array: np.ndarray) -> str:
    """The bytes of an array in C order, little-endian, as base64."""
    if array.dtype.hasobject:
        raise mistake("javascript", got="a constant of Python objects", expected="numbers")
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(little.tobytes()).decode()
