"""Models of the next token: recurrent networks, and transformers, from scratch or pretrained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.transformer import (
    TransformerConfig,
    features_and_read_out,
    transformer,
)
from jnn.data.tokenizers import Tokenizer
from jnn.decoding.generate import Request
from jnn.decoding.sampling import Sampling
from jnn.decoding.text import stream_text
from jnn.interop.pretrained import Pretrained
from jnn.interop.text import within_positions
from jnn.model import Model, Params, State
from jnn.runs.loading import trained
from jnn.tasks.next_token import next_token_losses, next_token_losses_by_rows
from jnn.train.state import seed_key

Losses = Callable[..., tuple[jax.Array, State]]
Cast = Callable[[Model], Model]


class LanguageModel(NamedTuple):
    """A model of the next token, and what training it and writing with it need.

    ``model``       tokens ``(..., T)`` -> logits ``(..., T, vocabulary)``, causal; it streams
    ``losses``      ``(params, state, batch, key=, train=) -> losses, state``, in nats ``(..., T)``,
                    as in `jnn.tasks.next_token_losses`
    ``settings``    of its architecture
    ``length``      tokens in a window of training
    ``cast``        puts a model into the precision of this one, as `TrainingConfig.cast` does
    ``pretrained``  the model that it begins with, if any
    """

    model: Model
    losses: Losses
    settings: RNNConfig | TransformerConfig
    length: int
    cast: Cast
    pretrained: Pretrained | None = None

    @property
    def example(self) -> jax.ShapeDtypeStruct:
        """The shape of one window."""
        return jax.ShapeDtypeStruct((self.length,), jnp.int32)

    @property
    def positions(self) -> int | None:
        """The most tokens of a text; None for a model that takes any number of them."""
        its = self.settings
        return None if isinstance(its, RNNConfig) or its.positions != "learned" else its.length

    def variant(self, **changes: Any) -> Model:
        """The model that other settings make, from scratch."""
        return self.cast(_of_settings(dataclasses.replace(self.settings, **changes)))

    def most_tokens(self, prompt: int, length: int) -> int:
        """As many of ``length`` tokens as there are positions for, after a prompt of ``prompt``.

        Raises `JnnError` where there are none.
        """
        is_recurrent = isinstance(self.settings, RNNConfig)
        return length if is_recurrent else within_positions(self.settings, prompt, length)

    def write(
        self,
        params: Params,
        state: State,
        tokenizer: Tokenizer,
        prompt: str,
        *,
        length: int,
        key: jax.Array,
        sampling: Sampling = Sampling(),
    ) -> Iterator[str]:
        """The text after a prompt, piece by piece, by `jnn.decoding.text.stream_text`.

        It ends after ``length`` tokens, or where the positions of the model do.
        """
        length = self.most_tokens(len(tokenizer.encode(prompt)), length)
        options = {"length": length, "key": key, "sampling": sampling}
        yield from stream_text(self.model, params, state, tokenizer, prompt, **options)

    def write_trained(self, folder: Path, tokenizer: Tokenizer, request: Request) -> Iterator[str]:
        """The prompt of a request and what the run in ``folder`` writes after it.

        An empty prompt is a line break.
        """
        params, state = trained(self.model, self.example, folder)
        yield request.prompt
        options = {"length": request.length, "key": seed_key(request.seed)}
        prompt, sampling = request.prompt or "\n", request.sampling
        yield from self.write(params, state, tokenizer, prompt, sampling=sampling, **options)


def language_model(
    settings: RNNConfig | TransformerConfig,
    *,
    length: int,
    cast: Cast = lambda model: model,
    loss_rows: int = 0,
) -> LanguageModel:
    """The language model of an architecture's settings, to be trained on windows of ``length``.

    The loss of a transformer makes logits for ``loss_rows`` tokens at a time, by
    `jnn.tasks.next_token_losses_by_rows`; 0 for all. That of a recurrent network makes all.

    >>> settings = RNNConfig(outputs=9, vocabulary=9, embedding=4, width=4, depth=1)
    >>> lm = language_model(settings, length=5)
    >>> first = jax.eval_shape(lm.model.init, jax.random.key(0), lm.example)
    >>> batch = {"tokens": lm.example, "targets": lm.example}
    >>> jax.eval_shape(lm.losses, *first, batch)[0].shape
    (5,)
    """
    model = cast(_of_settings(settings))
    losses = next_token_losses(model)
    if loss_rows and isinstance(settings, TransformerConfig):
        halves = map(cast, features_and_read_out(settings))
        losses = next_token_losses_by_rows(*halves, rows=loss_rows)
    return LanguageModel(model, losses, settings, length, cast)


def pretrained_language_model(
    pretrained: Pretrained, *, length: int, cast: Cast = lambda model: model
) -> LanguageModel:
    """The language model that a pretrained one is, to be trained on windows of ``length``."""
    model = cast(pretrained.model)
    losses, settings = next_token_losses(model), pretrained.settings
    return LanguageModel(model, losses, settings, length, cast, pretrained)


def _of_settings(settings: RNNConfig | TransformerConfig) -> Model:
    return rnn(settings) if isinstance(settings, RNNConfig) else transformer(settings)
