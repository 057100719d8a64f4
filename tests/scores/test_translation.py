"""BLEU against the formulas of the paper."""

import collections
import math

import pytest

from jnn.errors import JnnError
from jnn.scores.translation import bleu

TRANSLATIONS = [
    "the cat sat on the mat .",
    "a dog runs through the park today .",
    "go .",
]
REFERENCES = [
    ("the cat is on the mat .", "there is a cat on the mat ."),
    ("a dog runs in the park today .",),
    ("go on .", "go away now ."),
]
EXACT = 1e-12  # float64


def papineni(translations, references):
    """Section 2.3 of Papineni et al. 2002, counted one by one.

    Of equally near lengths the shorter is the reference's.
    """
    matched, total, length, reference_length = [0] * 4, [0] * 4, 0, 0
    grams = lambda words, n: collections.Counter(
        tuple(words[i : i + n]) for i in range(len(words) - n + 1)
    )
    for translation, targets in zip(translations, references, strict=True):
        words, targets = translation.split(), [target.split() for target in targets]
        length += len(words)
        near = min((abs(len(target) - len(words)), len(target)) for target in targets)
        reference_length += near[1]
        for n in range(1, 5):
            for gram, count in grams(words, n).items():
                most = max(grams(target, n)[gram] for target in targets)
                matched[n - 1] += min(count, most)
                total[n - 1] += count
    precision = sum(math.log(m / t) for m, t in zip(matched, total, strict=True)) / 4
    return math.exp(min(0, 1 - reference_length / length) + precision)


def test_bleu_is_that_of_the_paper():
    expected = papineni(TRANSLATIONS, REFERENCES)
    assert bleu(TRANSLATIONS, REFERENCES) == pytest.approx(expected, rel=EXACT)
    first = [targets[0] for targets in REFERENCES]
    assert bleu(first, REFERENCES) == pytest.approx(1, rel=EXACT)


@pytest.mark.parametrize("references", [REFERENCES[:2], [*REFERENCES[:2], ()]])
def test_every_translation_has_a_reference(references):
    with pytest.raises(JnnError, match="bleu: got 3 translations"):
        bleu(TRANSLATIONS, references)


@pytest.mark.parametrize(
    ("translations", "references", "message"),
    [
        (["go on ."], ["go on ."], "got the text 'go on .', expected .* a list of references"),
        ("go on .", [["go on ."]], "got the text 'go on .', expected sentences"),
        ([], [], "got 0 translations, 0 lists of references"),
    ],
)
def test_a_text_is_no_list_of_texts(translations, references, message):
    with pytest.raises(JnnError, match=message):
        bleu(translations, references)
