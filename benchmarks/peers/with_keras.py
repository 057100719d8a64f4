"""Keras on JAX: ``fit`` over the batches of one epoch, which is faster than ``train_on_batch``."""

import os
from collections.abc import Callable
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import keras
from keras import layers

from benchmarks import works

Call = Callable[[], Any]


def training(parts: list, x, label, batch: int) -> Call:
    """`works.STEPS` steps of Adam a call."""
    model = keras.Sequential(parts)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(works.LEARNING_RATE), loss)
    return lambda: model.fit(x, label, batch, verbose=0, shuffle=False).history["loss"]


def mlp(work: works.Perceptron) -> Call:
    """Steps of mlp and mlp_tiny."""
    hidden = [layers.Dense(size, activation="relu") for size in work.sizes[1:-1]]
    data = works.examples(work, works.STEPS)
    return training([*hidden, layers.Dense(work.sizes[-1])], *data, work.batch)


def cnn() -> Call:
    """Steps of cnn."""
    one, two = works.CHANNELS
    parts = [
        layers.Conv2D(one, 3, padding="same", activation="relu"),
        layers.Conv2D(two, 3, padding="same", activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(works.HIDDEN, activation="relu"),
        layers.Dense(10),
    ]
    return training(parts, *works.images(128 * works.STEPS), 128)


def recurrent(kind: str) -> Call:
    """Steps of lstm and gru."""
    work = works.RECURRENT
    layer = {"lstm": layers.LSTM, "gru": layers.GRU}[kind]
    parts = [
        layers.Embedding(work.vocabulary, work.embedding),
        *(layer(work.features, return_sequences=True) for _ in range(2)),
        layers.Dense(work.vocabulary),
    ]
    return training(parts, *works.characters(work, works.STEPS), work.batch)
