"""Programs with convolutions, and they alone, are compiled to run on all cores of a CPU."""

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np
import pytest

from jnn.layers.bilinear_convolution import convolution
from jnn.layers.convolution_forms import Geometry
from jnn.train import compilation
from jnn.train.compilation import ON_ALL_CORES, compile_program, compiler_options

SAME = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)


@pytest.fixture
def convolutions():
    """A program of a convolution in a loop, lowered, and what it is of."""
    draw = np.random.default_rng(0).normal
    x, kernel = draw(size=(2, 6, 6, 8)).astype("f"), draw(size=(3, 3, 8, 8)).astype("f")
    f = jax.jit(
        lambda x, kernel: jax.lax.fori_loop(0, 2, lambda _, x: convolution(x, kernel, SAME), x)
    )
    return f.lower(x, kernel), f, x, kernel


def test_a_program_with_convolutions_is_told_from_one_without(monkeypatch, convolutions):
    found = []
    told = lambda **options: found.append(options["convolutions"]) or {}
    monkeypatch.setattr(compilation, "compiler_options", told)
    compile_program(convolutions[0])
    compile_program(jax.jit(jnp.matmul).lower(jnp.ones((2, 2)), jnp.ones((2, 2))))
    assert found == [True, False]


def test_the_options_are_those_of_the_version(monkeypatch):
    monkeypatch.setattr(jaxlib.version, "__version__", "0.10.2")
    assert compiler_options(convolutions=True) == ON_ALL_CORES
    assert compiler_options(convolutions=False) == {}
    monkeypatch.setattr(jaxlib.version, "__version__", "0.12.0")
    assert compiler_options(convolutions=True) == {}


def test_the_function_stays_the_same(convolutions):
    lowered, f, x, kernel = convolutions
    y = compile_program(lowered)(x, kernel)
    np.testing.assert_allclose(y, f(x, kernel), rtol=1e-4, atol=1e-4)


def test_what_xla_does_not_know_is_refused(convolutions):
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        compile_program(convolutions[0], no_such_option=True)
