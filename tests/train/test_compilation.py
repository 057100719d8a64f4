"""Convolutions are compiled to run on all cores of a CPU, and other operations as they were."""

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np
import pytest

from jnn.layers import convolution_choice
from jnn.layers.bilinear_convolution import convolution
from jnn.layers.convolution_forms import Geometry
from jnn.train.compilation import ON_ALL_CORES, compiler_options, lowering_for_all_cores

SAME = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)


def convolve(x, kernel):
    """A convolution in a loop, and a product."""
    y = jax.lax.fori_loop(0, 2, lambda _, x: convolution(x, kernel, SAME), x)
    return y, jnp.einsum("nhwc,nhwd->cd", y, y)


@pytest.fixture
def operands():
    draw = np.random.default_rng(0).normal
    return draw(size=(2, 16, 16, 32)).astype("f"), draw(size=(3, 3, 32, 32)).astype("f")


def test_the_options_are_those_of_the_version(monkeypatch):
    monkeypatch.setattr(jaxlib.version, "__version__", "0.10.2")
    assert compiler_options() == ON_ALL_CORES
    monkeypatch.setattr(jaxlib.version, "__version__", "0.12.0")
    assert compiler_options() == {}


def test_convolutions_leave_the_library_that_keeps_products(operands):
    if not compiler_options():
        pytest.skip("jaxlib 0.10 alone needs options")
    usual, ours = (
        jax.jit(convolve, compiler_options=options).lower(*operands).compile().as_text()
        for options in ({}, compiler_options())
    )
    assert usual.count("kind=kCustom") == 2  # a convolution and a product by YNNPACK
    assert ours.count("kind=kCustom") == 1


def test_the_function_stays_the_same(operands):
    y = jax.jit(convolve, compiler_options=compiler_options())(*operands)
    for ours, theirs in zip(y, jax.jit(convolve)(*operands), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("version", ["0.10.2", "0.12.0"])
def test_the_gradient_to_a_kernel_is_one_convolution_where_options_are_given(monkeypatch, version):
    monkeypatch.setattr(jaxlib.version, "__version__", version)
    monkeypatch.setattr(convolution_choice, "instructions", lambda: frozenset({"avx2"}))
    x, kernel = jnp.ones((128, 28, 28, 2)), jnp.ones((3, 3, 2, 16))

    def count() -> int:
        gradient = jax.grad(lambda kernel: jnp.sum(convolution(x, kernel, SAME)))
        return jax.jit(gradient).lower(kernel).as_text().count("stablehlo.convolution")

    usual = count()
    with lowering_for_all_cores():
        ours = count()
    assert usual > 1
    assert ours == (1 if compiler_options() else usual)
    assert count() == usual
