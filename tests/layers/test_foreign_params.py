"""A layer alone that is given the params of another one names itself and the remedy."""

import re

import jax
import jax.numpy as jnp
import pytest

import jnn
from jnn.architectures.bag_of_ngrams import BagOfNgramsConfig, bag_of_ngrams
from jnn.architectures.embedding_network import prototypes
from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
from jnn.layers.activation import gated
from jnn.layers.conditional_norm import conditional_norm
from jnn.layers.cross_attention import cross_attention
from jnn.layers.dense import added_bias
from jnn.layers.feed_forward import feed_forward
from jnn.layers.mixture_of_experts import mixture_of_experts
from jnn.layers.position_vectors import learned_positions
from jnn.layers.positions import relative_buckets

X, TOKENS = jnp.ones((4, 3)), jnp.arange(4)
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
    message = rf"{name}: got (params without|parameters named) .*that this model's init"
    with pytest.raises(jnn.JnnError, match=message):
        jax.eval_shape(lambda x: layer.apply(foreign, {}, x), x)


OF_TWO_HEADS = jnn.attention(2, head_features=2)


def of_buckets(n):
    return jnn.attention(1, positions=relative_buckets(n))


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
    "a reset": (jnn.gru(2, reset="before"), jnn.gru(2), X),
    "no reset": (jnn.gru(2), jnn.gru(2, reset="before"), X),
    "peephole": (jnn.lstm(2), jnn.lstm(2, peephole=True), X),
    "no peephole": (jnn.lstm(2, peephole=True), jnn.lstm(2), X),
    "projection": (jnn.lstm(2), jnn.lstm(2, projection=2), X),
    "no bias of heads": (jnn.attention(1), jnn.attention(1, use_bias=False), X),
    "a bias of heads": (jnn.attention(1, use_bias=False), jnn.attention(1), X),
    "heads": (jnn.attention(2, head_features=2), jnn.attention(3, head_features=2), X),
    "features of heads": (jnn.attention(1, head_features=2), jnn.attention(1), X),
    "heads of keys": (jnn.attention(2, key_value_heads=1, head_features=2), OF_TWO_HEADS, X),
    "buckets": (of_buckets(4), of_buckets(6), X),
    "no buckets": (of_buckets(4), jnn.attention(1), X),
    "positions": (learned_positions(4), learned_positions(5), X),
    "no bias of a norm": (jnn.layer_norm(), jnn.layer_norm(use_bias=False), X),
    "a scale of a norm": (jnn.layer_norm(use_scale=False), jnn.layer_norm(), X),
    "a norm": (jnn.rms_norm(), jnn.layer_norm(), X),
    "no scale of channels": (
        jnn.group_norm(1, rank=2),
        jnn.group_norm(1, rank=2, use_scale=False),
        X,
    ),
    "no classes": (prototypes(2), prototypes(3), X),
    "experts": (mixture_of_experts(jnn.dense(2), 2), mixture_of_experts(jnn.dense(2), 3), X),
}


@pytest.mark.parametrize("name", OTHERS)
def test_params_of_other_settings_are_refused_by_name(name):
    layer, other, x = OTHERS[name]
    params, _ = jax.eval_shape(other.init, jax.random.key(0), x)
    for model, foreign in ((layer, params), (jnn.chain(layer), {"0": params})):
        with pytest.raises(jnn.JnnError, match=r"expected (shape|those).*init made"):
            jax.eval_shape(lambda params, x, model=model: model.apply(params, {}, x), foreign, x)


SOLO = LAYERS | {
    "batch_norm": (jnn.batch_norm(), X),
    "layer_norm": (jnn.layer_norm(), X),
    "learned_positions": (learned_positions(4), X),
    "added_bias": (added_bias(), X),
    "query of attention": LAYERS["attention"],
}
del SOLO["attention"]


