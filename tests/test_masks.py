"""Padding: a padded sequence gives what its real elements alone give, or is refused."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.errors import JnnError
from jnn.masks import following
from tests.compiled import apply, init, step

LENGTH, PADDED, LONG = 7, 12, 24
KERNELS = [
    {"strides": strides, "padding": padding, "dilation": dilation}
    for strides, padding, dilation in itertools.product(
        (1, 2, 3), ("SAME", "VALID", "CAUSAL", ((2, 1),)), (1, 2)
    )
]
POOLS = [
    {"strides": strides, "padding": padding}
    for strides, padding in itertools.product((1, 2, 3), ("SAME", "VALID", ((1, 1),)))
]


def describe(settings):
    return ", ".join(str(value) for value in settings.values())


LAYERS = {
    **{f"conv {describe(kernel)}": jnn.conv(2, (3,), **kernel) for kernel in KERNELS},
    **{f"max_pool {describe(pool)}": jnn.max_pool((3,), **pool) for pool in POOLS},
    **{f"average_pool {describe(pool)}": jnn.average_pool((3,), **pool) for pool in POOLS},
    "average_pool with padding counted": jnn.average_pool(
        (3,), strides=2, padding="SAME", count_include_pad=True
    ),
    "depthwise_conv": jnn.depthwise_conv((4,), strides=2),
    "conv_transpose SAME": jnn.conv_transpose(2, (3,), strides=2),
    "conv_transpose VALID": jnn.conv_transpose(2, (4,), strides=3, padding="VALID"),
    "conv_transpose cropped": jnn.conv_transpose(
        2, (4,), strides=2, padding=1, output_padding=1, dilation=2
    ),
    "upsample": jnn.upsample((3,)),
    "dense": jnn.dense(2),
    "activation": jnn.function(jnp.tanh),
    "softmax": jnn.function(jax.nn.softmax),
    "batch_norm": jnn.batch_norm(),
    "group_norm": jnn.group_norm(1, rank=1),
    "elman": jnn.elman(2),
    "lstm": jnn.lstm(2),
    "gru": jnn.gru(2),
    "bidirectional": jnn.bidirectional(jnn.elman(2), combine=jnp.add),
    "attention": jnn.attention(1),
    "learned_positions": jnn.learned_positions(64),
    "sinusoidal_positions": jnn.sinusoidal_positions(),
    "mixture_of_experts": jnn.mixture_of_experts(jnn.dense(2), 2, top=1),
    "last_element": jnn.last_element(),
    "global_average_pool": jnn.global_average_pool(1),
    "global_max_pool": jnn.global_max_pool(1),
    "ensemble": jnn.ensemble(jnn.conv(2, (3,), strides=2), 2),
    "remat": jnn.remat(jnn.conv(2, (3,), strides=2)),
    "cast": jnn.cast(jnn.conv(2, (3,), strides=2), compute=jnp.float32),
    "weight_norm": jnn.weight_norm(jnn.conv(2, (3,), strides=2)),
    "spectral_norm": jnn.spectral_norm(jnn.conv(2, (3,), strides=2)),
    "repeat": jnn.repeat(jnn.chain(jnn.conv(2, (3,), strides=1), jnn.max_pool((1,))), 2),
    "residual": jnn.residual(jnn.conv(2, (3,), strides=2), jnn.conv(2, (1,), strides=2)),
    "chain": jnn.chain(jnn.conv(2, (3,), strides=2), jnn.chain(jnn.max_pool((2,)), jnn.gru(2))),
    "per_element": jnn.per_element(jnn.dense(2)),
    "gated by a summary": jnn.parallel(
        jnn.conv(2, (3,), strides=2),
        jnn.global_average_pool(1),
        combine=lambda a, b: a * b[..., None, :],
    ),
    "mean in a flow": jnn.wired(
        lambda run, x: jnp.mean(
            run("part", x), -2, where=None if run.mask is None else run.mask[..., None]
        ),
        {"part": jnn.dense(2)},
        streaming=False,
    ),
}
REVERSED = lambda a, b: a + b[..., ::-1, :]
REFUSED = {
    "flatten": jnn.flatten(2),
    "adaptive_average_pool": jnn.adaptive_average_pool((3,)),
    "adaptive_max_pool": jnn.adaptive_max_pool((3,)),
    "upsample, linear": jnn.upsample((2,), "linear"),
    "last, by a function": jnn.function(lambda h: h[..., -1, :]),
    "mean, by a function": jnn.function(lambda h: h.mean(-2)),
    "reversal, by a function": jnn.function(lambda h: h[..., ::-1, :]),
    "thinning, by a function": jnn.function(lambda h: h[..., ::2, :]),
    "reversal of all axes": jnn.function(jnp.flip),
    "centring": jnn.function(lambda h: h - h.mean()),
    "sum over time": jnn.function(lambda h: jnp.cumsum(h, axis=1)),
    "mean of two parts": jnn.parallel(
        jnn.dense(2), jnn.dense(2), combine=lambda a, b: (a * b).mean(-2)
    ),
    "one part, reversed": jnn.parallel(jnn.dense(2), jnn.identity, combine=REVERSED),
    "mean of shorter parts": jnn.parallel(
        jnn.conv(2, (3,), strides=2),
        jnn.global_average_pool(1),
        combine=lambda a, b: (a * b[..., None, :]).mean(-2),
    ),
    "weights of all elements": jnn.function(
        lambda h: jnp.einsum("...td,t->...d", h, jnp.arange(float(PADDED)))
    ),
    "mean in a flow": jnn.wired(
        lambda run, x: run("part", x).mean(-2), {"part": jnn.dense(2)}, streaming=False
    ),
    "last element in a flow": jnn.wired(
        lambda run, x: run("out", run("rnn", x)[..., -1, :]),
        {"rnn": jnn.gru(2), "out": jnn.dense(2)},
        streaming=False,
    ),
    "tuple of lengths": jnn.parallel(jnn.conv(2, (3,), strides=2), jnn.conv(2, (3,))),
}
SUMMARIES = ("last_element", "global_average_pool", "global_max_pool")


def sequences(length=LENGTH, batch=2):
    return np.random.default_rng(0).standard_normal((batch, length, 2)).astype(np.float32)


def padded(x, before=0):
    """x between NaN, and where it is."""
    batch, length, _ = x.shape
    size = length + PADDED - LENGTH
    whole = np.full((batch, size, 2), np.nan, np.float32)
    whole[:, before : before + length] = x
    mask = np.zeros((batch, size), bool)
    mask[:, before : before + length] = True
    return whole, mask


@functools.partial(jax.jit, static_argnums=0)
def outputs(model, x, whole, mask):
    """The outputs for x alone and for it within padding, and the mask of the latter."""
    params, state = init(model, x)
    alone, _ = apply(model, params, state, x, mask=jnp.ones(x.shape[:-1], bool))
    y, _ = apply(model, params, state, whole, mask=mask)
    return alone, y, following(model, params, state, whole, y, mask)


def check_alike(model, length=LENGTH, before=0):
    """The real elements of the output for padded sequences are those for short ones."""
    x = sequences(length)
    expected, y, after = jax.device_get(outputs(model, x, *padded(x, before)))
    if after is not None:
        assert after.shape == y.shape[:-1]
        y = y[after].reshape(expected.shape)
    np.testing.assert_allclose(y, expected, atol=2e-6)


@pytest.mark.sampled(9)
@pytest.mark.parametrize("length", [5, 6, LENGTH])
@pytest.mark.parametrize("name", LAYERS)
def test_a_padded_sequence_gives_what_the_short_one_gives(name, length):
    check_alike(LAYERS[name], length)


FEW = (
    "conv 2, SAME, 1",
    "conv 3, VALID, 2",
    "max_pool 2, SAME",
    "average_pool 2, ((1, 1),)",
    "conv_transpose SAME",
    "upsample",
    "lstm",
    "attention",
    "batch_norm",
    "residual",
    "chain",
    "per_element",
)


@pytest.mark.sampled(8)
@pytest.mark.parametrize("name", [name for name in LAYERS if name != "bidirectional"])
def test_padding_may_come_first(name):
    check_alike(LAYERS[name], before=3)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_mix_padding_in_is_refused(name):
    whole, mask = padded(sequences())
    model = jnn.chain(REFUSED[name], jnp.negative)
    if name == "tuple of lengths":
        model = jnn.chain(jnn.chain(REFUSED[name]), lambda pair: pair[0])
    params, state = jax.eval_shape(model.init, jax.random.key(0), whole)
    with pytest.raises(JnnError, match="mask"):
        jax.eval_shape(model.apply, params, state, whole, mask=mask)


@pytest.mark.sampled(32)
@pytest.mark.parametrize("second", [*FEW, "bidirectional", *SUMMARIES])
@pytest.mark.parametrize("first", FEW)
def test_pairs_of_layers(first, second):
    check_alike(jnn.chain(LAYERS[first], LAYERS[second]), length=LONG)


def test_a_mask_is_not_lost_at_a_stride():
    x, mask = jnp.ones((1, 16, 2)), jnp.arange(16)[None] < 4
    model = jnn.chain(jnn.conv(4, (3,), strides=2), jnn.global_average_pool(1))
    params, state = init(model, x)
    expected, _ = apply(model, params, state, x[:, :4])
    y, _ = apply(model, params, state, x, mask=mask)
    np.testing.assert_allclose(y, expected, atol=1e-6)


def test_gradients_of_padding_are_zero():
    model = jnn.chain(jnn.conv(4, (3,), strides=2), jnn.max_pool((2,)), jnn.last_element())
    whole, mask = padded(sequences(), before=2)
    params, state = init(model, whole)
    loss = lambda params, x: apply(model, params, state, x, mask=mask)[0].sum()
    of_params, of_x = jax.jit(jax.grad(loss, (0, 1)))(params, whole)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(of_params))
    assert not np.any(np.asarray(of_x)[~np.asarray(mask)])


def test_functions_that_look_across_time_do_not_stream():
    assert jnn.streams(jnn.chain(jnn.lstm(4), jax.nn.relu, lambda h: 2 * h))
    assert not jnn.streams(jnn.chain(jnn.lstm(4), lambda h: h[..., -1, :]))
    assert not jnn.streams(jnn.chain(jnn.lstm(4), lambda h: h.mean(-2)))
    assert not jnn.streams(jnn.parallel(jnn.lstm(4), jnn.gru(4), combine=REVERSED))
    assert jnn.streams(jnn.parallel(jnn.lstm(4), jnn.gru(4), combine=jnp.multiply))
    assert jnn.streams(jnn.function(lambda tokens: jax.nn.one_hot(tokens, 5)))


def test_attention_pairs_go_through_a_chain():
    x = sequences(6)
    pairs = np.tril(np.ones((2, 6, 6), bool), -1) | np.eye(6, dtype=bool)
    model = jnn.chain(jnn.attention(1), jnn.attention(1))
    causal = jnn.chain(jnn.attention(1, causal=True), jnn.attention(1, causal=True))
    params, state = init(model, x)
    y, _ = apply(model, params, state, x, mask=jnp.asarray(pairs))
    np.testing.assert_allclose(y, apply(causal, params, state, x)[0], atol=1e-6)


FRAMES = jnn.chain(jnn.conv(3, (3, 3)), jax.nn.relu, jnn.batch_norm(), jnn.flatten(3))


def test_elements_of_any_rank_stream():
    model = jnn.chain(jnn.chain(jnn.per_element(FRAMES), jnn.lstm(6)), out=jnn.dense(2))
    x = np.random.default_rng(0).standard_normal((2, 5, 4, 4, 1)).astype(np.float32)
    params, state = init(model, x)
    y, _ = apply(model, params, state, x)
    carry = model.carry(params, jnp.asarray(x[:, 0]), 5)
    for t in range(5):
        y_t, carry = step(model, params, state, carry, jnp.asarray(x[:, t]))
        np.testing.assert_allclose(y_t, y[:, t], atol=1e-6)


def test_frames_that_are_padding_count_nowhere():
    model = jnn.chain(jnn.per_element(FRAMES), jnn.last_element())
    x = np.random.default_rng(0).standard_normal((2, 5, 4, 4, 1)).astype(np.float32)
    params, state = init(model, x)
    junk = np.concatenate([x, np.full_like(x, np.nan)], axis=1)
    mask = jnp.arange(10)[None].repeat(2, 0) < 5
    expected, new_state = apply(model, params, state, x, train=True)
    y, padded_state = apply(model, params, state, junk, train=True, mask=mask)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), padded_state, new_state)


def test_the_last_element():
    x, mask = padded(sequences())
    layer = jnn.last_element()
    np.testing.assert_array_equal(apply(layer, {}, {}, x, mask=mask)[0], x[:, LENGTH - 1])
    np.testing.assert_array_equal(apply(layer, {}, {}, x, mask=mask & False)[0], np.zeros((2, 2)))
    with pytest.raises(JnnError, match=r"last_element: got x of shape \(2,\)"):
        apply(layer, {}, {}, x[0, 0])
    with pytest.raises(JnnError, match=r"last_element: got x of shape \(2, 0, 2\)"):
        apply(layer, {}, {}, x[:, :0])


@pytest.mark.parametrize(
    "names", [("plumless", "buckeroo"), ("a/b",), ("",)], ids=lambda names: "-".join(names)
)
@pytest.mark.parametrize("compose", [jnn.chain, jnn.parallel])
def test_names_that_share_a_path_or_a_key_are_refused(compose, names):
    with pytest.raises(JnnError, match=r"name"):
        compose(**{name: jnn.dense(1) for name in names})


def test_a_scan_inside_a_flow():
    """A part inside ``jax.lax.scan``: its draws are those of each key, its state must stay."""

    def flow(run, x):
        def advance(h, i):
            key = None if run.key is None else jax.random.fold_in(run.key, i)
            return run("part", h, key=key), None

        return jax.lax.scan(advance, x, jnp.arange(3))[0]

    def silent(run, x):
        return jax.lax.scan(lambda h, _: (run("part", h), None), x, None, length=3)[0]

    x, key = jnp.ones((4, 2)), jax.random.key(0)
    drop, dense = jnn.dropout(0.5), jnn.dense(2)
    y, _ = jnn.wired(flow, {"part": drop}, streaming=False).apply({}, {}, x, key=key, train=True)
    expected = x
    for i in range(3):
        kept = jax.random.fold_in(key, i)
        expected = apply(drop, {}, {}, expected, key=jnn.child_key(kept, "part"), train=True)[0]
    np.testing.assert_array_equal(y, expected)
    with pytest.raises(JnnError, match=r"in part: dropout: got train=True without a key"):
        jnn.wired(silent, {"part": drop}).apply({}, {}, x, key=key, train=True)

    model = jnn.wired(silent, {"part": dense})
    params, state = init(model, x)
    y, _ = apply(model, params, state, x)
    expected = x
    for _ in range(3):
        expected = apply(dense, params["part"], {}, expected)[0]
    np.testing.assert_allclose(y, expected, atol=1e-6)

    model = jnn.wired(silent, {"part": jnn.batch_norm()})
    params, state = init(model, x)
    assert apply(model, params, state, x)[0].shape == (4, 2)
    with pytest.raises(JnnError, match=r"run\('part', x\): got a part that changes its state"):
        apply(model, params, state, x, train=True)


def test_a_vmap_inside_a_flow_needs_its_mask():
    each = lambda run, x: jax.vmap(lambda x: run("part", x))(x)
    model = jnn.wired(each, {"part": jnn.gru(2)}, streaming=False)
    x, mask = padded(sequences())
    params, state = init(model, x)
    with pytest.raises(JnnError, match=r"run\('part', x\): .* expected the mask of this x"):
        apply(model, params, state, x, mask=mask)

    def given(run, x):
        return jax.vmap(lambda x, mask: run("part", x, mask=mask))(x, run.mask)

    right = jnn.wired(given, {"part": jnn.gru(2)}, streaming=False)
    expected, _ = jnn.gru(2).apply(params["part"], {}, x, mask=mask)
    np.testing.assert_allclose(apply(right, params, state, x, mask=mask)[0], expected, atol=1e-6)
    with pytest.raises(JnnError, match="a part that remembers a stream"):
        jnn.wired(each, {"part": jnn.gru(2)}).carry(params, x[:, 0], 3)


def test_a_flow_passes_the_mask_that_follows():
    def flow(run, x):
        return run("pool", run("conv", x))

    parts = {"conv": jnn.conv(2, (3,), strides=2), "pool": jnn.global_average_pool(1)}
    x, mask = padded(sequences())
    model = jnn.wired(flow, parts)
    params, state = init(model, x)
    with pytest.raises(JnnError, match=r"run\('pool', x\): got x of shape \(2, 6, 2\)"):
        apply(model, params, state, x, mask=mask)


def test_masks_promote_nothing():
    whole, mask = padded(sequences())
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        for name in (*FEW, *SUMMARIES, "conv_transpose cropped"):
            params, state = jax.eval_shape(LAYERS[name].init, jax.random.key(0), whole)
            jax.eval_shape(
                lambda *trees, model=LAYERS[name]: apply(model, *trees, whole, mask=mask),
                params,
                state,
            )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "layer", [jnn.bidirectional(jnn.gru(2)), jnn.global_max_pool(1), jnn.global_average_pool(1)]
)
def test_of_no_elements_there_is_nothing(layer, masked):
    params, state = layer.init(jax.random.key(0), np.zeros((2, 5, 4), np.float32))
    mask = np.zeros((2, 0), bool) if masked else None
    y, _ = layer.apply(params, state, np.zeros((2, 0, 4), np.float32), mask=mask)
    assert y.shape[0] == 2
    assert not y.any()
