"""How close translations are to references that people wrote."""

from collections.abc import Sequence
from typing import Any

from jnn.errors import missing_extra, mistake


def bleu(translations: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU of at most four words, as a fraction; ``references[i]`` are those of sentence i.

    Words are separated by spaces. A sentence may have any number of references from 1 on. There is
    no smoothing: without a common phrase of four words in all sentences together, BLEU is 0.

    Raises JnnError for no sentences, for unequal numbers of them, and for one without a reference
    or with a text in place of its list; MissingExtraError without sacrebleu, which computes it.
    Source: Papineni et al. 2002, https://aclanthology.org/P02-1040.

    >>> print(f"{bleu(['the cat is here .'], [['the cat is here .', 'here is the cat .']]):.2f}")
    1.00
    """
    if texts := [one for one in (translations, *references) if isinstance(one, str)]:
        got, remedy = f"the text {texts[0]!r:.60}", "One reference of each is [[one], [two], ...]."
        expected = "sentences, and a list of references for each"
        raise mistake("bleu", got=got, expected=expected, remedy=remedy)
    if not len(translations) or len(translations) != len(references) or not all(references):
        got = f"{len(translations)} translations, {len(references)} lists of references"
        raise mistake("bleu", got=got, expected="a list of references for each, none empty")
    most = max(map(len, references))
    column = lambda i: [texts[i] if i < len(texts) else None for texts in references]
    columns = [column(i) for i in range(most)]
    settings = {"tokenize": "none", "smooth_method": "none", "force": True}
    return sacrebleu_module().corpus_bleu(translations, columns, **settings).score / 100


def sacrebleu_module() -> Any:
    """Sacrebleu, imported when it is needed; raises MissingExtraError where it is not installed."""
    try:
        import sacrebleu
    except ImportError:
        raise missing_extra("BLEU needs sacrebleu", "text") from None
    return sacrebleu
