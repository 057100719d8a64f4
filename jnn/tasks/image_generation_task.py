"""The task of generating images of classes, scored against real ones that were not trained on."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from jnn.baselines.images import generator_scores
from jnn.data.image_scaling import to_float
from jnn.data.splits import Splits
from jnn.errors import mistake
from jnn.generative import samples, scores
from jnn.generative.objectives import Generative
from jnn.train.experiment import once
from jnn.train.feed import in_memory
from jnn.train.loop import Fitted
from jnn.train.task import Task

FEW = 10
"""Images of a class in pictures."""


def image_generation(
    generative: Generative,
    splits: Splits,
    *,
    batch_size: int,
    count: int,
    seed: int = 0,
    name: str = "this model",
) -> Task:
    """Train a generator; test ``count`` of its images, equally many of each class.

    Metrics are those of `jnn.generative.scores.scores`; ``class_as_asked``, the share of images
    that a classifier of real ones takes for the class that was asked for; and
    ``least_class_share``, the share of the rarest class, by the same classifier. The baselines are
    those of `jnn.baselines.images.generator_scores`. The last params are kept, for no loss says
    which images are best. Images are drawn with ``seed``; ``name`` is that of the model in the
    report. Raises `JnnError` for a ``count`` that is no multiple of the number of classes.

    >>> from jnn.architectures.vae import VAEConfig
    >>> from jnn.data.sets.images import synthetic_images
    >>> from jnn.generative.objectives import variational
    >>> splits = synthetic_images(40, ("cat", "dog"))
    >>> config = VAEConfig(shape=splits.train["image"].shape[1:], classes=2, latent=2)
    >>> task = image_generation(variational(config), splits, batch_size=4, count=8)
    >>> task.best, task.feed.steps_per_epoch == len(splits.train["label"]) // 4
    (None, True)
    """
    classes = len(splits.classes)
    if count < 1 or count % classes:  # before training: the test would fail after it
        expected = f"a multiple of the {classes} classes"
        raise mistake("image_generation", got=f"count={count}", expected=expected)
    floats = lambda part: {**part, "image": to_float(part["image"])}
    judge = cache(lambda: scores.judge(floats(splits.train), floats(splits.test)))
    baselines = cache(lambda: generator_scores(judge(), floats(splits.train), count))
    label = np.tile(np.arange(classes), count // classes)

    @once
    def judged(params: Any, state: Any) -> tuple[dict[str, float], np.ndarray]:
        """The scores of generated images, and their classes as a classifier sees them."""
        drawn = samples.draw_images(generative, params, state, label, seed=seed)
        seen = judge().classify(judge().project(drawn))
        return scores.scores(judge(), drawn, label), seen

    def test(params: Any, state: Any) -> dict[str, float]:
        values, seen = judged(params, state)
        least = float(scores.class_shares(seen, classes).min())
        agreement = float(np.mean(seen == label))
        values = values | {"least_class_share": least, "class_as_asked": agreement}
        return {f"test/{name}": score for name, score in values.items()}

    def sections(fitted: Fitted) -> list[Any]:
        """The scores beside those of real images, the classes, samples, and the losses of a GAN."""
        from jnn.explain.sections import image_generation as report

        params, state = fitted.params, fitted.state
        of_model, seen = judged(params, state)
        some = floats({name: array[-count:] for name, array in splits.train.items()})
        real = scores.scores(judge(), some["image"], some["label"])
        labels = {"generated": seen, "real": judge().classify(judge().real)}
        few = samples.samples_of_classes(generative, params, state, classes, FEW, seed=1)
        path = samples.interpolations(generative, params, state, classes, FEW, seed=2)
        methods = {name: of_model, "real images": real, **baselines()}
        is_adversarial = any("train/generator_loss" in row for row in fitted.history)
        return [
            *report.scores(methods, labels, splits.classes),
            *report.samples(few, path, splits.classes),
            *(report.adversarial_losses(fitted.history) if is_adversarial else ()),
        ]

    return Task(
        model=generative.model,
        objective=generative.objective,
        feed=in_memory(splits.train, batch_size),
        example=generative.example,
        test=test,
        baselines=lambda: {name: x["two_sample_accuracy"] for name, x in baselines().items()},
        sections=sections,
        data=splits.sizes,
        read=generative.read,
        view=generative.view,
    )


def keeping_samples(
    task: Task, generative: Generative, classes: tuple[str, ...], folder: Path
) -> Task:
    """The task, which after each epoch keeps an image of each class, always of the same noise.

    They are written to the ``folder``, and its report shows some, by
    `jnn.generative.samples.kept_samples`.
    """

    def keep(step: int, params: Any, state: Any) -> None:
        few = samples.samples_of_classes(generative, params, state, len(classes), FEW, seed=1)
        samples.keep_samples(folder, step, few[:, 0])

    def sections(fitted: Fitted) -> list[Any]:
        from jnn.explain.sections.image_generation import samples_over_time

        return [*task.sections(fitted), *samples_over_time(samples.kept_samples(folder), classes)]

    return task._replace(on_evaluate=keep, sections=sections)
