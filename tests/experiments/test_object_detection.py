"""object_detection: its augmentation, and its loss of an object."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import object_detection
from experiments.object_detection import Config
from jnn.data.image_scaling import to_float
from jnn.detection.objective import image_losses
from jnn.errors import JnnError
from jnn.loaded import Loaded
from jnn.train import Preparation
from tests.compiled import init

SIGMAS = 4


def test_half_of_the_scenes_get_noise():
    config, image = Config(smoke=True), jnp.full((400, 8, 8, 1), 0.5)
    augmented, boxes = jax.jit(
        lambda key: object_detection.augmented(config, key, image, jnp.zeros((400, 1, 4)))
    )(jax.random.key(0))
    deviations = np.asarray(augmented).std(axis=(1, 2, 3))
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
    augmented, _ = jax.jit(
        lambda key: object_detection.augmented(config, key, image, jnp.zeros((400, 1, 4)))
    )(jax.random.key(0))
    light = np.asarray(augmented).mean(axis=(1, 2))
    np.testing.assert_allclose(
        [light.min(axis=0), light.max(axis=0)], [[0.35] * 3, [0.7] * 3], atol=0.01
    )
    assert abs(np.corrcoef(light.T)[0, 1]) < SIGMAS / np.sqrt(400)  # each colour for itself


@pytest.mark.slow
def test_the_cost_of_an_object_does_not_depend_on_the_batches():
    """Images with more objects count more."""
    config = Config(smoke=True)
    splits = object_detection.load_data(config)
    task = object_detection.task(config, splits)
    params, state = jax.jit(task.model.init)(
        jax.random.key(0), np.zeros(task.example.shape, np.float32)
    )
    image = to_float(splits.test["image"])
    np.testing.assert_array_equal(task.preparation.encode(splits.test["image"])[0], image)
    output, _ = jax.jit(task.model.apply)(params, state, image)
    objects = {name: splits.test[name] for name in ("box", "label", "mask")}
    losses = jax.jit(image_losses, static_argnums=2)
    sums = jax.device_get(losses(output, objects, image.shape[-3:-1]))
    total = sums["heat"].sum() + config.box_weight * sums["box"].sum()
    loss = task.test(params, state)["test/loss"]
    np.testing.assert_allclose(loss, total / splits.test["mask"].sum(), rtol=1e-5)


def test_a_run_finds_the_boxes_in_bytes_of_pictures_that_its_test_finds():
    config = Config(smoke=True, candidates=6)
    model, example = object_detection.describe(config)
    params, state = init(model, example)
    preparation = Preparation(example, pixels=True)
    predictor = object_detection.predictor(config, preparation)
    loaded = Loaded(predictor, params, state, config, example, preparation)
    pictures = np.random.default_rng(0).integers(0, 256, (3, *example.shape), np.uint8)
    answer = loaded.predict(pictures)
    detect = jax.jit(object_detection.detector_of(config).detect)
    found = detect(params, state, {"image": to_float(pictures)})
    kept = np.isfinite(found.scores)
    np.testing.assert_array_equal(answer["score"] > 0, kept)
    assert answer["box"].shape == (3, 6, 4)
    for name, expected in zip(("box", "score", "label"), found, strict=True):
        np.testing.assert_allclose(answer[name][kept], expected[kept], rtol=1e-5)
    with pytest.raises(JnnError, match=r"shape \(64, 32, 1\), expected pictures \(\.\.\., 64, 64"):
        loaded.predict(pictures[0, :, :32])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overlap": 1.5}, "overlap=1.5, expected a number from 0 to 1"),
        ({"scenes": 0}, "scenes=0"),
        ({"noise": -1.0}, "noise=-1.0"),
        ({"data": "trees", "noise": 20.0}, "noise=20.0 for trees"),
        ({"data": "trees", "scenes": 8}, "scenes=8 for trees"),
        ({"channels": (4, 0, 8)}, r"channels\[1\]=0"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(JnnError, match=message):
        object_detection.build_model(Config(**settings))
