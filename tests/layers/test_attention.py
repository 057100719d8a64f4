"""Attention against PyTorch, its masks against brute force, causality to the bit, and mistakes
said.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.attention import attention
from jnn.layers.cross_attention import cross_attention
from jnn.layers.dot_product import dot_product_attention
from jnn.layers.positions import alibi, rotary
from tests.compiled import apply, init

FORWARD, GRADIENT = 1e-10, 1e-9  # float64: the same sums in another order
FLOAT32 = 2e-6  # two orders of a dozen sums of values of the order of one
SAME = 1e-12  # float64, the same sums


def tree(case, prefix=""):
    """The params of a case, or with ``prefix`` their gradients."""
    names = ("query", "key", "value", "output")
    return {
        name: {part: case[f"{prefix}{name}/{part}"] for part in ("kernel", "bias")}
        for name in names
    }


def compare(case, run, x):
    """Output ``run(params, x)`` and all gradients equal those of PyTorch."""

    def loss(params, x):
        y = run(params, x)
        return jnp.sum(case["weights"] * y), y

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
    (to_params, to_x), y = gradients(tree(case), x)
    np.testing.assert_allclose(y, case["y"], atol=FORWARD)
    jax.tree.map(
        lambda got, want: np.testing.assert_allclose(got, want, atol=GRADIENT),
        to_params,
        tree(case, "gradient/"),
    )
    return to_x


MASKS = {
    "plain": ({}, lambda case: None),
    "causal": ({"causal": True}, lambda case: None),
    "causal by pairs": ({}, lambda case: np.tril(np.ones((3, 4, 4), bool))),
    "padded": ({}, lambda case: case["real"][:, None].repeat(4, axis=1)),
    "pairs": ({}, lambda case: case["look"]),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", MASKS)
def test_self_attention_equals_pytorch(float64, reference, name):
    options, mask = MASKS[name]
    case = reference("attention", name.split(" ")[0])
    layer = attention(2, **options)
    run = lambda params, x: layer.apply(params, {}, x, mask=mask(case))[0]
    to_x = compare(case, run, case["x"])
    np.testing.assert_allclose(to_x, case["gradient/x"], atol=GRADIENT)
    _, values = jax.jit(jnn.capture(run))(tree(case), case["x"])
    np.testing.assert_allclose(values["weights"], case["attention"], atol=FORWARD)


def test_real_elements_equal_those_of_pytorch_with_padding_masked(float64, reference):
    case, layer = reference("attention", "padded"), attention(2)
    real = case["real"]
    x = np.where(real[..., None], case["x"], np.nan)
    y, _ = apply(layer, tree(case), {}, x, mask=real)
    np.testing.assert_allclose(np.asarray(y)[real], case["y"][real], atol=FORWARD)


def test_cross_attention_equals_pytorch(float64, reference):
    case = reference("attention", "cross")
    layer = cross_attention(2)
    run = lambda params, x: layer.apply(params, {}, x | {"memory_mask": case["real"]})[0]
    to_x = compare(case, run, {"x": case["x"], "memory": case["memory"]})
    for name, gradient in to_x.items():
        np.testing.assert_allclose(gradient, case[f"gradient/{name}"], atol=GRADIENT)


def test_grouped_heads_with_a_bias_equal_pytorch(float64, reference):
    case = reference("attention", "grouped")
    time_first = lambda name: np.swapaxes(case[name], 1, 2)
    arguments = [time_first("q"), time_first("k"), time_first("v"), case["bias"]]

    def loss(q, k, v, bias):
        y = dot_product_attention(q, k, v, bias=bias)
        return jnp.sum(time_first("weights") * y), y

    gradients, y = jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3), has_aux=True))(*arguments)
    np.testing.assert_allclose(y, time_first("y"), atol=FORWARD)
    for gradient, name in zip(gradients[:3], ("q", "k", "v"), strict=True):
        np.testing.assert_allclose(gradient, time_first(f"gradient/{name}"), atol=GRADIENT)
    np.testing.assert_allclose(gradients[3], case["gradient/bias"], atol=GRADIENT)


def draw(*shape, seed=0, dtype=None):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


compiled_attention = jax.jit(dot_product_attention, static_argnames=("causal", "window", "fused"))


def brute_force(q, k, v, look):
    """One query at a time, over the keys that it may look at; ``look`` ``(H, T, S)``."""
    y = np.zeros((*q.shape[:-1], v.shape[-1]))
    for t, h in np.ndindex(q.shape[:2]):
        group = h // (q.shape[1] // k.shape[1])
        keys = np.flatnonzero(look[h, t])
        if len(keys):
            e = np.exp([q[t, h] @ k[s, group] / np.sqrt(q.shape[-1]) for s in keys])
            y[t, h] = sum(w * v[s, group] for w, s in zip(e / e.sum(), keys, strict=True))
    return y


@pytest.mark.parametrize(
    ("causal", "window"), [(True, None), (True, 1), (True, 3), (False, 2), (False, None)]
)
def test_masks_heads_and_windows_equal_brute_force(float64, causal, window):
    q, k, v = draw(6, 4, 3), draw(6, 2, 3, seed=1), draw(6, 2, 5, seed=2)
    given = np.random.default_rng(3).random((4, 6, 6)) < 0.6
    t, s = np.ogrid[:6, :6]
    near = np.ones((6, 6), bool) if window is None else abs(t - s) < window
    look = given & near & (s <= t if causal else np.ones((6, 6), bool))
    y = compiled_attention(q, k, v, mask=given, causal=causal, window=window)
    np.testing.assert_allclose(y, brute_force(q, k, v, look), atol=SAME)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "shape", [(5, 6), (2, 5, 6), (2, 1, 6), (2, 4, 5, 6), (1, 4, 1, 6), (1, 1, 5, 6)]
)
@pytest.mark.parametrize("fused", [False, True])
def test_masks_and_biases_of_any_rank_broadcast(shape, fused):
    q = draw(2, 5, 4, 3, dtype=np.float32)
    k, v = (draw(2, 6, 2, 3, seed=seed, dtype=np.float32) for seed in (1, 2))
    mask = np.random.default_rng(4).random(shape) < 0.6
    per_head = mask if mask.ndim == 4 else np.broadcast_to(mask, (2, *mask.shape[-2:]))[:, None]
    look = np.broadcast_to(per_head, (2, 4, 5, 6))
    y = np.asarray(compiled_attention(q, k, v, mask=mask, fused=fused))
    for i in range(2):
        np.testing.assert_allclose(y[i], brute_force(q[i], k[i], v[i], look[i]), atol=FLOAT32)


def test_grouped_heads_are_heads_with_repeated_keys(float64):
    q, k, v = draw(2, 5, 6, 4), draw(2, 5, 2, 4, seed=1), draw(2, 5, 2, 4, seed=2)
    y = compiled_attention(q, k, v, causal=True)
    repeated = compiled_attention(q, k.repeat(3, -2), v.repeat(3, -2), causal=True)
    np.testing.assert_allclose(y, repeated, atol=SAME)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "options", [{}, {"causal": True}, {"causal": True, "window": 3}, {"window": 3}]
)
@pytest.mark.parametrize("masked", [False, True])
def test_fused_is_explicit(options, masked):
    q = draw(2, 5, 4, 8, dtype=np.float32)
    k, v = (draw(2, 5, 2, 8, seed=seed, dtype=np.float32) for seed in (1, 2))
    bias = draw(4, 5, 5, seed=3, dtype=np.float32)
    mask = np.array([[True] * 5, [False] * 2 + [True] * 3])[:, None] if masked else None

    def loss(q, k, v, fused):
        y = dot_product_attention(q, k, v, bias=bias, mask=mask, fused=fused, **options)
        return jnp.sum(jnp.sin(y)), y

    @jax.jit
    def gradients_and_outputs(*qkv):
        gradients = jax.grad(loss, (0, 1, 2), has_aux=True)
        return gradients(*qkv, fused=True), gradients(*qkv, fused=False)

    fused, explicit = gradients_and_outputs(q, k, v)
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=FLOAT32), fused, explicit)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("queries", "keys"), [(0, 3), (2, 0)])
def test_no_queries_have_no_outputs_and_attention_to_no_keys_is_zero(queries, keys, fused):
    q, k = np.ones((2, queries, 2, 4), np.float32), np.ones((2, keys, 1, 4), np.float32)
    y = dot_product_attention(q, k, k, fused=fused)
    np.testing.assert_array_equal(y, np.zeros((2, queries, 2, 4)))


@pytest.mark.parametrize("fused", [False, True])
def test_a_row_that_may_look_nowhere_gives_zero_and_finite_gradients(fused):
    q, k, v = (draw(4, 2, 8, seed=i, dtype=np.float32) for i in range(3))
    mask = np.array([[True] * 4, [False] * 4, [False, True, True, False], [False] * 4])

    def loss(*qkv):
        y = dot_product_attention(*qkv, mask=mask, fused=fused)
        return jnp.sum(jnp.cos(y)), y

    gradients, y = jax.device_get(jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(q, k, v))
    assert not y[1].any()
    assert not y[3].any()
    assert y[2].all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert not gradients[0][1].any()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("positions", [None, rotary(), alibi()])
def test_the_future_changes_nothing_to_the_bit(positions, fused):
    layer = attention(2, causal=True, positions=positions, fused=fused)
    x = draw(6, 8, dtype=np.float32)
    changed = x.copy()
    changed[3:] = 1e3
    params, state = init(layer, x)

    def past(x):
        y = layer.apply(params, state, x)[0][:3]
        return jnp.sum(jnp.sin(y)), y

    gradient_and_output = jax.jit(jax.grad(past, has_aux=True))
    gradient, y = jax.device_get(gradient_and_output(x))
    np.testing.assert_array_equal(gradient_and_output(changed)[1], y)
    assert not gradient[3:].any()
    assert gradient[:3].all()


def test_packed_documents_are_documents_alone(float64):
    layer, x = attention(2, causal=True, positions=rotary()), draw(7, 8)
    params, state = init(layer, x)
    document = np.array([0, 0, 0, 1, 1, 1, 1])
    y, _ = apply(layer, params, state, x, mask=document[:, None] == document[None])
    alone = [apply(layer, params, state, part)[0] for part in (x[:3], x[3:])]
    np.testing.assert_allclose(y, np.concatenate(alone), atol=SAME)


def test_weights_are_float32_and_dropped_with_their_mean_kept():
    q = k = np.zeros((50, 2, 4), jnp.bfloat16)
    v = np.ones((50, 2, 4), jnp.bfloat16)
    _, values = jax.eval_shape(jnn.capture(dot_product_attention), q, k, v)
    assert values["weights"].dtype == jnp.float32
    dropped = jax.jit(functools.partial(dot_product_attention, dropout=0.25))
    y = np.asarray(dropped(q, k, v.astype(np.float32), key=jax.random.key(0)), np.float32)
    # Each y is a mean of 50 draws of variance 1/3; 100 rows differ.
    assert abs(float(y.mean()) - 1) < 4 * np.sqrt(1 / 3 / 50 / 100)
    assert len(set(np.asarray(y[:, :, 0]).ravel().tolist())) > 5


def test_params_are_counted_and_drawn_as_declared():
    layer = attention(8, key_value_heads=2, output_init=jax.nn.initializers.constant(0.5))
    params, _ = jax.device_get(init(layer, np.ones((3, 64), np.float32)))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 2 * (64 * 64 + 64) + 2 * (
        64 * 16 + 16
    )
    assert (params["output"]["kernel"] == 0.5).all()
    assert abs(float(params["query"]["kernel"].var()) * 64 - 1) < 4 * np.sqrt(2 / 64**2)


X = np.ones((2, 5, 8), np.float32)


def applied(layer, x=X, **options):
    run = lambda x: layer.apply(*layer.init(jax.random.key(0), x), x, **options)
    return jax.eval_shape(run, x)


MISTAKES = {
    "heads": (
        lambda: applied(attention(3)),
        r"attention: got 3 heads for 8 features, expected heads that divide the features",
    ),
    "no features": (
        lambda: applied(attention(2), X[..., :0]),
        r"attention: got 2 heads for 0 features, expected heads that divide the features",
    ),
    "function, no features": (
        lambda: dot_product_attention(*[jnp.ones((5, 2, 0))] * 2, jnp.ones((5, 2, 4))),
        r"got q \(5, 2, 0\), .* d > 0",
    ),
    "function, no heads": (
        lambda: dot_product_attention(jnp.ones((5, 2, 4)), *[jnp.ones((5, 0, 4))] * 2),
        r"k \(5, 0, 4\), .* H a multiple of G",
    ),
    "function, one axis less": (
        lambda: dot_product_attention(jnp.ones((5, 2, 4)), *[jnp.ones((2, 4))] * 2),
        r"k \(2, 4\), .* expected q \(..., T, H, d\)",
    ),
    "shared heads": (lambda: attention(4, key_value_heads=3), r"got heads=4 and key_value_heads=3"),
    "no heads": (lambda: attention(0), r"attention: got heads=0"),
    "mask shape": (
        lambda: applied(attention(2), mask=jnp.ones((2, 4), bool)),
        (
            r"attention: got a mask of shape \(2, 4\) for x of shape \(2, 5, 8\), "
            r"expected \(2, 5\) for elements or \(2, 5, 5\) for pairs"
        ),
    ),
    "mask dtype": (
        lambda: applied(attention(2), mask=jnp.ones((2, 5))),
        r"attention: got a mask of dtype float32",
    ),
    "tokens": (
        lambda: attention(2).init(jax.random.key(0), jnp.ones((2, 5), int)),
        r"attention: got x of dtype int32",
    ),
    "no time": (
        lambda: applied(attention(2), jnp.ones(8)),
        r"attention: got x of shape \(8,\), expected at least 2 axes",
    ),
    "width": (
        lambda: attention(2).apply(init(attention(2), X)[0], {}, X[..., :6]),
        r"expected 8 features",
    ),
    "dropout": (lambda: attention(2, dropout=1.5), r"got dropout=1.5"),
    "dropout without a key": (
        lambda: applied(attention(2, dropout=0.5), train=True),
        r"train=True without a key",
    ),
    "fused dropout": (
        lambda: attention(2, dropout=0.5, fused=True),
        r"got dropout=0.5 and fused=True",
    ),
    "window": (lambda: attention(2, window=0), r"got window=0"),
    "odd rotation": (
        lambda: applied(attention(8, positions=rotary())),
        r"rotary: got 1 features to rotate",
    ),
    "bidirectional stream": (
        lambda: attention(2).carry({}, X[:, 0], 5),
        r"carry: got a model that sees the whole of x at once",
    ),
    "function, shapes": (
        lambda: dot_product_attention(X[0, :, None], X[0, :, None], X[0, :4, None]),
        r"dot_product_attention: got q \(5, 1, 8\), k \(5, 1, 8\), v \(4, 1, 8\)",
    ),
    "function, heads": (
        lambda: dot_product_attention(
            jnp.ones((5, 3, 2)), jnp.ones((5, 2, 2)), jnp.ones((5, 2, 2))
        ),
        r"multiple of G",
    ),
    "function, mask": (
        lambda: dot_product_attention(
            X[0, :, None], X[0, :, None], X[0, :, None], mask=jnp.ones((4, 5), bool)
        ),
        r"got mask of shape \(4, 5\).*expected one that broadcasts to \(5, 5\)",
    ),
    "memory": (
        lambda: applied(cross_attention(2)),
        r"cross_attention: got an array, expected a dict with x and memory",
    ),
    "memory mask": (
        lambda: applied(
            cross_attention(2), {"x": X, "memory": X, "memory_mask": jnp.ones((2, 4), bool)}
        ),
        r"memory of cross_attention: got a mask of shape \(2, 4\) .*, expected \(2, 5\)",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said(name):
    make, message = MISTAKES[name]
    with pytest.raises(jnn.JnnError, match=message):
        make()


@pytest.mark.parametrize(("queries", "keys"), [(0, 0), (2, 0), (0, 3)])
def test_attention_over_no_elements_is_zero_or_of_length_zero(queries, keys):
    q, k = np.ones((queries, 1, 4), np.float32), np.ones((keys, 1, 4), np.float32)
    y = compiled_attention(q, k, k)
    np.testing.assert_array_equal(y, np.zeros((queries, 1, 4)))


def test_a_sequence_of_length_zero_stays_one():
    layer, x = jnn.attention(1), np.ones((2, 3), np.float32)
    params, state = init(layer, x)
    assert apply(layer, params, state, x[:0])[0].shape == (0, 3)
