import re

import numpy as np
import pytest

from jnn.data.sets import translations
from jnn.data.sets.translations import pairs_of, split_translations
from jnn.errors import JnnError


def words(text):
    return tuple(re.findall(r"\w+|[^\w\s]", text.lower()))


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    draw = lambda: (
        " ".join(rng.choice(["Tom", "saw", "a", "cat", "Ñu", "don't"], rng.integers(1, 12))) + "."
    )
    return [(draw(), draw()) for _ in range(400)] + [
        ("Go.", "Ve."),
        ("go .", "Vete."),
        ("Go!", "¡Ve!"),
    ]


def test_the_split_is_the_stated_one(pairs):
    short = [
        (words(source), " ".join(words(target)))
        for source, target in pairs
        if max(len(words(source)), len(words(target))) <= 8
    ]
    sources = sorted({source for source, _ in short})
    order = np.random.default_rng(0).permutation(len(sources))
    expected = [sources[i] for i in order[:30]]
    splits = split_translations(pairs, test=30, validation=0.1, seed=5)
    assert [tuple(one.source.split()) for one in splits.test] == expected
    for one in splits.test:
        assert list(one.targets) == [
            target for source, target in short if source == tuple(one.source.split())
        ]
    every = [pair for part in splits for pair in pairs_of(part)]
    assert sorted(every) == sorted((" ".join(source), target) for source, target in short)
    assert len(splits.validation) == int(0.1 * (len(sources) - 30))


def test_no_source_is_in_two_parts_and_the_seed_draws_the_validation(pairs):
    first, second = (
        split_translations(pairs, test=30, validation=0.2, seed=seed) for seed in (0, 1)
    )
    for splits in (first, second):
        sources = [one.source for part in splits for one in part]
        assert len(set(sources)) == len(sources)
    assert first.test == second.test
    assert first.validation != second.validation
    (go,) = (one for part in first for one in part if one.source == "go .")
    assert go.targets == ("ve .", "vete .")


def test_too_few_sentences_and_impossible_shares_are_refused(pairs):
    with pytest.raises(JnnError, match=r"2000 of them for the test, expected enough of them"):
        split_translations(pairs)
    with pytest.raises(JnnError, match=r"validation=0, expected a fraction"):
        split_translations(pairs, test=30, validation=0)


def test_tatoeba_is_read_without_its_attribution(tmp_path, monkeypatch, pairs):
    monkeypatch.setattr(translations, "fetch", lambda source, offline: tmp_path)
    lines = [f"Tom saw {i} cats.\tTom vio {i} gatos.\tCC-BY 2.0" for i in range(2100)]
    (tmp_path / "spa.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    splits = translations.load_tatoeba_spanish(validation=0.1)
    assert [len(part) for part in splits] == [90, 10, 2000]
    for source, target in pairs_of(splits.train):
        assert target == source.replace("saw", "vio").replace("cats", "gatos")
