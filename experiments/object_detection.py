"""Find objects and their boxes with a one-stage detector: a convolutional network that gives maps
of the centers of objects.

Source    CenterNet, Zhou et al. 2019, https://arxiv.org/abs/1904.07850, with the Gaussians and the samples of boxes of TTFNet, Liu et al.
          2019, https://arxiv.org/abs/1909.00700, on a feature pyramid, Lin et al. 2017, https://arxiv.org/abs/1612.03144.
Data      scenes: one to three garments of Fashion-MNIST, to train on up to eight, on a black canvas of 64 x 64 pixels: real garments, a
          synthetic layout. 1,000 test scenes with 2,009 objects of the published test images, also with normal noise of deviation 40 of
          255. trees: crowns in two aerial photographs, of which one is for testing, in tiles of 200 x 200 pixels: 574 and 279 trees are
          few, and it is a demonstration.
Baselines scenes: connected components, classified by a support vector machine; trees: round blobs in the map of a
          classifier of colours, and a grid of boxes of the mean size. Both: one box of the mean size, which needs no image.
Command   jnn run object_detection [--data scenes|trees]
Result    scenes, mean and standard deviation over seeds 0, 1, 2: map50 0.899 +- 0.002, with noise 0.873 +- 0.001, map 0.829 +- 0.002,
          ap50 of boxes whatever their class 0.997 +- 0.006; components and support vectors have a map50 of 0.667, with noise 0.516. 20 min
          of processor time on an Intel Xeon. trees, seed 0 alone: map50 0.130, where round blobs of tree colours have 0.041; 12 min.
          Normalized over the batch, as scenes are, it has 0.008: the other photograph is of a forest, with other means. mAP is that of
          COCO: map50 of an overlap (IoU) of at least 0.5, map of the mean over 0.5 to 0.95.
"""

import dataclasses
import math
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.architectures.detector import DetectorConfig, detector
from jnn.baselines import objects
from jnn.data import box_augment
from jnn.data.sets import images, scenes
from jnn.data.sets.tree_crowns import load_tree_crowns
from jnn.data.splits import Splits
from jnn.detection import center_points
from jnn.detection.average_precision import (
    OVERLAPS,
    RECALLS,
    AveragePrecision,
    average_precision,
    pycocotools,
)
from jnn.detection.boxes import intersection_over_union
from jnn.detection.center_points import Detections
from jnn.errors import mistake
from jnn.tables import metric_table
from jnn.layers.checks import check_positive
from jnn.metrics import Metric
from jnn.runs import About, Run
from jnn.train import Task, TrainingConfig, in_memory, make_evaluate, predict_all, seed_key, train

