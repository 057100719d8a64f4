"""What an output means, by its shape and by what the run knows of it."""

import jax
import numpy as np
import pytest

import jnn
from jnn.data.scaling import Scaling
from jnn.data.tokenizers import character_tokenizer
from jnn.explain.lab.answer import answer_kind
from jnn.explain.lab.subject import Subject
from jnn.explain.lab.values import Value
from jnn.train import Preparation
from tests.explain.lab.engine import Engine

EXAMPLE = jax.ShapeDtypeStruct((6,), np.float32)


def kind(shape, preparation=None, tokenizer=None):
    subject = Subject("", jnn.dense(1), {}, {}, EXAMPLE, preparation, tokenizer)
    return answer_kind(subject, [Value("", shape, "float32", ("axis",) * len(shape), "grid")])


@pytest.mark.parametrize(
    ("shape", "expected"), [((6, 5), "tokens"), ((6, 8), "tokens"), ((6, 4), "values")]
)
def test_logits_are_of_tokens_where_there_is_one_for_each_at_least(shape, expected):
    assert kind(shape, tokenizer=character_tokenizer("abcde"))[0] == expected


def test_logits_of_classes_and_numbers_in_a_unit():
    classes = Preparation(EXAMPLE, classes=("a", "b"))
    assert kind((2,), classes) == ("classes", ("a", "b"), None)
    assert kind((3,), classes)[0] == "values"
    target = Scaling(np.zeros(1), np.ones(1))
    assert kind((1,), Preparation(EXAMPLE, target=target)) == ("numbers", (), target)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_number_of_a_target_that_is_not_scaled_is_written(shape):
    assert kind(shape, Preparation(EXAMPLE)) == ("numbers", (), None)
    assert kind((2,), Preparation(EXAMPLE))[0] == "values"


@pytest.mark.parametrize(
    ("path", "number", "told"),
    [
        ("score", 2, "How sure the model is of object 3"),
        ("label", 0, "The class of object 1"),
        ("box", 5, "The top edge of object 2, in pixels"),
        ("box", 3, "The bottom edge of object 1, in pixels"),
    ],
)
def test_a_number_of_detected_objects_is_told(path, number, told):
    assert Engine("boxes_answer.js").value(f"ofObject('{path}', {number})") == told
