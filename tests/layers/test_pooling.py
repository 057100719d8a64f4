"""Pooling and upsampling against PyTorch and JAX, in low precision, masked, and what they
refuse.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
    upsample,
)
from tests.compiled import apply

EXACT = 1e-10  # float64: means of a few values
BFLOAT16 = 2**-8  # half a unit in the last place, relative: only the output is rounded

LAYERS = {
    "max": max_pool((2, 2)),
    "max, overlapping": max_pool((3, 2), strides=(2, 1), padding=(1, 0)),
    "max, ties": max_pool((3, 3), strides=2, padding=1),
    "max, sequence": max_pool((3,), strides=2),
    "max, volume": max_pool((2, 2, 2), strides=1),
    "average": average_pool((2, 2)),
    "average, padding counts": average_pool((3, 3), strides=2, padding=1, count_include_pad=True),
    "average, padding does not count": average_pool((3, 3), strides=2, padding=1),
    "adaptive average": adaptive_average_pool((3, 4)),
    "adaptive average, sequence": adaptive_average_pool((5,)),
    "adaptive max": adaptive_max_pool((3, 4)),
    "upsample, nearest": upsample((2, 3)),
    "upsample, bilinear": upsample((2, 3), "linear"),
    "upsample, linear": upsample((4,), "linear"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_those_of_pytorch(reference, float64, name):
    case = reference("pooling", name)

    def weighted(x):
        y, _ = LAYERS[name].apply({}, {}, x)
        return jnp.sum(case["weights"] * y), y

    (_, y), gradient = jax.jit(jax.value_and_grad(weighted, has_aux=True))(jnp.asarray(case["x"]))
    np.testing.assert_allclose(y, case["y"], atol=EXACT)
    np.testing.assert_allclose(gradient, case["gradient"], atol=EXACT)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("layer", "outside", "combine"),
    [(max_pool, -np.inf, jax.lax.max), (average_pool, 0.0, jax.lax.add)],
)
def test_same_padding_is_that_of_reduce_window(float64, layer, outside, combine):
    x = jax.random.normal(jax.random.key(0), (2, 7, 8, 3))
    reduce = lambda x: jax.lax.reduce_window(
        x, outside, combine, (1, 3, 2, 1), (1, 2, 3, 1), "SAME"
    )
    expected = reduce(x) if layer is max_pool else reduce(x) / reduce(jnp.ones_like(x))
    np.testing.assert_allclose(
        layer((3, 2), strides=(2, 3), padding="SAME").apply({}, {}, x)[0], expected, atol=EXACT
    )


def test_upsampling_is_that_of_jax_image(float64):
    x = jax.random.normal(jax.random.key(0), (3, 4, 2))
    for method in ("nearest", "linear"):
        np.testing.assert_allclose(
            upsample((3, 2), method).apply({}, {}, x)[0],
            jax.image.resize(x, (9, 8, 2), method),
            atol=EXACT,
        )


@pytest.mark.parametrize(
    ("pool", "combine"), [(global_average_pool, np.mean), (global_max_pool, np.max)]
)
def test_global_pools(float64, pool, combine):
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 5))
    np.testing.assert_allclose(
        pool().apply({}, {}, jnp.asarray(x))[0], combine(x, (1, 2)), atol=EXACT
    )
    mask = np.array(
        [[True, False, True], [False, True, False], [False, False, False], [True, True, True]]
    )[None].repeat(2, 0)
    y, _ = pool(1).apply({}, {}, jnp.where(mask[..., None], x, jnp.nan), mask=jnp.asarray(mask))
    for i, j in np.ndindex(2, 4):
        expected = combine(x[i, j][mask[i, j]], 0) if mask[i, j].any() else np.zeros(5)
        np.testing.assert_allclose(y[i, j], expected, atol=EXACT)


@pytest.mark.parametrize("pool", [global_average_pool, global_max_pool])
def test_hidden_nan_has_no_gradient(pool):
    x, mask = jnp.array([[1.0], [jnp.nan]]), jnp.array([True, False])
    for hidden in (mask, mask & False):
        gradient = jax.grad(
            lambda x, hidden=hidden: pool(1).apply({}, {}, x, mask=hidden)[0].sum()
        )(x)
        assert gradient.tolist() == [[float(hidden[0])], [0.0]]


@pytest.mark.parametrize(
    "layer", [average_pool((16,)), global_average_pool(1), adaptive_average_pool((1,))]
)
def test_means_of_bfloat16_are_rounded_once(layer):
    x = jax.random.uniform(jax.random.key(0), (1024, 4), jnp.bfloat16)
    y, _ = apply(layer, {}, {}, x)
    exact = (
        np.asarray(x, np.float64).reshape(-1, 16, 4).mean(1)
        if y.shape == (64, 4)
        else np.asarray(x, np.float64).mean(0)
    )
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(y, np.float64), exact.reshape(y.shape), rtol=BFLOAT16)


def test_max_pool_keeps_nan():
    x = jnp.array([[1.0], [jnp.nan], [jnp.nan], [1.0], [2.0], [3.0]])
    assert np.isnan(max_pool((2,)).apply({}, {}, x)[0])[:, 0].tolist() == [True, True, False]


@pytest.mark.parametrize("layer", [adaptive_average_pool((4, 1)), average_pool((2, 6))])
def test_an_infinity_stays_in_its_window(float64, layer):
    x = np.random.default_rng(0).standard_normal((3, 8, 6, 2))
    x[0, 1, 2, 0], x[1, 7, 0, 1] = np.inf, np.nan
    expected = x.reshape(3, 4, 2, 6, 2).mean((2, 3), keepdims=True)[:, :, 0]
    np.testing.assert_allclose(apply(layer, {}, {}, x)[0], expected, atol=EXACT)


MISTAKES = {
    "window": (lambda x: max_pool(2), r"max_pool: got window=2, expected a tuple"),
    "padding": (lambda x: max_pool((2, 2), padding=2), "padding=2 .* smaller than the window"),
    "padding name": (lambda x: average_pool((2, 2), padding="VALD"), "Did you mean 'VALID'"),
    "too large": (lambda x: max_pool((9, 9)).apply({}, {}, x), r"size \(8, 8\)"),
    "rank": (
        lambda x: max_pool((2, 2)).apply({}, {}, x[0, 0]),
        r"at least 3 axes, \(..., height, width, channels\)",
    ),
    "integers": (lambda x: global_average_pool().apply({}, {}, x.astype(np.uint8)), "uint8"),
    "mask": (
        lambda x: global_max_pool(1).apply({}, {}, x, mask=np.ones(8, bool)),
        r"mask of shape \(8,\)",
    ),
    "mask of pixels": (
        lambda x: max_pool((2, 2)).apply({}, {}, x, mask=np.ones(x.shape[:-1], bool)),
        r"max_pool: got a mask of pixels, of shape \(2, 8, 8\), and fewer windows than pixels, exp",
    ),
    "size": (lambda x: adaptive_max_pool((0, 1)), r"size=\(0, 1\)"),
    "no elements, mean": (
        lambda x: adaptive_average_pool((2, 2)).apply({}, {}, x[:, :0]),
        r"adaptive_average_pool: got x of shape \(2, 0, 8, 3\), expected one element at least",
    ),
    "no elements, maximum": (
        lambda x: adaptive_max_pool((3,)).apply({}, {}, x[:, :, :0]),
        r"adaptive_max_pool: got x of shape \(2, 8, 0, 3\), expected one element at least",
    ),
    "method": (lambda x: upsample((2, 2), "cubic"), "method='cubic'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    call, message = MISTAKES[name]
    with pytest.raises(jnn.JnnError, match=message):
        call(np.ones((2, 8, 8, 3), np.float32))
