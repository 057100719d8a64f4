"""A layer alone that is given the params of another one names itself and the remedy."""

import jax
import jax.numpy as jnp
import pytest

import jnn

X = jnp.ones((4, 3))
LAYERS = {
    "dense": (jnn.dense(2), X),
    "embedding": (jnn.embedding(5, 2), jnp.arange(4)),
    "prelu": (jnn.prelu(), X),
    "conv": (jnn.conv(2, (3,)), X),
    "conv_transpose": (jnn.conv_transpose(2, (3,)), X),
    "elman": (jnn.elman(2), X),
    "lstm": (jnn.lstm(2), X),
    "gru": (jnn.gru(2), X),
    "attention": (jnn.attention(1), X),
}


@pytest.mark.parametrize("name", LAYERS)
def test_params_of_another_model_are_refused_by_name(name):
    layer, x = LAYERS[name]
    foreign = {"0": {"kernel": jnp.ones((3, 2))}}
    with pytest.raises(jnn.JnnError, match=rf"{name}: got params without .*that this model's init"):
        jax.eval_shape(lambda x: layer.apply(foreign, {}, x), x)
