"""The laws of attribution methods: exact on linear functions, complete, equal to brute force."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jnn
from jnn.errors import JnnError
from jnn.explain.inside import saliency
from tests.compiled import init

COMPLETE = 1e-3  # what the middle rule with 256 steps leaves on a small tanh network
EXACT = 1e-10  # float64 sums of a hundred products of order one

RNG = np.random.default_rng(0)
H, W, C, K = 6, 5, 2, 3

pytestmark = pytest.mark.usefixtures("float64")


@pytest.fixture(autouse=True)
def _strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def normal(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


def linear():
    """``f(x) = Σ w x + b`` with its weights ``(H, W, C, K)``."""
    w, b = normal(H, W, C, K), normal(K)
    return lambda x: jnp.einsum("hwc,hwck->k", x, w) + b, w


@functools.cache
def network():
    """A small smooth network on images, with maps tagged at ``maps/output``."""
    model = jnn.chain(
        maps=jnn.dense(4),
        tanh=jnp.tanh,
        flatten=jnn.flatten(3),
        hidden=jnn.dense(8),
        tanh2=jnp.tanh,
        out=jnn.dense(K),
    )
    params, state = init(model, normal(H, W, C))
    return lambda x: model.apply(params, state, x)[0]


def test_on_a_linear_function_the_gradients_are_its_weights():
    (f, w), target = linear(), 1
    x = normal(H, W, C)
    key = jax.random.key(0)
    gradient = jax.jit(lambda x: saliency.gradient(f, x, target))
    smooth_grad = jax.jit(lambda x: saliency.smooth_grad(f, x, target, key, samples=5))
    assert_allclose(gradient(x), w[..., target], atol=EXACT)
    assert_allclose(smooth_grad(x), w[..., target], atol=EXACT)


@pytest.mark.parametrize("steps", [1, 7])
def test_on_a_linear_function_integrated_gradients_are_the_terms_of_the_sum(steps):
    f, w = linear()
    x, baseline = normal(H, W, C), 0.3
    integrated = lambda x: saliency.integrated_gradients(f, x, 1, baseline=baseline, steps=steps)
    values = jax.jit(integrated)(x)
    assert_allclose(values, (x - baseline) * w[..., 1], atol=EXACT)


def test_on_a_linear_function_covering_one_pixel_takes_its_term_away():
    f, w = linear()
    x = normal(H, W, C)
    values = jax.jit(lambda x: saliency.occlusion(f, x, 2, size=1))(x)
    assert_allclose(values, np.sum(x * w[..., 2], axis=-1), atol=EXACT)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("baseline", [0.0, "image"])
def test_integrated_gradients_are_complete(baseline):
    f, x = network(), normal(H, W, C)
    baseline = -x if baseline == "image" else baseline
    integrated = lambda x: saliency.integrated_gradients(f, x, 1, baseline=baseline, steps=256)
    values = jax.jit(integrated)(x)
    logits = jax.jit(f)
    difference = np.subtract(logits(x), logits(np.zeros_like(x) + baseline))
    assert_allclose(np.sum(values), difference[1], atol=COMPLETE)


def test_integrated_gradients_give_nothing_to_an_input_without_effect():
    f = network()
    without_row = lambda x: f(x.at[0].set(0.0))
    integrated = jax.jit(lambda x: saliency.integrated_gradients(without_row, x, 0))
    values = np.asarray(integrated(normal(H, W, C)))
    assert_allclose(values[0], 0)
    assert np.abs(values[1:]).max() > 0


def test_smooth_grad_is_the_mean_gradient_around_the_example():
    f, x, key = network(), normal(H, W, C), jax.random.key(3)
    deviation = 0.2 * (x.max() - x.min())
    noise = lambda key: jax.random.normal(key, x.shape, x.dtype)
    slope = lambda key: jax.grad(lambda x: f(x)[0])(x + deviation * noise(key))
    slopes = jax.jit(lambda key: jax.vmap(slope)(jax.random.split(key, 20)))(key)
    values = jax.jit(lambda x: saliency.smooth_grad(f, x, 0, key, samples=20, noise=0.2))(x)
    assert_allclose(values, np.mean(slopes, axis=0), atol=EXACT)


@pytest.mark.parametrize(("size", "stride"), [(2, 1), (4, 3)])
def test_occlusion_is_the_mean_fall_over_the_squares_on_a_pixel(size, stride):
    f, x = network(), np.asarray(normal(H, W, C))
    total, times, logits = np.zeros((H, W)), np.zeros((H, W)), jax.jit(f)
    places = lambda extent: sorted({*range(0, extent - size + 1, stride), extent - size})
    for i in places(H):
        for j in places(W):
            covered = x.copy()
            covered[i : i + size, j : j + size] = 0.5
            total[i : i + size, j : j + size] += logits(x)[1] - logits(covered)[1]
            times[i : i + size, j : j + size] += 1
    assert times.min() > 0
    values = jax.jit(lambda x: saliency.occlusion(f, x, 1, size=size, stride=stride, value=0.5))(x)
    assert_allclose(values, total / times, atol=EXACT)


def test_grad_cam_of_a_mean_over_places_is_the_class_activation_map():
    """After average pooling over places and a dense layer, the weights of the maps are the layer's
    over the places (Zhou et al. 2016).
    """
    maps, w = normal(H, W, 4), normal(4, K)

    def f(x):
        a = jnn.tag(x[..., :1] * maps, "maps")
        return jnp.mean(a, axis=(0, 1)) @ w

    expected = np.maximum(maps @ w[:, 1], 0) / (H * W)
    values = jax.jit(lambda x: saliency.grad_cam(f, x, 1, "maps"))(np.ones((H, W, C)))
    assert_allclose(values, expected, atol=EXACT)


def test_grad_cam_is_stretched_to_the_image_and_never_negative():
    f = lambda x: jnp.sum(jnp.tanh(jnn.tag(x[::2, ::2] - 0.1, "maps")), axis=(0, 1))
    values = np.asarray(jax.jit(lambda x: saliency.grad_cam(f, x, 1, "maps"))(normal(8, 6, C)))
    assert values.shape == (8, 6)
    assert values.min() >= 0 < values.max()


def test_all_methods_agree_with_themselves_alone_and_under_jit():
    f, x, key = jax.jit(network()), normal(H, W, C), jax.random.key(0)
    values = saliency.explanations(f, x, 2, key, path="maps/output", patch=2)
    assert tuple(values) == saliency.METHODS

    @jax.jit
    def alone(x):
        return {
            "gradient": jnp.sum(saliency.gradient(f, x, 2), axis=-1),
            "SmoothGrad": jnp.sum(saliency.smooth_grad(f, x, 2, key), axis=-1),
            "integrated gradients": jnp.sum(saliency.integrated_gradients(f, x, 2), axis=-1),
            "Grad-CAM": saliency.grad_cam(f, x, 2, "maps/output"),
            "occlusion": saliency.occlusion(f, x, 2, size=2),
        }

    expected = alone(x)
    for method in saliency.METHODS:
        assert_allclose(values[method], expected[method], atol=EXACT)


def test_the_comparison_shows_the_maps_and_how_alike_they_are():
    trained = {"gradient": RNG.normal(size=(H, W)), "occlusion": RNG.random((H, W))}
    random = {"gradient": -2 * trained["gradient"], "occlusion": np.zeros((H, W))}
    figure = saliency.compare(np.zeros((H, W)), trained, random, answer="<cat>")
    upper, lower = figure.axes[1:3], figure.axes[4:6]
    for axes, maps in ((upper, trained), (lower, random)):
        for ax, values in zip(axes, maps.values(), strict=True):
            assert_allclose(ax.images[0].get_array(), values)
            low, high = ax.images[0].get_clim()
            assert low == -high
    assert [ax.get_title(loc="left") for ax in upper] == ["gradient", "occlusion"]
    assert [ax.get_xlabel() for ax in lower] == [
        "rank correlation 1.00",
        "rank correlation undefined",
    ]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda f, x: saliency.gradient(f, x, K), "got target=3, expected a class in [0, 3)"),
        (lambda f, x: saliency.gradient(f, x[None], 0), "expected logits (K,) of one example"),
        (
            lambda f, x: saliency.gradient(f, np.ones((H, W, C), np.uint8), 0),
            "got x of dtype uint8",
        ),
        (
            lambda f, x: saliency.grad_cam(f, x, 0, "conv"),
            "'conv', which names nothing, "
            "expected one value of shape (h, w, channels): maps/output",
        ),
        (
            lambda f, x: saliency.grad_cam(f, x, 0, "output"),
            "which names maps/output (6, 5, 4), tanh/output",
        ),
        (lambda f, x: saliency.occlusion(f, x, 0, size=6), "got x of shape (6, 5, 2), size=6"),
        (
            lambda f, x: saliency.integrated_gradients(f, x, 0, steps=0),
            "integrated_gradients: got steps=0",
        ),
        (
            lambda f, x: saliency.smooth_grad(f, x, 0, jax.random.key(0), samples=0),
            "smooth_grad: got samples=0",
        ),
        (
            lambda f, x: saliency.compare(x, {"a": x}, {"b": x}, answer=""),
            "got a and b, expected the same methods",
        ),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call(network(), normal(H, W, C))
    assert text in str(error.value)
