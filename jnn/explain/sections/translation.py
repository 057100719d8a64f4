"""The report of a model that translates sentences."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from jnn.data.tokenizers import Tokenizer
from jnn.explain.inside.attention import alignment, attention_weights
from jnn.explain.page.report import Section
from jnn.model import Model, Params, State
from jnn.scores.translation import bleu
from jnn.tables import table


def examples(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[Sequence[str]]
) -> list[Section]:
    """A table of sentences: the source, its translation, and a reference, the same if it is one.

    ``references[i]`` are those of sentence i.
    """
    rows = [["", "source", "translation", "reference"]]
    for source, translation, targets in zip(sources, translations, references, strict=True):
        is_reference = translation in targets
        reference = translation if is_reference else targets[0]
        rows.append(["=" if is_reference else "", source, translation, reference])
    caption = "Drawn from the test part; = marks a translation that is one of the references."
    return [Section("Translations", caption, "\n".join(table(rows)))]


def cross_attention(
    model: Model,
    params: Params,
    state: State,
    source: np.ndarray,
    target: np.ndarray,
    tokenizer: Tokenizer,
    *,
    path: str,
) -> list[Section]:
    """The alignment of one translation, by the cross-attention at ``path``.

    ``source`` and ``target`` are tokens, ``(S,)`` and ``(T,)``.
    """
    x = {"source": jnp.asarray(source), "tokens": jnp.append(tokenizer.start, target)}
    weights = attention_weights(model, params, state, x)[path][-1]
    words = lambda tokens: [tokenizer.tokens[int(token)].strip() for token in tokens]
    figure = alignment(weights, words(source), words([*target, tokenizer.end]))
    caption = (
        "Each row is a token of the translation, with the weights of the source tokens from which "
        "it was predicted: the mean over the heads of the last layer."
    )
    return [Section("Alignment", caption, figure)]


def bleu_by_length(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[Sequence[str]]
) -> list[Section]:
    """A table of the BLEU of the sentences of each length, and how many there are."""
    lengths = np.array([len(source.split()) for source in sources])
    rows = [["words", "sentences", "BLEU", ""]]
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length).tolist()
        score = bleu([translations[i] for i in chosen], [references[i] for i in chosen])
        rows.append([str(length), f"{len(chosen):,}", f"{score:.3f}", "█" * round(50 * score)])
    caption = "Test sentences by their length in words and punctuation marks."
    return [Section("BLEU by length", caption, "\n".join(table(rows, numbers=range(3))))]
