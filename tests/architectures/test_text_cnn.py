"""The convolutional network for sentences: against SciPy's correlations, and that padding changes
nothing.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate

from jnn.architectures.text_cnn import TextCNNConfig, text_cnn
from jnn.errors import JnnError
from tests.architectures import parameters

DOUBLE = 1e-12  # float64 against float64, sums of at most twenty products
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, 9, (3, 6)))


def test_it_is_the_largest_of_scipys_correlations_and_a_dense_layer(float64):
    rng = np.random.default_rng(0)
    model, x = (
        text_cnn(TextCNNConfig(outputs=2, widths=(2, 3), channels=4)),
        rng.standard_normal((7, 5)),
    )
    params, _ = jax.jit(model.init)(jax.random.key(0), jnp.asarray(x))
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape)), params)
    features = []
    for name, width in (("width2", 2), ("width3", 3)):
        kernel, bias = (
            np.asarray(params["windows"][name]["conv"][part]) for part in ("kernel", "bias")
        )
        inside = np.pad(x, (((width - 1) // 2, width - 1 - (width - 1) // 2), (0, 0)))
        values = [
            correlate(inside, kernel[:, :, channel], mode="valid")[:, 0] + bias[channel]
            for channel in range(4)
        ]
        features += [max(value.max(), 0) for value in values]
    expected = features @ np.asarray(params["out"]["kernel"]) + np.asarray(params["out"]["bias"])
    np.testing.assert_allclose(
        jax.jit(model.apply)(params, {}, jnp.asarray(x))[0], expected, rtol=DOUBLE, atol=DOUBLE
    )


def test_number_of_parameters_is_the_papers():
    windows = sum(width * 300 * 100 + 100 for width in (3, 4, 5))
    assert parameters(text_cnn(TextCNNConfig(outputs=6)), 20, 300) == windows + 300 * 6 + 6


@pytest.mark.sampled(3)
@pytest.mark.parametrize("real", [1, 2, 6])
def test_padding_changes_nothing_not_even_in_texts_shorter_than_a_window(real):
    model = text_cnn(TextCNNConfig(outputs=2, vocabulary=9, embedding=4, channels=3))
    params, _ = jax.jit(model.init)(jax.random.key(0), TOKENS)
    mask = jnp.broadcast_to(jnp.arange(6) < real, TOKENS.shape)
    padded = jax.jit(model.apply)(params, {}, TOKENS, mask=mask)[0]
    np.testing.assert_array_equal(
        padded, jax.jit(model.apply)(params, {}, jnp.where(mask, TOKENS, 8), mask=mask)[0]
    )
    # other orders of float32 sums
    np.testing.assert_allclose(
        padded, jax.jit(model.apply)(params, {}, TOKENS[:, :real])[0], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("widths", [(), (3, 3)])
def test_widths_that_are_none_or_twice_the_same_are_refused(widths):
    with pytest.raises(JnnError, match="one width or more, all different"):
        text_cnn(TextCNNConfig(outputs=2, widths=widths))
