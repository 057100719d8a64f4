"""The mean loss of an object."""

import functools

import jax
import numpy as np

from jnn.detection import center_points
from jnn.detection.objective import image_losses, loss_of_objects

SINGLE = 1e-5  # float32: sums of a few hundred numbers
SIZE, CLASSES, WEIGHT = (16, 24), 3, 2.0


def draw(count):
    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, 10, (count, 4, 2)), rng.uniform(2, 6, (count, 4, 2))
    objects = {
        "box": np.concatenate([corner, corner + side], axis=-1).astype(np.float32),
        "label": rng.integers(0, CLASSES, (count, 4)),
        "mask": rng.random((count, 4)) < 0.6,
    }
    maps = {
        "heat": rng.normal(size=(count, 4, 6, CLASSES)).astype(np.float32),
        "box": rng.normal(size=(count, 4, 6, 4)).astype(np.float32),
    }
    return maps, objects


losses_of_images = jax.jit(functools.partial(image_losses, size=SIZE))


@jax.jit
def loss_alone(maps, objects):
    boxes, label, mask = (objects[name] for name in ("box", "label", "mask"))
    targets = center_points.target_maps(boxes, label, mask, size=SIZE, classes=CLASSES)
    return center_points.loss(maps, targets)


def test_losses_are_those_of_each_image_alone():
    maps, objects = draw(5)
    losses = jax.device_get(losses_of_images(maps, objects))
    for n in range(5):
        alone = loss_alone(*jax.tree.map(lambda x, n=n: x[n], (maps, objects)))
        for name in ("heat", "box"):
            np.testing.assert_allclose(losses[name][n], alone[name], rtol=SINGLE, atol=SINGLE)
    np.testing.assert_array_equal(losses["objects"], objects["mask"].sum(axis=1))


def test_every_object_counts_the_same_whatever_the_batches():
    losses, metric = jax.device_get(losses_of_images(*draw(6))), loss_of_objects(WEIGHT)
    measure = jax.jit(metric.measure)
    parts = [
        measure({name: x[rows] for name, x in losses.items()}, None, np.ones(count, np.float32))
        for rows, count in ((slice(0, 2), 2), (slice(2, 6), 4))
    ]
    value = jax.jit(metric.compute)(jax.tree.map(np.add, *jax.device_get(parts)))
    total = losses["heat"].sum() + WEIGHT * losses["box"].sum()
    np.testing.assert_allclose(value["loss"], total / losses["objects"].sum(), rtol=SINGLE)


def test_weights_are_divided_by_as_they_were_summed_and_weight_zero_hides_anything():
    losses = {"heat": [3.0, 5.0, np.nan], "box": [1.0, 0.0, np.inf], "objects": [1.0, 3.0, np.nan]}
    losses = {name: np.array(values, np.float32) for name, values in losses.items()}
    metric, weights = loss_of_objects(WEIGHT), np.array([0.01, 0.01, 0.0], np.float32)
    value = jax.jit(lambda *inputs: metric.compute(metric.measure(*inputs)))(losses, None, weights)
    np.testing.assert_allclose(value["loss"], (8 + WEIGHT * 1) / 4, rtol=SINGLE)


def test_images_without_an_object_have_a_finite_loss():
    metric, zeros, ones = loss_of_objects(WEIGHT), np.zeros(3), np.ones(3)
    losses = {"heat": ones, "box": zeros, "objects": zeros}
    value = jax.jit(lambda *inputs: metric.compute(metric.measure(*inputs)))(losses, None, ones)
    assert value["loss"] == 3