ABOUT = About(
    task="object detection",
    models=("detector",),
    data=("scenes", "trees"),
    metric="test/map50",
    direction="highest",
    expected="0.899 ± 0.002 (scenes)",
    cost="20 min of processor time (scenes)",
)
SIZES = {"scenes": (64, 64, 1), "trees": (200, 200, 3)}
EPOCHS, BATCHES = {"scenes": 9, "trees": 30}, {"scenes": 16, "trees": 8}
SHOWN = 8  # images in the report
# the score from which on a find is drawn there, and counts as one
SURE = {"scenes": 0.3, "trees": 0.15}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run."""

    data: Literal["scenes", "trees"] = "scenes"
    """The images."""
    scenes: int = 30_000
    """How many scenes are composed to train on."""
    channels: tuple[int, ...] = (32, 64, 96, 128)
    """The channels of each stage, of which each halves height and width."""
    width: int = 64
    """Channels of the pyramid."""
    noise: float = 40.0
    """Standard deviation of the noise, in 255ths, on half of the training scenes; on the noisy test
    scenes it is 40.
    """
    box_weight: float = 2.0
    """What the loss of boxes counts beside that of centers."""
    overlap: float = 0.5
    """Of two finds of one class that overlap by a greater IoU, the surer one stays."""
    candidates: int = 100
    """Finds in an image, before that."""
    epochs: int = 0
    """How many times the training data is seen; 0 for what suits the data."""
    batch_size: int = 0
    """Images in one step; 0 for what suits the data."""
    learning_rate: float = 4e-3
    weight_decay: float = 0.05

    def __post_init__(self):
        """Fill in what suits the data, make a smoke run small, and check."""
        self.shrink(epochs=2, scenes=64, channels=(4, 8), width=8, candidates=20)
        self.suit(epochs=EPOCHS[self.data], batch_size=BATCHES[self.data])
        check_positive("config", scenes=self.scenes, candidates=self.candidates)
        if not 0 <= self.overlap <= 1:
            raise mistake("config", got=f"overlap={self.overlap}", expected="a number from 0 to 1")
        if self.noise < 0 or self.box_weight < 0:
            raise mistake(
                "config",
                got=f"noise={self.noise}, box_weight={self.box_weight}",
                expected="numbers >= 0",
            )
        super().__post_init__()


def load_data(config: Config, *, offline: bool = False) -> Splits:
    """Images with their boxes; for ``--smoke`` scenes of scikit-learn's digits, or discs on
    grass.
    """
    if config.smoke:
        return digits(config.scenes) if config.data == "scenes" else discs()
    if config.data == "trees":
        return load_tree_crowns(offline=offline)
    return scenes.load_scenes(train=config.scenes, offline=offline)


def digits(number: int) -> Splits:
    """Scenes of handwritten digits."""
    found = images.load_digits()
    enlarged = lambda part: np.kron(255 * part["image"][..., 0], np.ones((3, 3))).astype(np.uint8)
    made = lambda part, number, seed: scenes.compose(
        enlarged(part), part["label"], number, seed=seed
    )
    return Splits(
        made(found.train, number, 0),
        made(found.validation, 16, 1),
        made(found.test, 32, 2),
        found.classes,
    )


def discs() -> Splits:
    """Brown discs of 20 pixels on green, one in each image."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:64, :64]
    box = rng.integers(0, 44, (48, 1, 2))[..., [0, 1, 0, 1]] + np.array([0, 0, 20, 20], np.float32)
    left, top = box[..., 0, None], box[..., 1, None]
    is_tree = ((x - left - 10) ** 2 + (y - top - 10) ** 2 < 100)[..., None]
    image = np.where(is_tree, (120, 100, 60), (80, 160, 80)) + rng.integers(
        -30, 30, (48, 64, 64, 3)
    )
    arrays = {
        "image": image.astype(np.uint8),
        "box": box,
        "label": np.zeros((48, 1), np.int32),
        "mask": np.ones((48, 1), bool),
    }
    part = lambda start, end: {name: array[start:end] for name, array in arrays.items()}
    return Splits(part(0, 16), part(16, 24), part(24, 48), ("tree",))


def build_model(config: Config) -> jnn.Model:
    """The detector: of ten classes for scenes, of one for trees."""
    convolutions = (1, *[2] * (len(config.channels) - 1))
    settings = {"channels": config.channels, "convolutions": convolutions, "width": config.width}
    if config.data == "scenes":
        return config.cast(detector(DetectorConfig(classes=10, **settings)))
    groups = math.gcd(8, config.width, *config.channels)
    return config.cast(
        detector(DetectorConfig(classes=1, normalization="group", groups=groups, **settings))
    )


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    return build_model(config), jax.ShapeDtypeStruct(SIZES[config.data], jnp.float32)