@pytest.mark.parametrize("name", SOLO)
def test_params_of_an_ensemble_are_none_of_its_members(name):
    """Where their first axes are as long as those of the member, too: 4 members of 4 features."""
    layer, x = SOLO[name]
    for n in (2, x.shape[-1]):
        trees = jax.eval_shape(jnn.ensemble(layer, n).init, jax.random.key(0), x)
        with pytest.raises(jnn.JnnError, match=f"{name}: .*jnn.ensemble .*have one axis more"):
            jax.eval_shape(lambda *trees: layer.apply(*trees, x), *trees)


@pytest.mark.parametrize("layer", [jnn.batch_norm(), jnn.spectral_norm(jnn.dense(2))])
def test_a_state_of_another_model_is_refused(layer):
    params, _ = jax.eval_shape(layer.init, jax.random.key(0), X)
    with pytest.raises(jnn.JnnError, match=r"_norm: got state without .*that this model's init"):
        jax.eval_shape(lambda params, x: layer.apply(params, {}, x), params, X)


COMPOSED = {
    "attention": (jnn.attention(1), X),
    "chain": (jnn.chain(jnn.dense(2), jnn.batch_norm()), X),
    "cross_attention": (cross_attention(1), {"x": X, "memory": X}),
    "bag_of_ngrams": (bag_of_ngrams(BagOfNgramsConfig(outputs=2, vocabulary=4)), TOKENS),
    "encoder_decoder": (
        encoder_decoder(
            EncoderDecoderConfig(source_vocabulary=4, width=4, depth=1, heads=1, length=4)
        ),
        {"tokens": TOKENS, "source": TOKENS},
    ),
    "mixture_of_experts": (mixture_of_experts(jnn.dense(2), 2), X),
    "parallel": (jnn.parallel(a=jnn.batch_norm(), b=jnn.dense(3)), X),
    "wired": (jnn.wired(lambda run, x: run("a", x), {"a": jnn.batch_norm()}), X),
    "seq2seq": (
        seq2seq(Seq2SeqConfig(source_vocabulary=4, target_vocabulary=4, width=4)),
        {"tokens": TOKENS, "source": TOKENS},
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_other_parts_and_what_is_no_dict_are_refused(name):
    layer, x = COMPOSED[name]
    params, state = jax.eval_shape(layer.init, jax.random.key(0), x)
    more = params | {"strange": {"kernel": X}}
    for trees, message in (
        ((more, state), f"{name}: got parameters named strange, expected only"),
        (
            (params, state | {"strange": {"mean": X}}),
            f"{name}: got a state named strange, expected",
        ),
        ((None, state), f"{name}: got params of type NoneType"),
        (([], state), f"{name}: got params of type list"),
    ):
        with pytest.raises(jnn.JnnError, match=message):
            jax.eval_shape(lambda x, trees=trees: layer.apply(*trees, x), x)


def test_a_magnitude_of_other_features_is_refused():
    layer = jnn.weight_norm(jnn.dense(2))
    params, state = layer.init(jax.random.key(0), X)
    for magnitude in (jnp.ones(()), jnp.ones(1), jnp.ones((2, 2))):
        foreign = params | {"kernel": params["kernel"] | {"magnitude": magnitude}}
        message = r"weight_norm of kernel: got magnitude of shape .*expected shape \(2,\)"
        with pytest.raises(jnn.JnnError, match=message):
            layer.apply(foreign, state, X)


def test_a_state_of_other_features_is_said_to_be_the_state():
    layer = jnn.batch_norm()
    params, _ = jax.eval_shape(layer.init, jax.random.key(0), X)
    _, state = jax.eval_shape(layer.init, jax.random.key(0), X[:, :2])
    message = (
        r"got x of shape \(4, 3\), expected 2 features in its last axis, as in state. Use the s"
    )
    with pytest.raises(jnn.JnnError, match=message):
        jax.eval_shape(layer.apply, params, state, X)
    with pytest.raises(jnn.JnnError, match="expected 3 features in its last axis, as in params"):
        jax.eval_shape(layer.apply, params, state, X[:, :2])


@pytest.mark.parametrize("train", [False, True])
def test_vectors_of_other_kernels_are_refused(train):
    network = jnn.chain(jnn.dense(3), jnn.dense(2))
    of = lambda paths, x: jax.eval_shape(
        jnn.spectral_norm(network, paths).init, jax.random.key(0), x
    )
    (params, both), (_, first), (_, wider) = (
        of(".*kernel", X),
        of("0/kernel", X),
        of(".*kernel", X[:, :2]),
    )
    for paths, state, message in (
        (".*kernel", first, "vectors of 0/kernel, expected those of 0/kernel, 1/kernel"),
        ("0/kernel", both, "vectors of 0/kernel, 1/kernel, expected those of 0/kernel"),
        (".*kernel", wider, r"0/kernel: got left of shape \(2,\), expected shape \(3,\)"),
    ):
        model = jnn.spectral_norm(network, paths)
        run = lambda *trees, model=model: model.apply(*trees, X, train=train)
        with pytest.raises(jnn.JnnError, match=f"{message}. Use the state that this model's init"):
            jax.eval_shape(run, params, state)


PAIR = {"x": X, "memory": X}
DRAWING = LAYERS | {
    "added_bias": (added_bias(), X),
    "bidirectional": (jnn.bidirectional(jnn.gru(2)), X),
    "cross_attention": (cross_attention(1), PAIR),
    "depthwise_conv": (jnn.depthwise_conv((3,)), X),
    "feed_forward": (feed_forward(2), X),
    "gate": (gated(2), X),  # a part of gated
    "learned_positions": (learned_positions(4), X),
    "mixture_of_experts": (mixture_of_experts(jnn.dense(2), 2), X),
    "modulation": (  # a part of conditional_norm
        conditional_norm(jnn.layer_norm(), 3, rank=1),
        {"x": X, "condition": X},
    ),
}
del DRAWING["prelu"]  # its params are those of its setting


@pytest.mark.parametrize("name", DRAWING)
def test_a_seed_is_no_key(name):
    layer, x = DRAWING[name]
    message = r"got a key of (type int|dtype int32), expected a key of JAX. Pass jax.random.key\("
    for init in (layer.init, jax.jit(layer.init)):
        with pytest.raises(jnn.JnnError, match=f"{name}: (dense: )?{message}"):
            init(0, x)
    with pytest.raises(jnn.JnnError, match=message):
        jnn.chain(layer).init(0, x)


KEYS = jax.random.split(jax.random.key(0), 3)
NO_KEYS = {
    "keys of shape (3,)": KEYS,
    "a key of dtype float32 and shape (2,)": jnp.ones(2),
    "a key of dtype uint32 and shape (3, 2)": jax.random.key_data(KEYS),
    "a key of dtype uint32 and shape (5,)": jnp.ones(5, jnp.uint32),
    "a key of dtype float32 and shape (4, 3)": X,
    "a key of type str": "0",
}


@pytest.mark.parametrize("got", NO_KEYS)
def test_what_is_no_key_is_refused(got):
    model = jnn.chain(jnn.dense(2), jnn.dropout(0.5))
    params, state = jax.eval_shape(model.init, jax.random.PRNGKey(0), X)
    drawing = lambda *trees: model.apply(*trees, X, key=NO_KEYS[got], train=True)
    message = re.escape(f"got {got}, expected a key of JAX. Pass ")
    for layer in (model, jnn.lstm(2)):
        with pytest.raises(jnn.JnnError, match=message):
            layer.init(NO_KEYS[got], X)
    with pytest.raises(jnn.JnnError, match=message):
        jax.eval_shape(drawing, params, state)
    with pytest.raises(jnn.JnnError, match=f"dropout: {message}"):
        jnn.dropout(0.5).apply({}, {}, X, key=NO_KEYS[got], train=True)


@pytest.mark.parametrize("model", [jnn.lstm(2), jnn.chain(jnn.dense(2), jnn.dense(2))])
def test_a_list_is_no_mask(model):
    params, state = jax.eval_shape(model.init, jax.random.key(0), X)
    with pytest.raises(jnn.JnnError, match=r"got a mask of type list, .*Pass jnp.asarray\(mask\)"):
        jax.eval_shape(lambda *trees: model.apply(*trees, X, mask=[True] * 4), params, state)
