"""Convolutions against PyTorch and JAX's own, how they stream, and what they refuse."""

import contextlib
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import jnn
from jnn.layers import bilinear_convolution, convolution_choice, convolution_forms
from jnn.layers.bilinear_convolution import convolution
from jnn.layers.convolution import conv, conv_transpose, depthwise_conv
from jnn.layers.convolution_forms import Geometry
from jnn.model import streams
from jnn.train import compilation
from tests.compiled import apply, init

FORWARD = 1e-10  # float64: the same sums in another order
GRADIENT = 1e-9  # float64: longer sums
SINGLE = 1e-5  # float32: a few dozen terms in another order

LAYERS = {
    "sequence, same": conv(3, (4,)),
    "sequence, strides and dilation": conv(3, (3,), strides=2, padding=3, dilation=2),
    "image, same": conv(3, (3, 5)),
    "image, valid": conv(3, (3, 2), padding="VALID", use_bias=False),
    "image, strides": conv(3, (3, 3), strides=(2, 3), padding=(1, 0)),
    "image, shortcut": conv(3, (1, 1), strides=2),
    "image, dilation": conv(3, (3, 3), padding=((2, 2), 2), dilation=2),
    "image, groups": conv(6, (3, 3), strides=2, padding=1, groups=2),
    "volume": conv(3, (2, 3, 2), strides=(1, 2, 1), padding=(0, 1, 0)),
    "depthwise": depthwise_conv((3, 3)),
    "depthwise, multiplier": depthwise_conv((3, 3), 2, strides=2, padding=2, dilation=2),
    "transposed sequence": conv_transpose(3, (5,), strides=2, padding=1),
    "transposed image": conv_transpose(
        3, (3, 3), strides=2, padding=1, output_padding=1, dilation=(1, 2)
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_those_of_pytorch(reference, float64, name):
    case, layer = reference("convolution", name), LAYERS[name]
    declared, _ = jax.eval_shape(layer.init, jax.random.key(0), case["x"][0])
    params = {key: case[f"params/{key}"] for key in declared}
    assert jax.tree.map(jnp.shape, declared) == jax.tree.map(jnp.shape, params)

    def weighted(params, x):
        y, _ = layer.apply(params, {}, x)
        return jnp.sum(case["weights"] * y), y

    (_, y), (gradient, gradient_x) = jax.jit(jax.value_and_grad(weighted, (0, 1), has_aux=True))(
        params, case["x"]
    )
    np.testing.assert_allclose(y, case["y"], atol=FORWARD)
    np.testing.assert_allclose(gradient_x, case["gradient/x"], atol=GRADIENT)
    for key in params:
        np.testing.assert_allclose(gradient[key], case[f"gradient/{key}"], atol=GRADIENT)


def draw(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@st.composite
def geometries(draw):
    """Convolutions of small sizes in one to three axes of space, with every setting."""
    rank, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 4]))
    per_axis = lambda low, high: draw(st.tuples(*[st.integers(low, high)] * rank))
    padding = tuple(zip(per_axis(-1, 2), per_axis(-1, 3), strict=True))
    geometry = Geometry(per_axis(1, 3), padding, per_axis(1, 2), per_axis(1, 2), groups)
    size, window = per_axis(2, 6 if rank < 3 else 3), per_axis(1, 3)
    padded = [
        (n - 1) * b + 1 + low + high
        for n, b, (low, high) in zip(size, geometry.input_dilation, padding, strict=True)
    ]
    assume(
        all(
            n >= (k - 1) * d + 1
            for n, k, d in zip(padded, window, geometry.kernel_dilation, strict=True)
        )
    )
    inputs, outputs = draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, 2]))
    return geometry, (2, *size, groups * inputs), (*window, inputs, groups * outputs)


