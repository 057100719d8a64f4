"""Tell whether two photographs show the same person, one never seen in training, by embeddings.

Source    ArcFace, Deng et al. 2019, https://arxiv.org/abs/1801.07698; CosFace, Wang et al. 2018,
          https://arxiv.org/abs/1801.09414. The cosines of an ensemble of networks are averaged
          (Lakshminarayanan et al. 2017, https://arxiv.org/abs/1612.01474).
Data      faces: ten photographs of each of 40 people (ORL, AT&T Laboratories Cambridge), reduced to
          28 x 23 pixels. The people of the test part are in no other: the last 10, or with --people
          fold1 to fold5 the 8 of one of five folds. All pairs of their photographs are compared:
          4,950 of 10 people, 450 of which show the same person.
Baselines The cosine of pixels, of 60 whitened principal components (eigenfaces) and of linear
          discriminants of such components (fisherfaces), fitted to the same people.
Command   jnn run face_recognition [--people last10|fold1|...|fold5]
Result    mean and standard deviation over seeds 0, 1, 2; of folds over all five, with seed 0. auc:
          the probability that a pair of one person is more alike than a pair of two; eer: the error
          at the threshold where both kinds of pairs are wrong equally often; tar: the share of
          pairs of one person that is accepted while at most 1 % of the others are; identified: with
          five photographs of each person known, the share of the rest whose nearest is their own.

                      auc              eer              tar              identified
          last10      0.964 +- 0.005   0.074 +- 0.006   0.532 +- 0.074   0.99 +- 0.02
          fisherfaces 0.9558           0.124            0.702            0.96
          five folds  0.986 +- 0.012   0.050 +- 0.031   0.865 +- 0.081   0.99 +- 0.01
          fisherfaces 0.9724

          The settings were chosen on three groups of five of the first thirty people, so that
          last10 measures people who had no part in any choice. The pairs of one person that are
          rejected there are mostly of one man with glasses, at two distances.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses
from jnn.architectures import embedding_network as networks
from jnn.baselines.embeddings import linear_embeddings
from jnn.data import augment
from jnn.data.image_scaling import block_means, standardize_images
from jnn.data.sets.faces import HEIGHT, WIDTH, load_faces, split_people, synthetic_faces
from jnn.data.splits import Splits
from jnn.errors import mistake
from jnn.runs import About
from jnn.tasks.verification_task import verification
from jnn.train import SUITED, Preparation, Task, TrainingConfig

ABOUT = About(
    task="face verification",
    models=("embedding_network",),
    data=("faces",),
    metric="test/auc",
    direction="highest",
    expected="0.964 ± 0.005 (last10)",
    cost="about 3 min of processor time",
)
PEOPLE, HELD = 40, 5  # people, and those of them that are held out for validation
REDUCTION = 4  # pixels of a photograph in each direction that become one
LOSSES = {"arcface": losses.arcface, "cosface": losses.cosface}
TEST = {"last10": range(30, 40), **{f"fold{k}": range(8 * k - 8, 8 * k) for k in range(1, 6)}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run."""

    people: Literal["last10", "fold1", "fold2", "fold3", "fold4", "fold5"] = "last10"
    """The people of the test part; the others are trained on."""
    validation: bool = False
    """Hold out the last five of those others, and keep the params that are best on them."""
    loss: Literal["arcface", "cosface"] = "arcface"
    """The loss of the cosines to a direction for each person."""
    scale: float = 16.0
    """Factor of the cosines."""
    margin: float = 0.3
    """By how much the own person's direction must be nearer: an angle in radians, or a cosine."""
    features: int = SUITED
    """Numbers of the embedding of each network."""
    channels: tuple[int, ...] = SUITED
    """Channels of each stage, of which each halves height and width."""
    members: int = SUITED
    """Networks of the ensemble."""
    degrees: float = 10.0
    """Largest rotation of a training image."""
    zoom: float = 0.1
    """Largest change of its scale."""
    shift: float = 1.5
    """Largest shift, in pixels."""
    hidden: int = 8
    """Side of the square that is erased from each; 0 for none."""
    dropout: float = 0.4
    """Fraction of the last feature maps that is dropped in training."""
    epochs: int = SUITED
    batch_size: int = 60
    learning_rate: float = 3e-3
    weight_decay: float = 0.1

    def suited(self) -> dict[str, Any]:
        """The size of the ensemble, and how long it is trained."""
        if self.smoke:
            return {"epochs": 2, "members": 2, "channels": (4, 8), "features": 8}
        return {"epochs": 100, "members": 4, "channels": (32, 64, 128), "features": 64}

    def __post_init__(self):
        """Refuse settings that no network can have."""
        super().__post_init__()
        self.require("members", least=1)
        self.require("hidden", least=0)


