"""The detector: its parts counted, its maps in their places, and that it learns to find things."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jnn.architectures.detector import DetectorConfig, detector
from jnn.detection import center_points
from jnn.detection.boxes import from_center_size, intersection_over_union, to_center_size
from jnn.errors import JnnError
from tests.architectures import drawn, parameters

SAME = 1e-10  # float64: the same sums
CONFIG = DetectorConfig(
    classes=2, channels=(3, 4, 5), convolutions=(1, 2, 1), width=6, activation="tanh"
)


def test_parameters_are_those_of_its_parts():
    convolutions = 9 * (1 * 3 + 3 * 4 + 4 * 4 + 4 * 5 + 6 * 6)
    normalizations = 2 * (3 + 4 + 4 + 5 + 6)
    laterals, heads = (4 + 1) * 6 + (5 + 1) * 6, (6 + 1) * (2 + 4)
    assert (
        parameters(detector(CONFIG), 16, 16, 1) == convolutions + normalizations + laterals + heads
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_a_cell_sees_what_is_around_it(float64, stride):
    """A shift of the image by the coarsest cell shifts the maps, and in no other direction."""
    model = detector(
        DetectorConfig(
            classes=2,
            channels=(3, 4, 5),
            convolutions=(1, 1, 1),
            width=4,
            stride=stride,
            activation="tanh",
        )
    )
    params, state = drawn(model, 64, 64, 1, dtype=jnp.float64)
    patch = np.random.default_rng(0).standard_normal((8, 8, 1))
    image = np.zeros((2, 64, 64, 1))
    image[0, 24:32, 16:24], image[1, 32:40, 16:24] = patch, patch
    found, _ = jax.jit(model.apply)(params, state, jnp.asarray(image))
    for leaf in found.values():
        cells, border = 8 // stride, 16 // stride  # zeros around the image are seen from its border
        first, second = (leaf[i, border:-border, border:-border] for i in (0, 1))
        np.testing.assert_allclose(second[cells:], first[:-cells], atol=SAME)
        assert jnp.abs(first - second).max() > 1e-3


def test_with_normalization_in_groups_an_image_is_judged_alone_in_training_too(float64):
    config = DetectorConfig(
        classes=2,
        channels=(4, 8),
        convolutions=(1, 1),
        stride=4,
        width=4,
        normalization="group",
        groups=2,
    )
    params, state = drawn(detector(config), 16, 16, 3, dtype=jnp.float64)
    image = jnp.asarray(np.random.default_rng(0).standard_normal((2, 16, 16, 3)))
    both, _ = jax.jit(detector(config).apply, static_argnames="train")(
        params, state, image.at[1].multiply(9), train=True
    )
    alone, _ = jax.jit(detector(config).apply)(params, state, image[0])
    assert not jax.tree.leaves(state)
    jax.tree.map(
        lambda first, second: np.testing.assert_allclose(first[0], second, atol=SAME), both, alone
    )


@pytest.mark.parametrize("size", [(17, 31), (5, 9)])
def test_maps_have_a_cell_for_every_pixel(size):
    target_maps = functools.partial(center_points.target_maps, size=size, classes=2)
    maps = jax.eval_shape(target_maps, jnp.zeros((1, 4)), jnp.zeros(1, int), jnp.ones(1, bool))
    x = jax.ShapeDtypeStruct((*size, 1), jnp.float32)
    params, state = jax.eval_shape(detector(CONFIG).init, jax.random.key(0), x)
    found, _ = jax.eval_shape(detector(CONFIG).apply, params, state, x)
    assert found["heat"].shape == maps.heat.shape
    assert found["box"].shape == maps.boxes.shape


@pytest.mark.slow
def test_it_learns_where_squares_are():
    model = detector(DetectorConfig(classes=1, channels=(4, 8), convolutions=(1, 1), width=8))
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 17, (16, 1, 2))
    boxes = np.concatenate([corner, corner + rng.integers(6, 16, (16, 1, 2))], axis=-1).astype(
        np.float32
    )
    image = np.zeros((16, 32, 32, 1), np.float32)
    for canvas, (left, top, right, bottom) in zip(image, boxes[:, 0].astype(int), strict=True):
        canvas[top:bottom, left:right] = 1
    labels, mask = np.zeros((16, 1), int), np.ones((16, 1), bool)
    target_maps = functools.partial(center_points.target_maps, size=(32, 32), classes=1)
    maps = jax.jit(target_maps)(boxes, labels, mask)
    optimizer = optax.adam(1e-2)

    def cost(params, state):
        output, state = model.apply(params, state, image, train=True)
        costs = center_points.loss(output, maps)
        return jnp.mean(costs["heat"] + costs["box"]), state

    @jax.jit
    def train(params, state):
        def step(carry, _):
            params, state, optimizer_state = carry
            (_, state), gradient = jax.value_and_grad(cost, has_aux=True)(params, state)
            updates, optimizer_state = optimizer.update(gradient, optimizer_state)
            return (optax.apply_updates(params, updates), state, optimizer_state), None

        return jax.lax.scan(step, (params, state, optimizer.init(params)), length=200)[0][:2]

    params, state = train(*drawn(model, 32, 32, 1))
    found = jax.jit(
        lambda params, state: center_points.decode(model.apply(params, state, image)[0])
    )(params, state)
    overlap = jax.jit(lambda guess: jnp.mean(intersection_over_union(guess, jnp.asarray(boxes))))

    @jax.jit
    def with_mean_sizes(boxes):
        sizes = to_center_size(boxes)
        mean = jnp.broadcast_to(sizes[..., 2:].mean(axis=0), (16, 1, 2))
        return from_center_size(jnp.concatenate([sizes[..., :2], mean], axis=-1))

    # better than at the true centers with a mean size
    assert overlap(found.boxes[:, :1]) > overlap(with_mean_sizes(boxes)) + 0.1
    assert np.mean(found.scores[:, 0]) > 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": 0}, "DetectorConfig: got classes=0, expected an integer >= 1"),
        (
            {"normalization": "layer"},
            "DetectorConfig: got normalization='layer', expected one of batch, group",
        ),
        (
            {"normalization": "group", "groups": 2},
            "DetectorConfig: got groups=2, .*expected groups that divide the width and all",
        ),
        ({"channels": (4, 8)}, "expected as many of both"),
        ({"stride": 3}, "stride=3, expected one of 2, 4, 8"),
        ({"stride": 16}, "stride=16, expected one of 2, 4, 8"),
        ({"convolutions": (1, 0, 1)}, r"convolutions\[1\]=0"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(JnnError, match=message):
        detector(
            DetectorConfig(
                **{"classes": 2, "channels": (3, 4, 5), "convolutions": (1, 1, 1), **settings}
            )
        )