ONES, PADS = (1, 1), ((1, 1), (0, 1))
SPECIAL = {
    "few channels": (Geometry((2, 1), PADS, ONES, (1, 2), 1), (2, 7, 8, 3), (3, 2, 3, 5)),
    "few features": (Geometry(ONES, PADS, ONES, (2, 1), 1), (2, 7, 5, 6), (3, 2, 6, 2)),
    "small images": (Geometry((1, 2), PADS, (2, 1), ONES, 1), (2, 2, 3, 5), (3, 3, 5, 8)),
    "one output": (Geometry((3, 3), PADS, ONES, (1, 2), 1), (2, 4, 5, 3), (4, 3, 3, 5)),
    "one element": (
        Geometry((2, 1), ((3, 4), (2, 1)), ONES, (1, 2), 1),
        (2, 1, 1, 5),
        (4, 2, 5, 6),
    ),
    "pointwise": (Geometry(ONES, ((0, 0), (0, 0)), ONES, ONES, 1), (2, 4, 5, 3), (1, 1, 3, 5)),
    "windows apart": (
        Geometry((3, 2), ((1, -1), (0, 2)), ONES, ONES, 1),
        (2, 8, 7, 3),
        (2, 2, 3, 5),
    ),
    "elements apart": (
        Geometry(ONES, ((1, 0), (2, 1)), (3, 4), (2, 1), 1),
        (2, 3, 2, 5),
        (2, 3, 5, 6),
    ),
    "depthwise": (Geometry((1, 2), PADS, ONES, (2, 1), 3), (2, 37, 8, 3), (3, 2, 1, 6)),
    "groups, a sum": (Geometry((1, 2), PADS, ONES, (2, 1), 2), (2, 7, 8, 6), (1, 3, 3, 10)),
    "exchanged": (
        Geometry(ONES, PADS, ONES, ONES, 1),
        (2, 6, 6, 4),
        (3, 2, 4, 2),
    ),
    "groups": (Geometry((2, 1), PADS, ONES, ONES, 2), (2, 19, 8, 18), (3, 2, 9, 4)),
    "volume": (
        Geometry((1, 2, 1), ((1, 1), (0, 1), (0, 0)), (1, 1, 2), (1, 1, 1), 1),
        (2, 4, 5, 3, 5),
        (3, 2, 2, 5, 6),
    ),
    "groups, pointwise": (Geometry((2, 1), PADS, ONES, ONES, 3), (2, 5, 4, 30), (1, 1, 10, 36)),
}
"""Convolutions of which a CPU computes the value, or a gradient, in a form of its own."""


FORMS = (
    *("plain", "of_few_channels", "of_few_features", "of_small_images", "of_windows_apart"),
    *("of_taps_apart", "of_elements_apart", "of_all_groups", "by_outputs", "in_chunks"),
    *("_by_groups", "_by_slices", "_exchanged"),
)


def test_special_geometries_have_all_forms(monkeypatch):
    """Value and gradients of all together: what is compared with JAX is each form."""
    used, choose = set(), convolution_choice._form
    known = {getattr(convolution_choice, name): name for name in FORMS}
    note = lambda form: used.add(known.get(form, "of_all_groups")) or form
    monkeypatch.setattr(convolution_choice, "_form", lambda *shapes: note(choose(*shapes)))
    monkeypatch.setattr(convolution_choice, "instructions", lambda: {"avx2", "avx512f"})
    for geometry, *shapes in SPECIAL.values():
        loss = lambda x, kernel, geometry=geometry: jnp.sum(
            jnp.sin(convolution(x, kernel, geometry))
        )
        program = jax.jit(jax.grad(loss, (0, 1)))
        program.lower(*[jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes])
    assert used == set(FORMS)


def lax_convolution(x, kernel, geometry):
    """JAX's own, with its own gradients."""
    space = "DHW"[3 - (x.ndim - 2) :]
    orders = (f"N{space}C", f"{space}IO", f"N{space}C")
    return jax.lax.conv_general_dilated(
        x, kernel, *geometry[:4], orders, feature_group_count=geometry.groups
    )


def all_derivatives(f, x, kernel):
    """The value, both gradients, and a product of the Hessian with a vector, which goes forward
    over reverse.
    """
    loss = lambda x, kernel: jnp.sum(
        jnp.sin(f(x, kernel)) * jnp.cos(jnp.arange(f(x, kernel).size)).reshape(f(x, kernel).shape)
    )
    return f(x, kernel), jax.jvp(jax.grad(loss, (0, 1)), (x, kernel), (jnp.cos(x), jnp.sin(kernel)))


