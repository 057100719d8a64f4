"""All layers with a mask refuse the same masks, and accept arrays of bool of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.attention import attention
from jnn.layers.cross_attention import cross_attention
from jnn.layers.feed_forward import feed_forward
from jnn.layers.mixture_of_experts import mixture_of_experts
from jnn.layers.position_vectors import learned_positions
from jnn.layers.subpixel import space_to_depth

X = np.random.default_rng(0).standard_normal((2, 4, 6)).astype(np.float32)
MASK = np.array([[True, True, False, False], [True, True, True, False]])
WHOLE = np.array([True, False])
LAYERS = {
    "attention": attention(2),
    "attention, causal": attention(2, causal=True),
    "cross_attention": cross_attention(2),
    "lstm": jnn.lstm(3),
    "bidirectional": jnn.bidirectional(jnn.gru(3)),
    "conv": jnn.conv(3, (3,)),
    "conv_transpose": jnn.conv_transpose(3, (3,)),
    "max_pool": jnn.max_pool((2,)),
    "average_pool": jnn.average_pool((2,)),
    "global_average_pool": jnn.global_average_pool(1),
    "upsample": jnn.upsample((2,)),
    "last_element": jnn.last_element(),
    "batch_norm": jnn.batch_norm(),
    "group_norm": jnn.group_norm(2, rank=2),
    "instance_norm": jnn.instance_norm(rank=2),
    "learned_positions": learned_positions(4),
    "mixture_of_experts": mixture_of_experts(feed_forward(3), 2),
}
OTHERS = {
    "flatten": jnn.flatten(2),
    "adaptive_average_pool": jnn.adaptive_average_pool((2,)),
    "parallel": jnn.parallel(jnn.dense(2), jnn.dense(2), combine=jnp.add),
    "space_to_depth": jnn.chain(lambda x: x[..., None], space_to_depth(2)),
}
REFUSED = {
    "list": MASK.tolist(),
    "float": MASK.astype(np.float32),
    "integer": MASK.astype(int),
    "shape": MASK.T,
}


def applied(name, layer, mask):
    x = {"x": X, "memory": X} if name == "cross_attention" else X
    params, state = layer.init(jax.random.key(0), x)
    return lambda mask=mask: layer.apply(params, state, x, train=name == "batch_norm", mask=mask)[0]


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", LAYERS)
def test_the_same_masks_are_refused(name, kind):
    caller = name.split(",")[0]
    message = rf"{caller}: got a mask of (type list|dtype float32|dtype int64|shape \(4, 2\))"
    with pytest.raises(jnn.JnnError, match=message):
        applied(name, LAYERS[name], REFUSED[kind])()


@pytest.mark.parametrize("kind", ["list", "float", "integer"])
@pytest.mark.parametrize("name", OTHERS)
def test_the_others_refuse_what_is_no_mask(name, kind):
    with pytest.raises(jnn.JnnError, match=r"got a mask of (type list|dtype)"):
        applied(name, OTHERS[name], REFUSED[kind])()


def test_a_list_is_no_mask_of_pairs():
    q = jnp.ones((4, 1, 2))
    with pytest.raises(jnn.JnnError, match="dot_product_attention: got a mask of type list"):
        jnn.dot_product_attention(q, q, q, mask=[[True] * 4] * 4)


def test_a_list_is_no_mask_of_the_memory():
    layer, x = cross_attention(2), {"x": X, "memory": X}
    params, state = layer.init(jax.random.key(0), x)
    with pytest.raises(jnn.JnnError, match="memory of cross_attention: got a mask of type list"):
        layer.apply(params, state, x | {"memory_mask": MASK.tolist()})


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", LAYERS)
def test_arrays_of_bool_are_accepted_traced_or_not(name):
    apply = applied(name, LAYERS[name], MASK)
    y = apply()
    scanned = jax.lax.scan(lambda _, mask: (None, apply(mask)), None, MASK[None])[1][0]
    mapped = jax.vmap(apply)(jnp.asarray(MASK)[None])[0]
    for other in (apply(jnp.asarray(MASK)), jax.jit(apply)(MASK), scanned, mapped):
        np.testing.assert_allclose(other, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_a_mask_of_whole_examples_leaves_the_real_ones_as_they_are(name):
    if name == "batch_norm":  # in which the examples of a batch influence each other
        return
    y = applied(name, LAYERS[name], WHOLE)()
    np.testing.assert_allclose(y[0], applied(name, LAYERS[name], None)()[0], rtol=1e-5, atol=1e-6)
