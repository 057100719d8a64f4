"""BLEU, the arrays of pairs, and the prompts that are refused, in the experiment that
translates.
"""

import collections
import math
from pathlib import Path

import numpy as np
import pytest

from experiments import translation as experiment
from jnn.data.sets.translations import Translation, pairs_of
from jnn.decoding.generate import Request
from jnn.decoding.sampling import Sampling
from jnn.errors import JnnError

PARTS = [
    ("the cat sat on the mat .", ("the cat is on the mat .", "there is a cat on the mat .")),
    ("a dog runs through the park today .", ("a dog runs in the park today .",)),
    ("go .", ("go on .", "go away now .")),
]


def papineni(found, references):
    """Equations of section 2.3 of Papineni et al. 2002, counted one by one; of equally near lengths
    the shorter is the reference's.
    """
    matched, total, written, wanted = [0] * 4, [0] * 4, 0, 0
    for words, known in zip(found, references, strict=True):
        words, known = words.split(), [reference.split() for reference in known]
        grams = lambda words, n: collections.Counter(
            tuple(words[i : i + n]) for i in range(len(words) - n + 1)
        )
        written += len(words)
        wanted += min((abs(len(reference) - len(words)), len(reference)) for reference in known)[1]
        for n in range(1, 5):
            for gram, count in grams(words, n).items():
                matched[n - 1] += min(count, max(grams(reference, n)[gram] for reference in known))
                total[n - 1] += count
    precision = sum(math.log(m / t) for m, t in zip(matched, total, strict=True)) / 4
    return math.exp(min(0, 1 - wanted / written) + precision)


def test_bleu_is_that_of_the_paper():
    found, references = zip(*PARTS, strict=True)
    part = [Translation("", known) for known in references]
    assert experiment.bleu(found, part) == pytest.approx(papineni(found, references), rel=1e-12)
    assert experiment.bleu([known[0] for known in references], part) == pytest.approx(1, rel=1e-12)


@pytest.fixture(scope="module")
def made():
    config = experiment.Config(smoke=True)
    data = experiment.load_data(config)
    return data, experiment.make_tokenizer(config, data)


def test_what_is_to_be_written_next_follows_what_was_written(made):
    data, tokenizer = made
    pairs = pairs_of(data.train)
    arrays = experiment.encode(tokenizer, pairs)
    assert (arrays["tokens"][:, 0] == tokenizer.start).all()
    later = arrays["target_mask"][:, 1:]
    np.testing.assert_array_equal(arrays["tokens"][:, 1:][later], arrays["targets"][:, :-1][later])
    last = arrays["target_mask"].sum(axis=1) - 1
    assert (arrays["targets"][np.arange(len(pairs)), last] == tokenizer.end).all()
    read = (
        [tokenizer.decode(row).strip() for row in arrays["source"]],
        [tokenizer.decode(row).strip() for row in arrays["targets"]],
    )
    assert list(zip(*read, strict=True)) == pairs


def test_pairs_that_are_too_long_are_left_out(made):
    _, tokenizer = made
    pairs = [
        ("tom eats now .", "tom come ahora ."),
        ("mary sings here again and again and again .", "mary canta ."),
    ]
    alone = experiment.encode(tokenizer, pairs[:1])
    both = experiment.encode(tokenizer, pairs, longest=alone["tokens"].shape[1])
    assert all(np.array_equal(alone[name], both[name]) for name in alone)


def test_the_nearest_sentence_shares_the_most_words(made):
    data, _ = made
    for sentence, found in zip(data.test, experiment.nearest(data), strict=True):
        words = set(sentence.source.split())
        shared = {
            known.targets[0]: len(words & set(known.source.split()))
            for known in data.train + data.validation
        }
        assert shared[found] == max(shared.values())


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt(prompt):
    request = Request(prompt=prompt, length=9, sampling=Sampling())
    with pytest.raises(
        JnnError, match=r"translation: got prompt='.*', expected an English sentence"
    ):
        next(experiment.generate(experiment.Config(smoke=True), Path("nowhere"), request))
