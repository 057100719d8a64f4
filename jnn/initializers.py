"""Initializers: functions ``init(key, shape, dtype) -> array``, JAX's own and some more.

Kernels are ``(in, out)`` for dense layers and ``(*window, in, out)`` for convolutions: the last two
axes are the inputs and outputs of one position, and fan-in = in x window. PyTorch stores
``(out, in, *window)``, with the same fans.

``zeros`` and ``ones`` are initializers themselves; the others are functions that return one, as in
``he_normal()`` or ``constant(0.1)``. Two conventions of JAX's are easily mistaken:

- ``uniform(scale)`` draws from [0, scale); :func:`symmetric_uniform` is on both sides of zero.
- ``truncated_normal(stddev)`` truncates a normal of that deviation at two deviations, which leaves
  0.880 of it. (PyTorch's ``trunc_normal_`` truncates at ±2 whatever the deviation, which is hardly
  at all.) ``he_normal``, ``lecun_normal`` and ``glorot_normal`` are truncated there too, but scaled
  to the deviation of their formula.

>>> import jax, jax.numpy as jnp
>>> he_normal()(jax.random.key(0), (784, 10), jnp.float32).shape
(784, 10)
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import sequential_vmap
from jax.nn.initializers import constant, ones, zeros

from jnn.errors import check_function, mistake
from jnn.integers import as_number, check_fraction, check_integer, check_number
from jnn.threefry import split, unrolled

__all__ = [
    "constant",
    "delta_orthogonal",
    "dirac",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "sparse",
    "symmetric_uniform",
    "torch_uniform",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "zeros",
]

Init = Callable[..., jax.Array]


def _unrolled(init: Init) -> Init:
    """``init`` of `jnn.threefry.unrolled` keys.

    The numbers are the same, to the last bit or nearly so. To compile a draw with four axes takes
    a CPU 0.2 in place of 1.1 s.
    """
    return lambda key, *arguments, **named: init(unrolled(key), *arguments, **named)


def _unrolling(make: Callable[..., Init]) -> Callable[..., Init]:
    """What makes initializers as JAX's ``make`` does, of such keys."""

    @functools.wraps(make)
    def wrapper(*arguments, **named):
        return _unrolled(make(*arguments, **named))

    wrapper.__module__ = __name__
    return wrapper


normal = _unrolling(jax.nn.initializers.normal)
truncated_normal = _unrolling(jax.nn.initializers.truncated_normal)
uniform = _unrolling(jax.nn.initializers.uniform)


def draw(init: Init, key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """The param that an initializer of a layer draws; refuses what is none.

    >>> draw(zeros, jax.random.key(0), (2,), jnp.float32).tolist()
    [0.0, 0.0]
    >>> draw("zeros", jax.random.key(0), (2,), jnp.float32)
    Traceback (most recent call last):
    jnn.errors.JnnError: init: got initializer='zeros', expected a function (key, shape, dtype) -> \
array. Pass jnn.initializers.zeros, or call what makes one, as in jnn.initializers.he_normal().
    """
    form = "(key, shape, dtype) -> array"
    remedy = (
        "Pass jnn.initializers.zeros, or call what makes one, as in jnn.initializers.he_normal()."
    )
    check_function("init", "initializer", init, form, remedy)
    param = init(key, shape, dtype)
    if np.shape(param) != tuple(shape) or callable(param):
        name = getattr(init, "__name__", type(init).__name__)
        returned = "a function" if callable(param) else f"an array of shape {np.shape(param)}"
        got, expected = f"{returned} from {name}", f"an array of shape {tuple(shape)}"
        raise mistake("init", got=got, expected=expected, remedy=remedy if callable(param) else "")
    return param


def variance_scaling(
    scale: float, mode: str, distribution: str, in_axis: int = -2, out_axis: int = -1
) -> Init:
    """Zero mean and variance ``scale / fan``.

    ``mode`` is "fan_in", "fan_out" or "fan_avg"; ``distribution`` is "normal", "truncated_normal"
    (at two deviations, corrected) or "uniform".

    The numbers are those of ``jax.nn.initializers.variance_scaling``.

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852.

    >>> arguments = jax.random.key(0), (3, 3, 8, 16), jnp.float32
    >>> x = variance_scaling(2.0, "fan_in", "truncated_normal")(*arguments)
    >>> bool(jnp.allclose(x, jax.nn.initializers.he_normal()(*arguments)))
    True
    """
    draws = {
        "normal": jax.random.normal,
        "truncated_normal": _truncated_normal,
        "uniform": _unit_uniform,
    }
    _check_choice("mode", mode, ("fan_in", "fan_out", "fan_avg"))
    _check_choice("distribution", distribution, tuple(draws))

    def init(key, shape, dtype=float):
        fan_in, fan_out = (math.prod(shape) / max(1, shape[i]) for i in (out_axis, in_axis))
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
        deviation = jnp.sqrt(jnp.asarray(scale / max(1, fan), dtype))
        return deviation * draws[distribution](unrolled(key), shape, dtype)

    return init


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        expected = f"one of {', '.join(choices)}"
        raise mistake("variance_scaling", got=f"{name}={value!r}", expected=expected)


DEVIATION_OF_TRUNCATED = 0.87962566103423978
"""The standard deviation of a standard normal truncated at -2 and 2."""


def _truncated_normal(key, shape, dtype):
    """A normal truncated at two deviations, scaled to a deviation of 1."""
    x = jax.random.truncated_normal(key, -2, 2, shape, dtype)
    return x / jnp.asarray(DEVIATION_OF_TRUNCATED, dtype)


def _unit_uniform(key, shape, dtype):
    """Uniform and symmetric about zero, with a deviation of 1."""
    return jax.random.uniform(key, shape, dtype, -1) * jnp.asarray(math.sqrt(3), dtype)


def lecun_normal(in_axis: int = -2, out_axis: int = -1) -> Init:
    """A truncated normal of variance 1/fan_in, which a linear layer keeps as it is."""
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis)


