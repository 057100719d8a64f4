"""Numbers of NumPy are taken wherever a number is, and do not promote lower precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn

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


@pytest.mark.parametrize("value", ["1", True, None])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(jnn.JnnError, match=f"lstm: got forget_bias={value!r}, expected a number"):
        jnn.lstm(2, forget_bias=value)
    with pytest.raises(jnn.JnnError, match=f"layer_norm: got epsilon={value!r}"):
        jnn.layer_norm(epsilon=value)
