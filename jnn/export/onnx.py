"""A program as ONNX, by jax2onnx, run by ONNX Runtime before it is kept."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from jnn._jaxprs import CALLS, CUSTOM, bind, callee
from jnn.errors import JnnError, MissingExtraError, missing_extra, mistake
from jnn.export.checks import check_same
from jnn.export.program import Program
from jnn.layers.convolution_forms import Geometry

BATCHES = ("batch", 1)
"""The sizes of a batch, any or one, the less restricted first."""
TRIED = 3
"""Examples that a file for any batch is tried on."""


def write_onnx(folder: Path, program: Program) -> dict[str, str]:
    """Write ``model.onnx``, after ONNX Runtime gave the outputs of the model.

    It is for a batch of any size, or where that cannot be, for one example; what it is is returned
    by its name. Raises `JnnError` for an operation that jax2onnx does not have, which is named, for
    what ONNX Runtime refuses, and for other outputs; `MissingExtraError` without these packages.
    """
    failure: JnnError | None = None
    for batch in BATCHES:
        samples = program.samples(TRIED if batch == "batch" else 1)
        try:
            content, outputs = _converted(program, samples, batch)
            check_same("model.onnx", outputs, program.expected(samples))
        except MissingExtraError:
            raise
        except JnnError as error:
            failure = error
            continue
        (folder / "model.onnx").write_bytes(content)
        size = "a batch of any size" if batch == "batch" else program.one_example
        return {"model.onnx": f"the program and its weights as ONNX, for {size}"}
    assert failure is not None, "what was not written failed"
    raise failure


def _converted(
    program: Program, samples: dict[str, np.ndarray], batch: str | int
) -> tuple[bytes, dict[str, np.ndarray]]:
    """The file for a batch of any size or of one, and its outputs for the samples."""
    to_onnx, runtime = _libraries()
    weights = jax.tree.map(jnp.asarray, dict(program.weights))
    names = list(jax.eval_shape(program.call, weights, samples))

    def plain(*inputs: jax.Array) -> tuple[jax.Array, ...]:
        outputs = program.call(weights, dict(zip(samples, inputs, strict=True)))
        return tuple(outputs[name] for name in names)

    size = jax.export.symbolic_shape("batch")[0] if batch == "batch" else batch
    shapes = [jax.ShapeDtypeStruct((size, *x.shape[1:]), x.dtype) for x in samples.values()]
    given, taken = [*map(_plain, samples)], [*map(_plain, names)]
    settings = {"inputs": shapes, "input_names": given, "output_names": taken}
    logging.getLogger("onnx_ir").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of jax2onnx about itself
            call = with_lax_convolutions(plain, *shapes)
            model = to_onnx(call, model_name="model", **settings)
        content = model.SerializeToString()
    except Exception as error:  # of whichever operation
        raise _refused(error) from error
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        outputs = session.run(taken, dict(zip(given, samples.values(), strict=True)))
    except Exception as error:  # its errors have no common class
        got = str(error).splitlines()[0]
        raise mistake("model.onnx", got=got, expected="a file that ONNX Runtime runs") from error
    return content, dict(zip(names, outputs, strict=True))


def _plain(name: str) -> str:
    """A name without the slashes that ONNX has for its own scopes."""
    return name.replace("/", ".")


def with_lax_convolutions(f: Callable, *shapes: Any) -> Callable:
    """f for arrays of these shapes, whose convolutions are those of JAX, one for each group.

    jax2onnx does not know the primitive of jnn, and takes a wrong order of grouped channels. What
    is padded is joined with its edges, since jax2onnx pads no batch of any size. What is within
    loops and branches stays as it is. f is traced here: within its own trace, jax2onnx has other
    functions in the place of ``jnp.where`` and the like, which promote to float64.

    >>> import jnn
    >>> model, x = jnn.conv(2, (3,), groups=2), jnp.ones((1, 5, 4))
    >>> params, _ = jax.jit(model.init)(jax.random.key(0), x)
    >>> f = with_lax_convolutions(lambda x: model.apply(params, {}, x)[0], x)
    >>> str(jax.make_jaxpr(f)(x)).count("conv_general_dilated")
    2
    """

    closed, shape = jax.make_jaxpr(f, return_shape=True)(*shapes)

    def g(*args: Any) -> Any:
        outputs = _evaluated(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), outputs)

    return g


def _evaluated(jaxpr: Any, consts: list, inputs: list) -> list:
    """The outputs of a jaxpr, equation by equation."""
    # constants of NumPy may be of float64, which ONNX would take as such
    consts = [
        jnp.asarray(value, v.aval.dtype) for v, value in zip(jaxpr.constvars, consts, strict=True)
    ]
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))
    literal = lambda atom: np.asarray(atom.val, atom.aval.dtype)
    read = lambda atom: literal(atom) if isinstance(atom, core.Literal) else values[atom]
    for equation in jaxpr.eqns:
        operands, name = [*map(read, equation.invars)], equation.primitive.name
        if name == "convolution":
            outputs = [_convolved(*operands, **equation.params)]
        elif name == "pad" and all(min(edges) >= 0 == edges[2] for edges in _edges(equation)):
            outputs = [_padded(operands[0], operands[1], _edges(equation))]
        elif name == "gather" and operands[0].dtype == bool:  # ONNX Runtime chooses no booleans
            (taken,) = bind(equation, [operands[0].astype(jnp.int32), *operands[1:]])
            outputs = [taken != 0]
        elif name in (*CALLS, *CUSTOM):
            outputs = _evaluated(*callee(equation), operands)
        else:
            outputs = bind(equation, operands)
        values.update(zip(equation.outvars, outputs, strict=True))
    return [*map(read, jaxpr.outvars)]


def _edges(equation: Any) -> Any:
    """How many elements a ``pad`` adds before, after and between those of each axis."""
    return equation.params["padding_config"]


def _padded(x: Any, value: Any, edges: Any) -> Any:
    """x with the value around it, as what is joined."""
    for axis, (before, after, _) in enumerate(edges):
        around = [_edge(x, value, axis, n) for n in (before, after)]
        parts = [*around[0], x, *around[1]]
        x = jax.lax.concatenate(parts, axis) if len(parts) > 1 else x
    return x


def _edge(x: Any, value: Any, axis: int, n: int) -> list:
    shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
    return [jax.lax.broadcast(value, shape)] if n else []


def _convolved(x: Any, kernel: Any, *, geometry: Geometry) -> jax.Array:
    """The convolutions of all members: x is (M, N, *space, C), kernel (M, *window, C/G, O)."""
    strides, padding, input_dilation, dilation, groups = geometry
    space = "DHW"[-(x.ndim - 3) :]
    orders = (f"N{space}C", f"{space}IO", f"N{space}C")

    def one(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(
            x, kernel, strides, padding, input_dilation, dilation, orders
        )

    def member(x: jax.Array, kernel: jax.Array) -> jax.Array:
        parts = zip(*(jnp.split(operand, groups, axis=-1) for operand in (x, kernel)), strict=True)
        return jnp.concatenate([one(*part) for part in parts], axis=-1)

    return jnp.stack([member(x[m], kernel[m]) for m in range(kernel.shape[0])])


def _refused(error: Exception) -> Exception:
    """What jax2onnx says of an operation that it does not have."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    match = re.search(r"primitive '([^']+)'", text)
    got = f"the operation {match[1]}" if match else f"{type(error).__name__}: {text}"
    remedy = "Export without --onnx: StableHLO and JavaScript have more operations."
    return mistake("model.onnx", got=got, expected="those that jax2onnx has", remedy=remedy)


def _libraries() -> tuple[Any, Any]:
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]
        from jax2onnx import to_onnx  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise missing_extra("ONNX needs jax2onnx and onnxruntime", "onnx") from None
    return to_onnx, onnxruntime
