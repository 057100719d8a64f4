"""Classify the pictures of a folder, which has a sub-folder for each class, with a CNN."""

import dataclasses
from functools import partial

from jnn.architectures.cnn import CNNConfig, cnn
from jnn.data.augment import random_translate
from jnn.data.image_folder import image_folder
from jnn.data.image_scaling import to_float
from jnn.data.sets.images import load_digits
from jnn.data.splits import from_arrays
from jnn.data.streams import load
from jnn.runs import About
from jnn.tasks import supervised
from jnn.train import SUITED, TrainingConfig

# What `jnn list` says of it. The direction tells which values of the metric are better.
ABOUT = About(task="classify pictures", metric="test/accuracy", direction="highest")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings: each is an option of `jnn run`, beside those of every experiment."""

    folder: str = ""
    """A folder with a sub-folder of pictures for each class; without one, handwritten digits."""
    side: int = 32
    """Height and width that the pictures of the folder are scaled to."""
    channels: tuple[int, ...] = (32, 64)
    """Channels of each stage of the network, of which each halves height and width."""
    epochs: int = SUITED  # `suited` says what; what a user asks for is never changed
    batch_size: int = 64
    learning_rate: float = 3e-3

    def suited(self):
        """The values of settings that are `SUITED`; --smoke makes a run of seconds."""
        return {"epochs": 1 if self.smoke else 20}


def load_data(config, *, offline=False):
    """Pictures ``(N, H, W, C)`` uint8 and labels ``(N,)``, in three parts."""
    if not config.folder:
        return load_digits()
    pictures = image_folder(config.folder, size=(config.side, config.side))
    return from_arrays(load(pictures), stratify="label", classes=pictures.classes)


def build_model(config, classes):
    """Pictures ``(..., H, W, C)`` -> logits of the classes."""
    return config.cast(cnn(CNNConfig(outputs=classes, channels=config.channels, dropout=0.2)))


def predictor(config, preparation):
    """The model by what is saved with a run, for `jnn.load`: predictions need no other data."""
    return build_model(config, len(preparation.classes))


def task(config, splits):
    """What is trained, on what, and how it is judged: by cross entropy, on the validation part."""
    model = build_model(config, len(splits.classes))

    def sections(fitted):  # pictures for the report
        from jnn.explain.sections import image_classification

        image, label = to_float(splits.test["image"]), splits.test["label"]
        logits, _ = model.apply(fitted.params, fitted.state, image)
        return image_classification.predictions(image, label, logits, splits.classes)

    # For another objective than a mean loss, write a `jnn.train.Task` as the experiments do.
    trained = supervised(
        model,
        splits,
        batch_size=config.batch_size,
        inputs="image",
        augment=partial(random_translate, pixels=1),
    )
    return trained._replace(sections=sections)
