"""The arrays of pairs, the neighbours, and the prompts that are refused, in `translation`."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from experiments import translation as experiment
from jnn.baselines.translations import nearest_translations
from jnn.data.sets.translations import pairs_of
from jnn.decoding.generate import Request
from jnn.decoding.sampling import Sampling
from jnn.errors import JnnError


@pytest.fixture(scope="module")
def sentences():
    return experiment.load_data(experiment.Config(smoke=True))


def test_each_target_follows_the_tokens_before_it(sentences):
    splits, tokenizer = sentences
    pairs = pairs_of(splits.train)
    arrays = experiment.encode(tokenizer, pairs)
    assert (arrays["tokens"][:, 0] == tokenizer.start).all()
    later = arrays["target_mask"][:, 1:]
    np.testing.assert_array_equal(arrays["tokens"][:, 1:][later], arrays["targets"][:, :-1][later])
    last = arrays["target_mask"].sum(axis=1) - 1
    assert (arrays["targets"][np.arange(len(pairs)), last] == tokenizer.end).all()
    sources, targets = (
        [tokenizer.decode(row).strip() for row in arrays[name]] for name in ("source", "targets")
    )
    assert list(zip(sources, targets, strict=True)) == pairs


def test_pairs_that_are_too_long_are_omitted(sentences):
    _, tokenizer = sentences
    pairs = [
        ("tom eats now .", "tom come ahora ."),
        ("mary sings here again and again and again .", "mary canta ."),
    ]
    alone = experiment.encode(tokenizer, pairs[:1])
    both = experiment.encode(tokenizer, pairs, longest=alone["tokens"].shape[1])
    assert all(np.array_equal(alone[name], both[name]) for name in alone)


def test_the_nearest_sentence_shares_the_most_words(sentences):
    splits, _ = sentences
    for sentence, translation in zip(splits.test, nearest_translations(splits), strict=True):
        words = set(sentence.source.split())
        shared = {
            other.targets[0]: len(words & set(other.source.split()))
            for other in splits.train + splits.validation
        }
        assert shared[translation] == max(shared.values())


@pytest.mark.parametrize("name", ["text_generation", "translation"])
def test_heads_are_of_the_transformer(name):
    module = importlib.import_module(f"experiments.{name}")
    assert module.Config(model="transformer", heads=8).heads == 8
    with pytest.raises(JnnError, match="heads=8 for model='rnn', expected --model transformer"):
        module.Config(model="rnn", heads=8)


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt(prompt):
    request = Request(prompt=prompt, length=9, sampling=Sampling())
    with pytest.raises(
        JnnError, match=r"translation: got prompt='.*', expected an English sentence"
    ):
        next(experiment.generate(experiment.Config(smoke=True), Path("nowhere"), request))
