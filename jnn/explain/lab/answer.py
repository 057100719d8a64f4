"""What the output of a model means, by its shapes and by the preparation of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jnn.data.scaling import Scaling
from jnn.data.tokenizers import Tokenizer
from jnn.explain.lab.subject import Subject
from jnn.explain.lab.values import Value


def answer_kind(
    subject: Subject, outputs: Sequence[Value]
) -> tuple[str, tuple[str, ...], Scaling | None]:
    """The kind of an answer, the names of classes, and the scaling of its numbers.

    ``classes`` (logits of one of them), ``tokens`` (logits of the next one), ``boxes``, ``numbers``
    in the unit of the target, which may have no scaling, or ``values``, which are drawn as they
    are.
    """
    preparation, tokenizer = subject.preparation, subject.tokenizer
    classes = preparation.classes if preparation else ()
    if classes and outputs[0].shape == (len(classes),):
        return "classes", classes, None
    if {output.path for output in outputs} == {"box", "label", "score"}:
        return "boxes", classes, None
    if preparation and preparation.target is not None:
        return "numbers", (), preparation.target
    if tokenizer and _are_of_tokens(outputs[0], tokenizer):
        return "tokens", (), None
    if preparation and all(math.prod(output.shape) == 1 for output in outputs):
        return "numbers", (), None
    return "values", (), None


def _are_of_tokens(output: Value, tokenizer: Tokenizer) -> bool:
    """Whether it is logits of tokens at each step; a model may have more than the tokenizer."""
    return len(output.shape) == 2 and output.shape[-1] >= tokenizer.vocabulary
