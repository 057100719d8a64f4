import csv

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from jnn.data.sets import labelled_texts
from jnn.errors import JnnError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled_texts, "fetch", lambda source, offline: tmp_path)
    return tmp_path


def write_csv(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


def no_text_is_in_two_parts(splits):
    train, validation, test = (set(part.texts) for part in splits[:3])
    return not (train & validation or train & test or validation & test)


def sentences(splits):
    return [text for part in splits[:3] for text in part.texts]


@pytest.fixture
def trec(folder):
    """Questions as published: some twice in the training part, some in both parts; text i is of
    class i mod 6 and fine class i mod 47.
    """
    rng = np.random.default_rng(0)
    numbers = [*rng.integers(0, 4000, labelled_texts.TREC_TRAINING), *range(3990, 4490)]
    write_csv(
        folder / "trec.csv",
        ["", "label-coarse", "label-fine", "text"],
        [[i, n % 6, n % 47, f"What is {n}, "] for i, n in enumerate(numbers)],
    )
    return numbers


def test_trec_keeps_the_published_test_part_and_no_question_in_two(trec):
    splits = labelled_texts.load_trec(validation=0.2, seed=1)
    assert splits.test.texts == tuple(f"What is {n}, " for n in trec[-500:])
    assert no_text_is_in_two_parts(splits)
    tested = set(splits.test.texts)
    assert sorted(sentences(splits)[:-500]) == sorted(
        f"What is {n}, " for n in trec[:-500] if f"What is {n}, " not in tested
    )
    assert len(splits.validation.texts) / len(trec[:-500]) == pytest.approx(0.2, abs=0.01)


def test_trec_as_published_has_all_questions(trec):
    splits = labelled_texts.load_trec(as_published=True)
    assert sorted(sentences(splits)) == sorted(f"What is {n}, " for n in trec)
    assert len(splits.train.texts + splits.validation.texts) == 5452
    assert not set(splits.train.texts) & set(splits.validation.texts)
    assert set(splits.train.texts) & set(splits.test.texts)


@pytest.mark.parametrize(("fine", "classes"), [(False, 6), (True, 47)])
def test_trec_labels_belong_to_their_questions(trec, fine, classes):
    splits = labelled_texts.load_trec(fine=fine)
    assert len(set(splits.classes)) == classes
    for part in splits[:3]:
        assert part.labels.dtype == np.int32
        assert part.labels.tolist() == [int(text.split()[2][:-1]) % classes for text in part.texts]


def test_trec_draws_the_same_questions_for_both_kinds_of_classes(trec):
    coarse, fine, other = (
        labelled_texts.load_trec(),
        labelled_texts.load_trec(fine=True),
        labelled_texts.load_trec(seed=1),
    )
    assert coarse.validation.texts == fine.validation.texts
    assert coarse.validation.texts != other.validation.texts
    assert coarse.test.texts == other.test.texts


def test_sms_messages_are_distinct_and_split_as_stated(folder):
    texts = [f'free "{i}",\ncall' if i % 5 == 0 else f"hi {i}" for i in range(100)]
    write_csv(
        folder / "sms-spam.csv",
        ["", "spam", "text"],
        [[i, int(text.startswith("free")), text] for i, text in enumerate(texts + texts[:7])],
    )
    splits = labelled_texts.load_sms_spam(validation=0.25, seed=3)
    spam = np.array([text.startswith("free") for text in texts])
    rest, test, kept, _ = train_test_split(
        texts, spam, test_size=0.2, random_state=0, stratify=spam
    )
    train, validation = train_test_split(rest, test_size=0.25, random_state=3, stratify=kept)
    assert [list(part.texts) for part in splits[:3]] == [train, validation, test]
    assert splits.classes == ("no spam", "spam")
    for part in splits[:3]:
        assert part.labels.tolist() == [int(text.startswith("free")) for text in part.texts]


def test_movie_sentences_keep_what_is_rated_clearly_once(folder):
    lines = [
        f"{i}\t{rating}\tfilm\u2028 {i}\twith tab"
        for i, rating in enumerate(np.linspace(-3, 3, 121))
    ]
    lines += ["200\t2.0\tfilm\u2028 0\twith tab", "201\t0.4\tfilm\u2028 1\twith tab"]
    (folder / "movieReviewSnippets_GroundTruth.txt").write_text(
        "\r\n".join(lines) + "\r\n", encoding="utf-8", newline=""
    )
    splits = labelled_texts.load_movie_sentences()
    labels = {
        text: label
        for part in splits[:3]
        for text, label in zip(part.texts, part.labels.tolist(), strict=True)
    }
    ratings = {
        f"film\u2028 {i}\twith tab": rating for i, rating in enumerate(np.linspace(-3, 3, 121))
    }
    ratings |= {"film\u2028 0\twith tab": 2.0, "film\u2028 1\twith tab": 0.4}
    expected = {text: int(rating > 0) for text, rating in ratings.items() if abs(rating) >= 0.5}
    assert labels == expected
    assert len(sentences(splits)) == len(expected)
    _, test = train_test_split(
        list(expected), test_size=0.2, random_state=0, stratify=list(expected.values())
    )
    assert list(splits.test.texts) == test


def test_an_impossible_validation_part_is_refused(trec):
    with pytest.raises(JnnError, match=r"fraction=1.5"):
        labelled_texts.load_trec(validation=1.5)