def load_data(config: Config, *, offline: bool = False) -> Splits:
    """Photographs and the numbers of their people; in a smoke run random patterns."""
    faces = synthetic_faces() if config.smoke else load_faces(offline=offline)
    return split_people(faces, TEST[config.people], held=training_people(config)[1])


def training_people(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The people who are trained on, and those who are held out for validation."""
    others = np.setdiff1d(np.arange(PEOPLE), TEST[config.people])
    cut = len(others) - HELD * config.validation
    return others[:cut], others[cut:]


def reduced(image: jax.Array | np.ndarray) -> jax.Array:
    """Photographs ``(..., 112, 92, 1)`` -> means of 4 x 4 pixels, ``(..., 28, 23, 1)``."""
    return block_means(image, REDUCTION)


def embedder(config: Config) -> jnn.Model:
    """One network: image -> embedding ``(..., features)`` of length 1."""
    settings = {name: getattr(config, name) for name in ("features", "channels", "dropout")}
    return networks.embedding_network(networks.EmbeddingNetworkConfig(**settings))


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """Image -> cosines to a direction for each person ``(members, ..., people)``; an example."""
    prototypes = networks.prototypes(len(training_people(config)[0]))
    member = jnn.chain(embedding=embedder(config), prototypes=prototypes)
    shape = (HEIGHT // REDUCTION, WIDTH // REDUCTION, 1)
    model = config.cast(jnn.ensemble(member, config.members))
    return model, jax.ShapeDtypeStruct(shape, jnp.float32)


def augmented(config: Config, key: jax.Array, image: jax.Array) -> jax.Array:
    """Images mirrored, rotated, scaled and shifted at random, with a square erased."""
    limits = {"degrees": config.degrees, "scale": config.zoom, "pixels": config.shift}
    moved = partial(augment.random_affine, **limits)
    standard = lambda key, image: standardize_images(image)
    erased = [partial(augment.cutout, size=config.hidden)] if config.hidden else []
    return augment.compose(augment.random_flip, moved, standard, *erased)(key, image)


def embed(config: Config, params, state, batch: Mapping[str, Any]) -> jax.Array:
    """Embeddings ``(..., members features)`` of length 1, whose cosine is the members' mean.

    Each member's is the normalized sum of those of the image and its mirror image.
    """
    image = standardize_images(reduced(batch["image"]))
    model = config.cast(jnn.ensemble(embedder(config), config.members))
    one = lambda image: model.apply(params["embedding"], state["embedding"], image)[0]
    both = networks.unit_length(one(image) + one(jnp.flip(image, axis=-2)))
    return jnp.moveaxis(both, 0, -2).reshape(*image.shape[:-3], -1) / config.members**0.5


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """Images ``(..., 112, 92, 1)`` -> their embeddings ``(..., members features)``, for `jnn.load`.

    The cosine of two embeddings, their inner product, says whether they are of one person.
    """
    model, example = describe(config)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        if x.shape[-3:] != (HEIGHT, WIDTH, 1):
            expected = f"photographs (..., {HEIGHT}, {WIDTH}, 1), of one channel"
            raise mistake("face_recognition", got=f"shape {x.shape}", expected=expected)
        return embed(config, params, state, {"image": x}), state

    return jnn.Model(lambda key, x: model.init(key, example), apply)


def task(config: Config, splits: Splits) -> Task:
    """A margin loss of the cosines to the people of the training part."""
    model, example = describe(config)
    people = jnp.asarray(training_people(config)[0])

    def objective(params, state, batch, key):
        """The sum over members of the mean loss, so that no gradient depends on another member."""
        image = augmented(config, jnn.child_key(key, "augmentation"), reduced(batch["image"]))
        model_key = jnn.child_key(key, "model")
        cosines, state = model.apply(params, state, image, key=model_key, train=True)
        label = jnp.searchsorted(people, batch["person"])
        label = jnp.broadcast_to(label, cosines.shape[:-1])
        loss = LOSSES[config.loss](cosines, label, scale=config.scale, margin=config.margin)
        correct = jnp.argmax(cosines, axis=-1) == label
        return config.members * jnp.mean(loss), (state, {"accuracy": jnp.mean(correct)})

    photograph = jax.ShapeDtypeStruct((HEIGHT, WIDTH, 1), jnp.float32)
    of_faces = verification(
        *(model, objective, partial(embed, config), splits),
        example=example,
        preparation=Preparation(photograph, pixels=True),
        batch_size=config.batch_size,
        baselines=partial(baselines, splits),
    )
    return of_faces._replace(data={"name": "faces", **splits.sizes})


def baselines(splits: Splits) -> dict[str, np.ndarray]:
    """Embeddings of the test images by methods that were fitted to the images of all others."""
    train = splits.train_and_validation
    flat = lambda image: np.asarray(standardize_images(reduced(image))).reshape(len(image), -1)
    return linear_embeddings(flat(train["image"]), train["person"], flat(splits.test["image"]))
