"""Numbers of NumPy are taken wherever a number is, and do not promote lower precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.conditional_norm import conditional_norm

LAYERS = {
    "lstm": lambda number: jnn.lstm(2, forget_bias=number(1)),
    "layer_norm": lambda number: jnn.layer_norm(epsilon=number(0.5)),
    "rms_norm": lambda number: jnn.rms_norm(epsilon=number(0.5)),
    "batch_norm": lambda number: jnn.batch_norm(epsilon=number(0.5), momentum=number(0.5)),
    "dropout": lambda number: jnn.dropout(number(0.5)),
    "gaussian_noise": lambda number: jnn.gaussian_noise(number(0.5)),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", LAYERS)
def test_numbers_of_numpy_are_those_of_python(name):
    x, key = jnp.ones((4, 3), jnp.float16), jax.random.key(0)

    def output(number):
        layer = LAYERS[name](number)
        return jax.jit(lambda x: layer.apply(*layer.init(key, x), x, key=key, train=True)[0])(x)

    y, expected = output(np.float32), output(float)
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y, expected)


NUMBERS = {
    "lstm: got forget_bias": lambda value: jnn.lstm(2, forget_bias=value),
    "layer_norm: got epsilon": lambda value: jnn.layer_norm(epsilon=value),
    "batch_norm: got epsilon": lambda value: jnn.batch_norm(epsilon=value),
    "group_norm: got epsilon": lambda value: jnn.group_norm(2, rank=2, epsilon=value),
    "rms_norm: got scale_offset": lambda value: jnn.rms_norm(scale_offset=value),
    "spectral_norm: got epsilon": lambda value: jnn.spectral_norm(jnn.dense(2), epsilon=value),
    "prelu: got slope": lambda value: jnn.prelu(slope=value),
    "gaussian_noise: got standard_deviation": jnn.gaussian_noise,
    "rotary: got base": jnn.rotary,
    "conditional_norm: got rank": lambda value: conditional_norm(jnn.layer_norm(), 2, value),
}


@pytest.mark.parametrize("value", ["1", True, None, float("nan")])
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_is_refused(name, value):
    with pytest.raises(jnn.JnnError, match=f"{name}={value!r}, expected a"):
        NUMBERS[name](value)
