"""What the run on object detection counts, and what it does to its training images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import object_detection
from experiments.object_detection import Config
from jnn.detection.center_points import Detections
from jnn.errors import JnnError

SIGMAS = 4


def test_half_of_the_scenes_get_noise():
    config, image = Config(smoke=True), jnp.full((400, 8, 8, 1), 0.5)
    found, boxes = jax.jit(
        lambda key: object_detection.augmented(config, key, image, jnp.zeros((400, 1, 4)))
    )(jax.random.key(0))
    deviations = np.asarray(found).std(axis=(1, 2, 3))
    noisy = deviations > 0.01
    assert abs(noisy.mean() - 0.5) < SIGMAS * 0.5 / np.sqrt(400)
    # a trace is cut off
    assert (
        abs(deviations[noisy].mean() - 40 / 255)
        < SIGMAS * 40 / 255 / np.sqrt(2 * 64 * noisy.sum()) + 1e-3
    )
    assert set(np.unique(boxes)) == {0, 8}


def test_photographs_are_turned_and_lit_otherwise():
    config, image = Config(smoke=True, data="trees"), jnp.full((400, 8, 8, 3), 0.5)
    found, _ = object_detection.augmented(config, jax.random.key(0), image, jnp.zeros((400, 1, 4)))
    light = np.asarray(found).mean(axis=(1, 2))
    np.testing.assert_allclose(
        [light.min(axis=0), light.max(axis=0)], [[0.35] * 3, [0.7] * 3], atol=0.01
    )
    assert abs(np.corrcoef(light.T)[0, 1]) < SIGMAS / np.sqrt(400)  # each colour for itself


def test_misses_and_false_finds_are_counted():
    square = lambda i: [10 * i, 0, 10 * i + 8, 8]
    truth = {
        "box": np.array([[square(0), square(1)]] * 4, np.float32),
        "label": np.array([[1, 2]] * 4),
        "mask": np.array([[True, True], [True, True], [True, False], [False, False]]),
    }
    found = Detections(
        np.array([[square(0), square(1), square(5)]] * 4, np.float32),
        np.array([[0.9, 0.8, 0.2], [0.9, 0.8, 0.7], [0.9, 0.2, -np.inf], [0.6, 0.2, -np.inf]]),
        np.array([[1, 2, 1], [1, 1, 1], [1, 2, 0], [1, 2, 0]]),
    )
    # Nothing wrong; a wrong class, which is a miss and a false find, and another false find;
    # nothing; a find where nothing is.
    np.testing.assert_array_equal(
        object_detection.errors_in_each(found, truth, least=0.3), [0, 3, 0, 1]
    )


def test_the_cost_of_an_object_does_not_depend_on_the_batches():
    """Images with more objects count more."""
    config = Config(smoke=True)
    splits = object_detection.load_data(config)
    task = object_detection.task(config, splits)
    params, state = jax.jit(task.model.init)(
        jax.random.key(0), np.zeros(task.example.shape, np.float32)
    )
    output = jax.jit(
        lambda params, state: object_detection.output_of(task.model, params, state, splits.test)
    )(params, state)
    sums = object_detection.costs(output, jnp.asarray(splits.test["box"]), splits.test)
    total = sums["heat"].sum() + config.box_weight * sums["box"].sum()
    np.testing.assert_allclose(
        task.test(params, state)["test/loss"], total / splits.test["mask"].sum(), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overlap": 1.5}, "overlap=1.5, expected a number from 0 to 1"),
        ({"scenes": 0}, "scenes=0"),
        ({"noise": -1.0}, "noise=-1.0"),
        ({"channels": (4, 0, 8)}, r"channels\[1\]=0"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(JnnError, match=message):
        object_detection.build_model(Config(**settings))
