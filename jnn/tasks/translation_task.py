"""The task of translating sentences."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jnn import losses, metrics
from jnn.data.sets.translations import TranslationSplits, pairs_of
from jnn.data.tokenizers import keep_tokenizer
from jnn.scores.translation import bleu, sacrebleu_module
from jnn.tasks.translator import EXAMPLE, Translator
from jnn.train.evaluate import make_evaluate
from jnn.train.experiment import once
from jnn.train.feed import in_memory
from jnn.train.loop import Fitted
from jnn.train.task import Task

SHOWN = 20
"""Translations in the report."""


def translation_task(
    translator: Translator,
    splits: TranslationSplits,
    *,
    batch_size: int,
    longest: int | None = None,
    label_smoothing: float = 0.0,
    alignment: str,
) -> Task:
    """Cross entropy of each next token, given the source and the tokens of the target before it.

    Pairs of more than ``longest`` tokens on a side are not trained on. Params are kept by the loss
    on the validation part; the test is the BLEU of the translations of the test part, with all that
    it has of them as references, beside the loss. ``alignment`` is the path of the attention
    that the report shows. The tokenizer is saved with the run. Add baselines with
    ``task._replace(baselines=...)``.

    Training pairs are padded to one length: branches for several would each be compiled, and
    computed again for the gradient, which costs more than the padding does.

    Raises `MissingExtraError` without sacrebleu.
    """
    sacrebleu_module()  # missed before training, not after
    sources = [sentence.source for sentence in splits.test]
    references = [sentence.targets for sentence in splits.test]

    def objective(params, state, batch, key):
        options = {"key": key, "train": True, "label_smoothing": label_smoothing}
        token_losses, state = translator.losses(params, state, batch, **options)
        loss = losses.mean(token_losses, batch["target_mask"])
        return loss, (state, {"weight": jnp.sum(batch["target_mask"])})

    def nats(params, state, batch):
        """The negative log-probability of each translation, ``(sentences,)``."""
        token_losses, _ = translator.losses(params, state, batch)
        return jnp.sum(jnp.where(batch["target_mask"], token_losses, 0), axis=-1)

    def evaluate(part: Any, split: str):
        arrays = translator.encode(pairs_of(part))
        per_token = metrics.sum_per(int(arrays["target_mask"].sum()))
        metric = metrics.collection({"loss": per_token})
        return make_evaluate(nats, metric, arrays, target="targets", split=split)

    test_loss = evaluate(splits.test, "test")
    translated = once(lambda params, state: translator.translate(params, state, sources))

    def test(params, state):
        score = bleu(translated(params, state), references)
        return {"test/bleu": score, **test_loss(params, state)}

    def sections(fitted: Fitted) -> list[Any]:
        """Some translations, the alignment of the longest of them, and BLEU by length."""
        from jnn.explain.sections import translation as report

        params, state = fitted.params, fitted.state
        results = translated(params, state)
        chosen = np.random.default_rng(0).permutation(len(results))[:SHOWN].tolist()
        columns = [[column[i] for i in chosen] for column in (sources, results, references)]
        i = max(chosen, key=lambda i: len(results[i].split()))
        pair = translator.tokens(sources[i]), translator.tokens(results[i])
        parts = translator.model, params, state
        return [
            *report.examples(*columns),
            *report.cross_attention(*parts, *pair, translator.tokenizer, path=alignment),
            *report.bleu_by_length(sources, results, references),
        ]

    return Task(
        model=translator.model,
        objective=objective,
        feed=in_memory(translator.encode(pairs_of(splits.train), longest), batch_size),
        example=EXAMPLE,
        validate=evaluate(splits.validation, "validation"),
        best="validation/loss",
        lowest=True,
        test=test,
        sections=sections,
        data={part: len(sentences) for part, sentences in splits._asdict().items()},
        save=lambda folder: keep_tokenizer(folder / "tokenizer.json", translator.tokenizer),
    )
