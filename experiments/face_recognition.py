"""Tell whether two photographs show the same person, of people that were never seen in training, by
embeddings learned with a margin.

Source    ArcFace: Deng et al. 2019, https://arxiv.org/abs/1801.07698; CosFace: Wang et al. 2018, https://arxiv.org/abs/1801.09414. Several
          networks, Lakshminarayanan et al. 2017, https://arxiv.org/abs/1612.01474, whose cosines are averaged.
Data      faces: ten photographs of each of 40 people (ORL, AT&T Laboratories Cambridge), at a quarter of the resolution, 28 x 23. The
          people of the test part are in no other: the last 10, or with --people fold1 to fold5 the 8 of one of five folds. All pairs of
          their photographs are compared: 4,950 of 10 people, 450 of them of the same.
Baselines The cosine of pixels, of 60 whitened principal components (eigenfaces) and of discriminants of such components (fisherfaces), of
          the same images and fitted to the same people.
Command   jnn run face_recognition [--people last10|fold1|...|fold5]
Result    mean and standard deviation over seeds 0, 1, 2; of folds over all five, with seed 0. auc: the probability that a pair of the
          same is more alike than one of different people; eer: the error where both kinds of pairs are wrong equally often; tar: the part
          of the same that is accepted while at most 1 % of the different are; identified: with five photographs of each person known, the
          part of the others that are nearest to one of their own.

                       auc              eer              tar              identified        fisherfaces
          last10       0.964 +- 0.005   0.074 +- 0.006   0.532 +- 0.074   0.99 +- 0.02      0.9558  0.124  0.702  0.96
          five folds   0.986 +- 0.012   0.050 +- 0.031   0.865 +- 0.081   0.99 +- 0.01      0.9724

          The settings were chosen on three groups of five of the first thirty people, so that
          last10 is what tells of people who had no share in anything. The pairs of the same that it
          rejects there are mostly of one man with glasses, at two distances.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.architectures.embedding_network import (
    EmbeddingNetworkConfig,
    embedding_network,
    prototypes,
    unit_length,
)
from jnn.data import augment
from jnn.data.sets import images
from jnn.data.sets.faces import load_faces
from jnn.data.splits import Splits
from jnn.errors import mistake
from jnn.tables import metric_table
from jnn.layers.checks import check_positive
from jnn.losses import arcface, cosface
from jnn.runs import About, Run
from jnn.scores import verification
from jnn.train import Task, TrainingConfig, in_memory, predict_all, seed_key, train

ABOUT = About(
    task="face verification",
    models=("embedding_network",),
    data=("faces",),
    metric="test/auc",
    direction="highest",
    expected="0.964 ± 0.005 (last10)",
    cost="about 3 min of processor time",
)
PEOPLE, PHOTOGRAPHS, SIZE, REDUCTION = 40, 10, (112, 92), 4
SHOWN = 6  # rows of faces in the report
KNOWN = 5  # photographs of each person that identification knows
HELD = 5  # people that are held out to validate with
LOSSES = {"arcface": arcface, "cosface": cosface}
TEST = {"last10": range(30, 40), **{f"fold{k}": range(8 * k - 8, 8 * k) for k in range(1, 6)}}
Faces = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run."""

    people: Literal["last10", "fold1", "fold2", "fold3", "fold4", "fold5"] = "last10"
    """Who is tested on; the others are trained on."""
    validation: bool = False
    """Whether the last five of those who are trained on are held out, to look at after each epoch,
    and to keep the best params by.
    """
    loss: Literal["arcface", "cosface"] = "arcface"
    """What makes embeddings of a person alike."""
    scale: float = 16.0
    """What cosines are multiplied with."""
    margin: float = 0.3
    """By what embeddings are to be nearer to their own person's direction: an angle in radians for
    arcface, a cosine for cosface.
    """
    features: int = 64
    """Numbers of the embedding of each network."""
    channels: tuple[int, ...] = (32, 64, 128)
    """The channels of each stage, of which each halves height and width."""
    members: int = 4
    """Networks whose cosines are averaged."""
    degrees: float = 10.0
    """By how much training images are turned at most."""
    zoom: float = 0.1
    """By how much they are enlarged or shrunk at most."""
    shift: float = 1.5
    """By how many pixels they are moved at most."""
    hidden: int = 8
    """Side of the square that is hidden in each; 0 for none."""
    dropout: float = 0.4
    """Fraction of the features of images that is dropped in training."""
    epochs: int = 100
    batch_size: int = 60
    learning_rate: float = 3e-3
    weight_decay: float = 0.1

    def __post_init__(self):
        """Make a smoke run small, and check."""
        self.shrink(epochs=2, members=2, channels=(4, 8), features=8)
        check_positive("config", members=self.members)
        if self.hidden < 0:
            raise mistake("config", got=f"hidden={self.hidden}", expected="an integer >= 0")
        super().__post_init__()


