"""What experiments with a committee share: which texts they train on, and what is read of them."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

import jnn
from jnn.data.sets.synthetic_texts import synthetic_labelled_texts
from jnn.explain.sections import text_classification as report
from jnn.layers.pooling import global_max_pool
from jnn.tasks import text_committee
from jnn.tasks.pretrained_texts import log_probabilities
from jnn.tasks.text_committee import TextCommitteeConfig, committee_task, fine_tuning_task
from tests.compiled import init

SPLITS = synthetic_labelled_texts(lambda i, c: f"Word{c} {'and ' * (i % 5)}", 60, ["a", "b"])
USUAL = {"members": 2, "epochs": 1, "batch_size": 5, "learning_rate": 1e-3}
USUAL |= {"dropout": 0.0, "word_dropout": 0.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TextCommitteeConfig):
    """Of a committee without texts of its own."""

    def suited(self):
        return {**USUAL, **super().suited()}


def test_without_validation_all_but_the_test_part_is_trained_on():
    whole, held = (Config(smoke=True, validation=value).words(SPLITS) for value in (False, True))
    assert held.splits == SPLITS
    assert sorted(whole.splits.train.texts) == sorted(SPLITS.train.texts + SPLITS.validation.texts)
    assert not whole.splits.validation.texts


def test_what_suits_an_encoder_comes_before_what_suits_the_texts():
    config = Config(pretrained="folder", epochs=7)
    assert (config.members, config.learning_rate, config.epochs) == (1, 5e-5, 7)
    assert Config(pretrained="folder", lora=2).learning_rate == 5e-4


@pytest.fixture
def texts_and_model():
    texts = Config(smoke=True).words(SPLITS)
    words = jnn.embedding(len(texts.vectors), 2)
    return texts, jnn.parallel(networks=jnn.chain(words=words, pool=global_max_pool(rank=1)))


@pytest.fixture
def shown(monkeypatch):
    """What the report of a task is given."""

    def given(task):
        seen = {}
        keep = lambda *arguments, **settings: seen.update(settings, examples=arguments[3]) or []
        monkeypatch.setattr(report, "classified_texts", keep)
        params, state = init(task.model, np.zeros(task.example.shape, np.int32))
        task.sections(SimpleNamespace(params=params, state=state))
        return seen

    return given


def test_the_report_has_the_words_that_are_read(texts_and_model, shown, monkeypatch):
    count = lambda splits: {"texts": len(splits.test.texts)}
    monkeypatch.setattr(text_committee, "linear_classifiers", count)
    texts, model = texts_and_model
    parts = texts, model, log_probabilities(model)
    task = committee_task(Config(), *parts, trained=["networks"], longest=3, name="notes")
    found = shown(task)
    assert found["words"] == [text.split()[:3] for text in SPLITS.test.texts]
    assert (found["name"], found["classes"]) == ("notes", ("a", "b"))
    assert task.preparation.longest == 3
    assert task.baselines() == {"texts": 10}


def test_no_more_of_a_text_is_read_than_an_encoder_has_positions_for(
    texts_and_model, shown, monkeypatch
):
    texts, model = texts_and_model
    pretrained = SimpleNamespace(model=model)
    monkeypatch.setattr(text_committee, "encoder_settings", lambda _: SimpleNamespace(length=4))
    monkeypatch.setattr(text_committee, "text_classifier", lambda *arguments: pretrained)
    config = Config(pretrained="folder", batch_size=5)
    for longest, expected in ((None, 4), (9, 4), (2, 2)):
        task = fine_tuning_task(config, texts, longest=longest)
        assert task.preparation.longest == expected
    assert task.pretrained is pretrained
    found = shown(task)
    assert found["words"] == [text.lower().split()[:2] for text in SPLITS.test.texts]
    assert found["examples"]["mask"].shape == (10, 2)
