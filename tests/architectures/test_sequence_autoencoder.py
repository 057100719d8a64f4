"""LSTM autoencoders: PyTorch's values and gradients, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jnn.architectures.sequence_autoencoder import (
    SequenceAutoencoderConfig,
    lstm_autoencoder,
    lstm_decoder,
    lstm_encoder,
)
from jnn.errors import JnnError
from tests.layers.test_recurrent import below
from tests.references.cases_sequence_autoencoder import FEATURES, LATENT, LENGTH, WIDTH

FORWARD, GRADIENT = 1e-10, 1e-9  # float64: the same sums in another order, through two recurrences
CONFIG = SequenceAutoencoderConfig(length=LENGTH, features=FEATURES, width=WIDTH, latent=LATENT)


@pytest.mark.usefixtures("float64")
def test_it_is_what_pytorchs_layers_make(reference):
    case = reference("sequence_autoencoder", "autoencoder")
    model, params, x = lstm_autoencoder(CONFIG), below(case, "params"), jnp.asarray(case["x"])
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(
        jnp.shape, jax.eval_shape(model.init, jax.random.key(0), x)[0]
    )

    def total(params):
        y = model.apply(params, {}, x)[0]
        return jnp.sum(case["weights"] * y), y

    gradient, y = jax.jit(jax.grad(total, has_aux=True))(params)
    np.testing.assert_allclose(y, case["y"], rtol=0, atol=FORWARD)
    np.testing.assert_allclose(
        jax.jit(lstm_encoder(CONFIG).apply)(params["encoder"], {}, x)[0],
        case["code"],
        rtol=0,
        atol=FORWARD,
    )
    expected = flatten_dict(below(case, "gradient"), sep="/")
    for path, found in flatten_dict(gradient, sep="/").items():
        np.testing.assert_allclose(found, expected.pop(path), rtol=0, atol=GRADIENT, err_msg=path)
    assert not expected


def test_mistakes_are_named():
    key, x = jax.random.key(0), jnp.ones((LENGTH, FEATURES))
    with pytest.raises(
        JnnError, match=r"lstm_encoder: got x of shape \(4, 2\), expected \(..., 5, 2\)"
    ):
        lstm_autoencoder(CONFIG).init(key, x[:-1])
    with pytest.raises(JnnError, match=r"lstm_decoder: got x of shape \(7,\), expected \(..., 3\)"):
        lstm_decoder(CONFIG).init(key, jnp.ones(7))
    params, _ = jax.jit(lstm_autoencoder(CONFIG).init)(key, x)
    with pytest.raises(JnnError, match="got a mask, expected sequences that are whole"):
        lstm_autoencoder(CONFIG).apply(params, {}, x, mask=jnp.ones(LENGTH, bool))
    with pytest.raises(JnnError, match="latent=0"):
        SequenceAutoencoderConfig(length=3, latent=0)