@pytest.mark.parametrize("examples", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_derivatives_are_those_of_jax(examples):
    settings(max_examples=examples, derandomize=True)(given(geometries())(check_derivatives))()


@pytest.mark.parametrize("name", SPECIAL)
def test_derivatives_of_special_geometries(name):
    check_derivatives(SPECIAL[name])


def check_derivatives(drawn):
    geometry, *shapes = drawn
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        x, kernel = (draw(shape, seed) for seed, shape in enumerate(shapes))
        derivatives = lambda f: (
            lambda *args: all_derivatives(functools.partial(f, geometry=geometry), *args)
        )
        both = jax.jit(
            lambda *args: [derivatives(f)(*args) for f in (lax_convolution, convolution)]
        )
        expected, got = both(x, kernel)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, atol=GRADIENT)


LARGE = {
    "sequence": (Geometry((2,), ((1, 2),), (1,), (2,), 2), (6, 30, 4), (3, 2, 6)),
    "image": (Geometry((1, 2), ((1, 1), (0, 2)), (1, 1), (2, 1), 1), (6, 12, 13, 2), (3, 2, 2, 5)),
    "image, dilated": (
        Geometry((1, 1), ((1, 1), (0, 0)), (2, 1), (1, 1), 2),
        (6, 8, 9, 4),
        (2, 3, 2, 6),
    ),
    "image, few features": (
        Geometry((1, 1), ((1, 1), (0, 2)), (1, 1), (1, 1), 1),
        (6, 12, 13, 6),
        (3, 2, 6, 2),
    ),
    "volume": (
        Geometry((1,) * 3, ((0, 0), (0, 1), (1, 0)), (1,) * 3, (1,) * 3, 1),
        (6, 5, 6, 7, 1),
        (2, 2, 2, 1, 3),
    ),
}
"""Convolutions whose gradient to the kernel has far fewer elements than the image."""


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "image")) for name in LARGE]
)
def test_the_gradient_to_a_small_kernel_is_that_of_jax(float64, monkeypatch, name):
    geometry, *shapes = LARGE[name]
    rng, used = np.random.default_rng(0), []
    x, kernel = (jnp.asarray(rng.standard_normal(shape)) for shape in shapes)
    gradient = convolution_forms.in_chunks
    monkeypatch.setattr(convolution_forms, "LEAST_CHUNK", 2)  # several chunks
    monkeypatch.setattr(
        convolution_choice,
        "_plain_or_chunks",
        lambda *shape: lambda *operands: used.append(1) or gradient(*operands),
    )

    def derivatives(f):
        loss = lambda kernel: jnp.sum(jnp.sin(f(x, kernel, geometry)))
        return jax.jit(jax.jacfwd(jax.grad(loss)))(kernel), jax.jit(jax.grad(loss))(kernel)

    for ours, theirs in zip(derivatives(convolution), derivatives(lax_convolution), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=GRADIENT)
    assert used


@pytest.mark.parametrize(
    ("instructions", "has_options", "batch", "features", "expected"),
    [
        ("avx2", False, 8, 64, "plain"),
        ("avx2", False, 32, 64, "in_chunks"),
        ("avx2", False, 32, 16, "in_chunks"),
        ("avx2", False, 32, 8, "_exchanged"),
        ("avx2", True, 32, 16, "_exchanged"),
        ("avx2", True, 32, 64, "plain"),
        ("avx2 avx512f", False, 128, 64, "in_chunks"),
        ("avx2 avx512f", False, 32, 16, "_exchanged"),
        ("avx2 avx512f", True, 128, 64, "plain"),
        ("", False, 128, 64, "plain"),
    ],
)
def test_the_form_is_chosen_by_processor_options_and_sizes(
    monkeypatch, instructions, has_options, batch, features, expected
):
    monkeypatch.setattr(convolution_choice, "instructions", lambda: frozenset(instructions.split()))
    monkeypatch.setattr(compilation, "compiler_options", lambda: {"an": "option"})
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    with compilation.lowering_for_all_cores() if has_options else contextlib.nullcontext():
        form = convolution_choice._form((64, 28, 28, batch), (28, 28, batch, features), geometry)
    assert form is getattr(convolution_choice, expected)
    plain = convolution_choice._form((32, 28, 28, 16), (3, 3, 16, 64), geometry)
    assert plain is convolution_choice.plain


