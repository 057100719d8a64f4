"""A convolution primitive, bilinear in x and kernel, in the layout that XLA runs fast on a CPU.

XLA:CPU has a fast convolution for data in NHWC and kernels in HWIO order. It transposes other
layouts into this one only outside of loops, and JAX's gradient of ``lax.conv_general_dilated`` has
another layout: inside ``lax.scan`` it becomes a naive loop. Here both gradients are this primitive
again, with explicit transposes. Since it is bilinear, derivatives of every order need nothing more.

``jax.vmap`` over kernels, which JAX turns into a grouped convolution, is here a first axis of
members, which a CPU runs one after the other. The form in which it computes one is chosen by
geometry and processor, in ``convolution_choice.py``; GPUs and TPUs keep that of ``lax``.

Time of ``lax.conv_general_dilated`` over that of this primitive, value and both gradients, batch 32
of 28x28, 3x3, float32, two cores with AVX-512 (``python -m benchmarks convolution`` and the other
workloads of that name):

    32 -> 64 features               1.0, of batch 256 1.6, inside ``lax.scan`` 40
    1 -> 32 features                2.0
    64 -> 3 features                2.5
    128 -> 128 features, of 2x2     7.0
    32 -> 64 features, 4 groups     13
    32 features, depthwise          23
    16 small networks by vmap       2.6
    transposed, 64 -> 32 features   4.6, 4x4 with strides of 2
    over three axes, 16 -> 16       5.6, 3x3x3
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec

from jnn.layers.axes import merge, split
from jnn.layers.convolution_choice import in_sequence
from jnn.layers.convolution_forms import Geometry, plain
from jnn.placement import is_for_mesh, varying_over
from jnn.sharding import BATCH


def convolution(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """The convolution of x ``(N, *space, C)`` and a kernel ``(*window, C / groups, O)``.

        y[n, t, o] = Σ_{τ, c} x'[n, t strides + τ kernel_dilation - low, c] kernel[τ, c, o]

    y is ``(N, *out, O)``; ``x'`` is x with ``input_dilation - 1`` zeros between its elements and
    zeros around it.
    """
    if geometry.groups > 1 and isinstance(x, Tracer) and is_for_mesh():
        return _by_examples(x, kernel, geometry)
    x, kernel = varying_over((_whole_in_space(x), kernel))
    return _whole_in_space(_convolution.bind(x[None], kernel[None], geometry=geometry)[0])


def _by_examples(x, kernel, geometry):
    """The convolution of x, each device for its examples with the whole kernel, on a mesh.

    XLA's partitioner (jaxlib 0.10.2) gathers the examples of all devices for a convolution in
    groups, and for its gradients.
    """
    mesh = jax.sharding.get_abstract_mesh()
    axes = tuple(axis for axis in BATCH if axis in mesh.shape)
    parts = math.prod(mesh.shape[axis] for axis in axes)
    examples = PartitionSpec(axes) if x.shape[0] % parts == 0 else PartitionSpec()
    convolve = jax.shard_map(
        functools.partial(convolution, geometry=geometry),
        in_specs=(examples, PartitionSpec()),
        out_specs=examples,
    )
    return convolve(x, kernel)


def _whole_in_space(x):
    """x ``(N, *space, C)``, of which devices have parts by N and C alone, on a mesh that is set.

    XLA's partitioner (jaxlib 0.10.2) gives wrong gradients of convolutions that are split in space,
    as they are after a dense layer whose outputs are, and which are reshaped to an image.
    """
    if not isinstance(x, Tracer) or not is_for_mesh():
        return x
    free = PartitionSpec.UNCONSTRAINED
    spec = PartitionSpec(free, *(None,) * (x.ndim - 2), free)
    return lax.with_sharding_constraint(x, spec)


def _grouped(x, kernel, *, geometry):
    """All M members as one convolution of M times as many groups.

    x is ``(M, N, *space, C)``, and kernel ``(M, *window, C / groups, O)``.
    """
    m = kernel.shape[0]
    if m == 1:
        return plain(x[0], kernel[0], geometry)[None]
    x, kernel = merge(jnp.moveaxis(x, 0, -2)), merge(jnp.moveaxis(kernel, 0, -2))
    y = plain(x, kernel, geometry._replace(groups=m * geometry.groups))
    return jnp.moveaxis(split(y, m), -2, 0)


def _gradient_to_x(dy, x, kernel, *, geometry):
    """The gradient with respect to x: a convolution of dy and the flipped kernel.

    Inputs and outputs of the kernel are exchanged.
    """
    strides, padding, input_dilation, dilation, groups = geometry
    flipped = jnp.flip(kernel, range(1, kernel.ndim - 2))
    exchanged = merge(jnp.swapaxes(split(flipped, groups), -3, -1))

    def pads(n, m, k, s, pad, b, d):
        low = (k - 1) * d - pad[0]
        return low, (n - 1) * b + (k - 1) * d - (m - 1) * s - low

    sizes = x.aval.shape[2:-1], dy.shape[2:-1], kernel.shape[1:-2]
    padding = tuple(map(pads, *sizes, *geometry[:4]))
    return _convolution.bind(
        dy, exchanged, geometry=Geometry(input_dilation, padding, strides, dilation, groups)
    )


def _gradient_to_kernel(dy, x, kernel, *, geometry):
    """The gradient with respect to the kernel: a convolution of x with dy as its kernel.

    Batch and channels of x are exchanged. Of a transposed convolution, which dilates x more than
    dy, it is one of dy with x as its kernel, flipped: where it is the image that is dilated, CPUs
    take 35 times as long.
    """
    strides, padding, input_dilation, dilation, groups = geometry
    is_transposed = math.prod(input_dilation) > math.prod(strides)
    image, window, of_image, of_window = x, dy, input_dilation, strides
    if is_transposed:
        image, window, of_image, of_window = dy, x, strides, input_dilation

    def pads(n, m, k, pad, b, s, d):
        low = (k - 1) * d - pad[0] if is_transposed else pad[0]
        return low, (k - 1) * d + (m - 1) * s - (n - 1) * b - low

    sizes = image.shape[2:-1], window.shape[2:-1], kernel.aval.shape[1:-2]
    padding = tuple(map(pads, *sizes, padding, of_image, of_window, dilation))
    exchanged = merge(jnp.swapaxes(split(image, groups), 1, -1))
    dk = _convolution.bind(
        exchanged,
        jnp.moveaxis(window, 1, -2),
        geometry=Geometry(dilation, padding, of_image, of_window, groups),
    )
    if is_transposed:
        dk = jnp.flip(merge(jnp.swapaxes(split(dk, groups), 1, -1)), range(2, dk.ndim - 1))
    return jnp.moveaxis(dk, 1, -2)


def _batch(operands, axes, *, geometry):
    """The rule of ``jax.vmap``.

    A batch of x is merged into N, a batch of kernels for one x into the outputs, and a batch of
    both into the members.
    """
    (x, kernel), (x_axis, kernel_axis) = operands, axes
    bind = lambda x, kernel: _convolution.bind(x, kernel, geometry=geometry)
    if 0 in (a.shape[axis] for a, axis in zip(operands, axes, strict=True) if axis is not None):
        y = jax.eval_shape(bind, *map(_element, operands, axes))
        return jnp.zeros((0, *y.shape), y.dtype), 0
    if kernel_axis is None:
        x = jnp.moveaxis(x, x_axis, 1)
        return split(bind(merge(x, 1), kernel), x.shape[1], 1), 1
    if x_axis is None:
        by_group = split(jnp.moveaxis(kernel, kernel_axis, -2), geometry.groups)
        by_group = jnp.swapaxes(by_group, -3, -2)
        y = split(split(bind(x, merge(merge(by_group))), geometry.groups), by_group.shape[-2])
        return merge(jnp.swapaxes(y, -3, -2)), y.ndim - 3
    x, kernel = jnp.moveaxis(x, x_axis, 0), jnp.moveaxis(kernel, kernel_axis, 0)
    return split(bind(merge(x, 0), merge(kernel, 0)), x.shape[0], 0), 0


def _element(x, axis):
    """The shape and dtype of one element of a batch along ``axis``; all of x if that is None."""
    shape = x.shape if axis is None else (*x.shape[:axis], *x.shape[axis + 1 :])
    return jax.ShapeDtypeStruct(shape, x.dtype)


_convolution = Primitive("convolution")
_convolution.def_impl(jax.jit(_convolution.bind, static_argnames="geometry"))
_convolution.def_abstract_eval(
    lambda x, kernel, *, geometry: jax.make_jaxpr(
        lambda *operands: _grouped(*operands, geometry=geometry)
    )(x, kernel).out_avals[0]
)
ad.defbilinear(_convolution, _gradient_to_x, _gradient_to_kernel)
batching.primitive_batchers[_convolution] = _batch
mlir.register_lowering(_convolution, mlir.lower_fun(_grouped, multiple_results=False))
mlir.register_lowering(
    _convolution, mlir.lower_fun(in_sequence, multiple_results=False), platform="cpu"
)