def load_data(config: Config, *, offline: bool = False) -> Splits:
    """Images and the number of their person; for ``--smoke`` some that are made up. No person is in
    two parts.
    """
    faces = made_up() if config.smoke else load_faces(offline=offline)
    test = np.isin(faces["person"], TEST[config.people])
    held = np.isin(faces["person"], learned_from(config)[1])
    part = lambda rows: {name: array[rows] for name, array in faces.items()}
    return Splits(
        part(~test & ~held), part(held), part(test), tuple(f"s{k + 1}" for k in range(PEOPLE))
    )


def learned_from(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The people who are trained on, and those who are held out to validate with."""
    known = np.setdiff1d(np.arange(PEOPLE), TEST[config.people])
    cut = len(known) - HELD * config.validation
    return known[:cut], known[cut:]


def made_up() -> Faces:
    """For each person a random pattern of few large pixels, with noise."""
    rng = np.random.default_rng(0)
    pattern = (
        rng.integers(0, 256, (PEOPLE, 7, 6))
        .repeat(16, axis=1)
        .repeat(16, axis=2)[:, : SIZE[0], : SIZE[1]]
    )
    image = pattern.repeat(PHOTOGRAPHS, axis=0) + rng.integers(
        -90, 90, (PEOPLE * PHOTOGRAPHS, *SIZE)
    )
    person = np.repeat(np.arange(PEOPLE, dtype=np.int32), PHOTOGRAPHS)
    return {"image": np.clip(image, 0, 255).astype(np.uint8)[..., None], "person": person}


def reduced(image: jax.Array) -> jax.Array:
    """Bytes ``(N, 112, 92, 1)`` as means of squares of 4 x 4 pixels, from 0 to 1,
    ``(N, 28, 23, 1)``.
    """
    height, width = (side // REDUCTION for side in SIZE)
    return jnp.mean(
        images.to_float(image).reshape(-1, height, REDUCTION, width, REDUCTION, 1), axis=(2, 4)
    )


def standardized(image: jax.Array) -> jax.Array:
    """Each image with mean 0 and deviation 1, so that neither brightness nor contrast matters."""
    centred = image - jnp.mean(image, axis=(-3, -2, -1), keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, axis=(-3, -2, -1), keepdims=True) + 1e-4)


def embedder(config: Config) -> jnn.Model:
    """One network: image -> embedding ``(..., features)`` of length 1."""
    return embedding_network(
        EmbeddingNetworkConfig(
            features=config.features, channels=config.channels, dropout=config.dropout
        )
    )


def build_model(config: Config) -> jnn.Model:
    """Image -> the cosines to a direction of each person, ``(members, ..., people)``."""
    people = len(learned_from(config)[0])
    return config.cast(
        jnn.ensemble(
            jnn.chain(embedding=embedder(config), prototypes=prototypes(people)), config.members
        )
    )


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model and the shape of one example."""
    return build_model(config), jax.ShapeDtypeStruct(
        (*(side // REDUCTION for side in SIZE), 1), jnp.float32
    )


def augmented(config: Config, key: jax.Array, image: jax.Array) -> jax.Array:
    """Images mirrored, turned, enlarged and moved a little at random, a part of them hidden; each
    draws for itself.
    """
    moved = partial(
        augment.random_affine, degrees=config.degrees, scale=config.zoom, pixels=config.shift
    )
    hidden = [partial(augment.cutout, size=config.hidden)] if config.hidden else []
    return augment.compose(
        augment.random_flip, moved, lambda key, image: standardized(image), *hidden
    )(key, image)


def objective(config: Config, model: jnn.Model, params, state, batch, key):
    """The sum over members of the mean loss on augmented images: no member's gradient depends on
    another.
    """
    image = augmented(config, jnn.child_key(key, "augmentation"), reduced(batch["image"]))
    cosines, state = model.apply(params, state, image, key=jnn.child_key(key, "model"), train=True)
    label = jnp.searchsorted(jnp.asarray(learned_from(config)[0]), batch["person"])
    label = jnp.broadcast_to(label[None], cosines.shape[:-1])
    found = LOSSES[config.loss](cosines, label, scale=config.scale, margin=config.margin)
    return config.members * jnp.mean(found), (
        state,
        {"accuracy": jnp.mean(jnp.argmax(cosines, axis=-1) == label)},
    )


def predict(config: Config, params, state, batch) -> jax.Array:
    """Embeddings ``(N, members features)`` of length 1: the members' side by side, of an image and
    its mirror image. Their cosine is the mean of the members'."""
    image = standardized(reduced(batch["image"]))
    model = config.cast(jnn.ensemble(embedder(config), config.members))
    embed = lambda image: model.apply(params["embedding"], state["embedding"], image)[0]
    both = unit_length(embed(image) + embed(jnp.flip(image, axis=-2)))
    return jnp.moveaxis(both, 0, 1).reshape(len(image), -1) / config.members**0.5


def measured(embedding: np.ndarray, person: np.ndarray) -> dict[str, float]:
    """How well people are told apart."""
    from sklearn.metrics import roc_auc_score

    pairs = verification.all_pairs(person)
    scores = verification.similarities(embedding, pairs)
    curve = verification.roc(scores, pairs.same)
    known = np.tile(np.arange(PHOTOGRAPHS) < KNOWN, len(person) // PHOTOGRAPHS)
    return {
        "auc": float(roc_auc_score(pairs.same, scores)),
        "eer": verification.equal_error_rate(curve),
        "tar": verification.true_accept_rate(curve, false_accept_rate=0.01),
        "identified": verification.identification_rate(
            embedding[known], person[known], embedding[~known], person[~known]
        ),
    }


def evaluate(config: Config, part: Faces, name: str) -> Callable[[Any, Any], dict[str, jax.Array]]:
    """``(params, state) -> {name/auc}``, pure: the fraction of pairs of same and different ones
    that are in the right order.
    """
    pairs = verification.all_pairs(part["person"])

    @jax.jit
    def score(params, state):
        z = predict(config, params, state, part)
        cosines = jnp.sum(z[pairs.first] * z[pairs.second], axis=-1)
        above = (
            cosines[np.flatnonzero(pairs.same)][:, None]
            - cosines[np.flatnonzero(~pairs.same)][None]
        )
        return {f"{name}/auc": jnp.mean((1 + jnp.sign(above)) / 2)}

    return score


def baselines(splits: Splits) -> Faces:
    """Embeddings of the test images by methods that were fitted to all others."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from threadpoolctl import threadpool_limits

    seen = lambda part: np.asarray(standardized(reduced(part["image"])))
    x, test = (
        image.reshape(len(image), -1)
        for image in (np.concatenate([seen(part) for part in splits[:2]]), seen(splits.test))
    )
    person = np.concatenate([part["person"] for part in splits[:2]])
    # on so little data, threads that wait for each other take longer than one
    with threadpool_limits(1):
        components, whitened = (
            PCA(60, whiten=whiten, svd_solver="full").fit(x) for whiten in (False, True)
        )
        discriminants = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(
            components.transform(x), person
        )
        return {
            "pixels": test - x.mean(axis=0),
            "eigenfaces": whitened.transform(test),
            "fisherfaces": discriminants.transform(components.transform(test)),
        }


def sections(splits: Splits, found: Faces, table: str) -> list:
    """Pictures for the report. ``found`` are the embeddings of the test images by the networks,
    first, and by the baselines.
    """
    from jnn.explain.page.report import Section
    from jnn.explain.results import faces
    from jnn.explain.results.reconstruction import class_map

    image, person = splits.test["image"], splits.test["person"]
    people, label = np.unique(person, return_inverse=True)
    names = [splits.classes[k] for k in people]
    pairs = verification.all_pairs(person)
    scores = {name: verification.similarities(z, pairs) for name, z in found.items()}
    curves = {name: verification.roc(values, pairs.same) for name, values in scores.items()}
    first = next(iter(found))
    own, threshold = scores[first], verification.equal_error_threshold(curves[first])
    cosines = np.eye(len(person))
    cosines[pairs.first, pairs.second] = cosines[pairs.second, pairs.first] = own
    # with the same person
    least = np.where(label[:, None] == label[None], cosines, np.inf).min(axis=1)
    probes = np.array(
        [min(np.flatnonzero(label == k), key=lambda i: least[i]) for k in range(len(people))]
    )
    return [
        Section(
            "Beside the baselines",
            "On the pairs of photographs of the test part, whose people nobody was fitted to.",
            table,
        ),
        Section(
            "Both kinds of error",
            "Each line is one method at all thresholds. A dot is where it rejects as many of the same as it accepts of different people.",
            faces.roc_curves(curves),
        ),
        Section(
            "How alike the pairs are",
            "The dashed line is the threshold at which both errors are equal. It was found on these pairs: a threshold for use is found on "
            "other people.",
            faces.similarity_histogram(own, pairs.same, threshold=threshold),
        ),
        Section(
            "Nearest faces",
            "In front, the photograph of a person that is least like another of the same; then, of all others, those most alike.",
            faces.nearest_faces(
                image, cosines, label, names, probes[np.argsort(least[probes])[:SHOWN]]
            ),
        ),
        Section(
            "The hardest pairs",
            "What is taken for two people, and for one.",
            faces.hardest_pairs(image, own, pairs, label, names),
        ),
        Section(
            "Where people lie",
            "Each dot is a test photograph, in the colour of its person, near those that are like it (t-SNE of the cosines).",
            class_map({name: on_a_map(found[name]) for name in (first, "pixels")}, label, names),
        ),
    ]


def on_a_map(embedding: np.ndarray) -> np.ndarray:
    """Two numbers for each embedding, near each other for those that are alike."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return TSNE(perplexity=10, metric="cosine", init="random", random_state=0).fit_transform(
            embedding
        )


def task(config: Config, splits: Splits) -> Task:
    """What is trained, and how it is judged: with ``validation``, params are kept where the area
    under its curve is largest.
    """
    model, example = describe(config)
    return Task(
        model=model,
        objective=partial(objective, config, model),
        feed=in_memory(splits.train, config.batch_size),
        example=example,
        validate=evaluate(config, splits.validation, "validation") if config.validation else None,
        test=evaluate(config, splits.test, "test"),
        best="validation/auc" if config.validation else None,
    )


def main(config: Config, run: Run) -> dict[str, Any]:
    """Train, and test once."""
    splits = load_data(config, offline=run.options.offline)
    what = task(config, splits)
    fitted = train(what, config, seed_key(config.seed), run)
    embeddings = predict_all(partial(predict, config), fitted.params, fitted.state, splits.test)
    found = {"networks": embeddings, **baselines(splits)}
    results = {name: measured(z, splits.test["person"]) for name, z in found.items()}
    return {
        "metrics": {f"test/{name}": value for name, value in results["networks"].items()},
        "baselines": {
            name: values["auc"] for name, values in results.items() if name != "networks"
        },
        **fitted.counts,
        "data": {
            "name": "faces",
            **what.feed.identity,
            "validation": len(splits.validation["person"]),
            "test": len(splits.test["person"]),
        },
        "sections": sections(splits, found, metric_table(results)),
    }
