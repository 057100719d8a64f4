"""The task of predicting each next token of a text."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jnn import metrics
from jnn.architectures.rnn import CELLS
from jnn.architectures.transformer import TransformerConfig
from jnn.data.corpus import Corpus
from jnn.data.token_files import file_windows
from jnn.data.token_windows import evaluation_windows
from jnn.data.tokenizers import keep_tokenizer
from jnn.decoding.sampling import Sampling
from jnn.tasks.language_model import LanguageModel, Losses
from jnn.tasks.text_feeds import language_model_feed
from jnn.train.evaluate import make_evaluate
from jnn.train.feed import Feed, streamed
from jnn.train.loop import Fitted
from jnn.train.preparation import Preparation
from jnn.train.state import seed_key
from jnn.train.step import Objective
from jnn.train.task import Task

STEPS = 1000
"""Of an epoch, where the text is not known."""
SAMPLED = 400
"""Tokens of the text in the report."""
MAPPED = 32
"""Tokens in its maps of attention."""
WINDOWS = 16
"""Windows of text whose gradients it shows."""


def language_model_task(lm: LanguageModel, corpus: Corpus, *, batch_size: int) -> Task:
    """Cross entropy of each next token, on windows of the training part in random order.

    Validation and test are in nats per character, whatever the tokens are, each with half a window
    of context at least; params are kept by the validation. Where the tokens are in files, the end
    of a document counts as a character. The tokenizer is saved with the run. The report shows what
    the model writes and predicts, and what its units remember or its heads attend to. Add baselines
    with ``task._replace(baselines=...)``.

    >>> from jnn.architectures.rnn import RNNConfig
    >>> from jnn.data.corpus import tokenized
    >>> from jnn.data.sets.texts import Texts
    >>> from jnn.tasks.language_model import language_model
    >>> corpus = tokenized(Texts("banana and bread. " * 20, "a bandana", "a bean and bread"))
    >>> vocabulary = corpus.tokenizer.vocabulary
    >>> settings = RNNConfig(outputs=vocabulary, vocabulary=vocabulary, width=8, depth=1)
    >>> task = language_model_task(language_model(settings, length=8), corpus, batch_size=4)
    >>> task.feed.steps_per_epoch, task.data, task.best
    (11, {'train': 360, 'validation': 9, 'test': 16}, 'validation/nats_per_character')
    """

    def nats(params, state, batch):
        """What each window adds to the negative log-probability of the text, ``(windows,)``."""
        return jnp.sum(batch["weight"] * lm.losses(params, state, batch)[0], axis=-1)

    def evaluate(split: str):
        count = corpus.predicted(split)
        metric = metrics.collection({"nats_per_character": metrics.sum_per(count)})
        stride = max(1, lm.length // 2)
        tokens = corpus.tokens(split, least=lm.length + 1)
        windows = evaluation_windows(tokens, lm.length, stride=stride)
        options = {"target": "targets", "split": split, "batch_size": batch_size}
        return make_evaluate(nats, metric, windows, **options)

    if corpus.files is not None:
        feed = streamed(file_windows(corpus.files.part("train"), lm.length), batch_size)
    else:
        feed = language_model_feed(corpus.tokens("train"), lm.length, batch_size)
    return Task(
        model=lm.model,
        objective=_mean_of(lm.losses),
        feed=feed,
        example=lm.example,
        validate=evaluate("validation"),
        best="validation/nats_per_character",
        lowest=True,
        test=evaluate("test"),
        sections=lambda fitted: _sections(lm, corpus, fitted),
        data=corpus.sizes,
        preparation=Preparation(
            lm.example,
            tokenizer=corpus.tokenizer,
            longest=lm.positions,
            next_token=True,
        ),
        save=lambda folder: keep_tokenizer(folder / "tokenizer.json", corpus.tokenizer),
        pretrained=lm.pretrained,
    )


def language_model_outline(lm: LanguageModel, *, batch_size: int) -> Task:
    """The task of any text that is long enough, its batches as shapes alone, for `jnn plan`."""
    windows = jax.ShapeDtypeStruct((batch_size, lm.length), jnp.int32)
    batch = {"tokens": windows, "targets": windows}
    feed = Feed(batch, lambda data, key, step: data, steps_per_epoch=STEPS, identity={})
    return Task(lm.model, _mean_of(lm.losses), feed, lm.example)


def _mean_of(losses: Losses) -> Objective:
    def objective(params, state, batch, key):
        token_losses, state = losses(params, state, batch, key, train=True)
        return jnp.mean(token_losses), (state, {})

    return objective


def _sections(lm: LanguageModel, corpus: Corpus, fitted: Fitted) -> list[Any]:
    from jnn.explain.sections import language_model as report

    tokenizer, kept = corpus.tokenizer, (fitted.params, fitted.state)
    tested = corpus.tokens("test")
    tokens = tested[: lm.length]
    sampling = Sampling(temperature=0.8)
    options = {"length": SAMPLED, "key": seed_key(0), "sampling": sampling}
    sample = "".join(lm.write(*kept, tokenizer, "\n", **options))
    of_any = [
        *report.generated(sample, f"After a line break, at temperature {sampling.temperature}."),
        *report.predictions(lm.model, *kept, tokens, tokenizer),
    ]
    if isinstance(lm.settings, TransformerConfig):
        # a fused kernel has no weights to look at
        seen = lm.variant(fused=False) if lm.settings.fused else lm.model
        return [*of_any, *report.attention_and_lens(seen, *kept, tokens[:MAPPED], tokenizer)]
    others = {cell.upper(): lm.variant(cell=cell) for cell in CELLS}
    windows = evaluation_windows(tested, lm.length)
    few = windows["tokens"][:WINDOWS], windows["targets"][:WINDOWS, -1]
    name = lm.settings.cell.upper()
    return [
        *of_any,
        *report.recurrent_units(lm.model, *kept, tokens, tokenizer),
        *report.gradients_and_untrained(lm.model, *kept, *few, name=name, others=others),
    ]