def lecun_uniform(in_axis: int = -2, out_axis: int = -1) -> Init:
    """Uniform, of variance 1/fan_in."""
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis)


def he_normal(in_axis: int = -2, out_axis: int = -1) -> Init:
    """A truncated normal of variance 2/fan_in, for layers followed by a ReLU, which halves it."""
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis)


def he_uniform(in_axis: int = -2, out_axis: int = -1) -> Init:
    """Uniform, of variance 2/fan_in."""
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis)


def glorot_normal(in_axis: int = -2, out_axis: int = -1) -> Init:
    """A truncated normal of variance 2/(fan_in + fan_out), between forward and backward pass."""
    return variance_scaling(1.0, "fan_avg", "truncated_normal", in_axis, out_axis)


def glorot_uniform(in_axis: int = -2, out_axis: int = -1) -> Init:
    """Uniform, of variance 2/(fan_in + fan_out)."""
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis)


def orthogonal(scale: float = 1.0, column_axis: int = -1) -> Init:
    """``scale`` times a matrix with orthonormal columns, or rows where these are fewer.

    A step of a recurrence with such a matrix keeps norms. This is JAX's own, but under ``jax.vmap``
    matrices are factored one after the other: on a CPU, XLA may deadlock in two batches of
    decompositions that share its threads.

    Source: Saxe et al. 2014, https://arxiv.org/abs/1312.6120.

    >>> w = orthogonal()(jax.random.key(0), (4, 3), jnp.float32)
    >>> bool(jnp.allclose(w.T @ w, jnp.eye(3), atol=1e-6))
    True
    """
    return _one_by_one(jax.nn.initializers.orthogonal(scale, column_axis))


def delta_orthogonal(scale: float = 1.0, column_axis: int = -1) -> Init:
    """`orthogonal` at the centre of a convolution's window, and zero elsewhere.

    For kernels of 3 to 5 axes, with at least as many outputs as inputs. Source: Xiao et al. 2018, https://arxiv.org/abs/1806.05393.
    """
    return _one_by_one(jax.nn.initializers.delta_orthogonal(scale, column_axis))


def _one_by_one(init: Init) -> Init:
    return lambda key, shape, dtype=float: sequential_vmap(
        lambda key: init(unrolled(key), shape, dtype)
    )(key)