@pytest.mark.parametrize(
    ("x", "kernel", "groups", "padding", "expected"),
    [
        ((32, 28, 28, 64), (3, 3, 16, 64), 4, (0, 0), "_by_groups"),
        ((32, 28, 28, 64), (3, 3, 1, 64), 64, (0, 0), "of_few_channels"),
        ((32, 28, 28, 16), (2, 2, 4, 16), 4, (0, 0), "of_few_channels"),
        ((32, 28, 28, 16), (2, 2, 4, 40), 4, (0, 0), "_by_groups"),  # a sum of 16 terms, 10 times
        ((32, 28, 28, 128), (3, 3, 4, 128), 32, (0, 0), "_by_groups"),
        ((32, 28, 28, 8), (3, 3, 1, 512), 8, (0, 0), "of_few_channels"),
        ((32, 28, 28, 96), (7, 7, 1, 96), 96, (0, 0), "of_few_channels"),
        ((32, 28, 28, 64), (1, 1, 8, 64), 8, (0, 0), "of_few_channels"),
        ((32, 28, 28, 3), (3, 3, 3, 64), 1, (0, 0), "of_few_channels"),
        ((32, 28, 28, 64), (3, 3, 64, 1), 1, (0, 0), "of_few_features"),
        ((32, 28, 28, 64), (3, 3, 64, 9), 1, (0, 0), "plain"),
        ((32, 28, 28, 8), (3, 3, 8, 8), 1, (0, 0), "plain"),
        ((32, 256, 256, 64), (3, 3, 64, 1), 1, (0, 0), "plain"),  # too many products
        ((32, 2, 4, 64), (3, 3, 64, 64), 1, (1, 1), "of_small_images"),
        ((32, 3, 3, 64), (3, 3, 64, 64), 1, (1, 1), "plain"),
        ((32, 2, 2, 64), (3, 3, 64, 64), 1, (2, 2), "of_small_images"),
        ((32, 2, 2, 64), (7, 7, 64, 64), 1, (6, 6), "plain"),  # 64 outputs see each 49 elements
        ((32, 2, 2, 64), (3, 3, 64, 7), 1, (1, 1), "of_few_features"),
        ((32, 28, 28, 2), (5, 5, 2, 16), 1, (0, 0), "of_few_channels"),
        ((32, 28, 28, 2), (5, 5, 2, 17), 1, (0, 0), "plain"),  # a sum of 50 terms
        ((32, 28, 28, 64), (1, 1, 64, 64), 1, (0, 0), "of_windows_apart"),
        ((32, 4, 4, 64), (4, 4, 64, 64), 1, (0, 0), "of_taps_apart"),
        ((64, 28, 28, 32), (28, 28, 32, 64), 1, (0, 0), "of_taps_apart"),
        ((32, 1, 1, 64), (4, 4, 64, 64), 1, (3, 3), "of_elements_apart"),
        ((64, 28, 28, 16), (28, 28, 16, 8), 1, (1, 1), "_exchanged"),
        ((64, 30, 30, 16), (28, 28, 16, 8), 1, (0, 0), "plain"),
        ((32, 28, 28, 16), (3, 3, 16, 8), 1, (0, 0), "of_few_features"),
        ((32, 28, 28, 16), (4, 4, 16, 8), 1, (0, 0), "plain"),
        ((32, 28, 28, 16), (5, 5, 16, 4), 1, (0, 0), "of_few_features"),
        ((1, 30, 30, 64 * 32), (28, 28, 32, 64), 64, (0, 0), "by_outputs"),
        ((2, 16, 16, 16, 8), (3, 3, 3, 8, 4), 1, (0, 0), "_by_slices"),
        ((2, 1, 16, 16, 8), (3, 3, 3, 8, 4), 1, (0, 0), "plain"),  # no outputs
        ((2, 2, 2, 8), (4, 4, 8, 4), 1, (0, 0), "plain"),
        ((2, 2, 2, 1), (4, 4, 1, 4), 1, (0, 0), "plain"),
    ],
)
def test_the_form_of_other_geometries(x, kernel, groups, padding, expected):
    ones = (1,) * (len(x) - 2)
    geometry = Geometry(ones, (padding,) * len(ones), ones, ones, groups)
    assert convolution_choice._form(x, kernel, geometry) is getattr(convolution_choice, expected)
    shapes = [jax.ShapeDtypeStruct(shape, np.float32) for shape in (x, kernel)]
    y = jax.eval_shape(functools.partial(convolution, geometry=geometry), *shapes)
    assert y.shape == jax.eval_shape(lambda *ab: lax_convolution(*ab, geometry), *shapes).shape


