"""The task of generating images, with a generator that draws what it was to be trained on."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.data.image_scaling import to_float
from jnn.data.sets.images import synthetic_images
from jnn.errors import JnnError
from jnn.generative.objectives import Generative
from jnn.model import Model
from jnn.tasks.image_generation_task import image_generation, keeping_samples

LARGE = synthetic_images(200, ("cat", "dog"))
SPLITS = LARGE._replace(
    train={**LARGE.train, "image": LARGE.train["image"][:, :8, :8]},
    test={**LARGE.test, "image": LARGE.test["image"][:, :8, :8]},
)
COUNT = 40


def copies(label_of=lambda label: label):
    """A generator that returns training images of a class: the one asked for, or another."""
    first = [to_float(SPLITS.train["image"][SPLITS.train["label"] == k][:COUNT]) for k in (0, 1)]
    images = jnp.stack(first)

    def draw(params, state, x):
        number = jnp.argsort(jnp.argsort(x["noise"][:, 0]))  # each once
        return images[label_of(x["label"]), number % COUNT]

    model = Model(lambda key, x: ({}, {}), lambda params, state, x, **options: (x, state))
    objective = lambda params, state, batch, key: (0.0, (state, {}))
    return Generative(model, jax.ShapeDtypeStruct((1,), jnp.float32), objective, draw, (1,))


def task_of(generative, count=COUNT):
    return image_generation(generative, SPLITS, batch_size=8, count=count)


@pytest.mark.parametrize("count", [-2, 0, 1, 5])
def test_images_that_are_not_equally_many_of_each_class_are_refused_before_training(count):
    with pytest.raises(JnnError, match=f"count={count}, expected a multiple of the 2 classes"):
        task_of(copies(), count)


def test_images_of_the_class_that_was_asked_for_are_told_from_those_of_another():
    right = task_of(copies()).test({}, {})
    wrong = task_of(copies(lambda label: 1 - label)).test({}, {})
    assert right["test/class_as_asked"] > 0.9 > 0.1 > wrong["test/class_as_asked"]
    assert right["test/fake_to_real_accuracy"] > wrong["test/fake_to_real_accuracy"]
    one = task_of(copies(jnp.zeros_like)).test({}, {})
    assert one["test/least_class_share"] < 0.1 < right["test/least_class_share"]


def test_the_images_of_a_run_are_kept_and_shown(tmp_path):
    generative = copies()
    task = task_of(generative)._replace(sections=lambda fitted: ["the others"])
    task = keeping_samples(task, generative, SPLITS.classes, tmp_path / "samples")
    for step in (5, 10):
        task.on_evaluate(step, {}, {})
    assert [path.stem for path in sorted((tmp_path / "samples").iterdir())] == [
        "00000005",
        "00000010",
    ]
    kept = np.load(tmp_path / "samples/00000005.npy")
    assert kept.shape == (2, *SPLITS.train["image"].shape[1:])
    first, section = task.sections(SimpleNamespace(params={}, state={}, history=[]))
    assert (first, section.title) == ("the others", "Samples over time")