def symmetric_uniform(bound: float) -> Init:
    """Uniform on ``[-bound, bound)``.

    PyTorch's bound is 1/√fan_in for the bias of a layer, and 1/√hidden for all params of an RNN.

    >>> x = symmetric_uniform(0.1)(jax.random.key(0), (1000,), jnp.float32)
    >>> bool((abs(x) <= 0.1).all() and (x < 0).any())
    True
    """
    if (number := as_number(bound)) is not None and not number > 0:
        raise mistake("symmetric_uniform", got=f"bound={bound}", expected="a number > 0")
    return _unrolled(functools.partial(jax.random.uniform, minval=-bound, maxval=bound))


def torch_uniform(in_axis: int = -2, out_axis: int = -1) -> Init:
    """PyTorch's default for the kernels of Linear and Conv layers: uniform on ``±1/√fan_in``.

    The variance is 1/(3 fan_in); PyTorch writes it ``kaiming_uniform_(a=√5)``. Its biases are
    ``symmetric_uniform(1/√fan_in)`` with the fan-in of the kernel. For transposed convolutions
    PyTorch counts the outputs as inputs: swap the axes to get the same.

    >>> float(abs(torch_uniform()(jax.random.key(0), (100, 7), jnp.float32)).max()) <= 0.1
    True
    """
    return variance_scaling(1 / 3, "fan_in", "uniform", in_axis=in_axis, out_axis=out_axis)


def identity(scale: float = 1.0) -> Init:
    """``scale`` on the diagonal of the last two axes and zero elsewhere, as PyTorch's ``eye_``.

    >>> print(identity()(None, (2, 3), jnp.float32))
    [[1. 0. 0.]
     [0. 1. 0.]]
    """

    def init(key, shape, dtype=float):
        if len(shape) < 2:
            raise mistake("identity", got=f"shape {tuple(shape)}", expected="a matrix (in, out)")
        matrix = jnp.asarray(scale, dtype) * jnp.eye(*shape[-2:], dtype=dtype)
        return jnp.broadcast_to(matrix, shape)

    return init


def dirac(groups: int = 1) -> Init:
    """The convolution ``(*window, in, out)`` that returns its input, as PyTorch's ``dirac_``.

    It is the identity at the centre of the window, the later one of an even window, and zero
    elsewhere. If ``in`` and ``out`` differ, the surplus channels are zero. With ``groups``, ``out``
    is split into that many parts, and each is the identity of its own ``in`` inputs.

    >>> print(dirac()(None, (3, 1, 1), jnp.float32).ravel())
    [0. 1. 0.]
    """

    groups = check_integer("dirac", "groups", groups)

    def init(key, shape, dtype=float):
        *window, inputs, outputs = shape
        if not window or outputs % groups:
            raise mistake(
                "dirac",
                got=f"shape {tuple(shape)}, groups={groups}",
                expected="(*window, in, out), out a multiple of groups",
            )
        centre = tuple(size // 2 for size in window)
        matrix = jnp.tile(jnp.eye(inputs, outputs // groups, dtype=dtype), groups)
        return jnp.zeros(shape, dtype).at[centre].set(matrix)

    return init


def sparse(sparsity: float, stddev: float = 0.01) -> Init:
    """A normal matrix ``(in, out)`` with ``⌈sparsity · in⌉`` zeros among each output's weights.

    Which weights are zero is drawn independently for each output. Source: Martens 2010, section 5,
    with a fixed number of connections into each unit. PyTorch's ``sparse_`` also zeroes along
    columns, which in its ``(out, in)`` layout are the connections out of a unit.

    >>> kernel = sparse(0.7)(jax.random.key(0), (10, 4), jnp.float32)
    >>> print((kernel == 0).sum(axis=0))
    [7 7 7 7]
    """
    sparsity = check_fraction("sparse", "sparsity", sparsity, ends="[]")
    stddev = check_number("sparse", "stddev", stddev, least=0)

    def init(key, shape, dtype=float):
        if len(shape) != 2:
            raise mistake("sparse", got=f"shape {tuple(shape)}", expected="a matrix (in, out)")
        values_key, order_key = split(key)
        position = jnp.broadcast_to(jnp.arange(shape[0])[:, None], shape)
        order = jax.random.permutation(order_key, position, axis=0, independent=True)
        is_kept = order >= math.ceil(sparsity * shape[0])
        values = jnp.asarray(stddev, dtype) * jax.random.normal(unrolled(values_key), shape, dtype)
        return jnp.where(is_kept, values, 0)

    return init
