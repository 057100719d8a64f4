"""Examples, found in the data of a run by their shapes."""

from typing import NamedTuple

import jax
import numpy as np
import pytest

from jnn.data.scaling import Scaling
from jnn.data.sets.labelled_texts import LabelledTexts
from jnn.data.splits import Splits
from jnn.data.tokenizers import character_tokenizer
from jnn.explain.lab.inputs import MOST, find_examples, kind_of
from jnn.train import Preparation
from tests.explain.lab.engine import Engine

RNG = np.random.default_rng(0)
FLOAT = np.float32


def shape(*sizes, dtype=FLOAT):
    return jax.ShapeDtypeStruct(sizes, dtype)


def splits(**arrays):
    none = {name: array[:0] for name, array in arrays.items()}
    return Splits(none, none, arrays)


class Corpus(NamedTuple):
    texts: object
    tokenizer: object


def test_pictures_of_the_test_part_have_every_class_and_become_floats():
    label = np.repeat(np.arange(3), 10).astype(np.int32)
    images = RNG.integers(0, 256, (30, 8, 8, 1)).astype(np.uint8)
    preparation = Preparation(shape(8, 8, 1), pixels=True, classes=("a", "b", "c"))
    part, found = find_examples(shape(8, 8, 1), preparation, data=splits(label=label, image=images))
    assert part == "test"
    assert len(found) == MOST
    assert {example.truth for example in found} == {"a", "b", "c"}
    assert found[0].x.dtype == FLOAT
    assert found[0].x.max() <= 1


def test_columns_are_scaled_whether_they_are_raw_or_not():
    raw = RNG.normal(50, 5, (20, 3)).astype(FLOAT)
    preparation = Preparation(shape(3), scaling=Scaling(raw.mean(0), raw.std(0)))
    scaled = (raw - raw.mean(0)) / raw.std(0)
    of_test = find_examples(shape(3), preparation, data=splits(features=raw))
    of_batch = find_examples(shape(3), preparation, batch={"features": scaled})
    assert (of_test.part, of_batch.part) == ("test", "training")
    for examples in (of_test, of_batch):
        np.testing.assert_allclose(examples.inputs[0].x, scaled[0], atol=1e-4)


def test_windows_of_a_long_series_and_sequences_that_are_cut():
    long = RNG.normal(size=(200, 2)).astype(FLOAT)
    part, found = find_examples(shape(24, 2), data={"inputs": long})
    assert part == "data"
    assert all((long[i:] == example.x[0]).any() for i, example in enumerate(found))
    assert {example.x.shape for example in found} == {(24, 2)}
    batch = {"inputs": RNG.normal(size=(4, 30, 2)).astype(FLOAT)}
    assert find_examples(shape(24, 2), batch=batch).inputs[0].x.shape == (24, 2)


def test_texts_of_a_list_with_their_classes_and_pieces_of_a_long_one():
    tokenizer, example = character_tokenizer("abc "), shape(9, dtype=np.int32)
    test = LabelledTexts(("a b", "b c"), np.array([1, 0], np.int32))
    preparation = Preparation(example, tokenizer=tokenizer, classes=("no", "yes"))
    nested = {"splits": {"test": test}}
    found = find_examples(example, preparation, tokenizer, nested).inputs
    assert [(example.x, example.truth) for example in found] == [("b c", "no"), ("a b", "yes")]
    corpus = Corpus({"train": "", "test": "abc " * 100}, tokenizer)
    pieces = find_examples(example, None, tokenizer, corpus).inputs
    tokens = {"test": tokenizer.encode("abc " * 100)}
    of_tokens = find_examples(example, None, tokenizer, tokens).inputs
    assert [piece.x for piece in of_tokens] == [piece.x for piece in pieces]
    assert len(pieces) == MOST
    assert all(piece.x in "abc " * 100 for piece in pieces)


def test_several_arrays_are_taken_by_their_names_and_else_nothing():
    example = {"user": shape(5), "item": shape(dtype=np.int32)}
    batch = {"user": RNG.normal(size=(4, 5)), "item": np.arange(4), "likes": np.ones(4)}
    part, found = find_examples(example, batch=batch)
    assert part == "training"
    assert [int(one.x["item"]) for one in found] == [0, 1, 2, 3]
    assert [one.truth for one in found] == ["1"] * 4
    assert find_examples(example, batch={"user": batch["user"]}).part == ""
    of_bytes = {**batch, "user": np.zeros((4, 5), np.uint8)}  # of which the model takes floats
    assert find_examples(example, batch=of_bytes).part == ""
    assert find_examples(shape(7), data=splits(features=np.zeros((3, 5), FLOAT))).inputs == ()


def test_several_arrays_without_names_are_taken_by_their_shapes():
    batch = {"label": np.arange(4), "user": RNG.normal(size=(4, 5)).astype(FLOAT)}
    batch["item"] = RNG.normal(size=(4, 5)).astype(FLOAT)
    part, found = find_examples((shape(5), shape(5)), batch=batch)
    assert part == "training"
    np.testing.assert_array_equal([one.x[0] for one in found], batch["user"])
    np.testing.assert_array_equal([one.x[1] for one in found], batch["item"])
    assert [one.truth for one in found] == ["0", "1", "2", "3"]
    assert find_examples((shape(5), shape(5), shape(5)), batch=batch).inputs == ()


def test_the_labels_of_a_list_of_texts_are_its_numbers():
    test = {"text": ["a b", "b c"], "label": np.array([1, 0], np.int32)}
    tokenizer, example = character_tokenizer("abc "), shape(9, dtype=np.int32)
    preparation = Preparation(example, tokenizer=tokenizer, classes=("no", "yes"))
    found = find_examples(example, preparation, tokenizer, {"test": test}).inputs
    assert [(one.x, one.truth) for one in found] == [("b c", "no"), ("a b", "yes")]


@pytest.mark.parametrize(
    ("example", "kind"),
    [
        (shape(28, 28, 3), "picture"),
        (shape(6, 40, 5), "arrays"),
        (shape(4), "table"),
        (shape(9, 4), "series"),
        (shape(9, dtype=np.int32), "text"),
        ({"tokens": shape(9, dtype=np.int32), "source": shape(9, dtype=np.int32)}, "pair"),
        ({"noise": shape(9), "label": shape(dtype=np.int32)}, "arrays"),
    ],
)
def test_the_kind_of_an_input_follows_from_its_shape(example, kind):
    assert kind_of(example, character_tokenizer("ab")) == kind


def test_between_two_noises_is_noise_and_a_mask_is_of_the_sequence_that_is_as_long():
    engine = Engine("arrays_input.js")
    a, b = np.random.default_rng(0).standard_normal((2, 4000))
    for share, expected in ((0, a), (1, b), (0.5, (a + b) / np.sqrt(2))):
        found = engine.value(f"between({a.tolist()}, {b.tolist()}, {share})")
        np.testing.assert_allclose(found, expected, atol=1e-12)
    leaves = """[{ path: "mask", shape: [5] }, { path: "number", shape: [] },
      { path: "x/signal", shape: [5, 3] }, { path: "source_mask", shape: [5] }]"""
    names = f"['mask', 'source_mask'].map((path) => maskedName(path, {leaves}))"
    assert engine.value(names) == ["signal", "source"]
