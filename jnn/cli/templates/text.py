"""Learn to write like a text file, one character after the other, with an LSTM."""

import argparse
import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn import losses, metrics
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.baselines.ngram import ngram_nats
from jnn.data.sets.texts import split_text
from jnn.data.text_files import read_text
from jnn.data.token_windows import evaluation_windows
from jnn.data.tokenizers import Tokenizer, character_tokenizer
from jnn.decoding.generate import stream
from jnn.runs import About, trained
from jnn.tasks import language_model_feed
from jnn.train import Preparation, Task, TrainingConfig, make_evaluate, read_preparation, seed_key

# What `jnn list` says of it. The direction tells which values of the metric are better.
ABOUT = About(task="write like a text", metric="test/nats_per_token", direction="lowest")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings: each is an option of `jnn run`, beside those of every experiment."""

    file: str = argparse.__file__
    """A text file, UTF-8; by default a module of Python's standard library."""
    length: int = 64
    """Tokens in a window: how far back gradients reach."""
    width: int = 128
    """Features of the LSTM."""
    batch_size: int = 32
    learning_rate: float = 3e-3
    clip: float = 1.0


class Data(NamedTuple):
    """The tokens of each part of the text, and how to read them."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    tokenizer: Tokenizer


def load_data(config, *, offline=False):
    """A token for each character; --smoke takes a tenth of the text."""
    text = read_text(config.file)
    parts = split_text(text[: len(text) // 10] if config.smoke else text)
    tokenizer = character_tokenizer(parts.train, special=("unknown",))
    train, validation, test = map(tokenizer.encode, parts)
    return Data(train, validation, test, tokenizer)


def build_model(config, vocabulary):
    """Tokens ``(..., T)`` -> logits of the next ones ``(..., T, vocabulary)``."""
    settings = RNNConfig(
        outputs=vocabulary, vocabulary=vocabulary, embedding=32, width=config.width
    )
    return config.cast(rnn(settings))


def predictor(config, preparation):
    """The model by what is saved with a run, for `jnn.load`: predictions need no other data."""
    return build_model(config, preparation.tokenizer.vocabulary)


def task(config, data):
    """What is trained, on what, and how it is judged."""
    model = build_model(config, data.tokenizer.vocabulary)
    example = jax.ShapeDtypeStruct((config.length,), jnp.int32)

    def objective(params, state, batch, key):  # -> loss, (state, metrics to log)
        logits, state = model.apply(params, state, batch["tokens"], key=key, train=True)
        return jnp.mean(losses.cross_entropy(logits, batch["targets"])), (state, {})

    def evaluate(tokens, split):
        windows = evaluation_windows(tokens, config.length)
        predict = lambda params, state, batch: model.apply(params, state, batch["tokens"])[0]
        measure = metrics.collection({"nats_per_token": metrics.mean_of(losses.cross_entropy)})
        return make_evaluate(predict, measure, windows, target="targets", split=split)

    return Task(
        model=model,
        objective=objective,
        feed=language_model_feed(data.train, config.length, config.batch_size),
        example=example,
        validate=evaluate(data.validation, "validation"),
        best="validation/nats_per_token",  # params are kept where it is lowest
        lowest=True,
        test=evaluate(data.test, "test"),
        baselines=lambda: {"3-gram": float(ngram_nats(data.train, data.test, 3).mean())},
        preparation=Preparation(example, tokenizer=data.tokenizer, classes=data.tokenizer.tokens),
    )


def generate(config, folder, request):
    """What the trained model writes after a prompt, for `jnn generate`."""
    preparation = read_preparation(folder)
    tokenizer, model = preparation.tokenizer, predictor(config, preparation)
    params, state = trained(model, preparation.example, folder)
    yield request.prompt
    prompt, key = jnp.asarray(tokenizer.encode(request.prompt or "\n")), seed_key(request.seed)
    settings = {"length": request.length, "key": key, "sampling": request.sampling}
    for token in stream(model, params, state, prompt, **settings):
        yield tokenizer.decode(token[None])
