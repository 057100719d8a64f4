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
