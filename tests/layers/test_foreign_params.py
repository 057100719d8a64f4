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


OTHERS = {
    "features": (jnn.dense(2), jnn.dense(3), X),
    "a bias": (jnn.dense(2, use_bias=False), jnn.dense(2), X),
    "no bias": (jnn.dense(2), jnn.dense(2, use_bias=False), X),
    "features of vectors": (jnn.embedding(5, 2), jnn.embedding(5, 3), jnp.arange(4)),
    "features of windows": (jnn.conv(2, (3,)), jnn.conv(4, (3,)), X),
    "rows": (jnn.embedding(5, 2), jnn.embedding(6, 2), jnp.arange(4)),
    "windows": (jnn.conv(2, (3,)), jnn.conv(2, (5,)), X),
    "a bias of windows": (jnn.conv(2, (3,), use_bias=False), jnn.conv(2, (3,)), X),
    "no bias of channels": (jnn.depthwise_conv((3,)), jnn.depthwise_conv((3,), use_bias=False), X),
    "transposed": (jnn.conv_transpose(2, (3,)), jnn.conv_transpose(3, (3,)), X),
    "elman": (jnn.elman(2), jnn.elman(3), X),
    "lstm": (jnn.lstm(2), jnn.lstm(3), X),
    "gru": (jnn.gru(2), jnn.gru(3), X),
}


@pytest.mark.parametrize("name", OTHERS)
def test_params_of_other_settings_are_refused_by_name(name):
    layer, other, x = OTHERS[name]
    params, _ = jax.eval_shape(other.init, jax.random.key(0), x)
    for model, foreign in ((layer, params), (jnn.chain(layer), {"0": params})):
        with pytest.raises(jnn.JnnError, match=r"expected (shape|those).*init made"):
            jax.eval_shape(lambda params, x, model=model: model.apply(params, {}, x), foreign, x)


@pytest.mark.parametrize("layer", [jnn.batch_norm(), jnn.spectral_norm(jnn.dense(2))])
def test_a_state_of_another_model_is_refused(layer):
    params, _ = jax.eval_shape(layer.init, jax.random.key(0), X)
    with pytest.raises(jnn.JnnError, match=r"_norm: got state without .*that this model's init"):
        jax.eval_shape(lambda params, x: layer.apply(params, {}, x), params, X)


@pytest.mark.parametrize("name", ["dense", "embedding", "conv", "conv_transpose", "lstm"])
def test_a_seed_is_no_key(name):
    layer, x = LAYERS[name]
    message = r"got a key of type int, expected a key of JAX. Pass jax.random.key\(seed\)"
    for model in (layer, jnn.chain(layer)):
        with pytest.raises(jnn.JnnError, match=message):
            model.init(0, x)


@pytest.mark.parametrize("model", [jnn.lstm(2), jnn.chain(jnn.dense(2), jnn.dense(2))])
def test_a_list_is_no_mask(model):
    params, state = jax.eval_shape(model.init, jax.random.key(0), X)
    with pytest.raises(jnn.JnnError, match=r"got a mask of type list, .*Pass jnp.asarray\(mask\)"):
        jax.eval_shape(lambda *trees: model.apply(*trees, X, mask=[True] * 4), params, state)