def augmented(
    config: Config, key: jax.Array, image: jax.Array, boxes: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Scenes mirrored at random, half of them with noise; photographs from the air turned and
    mirrored at random, in another light.
    """
    place, amount, light = jax.random.split(key, 3)
    each = (*image.shape[:-3], 1, 1, 1)
    if config.data == "trees":
        image, boxes = box_augment.random_symmetry(place, image, boxes)
        return image * jax.random.uniform(light, (*each[:-1], 3), minval=0.7, maxval=1.4), boxes
    image, boxes = box_augment.random_flip(place, image, boxes)
    deviation = jnp.where(jax.random.bernoulli(amount, 0.5, each), config.noise / 255, 0.0)
    return jnp.clip(image + deviation * jax.random.normal(light, image.shape), 0, 1), boxes


def output_of(model: jnn.Model, params, state, batch) -> dict[str, jax.Array]:
    """The maps of each image."""
    return model.apply(params, state, images.to_float(batch["image"]))[0]


def costs(output: dict[str, jax.Array], boxes: jax.Array, batch) -> dict[str, jax.Array]:
    """The sums over each image, and how many objects it has."""
    height, width, _ = batch["image"].shape[-3:]
    maps = center_points.target_maps(
        boxes, batch["label"], batch["mask"], size=(height, width), classes=output["heat"].shape[-1]
    )
    return {
        **center_points.loss(output, maps),
        "objects": jnp.sum(batch["mask"], axis=-1).astype(jnp.float32),
    }


def per_object(config: Config, sums: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """What an object costs, of the sums over images."""
    each = {name: sums[name] / jnp.maximum(sums["objects"], 1) for name in ("heat", "box")}
    return {"loss": each["heat"] + config.box_weight * each["box"], **each}


def objective(config: Config, model: jnn.Model, params, state, batch, key):
    """The mean cost of an object of augmented images."""
    image, boxes = augmented(
        config, jnn.child_key(key, "augmentation"), images.to_float(batch["image"]), batch["box"]
    )
    output, state = model.apply(params, state, image, key=jnn.child_key(key, "model"), train=True)
    found = per_object(config, jax.tree.map(jnp.sum, costs(output, boxes, batch)))
    return found["loss"], (state, {name: found[name] for name in ("heat", "box")})


def predict(model: jnn.Model, params, state, batch) -> dict[str, jax.Array]:
    """What each image costs."""
    return costs(output_of(model, params, state, batch), batch["box"], batch)


def cost_of_objects(config: Config) -> Metric:
    """What an object costs, over all images."""
    return Metric(
        measure=lambda sums, _, weight: jax.tree.map(lambda leaf: jnp.sum(weight * leaf), sums),
        compute=partial(per_object, config),
    )


def detect(config: Config, model: jnn.Model, params, state, batch) -> Detections:
    """The objects in each image; the heat is the mean over the image and its mirror image."""
    output, mirrored = (
        output_of(model, params, state, {"image": image})
        for image in (batch["image"], jnp.flip(batch["image"], axis=-2))
    )
    heat = (output["heat"] + jnp.flip(mirrored["heat"], axis=-2)) / 2
    return center_points.decode(
        {**output, "heat": heat}, candidates=config.candidates, threshold=config.overlap
    )


def task(config: Config, splits: Splits) -> Task:
    """What is trained, and how it is judged: params are kept where an object of the validation data
    costs least.
    """
    model = build_model(config)
    evaluate = partial(
        make_evaluate,
        partial(predict, model),
        cost_of_objects(config),
        target="label",
        batch_size=100,
    )
    return Task(
        model=model,
        objective=partial(objective, config, model),
        feed=in_memory(splits.train, config.batch_size),
        example=jax.ShapeDtypeStruct(splits.train["image"].shape[1:], jnp.float32),
        validate=evaluate(splits.validation, split="validation"),
        test=evaluate(splits.test, split="test"),
        best="validation/loss",
        lowest=True,
    )


def views(config: Config, splits: Splits) -> dict[str, np.ndarray]:
    """The test images as they are, and scenes also with noise."""
    clean = splits.test["image"]
    return (
        {"clean": clean, "noisy": scenes.noisy(clean)}
        if config.data == "scenes"
        else {"clean": clean}
    )


def baselines(config: Config, splits: Splits) -> dict[str, dict[str, Detections]]:
    """What methods without a network find, in each view of the test images."""
    known = {name: array[:10_000] for name, array in splits.train.items()}
    shown = views(config, splits)
    every = lambda find: {view: find(image) for view, image in shown.items()}
    if config.data == "trees":
        return {
            "blobs of colour": every(objects.colour_blobs(known)),
            "grid of mean boxes": every(partial(objects.grid_of_boxes, known)),
            "a mean box": every(partial(objects.usual_box, known)),
        }
    parts, settings = (
        objects.components(known),
        {"clean": {"threshold": 20}, "noisy": {"threshold": 60, "blur": 1}},
    )
    return {
        "components, support vectors": {
            view: parts(image, **settings[view]) for view, image in shown.items()
        },
        "a mean box": every(partial(objects.usual_box, known)),
    }


def judged(splits: Splits, found: dict[str, Detections]) -> dict[str, AveragePrecision]:
    """Average precision in each view of the test images, and in the first, where there are several
    classes, without regard to them.
    """
    results = {
        view: average_precision(own, splits.test, len(splits.classes))
        for view, own in found.items()
    }
    if len(splits.classes) == 1:
        return results
    of_class_0 = lambda labels: np.zeros_like(labels)
    truth, own = splits.test | {"label": of_class_0(splits.test["label"])}, single(found["clean"])
    return results | {
        "any class": average_precision(own._replace(labels=of_class_0(own.labels)), truth, 1)
    }


def single(found: Detections) -> Detections:
    """The surest of overlapping finds, whatever their classes."""
    return jax.device_get(jax.jit(center_points.suppress_across_classes)(found))


def measured(results: dict[str, AveragePrecision]) -> dict[str, float]:
    """The numbers of `judged` that are told."""
    further = {"noisy": "test/map50_noisy", "any class": "test/ap50_agnostic"}
    clean = {"test/map50": results["clean"].at_half, "test/map": results["clean"].mean}
    return clean | {
        metric: results[name].at_half for name, metric in further.items() if name in results
    }


def errors_in_each(found: Detections, truth: dict[str, np.ndarray], least: float) -> np.ndarray:
    """In each image, the objects that were not found and the finds, of a score of at least
    ``least``, that are no object.
    """
    fits = np.asarray(jax.jit(intersection_over_union)(found.boxes, truth["box"])) >= 0.5
    sure = found.scores >= least
    fits &= (
        (found.labels[:, :, None] == truth["label"][:, None, :])
        & sure[:, :, None]
        & truth["mask"][:, None, :]
    )
    return np.sum(truth["mask"] & ~fits.any(axis=1), axis=1) + np.sum(
        sure & ~fits.any(axis=2), axis=1
    )


def sections(
    config: Config, model: jnn.Model, splits: Splits, kept, found: dict[str, Detections], results
) -> list:
    """Pictures for the report: what was found and what not, and the maps behind it; ``kept`` are
    params and state.
    """
    from jnn.explain.page.report import Section
    from jnn.explain.results import detection

    def drawn(view: str, rows: np.ndarray):
        truth, own = (
            {name: array[rows] for name, array in splits.test.items()},
            Detections(*(leaf[rows] for leaf in sure[view])),
        )
        return detection.drawn_boxes(
            shown[view][rows],
            own,
            truth,
            splits.classes,
            least=least,
            names=len(splits.classes) > 1,
        )

    shown, last, least = views(config, splits), list(found)[-1], SURE[config.data]
    sure = {view: single(own) for view, own in found.items()}
    most_wrong = np.argsort(-errors_in_each(sure["clean"], splits.test, least), kind="stable")[
        :SHOWN
    ]
    heat = lambda params, state, batch: jax.nn.sigmoid(
        output_of(model, params, state, batch)["heat"]
    )
    first = {"image": shown[last][:1]}
    legend = f"Orange: found with a score of at least {least}. Blue and dashed: the true boxes."
    return [
        Section(
            "What it finds",
            f"The first test images. {legend}",
            drawn(last, np.arange(min(SHOWN, len(shown[last])))),
        ),
        Section(
            "Where it is most wrong",
            f"The test images with the most misses and false finds. {legend}",
            drawn("clean", most_wrong),
        ),
        Section(
            "Where it sees centers",
            "A test image, and the maps of the classes that are hottest in it: a peak is the center of an object.",
            detection.center_map(
                first["image"][0], predict_all(heat, *kept, first)[0], splits.classes
            ),
        ),
        *curves(splits, found, results),
    ]


def curves(
    splits: Splits, found: dict[str, Detections], results: dict[str, AveragePrecision]
) -> list:
    """Pictures for the report: how precise it is."""
    from jnn.explain.page.report import Section
    from jnn.explain.results import detection

    overall = {name: np.nanmean(result.precision[0], axis=-1) for name, result in results.items()}
    overlaps = {name: np.nanmean(result.per_class, axis=-1) for name, result in results.items()}
    by_class = {view: results[view].per_class[0] for view in found}
    is_right = "As finds are taken from the surest down; one is right where its overlap (IoU) is at least 0.5. Means over the classes."
    made = [Section("Precision and recall", is_right, detection.precision_recall(RECALLS, overall))]
    if len(splits.classes) > 1:
        bars = detection.precision_by_class(splits.classes, by_class)
        made.append(
            Section(
                "Which classes are hard",
                "Average precision of each class at an overlap of 0.5.",
                bars,
            )
        )
    fewer = "The more overlap is asked for, the fewer finds are right."
    return [
        *made,
        Section("How well boxes fit", fewer, detection.precision_by_overlap(OVERLAPS, overlaps)),
    ]


def main(config: Config, run: Run) -> dict[str, Any]:
    """Train, keep what is best on validation data, and test it once."""
    from jnn.explain.page.report import Section

    pycocotools()
    splits = load_data(config, offline=run.options.offline)
    what = task(config, splits)
    fitted = train(what, config, seed_key(config.seed), run)
    kept = fitted.params, fitted.state
    find = lambda image: predict_all(
        partial(detect, config, what.model), *kept, {"image": image}, batch_size=100
    )
    found = {view: find(image) for view, image in views(config, splits).items()}
    results = judged(splits, found)
    metrics = measured(results)
    known = {name: measured(judged(splits, own)) for name, own in baselines(config, splits).items()}
    table = Section(
        "Beside the baselines",
        "Average precision on the test part, as COCO defines it.",
        metric_table({"this model": metrics, **known}),
    )
    return {
        "metrics": metrics | {name: float(value) for name, value in what.test(*kept).items()},
        "baselines": {name: values["test/map50"] for name, values in known.items()},
        **fitted.counts,
        "data": {
            "name": config.data,
            **what.feed.identity,
            "validation": len(splits.validation["label"]),
            "test": len(splits.test["label"]),
        },
        "sections": [table, *sections(config, what.model, splits, kept, found, results)],
    }