def test_few_channels_are_a_longer_sum_with_options(monkeypatch):
    monkeypatch.setattr(compilation, "compiler_options", lambda: {"an": "option"})
    geometry = Geometry((1, 1), ((0, 0), (0, 0)), (1, 1), (1, 1), 1)
    with compilation.lowering_for_all_cores():
        form = convolution_choice._form((32, 28, 28, 2), (5, 5, 2, 64), geometry)
    assert form is convolution_choice.of_few_channels


@pytest.mark.parametrize(
    ("size", "channels", "features", "groups"), [(4, 5, 64, 1), (1, 12, 30, 3)]
)
def test_patches_and_pointwise_groups_are_products_and_so_are_their_gradients(
    size, channels, features, groups
):
    geometry = Geometry((size, size), ((0, 0), (0, 0)), (1, 1), (1, 1), groups)
    x = jnp.ones((2, 30, 28, channels * groups))
    kernel = jnp.ones((size, size, channels, features))
    loss = lambda x, kernel: jnp.sum(jnp.square(convolution(x, kernel, geometry)))
    program = jax.jit(jax.grad(loss, (0, 1))).trace(x, kernel).lower(lowering_platforms=("cpu",))
    assert program.as_text().count("stablehlo.dot_general") == 3
    assert "stablehlo.convolution" not in program.as_text()


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("axes", "groups"), [((1, None), 2), ((None, 2), 2), ((0, 0), 1), ((1, 3), 2), ((0, 0), 4)]
)
def test_vmap_is_a_loop(float64, axes, groups):
    geometry = Geometry((2, 1), ((1, 1), (0, 1)), (1, 1), (1, 1), groups)
    shapes = (2, 5, 4, 4), (3, 2, 4 // groups, 4)
    place = lambda shape, axis: shape if axis is None else (*shape[:axis], 3, *shape[axis:])
    operands = [
        draw(place(shape, axis), i)
        for i, (shape, axis) in enumerate(zip(shapes, axes, strict=True))
    ]
    member = lambda i: [
        value if axis is None else value.take(i, axis)
        for value, axis in zip(operands, axes, strict=True)
    ]
    derivatives = functools.partial(
        all_derivatives, functools.partial(convolution, geometry=geometry)
    )
    batched = jax.jit(jax.vmap(derivatives, axes))(*operands)
    alone = jax.jit(derivatives)
    looped = jax.tree.map(lambda *values: np.stack(values), *[alone(*member(i)) for i in range(3)])
    for a, b in zip(jax.tree.leaves(batched), jax.tree.leaves(looped), strict=True):
        np.testing.assert_allclose(a, b, atol=GRADIENT)


@pytest.mark.parametrize(("groups", "is_loop"), [(8, False), (9, True)])
def test_few_groups_are_written_out_and_more_are_a_loop(float64, groups, is_loop):
    geometry = Geometry((2, 1), ((1, 1), (0, 1)), (1, 1), (1, 2), groups)
    x, kernel = draw((2, 5, 4, 9 * groups)), draw((3, 2, 9, 10 * groups), seed=1)
    form = convolution_choice._form(x.shape, kernel.shape, geometry)
    assert form is convolution_choice._by_groups
    program = jax.jit(functools.partial(form, geometry=geometry)).lower(x, kernel)
    assert ("stablehlo.while" in program.as_text()) == is_loop
    expected = lax_convolution(x, kernel, geometry)
    np.testing.assert_allclose(program.compile()(x, kernel), expected, atol=FORWARD)


def test_grouped_and_in_sequence_agree(float64):
    """What a CPU runs and what other devices run."""
    for groups in (1, 2, 12):
        geometry = Geometry((2, 1), ((1, 1), (0, 1)), (1, 1), (1, 2), groups)
        x, kernel = draw((3, 2, 5, 4, 12)), draw((3, 3, 2, 12 // groups, 24), seed=1)
        grouped, in_sequence = (
            jax.jit(functools.partial(f, geometry=geometry))(x, kernel)
            for f in (bilinear_convolution._grouped, convolution_choice.in_sequence)
        )
        np.testing.assert_allclose(in_sequence, grouped, atol=FORWARD)


@pytest.mark.parametrize(
    ("size", "window", "stride", "dilation"),
    [(7, 3, 2, 1), (8, 3, 2, 1), (6, 2, 3, 1), (9, 3, 2, 2), (5, 1, 2, 1)],
)
def test_same_padding_is_that_of_xla_and_transposed(float64, size, window, stride, dilation):
    """``SAME`` is XLA's, and a transposed convolution with it is the transpose of the plain one."""
    x, kernel = draw((2, size, 3)), draw((window, 3, 4), seed=1)
    layer = conv(4, (window,), strides=stride, dilation=dilation, use_bias=False)
    pads = jax.lax.padtype_to_pads((size,), ((window - 1) * dilation + 1,), (stride,), "SAME")
    geometry = Geometry((stride,), tuple(pads), (1,), (dilation,), 1)
    transposed = conv_transpose(3, (window,), strides=stride, dilation=dilation, use_bias=False)

    @jax.jit
    def convolved(x, kernel):
        y, to_x = jax.vjp(lambda x: layer.apply({"kernel": kernel}, {}, x)[0], x)
        back, _ = transposed.apply({"kernel": jnp.swapaxes(kernel, -1, -2)}, {}, y)
        return y, lax_convolution(x, kernel, geometry), back, to_x(y)[0]

    y, expected, back, gradient = convolved(x, kernel)
    np.testing.assert_allclose(y, expected, atol=FORWARD)
    if size % stride == 0:
        np.testing.assert_allclose(back, gradient, atol=FORWARD)


@pytest.mark.parametrize(
    "layer",
    [conv(3, (3,), padding="CAUSAL", dilation=2), depthwise_conv((4,), 2, padding="CAUSAL")],
)
def test_a_causal_convolution_depends_on_the_past_alone(layer):
    x = draw((9, 2)).astype(np.float32)
    changed = x.copy()
    changed[5:] += 1
    params, state = init(layer, x)
    y, later = (np.asarray(apply(layer, params, state, value)[0]) for value in (x, changed))
    assert np.array_equal(y[:5], later[:5])
    assert not np.array_equal(y[5], later[5])


@pytest.mark.parametrize(
    "layer",
    [conv(2, (3,), padding="CAUSAL", dilation=2), depthwise_conv((3,), padding="CAUSAL")],
    ids=["conv", "depthwise_conv"],
)
def test_a_masked_sequence_is_read_as_apply_computes_it(float64, layer):
    """Padding is left out, wherever it is, and masked elements between real ones count as zero."""
    masks = np.array([[0, 0, 1, 1, 1, 0, 0], [0, 1, 0, 0, 1, 1, 0], [1] * 7, [0] * 7], bool)
    x, more = draw((4, 7, 2)), draw((4, 3, 2), seed=1)
    params, state = init(layer, x)
    holey = np.where(masks[..., None], x, np.nan)
    read = jax.jit(lambda carry, x, mask=None: layer.read(params, state, carry, x, mask=mask))
    y, carry = read(layer.carry(params, x[:, 0], 10), holey, masks)
    expected, _ = jax.jit(layer.apply)(params, state, holey, mask=masks)
    np.testing.assert_allclose(y[masks], expected[masks], atol=FORWARD)
    y, _ = read(carry, more)
    for i, mask in enumerate(masks):
        place = np.flatnonzero(mask)
        first, last = place.min(initial=len(mask)), place.max(initial=-1)
        part = np.where(mask[:, None], x[i], 0)[first : last + 1]
        whole, _ = apply(layer, params, state, np.concatenate([part, more[i]]))
        np.testing.assert_allclose(y[i], whole[-3:], atol=FORWARD)


def test_only_a_causal_convolution_without_strides_streams():
    assert conv(3, (3,), padding="CAUSAL").step is not None
    assert not streams(conv(3, (3,), padding="CAUSAL", strides=2))
    assert not streams(conv(3, (3,)))


def test_shard_map_sums_the_gradients_of_the_devices(float64):
    geometry, n = Geometry((1,), ((1, 1),), (1,), (1,), 1), len(jax.devices())
    x, kernel = draw((2 * n, 5, 2)), draw((3, 2, 3), seed=1)
    loss = lambda kernel, x: jnp.sum(jnp.square(convolution(x, kernel, geometry)))
    mesh, P = (
        jax.make_mesh((n,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)),
        jax.sharding.PartitionSpec,
    )
    local = lambda kernel, x: jax.lax.psum(loss(kernel, x), "data")
    sharded = jax.jit(
        jax.grad(jax.shard_map(local, mesh=mesh, in_specs=(P(), P("data")), out_specs=P()))
    )
    expected = jax.jit(jax.grad(loss))(kernel, x)
    np.testing.assert_allclose(sharded(kernel, x), expected, atol=GRADIENT)


def test_a_gradient_inside_a_scan_has_no_other_order_than_the_fast_one():
    """XLA:CPU runs NHWC with HWIO fast inside loops, and that alone."""
    geometry = Geometry((2, 2), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    loss = lambda x, kernel: jnp.sum(jnp.square(convolution(x, kernel, geometry)))
    step = lambda carry, _: (jax.grad(loss, (0, 1))(*carry), None)
    program = jax.jit(lambda *carry: jax.lax.scan(step, carry, length=2)[0])
    inputs = [np.ones(shape, np.float32) for shape in ((2, 8, 8, 16), (3, 3, 16, 16))]
    text = program.lower(*inputs).as_text()
    orders = set(re.findall(r"dim_numbers = (.*), window", text))
    assert orders == {"[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"}


@pytest.mark.parametrize("size", [(3, 3), (1, 1), (4, 2)])
@pytest.mark.parametrize("groups", [1, 2])
def test_strides_are_exported_for_images_of_any_size(size, groups):
    """Values and the gradient to x: the padding of "SAME" depends on the size of the image."""
    layer = conv(4, size, strides=2, groups=groups)
    x = np.random.default_rng(0).standard_normal((2, 11, 9, 6), np.float32)
    params, state = init(layer, x)
    loss = lambda x: jnp.sum(jnp.square(layer.apply(params, state, x)[0]))
    run = jax.jit(lambda x: (layer.apply(params, state, x)[0], jax.grad(loss)(x)))
    shape = jax.export.symbolic_shape("batch, height, width, 6")
    exported = jax.export.export(run)(jax.ShapeDtypeStruct(shape, x.dtype))
    for images in (x, x[:1, :8, :7], x[:, :1, :2]):
        for y, expected in zip(exported.call(images), run(images), strict=True):
            np.testing.assert_allclose(y, expected, atol=SINGLE)


SMALL = np.ones((2, 8, 8, 3), np.float32)
MISTAKES = {
    "size": (lambda: conv(8, 3), r"kernel_size=3, expected a tuple .* \(3, 3\) for images"),
    "window": (lambda: conv(8, (3, 0)), "kernel_size"),
    "strides": (lambda: conv(8, (3, 3), strides=0), "strides=0"),
    "strides for another rank": (
        lambda: conv(8, (3, 3), strides=(2,)),
        r"strides=\(2,\), expected an integer >= 1, or 2 of them",
    ),
    "dilation": (lambda: conv(8, (3, 3), dilation=-1), "dilation=-1"),
    "padding name": (lambda: conv(8, (3, 3), padding="same"), "Did you mean 'SAME'"),
    "causal image": (
        lambda: conv(8, (3, 3), padding="CAUSAL"),
        "padding='CAUSAL', expected SAME, VALID",
    ),
    "negative padding": (lambda: conv(8, (3, 3), padding=-1), "padding=-1"),
    "features in groups": (lambda: conv(8, (3, 3), groups=3), "features=8 in groups=3"),
    "channels in groups": (
        lambda: conv(8, (3, 3), groups=2).init(jax.random.key(0), SMALL),
        "3 channels in groups=2",
    ),
    "channels first": (
        lambda: conv(8, (3, 3)).init(jax.random.key(0), SMALL.transpose(0, 3, 1, 2)),
        r"Channels come last.*moveaxis\(x, -3, -1\)",
    ),
    "no channels": (
        lambda: conv(8, (3, 3)).init(jax.random.key(0), SMALL[0, :, :, 0]),
        r"\(8, 8\), expected at least 3 axes.*x\[..., None\]",
    ),
    "integers": (lambda: conv(8, (3, 3)).init(jax.random.key(0), SMALL.astype(np.uint8)), "uint8"),
    "too large": (
        lambda: jnn.chain(conv(8, (9, 9), padding="VALID")).init(jax.random.key(0), SMALL),
        r"in 0: conv: .* size \(8, 8\)",
    ),
    "empty": (
        lambda: run(conv(8, (3,)), np.ones((2, 0, 3))),
        r"conv: got an input of size \(0,\), expected one element at least along each axis",
    ),
    "mask": (
        lambda: run(conv(8, (3,)), SMALL, mask=np.ones((8, 2), bool)),
        r"mask of shape \(8, 2\) .* expected \(2, 8, 8\)",
    ),
    "features": (lambda: conv_transpose(0, (3,)), "features=0"),
    "all cropped": (
        lambda: run(conv_transpose(4, (1,), strides=3, padding=((2, 3),)), np.ones((1, 1, 4))),
        r"conv_transpose: got an input of size \(1,\) and outputs of size \(-4,\).*padding",
    ),
    "nothing to spread": (
        lambda: run(conv_transpose(4, (3,), strides=2), np.ones((1, 0, 4))),
        r"conv_transpose: got an input of size \(0,\)",
    ),
    "output_padding": (lambda: conv_transpose(3, (3,), output_padding=-1), "output_padding=-1"),
    "multiplier": (lambda: depthwise_conv((3,), 0), "multiplier=0"),
}


def run(layer, x, **options):
    return layer.apply(*init(layer, x), x, **options)


@pytest.mark.parametrize(
    "layer",
    [conv(5, (1, 1)), conv(5, (3, 3)), conv(5, (7, 7), padding=1)],
    ids=["pointwise", "3x3", "few outputs of a large window"],
)
def test_gradients_are_exported_for_batches_of_any_size(layer):
    x = draw((3, 6, 6, 4)).astype(np.float32)
    params, state = init(layer, x)
    loss = lambda params, x: jnp.sum(jnp.sin(layer.apply(params, state, x)[0]))
    gradient = jax.jit(jax.grad(loss, (0, 1)))
    shape = jax.export.symbolic_shape("batch, 6, 6, 4")
    of_params = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
    exported = jax.export.export(gradient)(of_params, jax.ShapeDtypeStruct(shape, x.dtype))
    found, expected = (jax.tree.leaves(f(params, x)) for f in (exported.call, gradient))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=SINGLE)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    call, message = MISTAKES[name]
    with pytest.raises(jnn.JnnError, match=message):
        call()


@pytest.mark.parametrize(
    "layer", [conv(8, (3, 3)), conv_transpose(8, (3, 3)), depthwise_conv((3, 3), 2)]
)
def test_other_channels_than_those_of_the_params_are_refused(layer):
    params, state = init(layer, SMALL)
    for x, message in (
        (SMALL[..., :2], "expected 3 channels in its last axis"),
        (SMALL.transpose(0, 3, 1, 2), "Channels come last"),
    ):
        with pytest.raises(jnn.JnnError, match=message):
            layer.apply(params, state, x)
    params, state = init(layer, SMALL[..., :1])
    with pytest.raises(jnn.JnnError, match=re.escape("x[..., None]")):
        layer.apply(params, state, SMALL[..., 0])


@pytest.mark.parametrize("groups", [1, 2])
def test_an_empty_batch_has_no_outputs_and_a_gradient_of_zero(groups):
    model, x = jnn.conv(4, (3,), groups=groups), np.ones((5, 2), np.float32)
    params, state = jax.device_get(init(model, x))
    batch, members = x[None][:0], jax.tree.map(lambda leaf: leaf[None][:0], params)
    run = lambda params, x: model.apply(params, state, x)[0]

    @jax.jit
    def outputs_and_gradient(params, members, x, batch):
        of_batch = lambda params: jax.vmap(run, in_axes=(None, 0))(params, batch)
        outputs = (
            of_batch(params),
            jax.vmap(run, in_axes=(0, None))(members, x),
            jax.vmap(run)(members, batch),
        )
        return outputs, jax.grad(lambda params: of_batch(params).sum())(params)

    outputs, gradient = outputs_and_gradient(params, members, x, batch)
    assert [y.shape for y in outputs] == [(0, 5, 4)] * 3
    jax.tree.map(lambda leaf, g: np.testing.assert_array_equal(g, 0 * leaf), params, gradient)
