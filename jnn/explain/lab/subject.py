"""What a lab shows: a trained model, its inputs and what its answer means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.piecewise_linear import encode_pieces
from jnn.data.tokenizers import Tokenizer
from jnn.detection import center_points
from jnn.explain.lab.inputs import NONE, Example, Examples, columns_of, kind_of
from jnn.model import Model
from jnn.train.moments import Moment
from jnn.train.preparation import Preparation

LONGEST = 64
"""Tokens of a text that a page reads."""


DETECTIONS = 20
"""Candidates for boxes that a page shows."""


class Subject(NamedTuple):
    """A trained model, and what a page needs to let it run.

    ``model``        from one prepared input to the answer; its values are captured
    ``example``      a pytree of shapes, such an input
    ``view``         ``(x, y) -> y``, what people look at in place of an output
    ``preparation``  how raw inputs are prepared, and outputs are answers
    ``tokenizer``    of texts, which a language model has without a preparation
    ``examples``     inputs to begin with
    ``columns``      the names of those of a table or a series, where they are known
    ``moments``      params of earlier steps of the training
    ``curves``       ``{"train/loss": [(step, value), ...]}`` of the training
    ``facts``        what the head of the page says, such as the test accuracy
    ``notes``        sentences on what differs from the run
    """

    title: str
    model: Model
    params: Any
    state: Any
    example: Any
    preparation: Preparation | None = None
    tokenizer: Tokenizer | None = None
    examples: Examples = NONE
    columns: Sequence[str] = ()
    moments: Sequence[Moment] = ()
    curves: Mapping[str, Sequence[tuple[int, float]]] = {}
    facts: Mapping[str, str] = {}
    notes: Sequence[str] = ()
    view: Callable[[Any, Any], Any] | None = None


def prepared(subject: Subject) -> Subject:
    """The same with inputs that a page can change.

    The columns of a table are not cut into pieces yet: the model does that. A text has at most
    `LONGEST` tokens. Several arrays are as long as those of the examples. The maps of a detector
    become boxes.
    """
    subject = _with_boxes(subject)
    example, preparation, model = subject.example, subject.preparation, subject.model
    columns = columns_of(example, preparation)
    pieces = None if preparation is None else preparation.pieces
    if pieces is not None and columns is not example:
        inner = model

        def apply(params, state, x, **options):
            return inner.apply(params, state, encode_pieces(pieces, x), **options)

        return subject._replace(model=Model(model.init, apply), example=columns)
    if kind_of(example, subject.tokenizer) == "text":
        length = min(LONGEST, example.shape[0])
        return subject._replace(example=jax.ShapeDtypeStruct((length,), jnp.int32))
    if kind_of(example, subject.tokenizer) in ("arrays", "pair") and subject.examples.inputs:
        x = subject.examples.inputs[0].x
        like = lambda a: jax.ShapeDtypeStruct(np.shape(a), jax.dtypes.canonicalize_dtype(a.dtype))
        return subject._replace(example=jax.tree.map(like, x))
    return subject


def viewed(subject: Subject) -> Model:
    """The model, with what people look at in place of its output."""
    inner, view = subject.model, subject.view
    if view is None:
        return inner

    def apply(params, state, x, **options):
        y, state = inner.apply(params, state, x, **options)
        return view(x, y), state

    return Model(inner.init, apply)


def _with_boxes(subject: Subject) -> Subject:
    """The same with boxes to look at where the output is maps of centers and boxes.

    They are ``box`` (N, 4), ``label`` and ``score`` (N,), 0 of what is suppressed.
    """
    model, example = subject.model, subject.example
    predict = lambda params, state, x: model.apply(params, state, x)[0]
    output = jax.eval_shape(predict, subject.params, subject.state, example)
    if not isinstance(output, Mapping) or set(output) != {"heat", "box"}:
        return subject
    stride = example.shape[-3] // output["heat"].shape[-3]

    def boxes(_, maps):
        detections = center_points.decode(maps, stride=stride, candidates=DETECTIONS)
        score = jnp.maximum(detections.scores, 0)
        return {"label": detections.labels, "score": score, "box": detections.boxes}

    return subject._replace(view=boxes)


def has_mask(subject: Subject) -> bool:
    """Whether the model is told which elements of a text are real."""
    return subject.preparation is not None and subject.preparation.tokenizer is not None


def blank(subject: Subject) -> Example:
    """An input of zeros, where there is no other."""
    return Example(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), subject.example))
