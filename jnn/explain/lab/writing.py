"""A model of texts as a page lets it write on: token by token, with its memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from jnn.errors import JnnError
from jnn.explain.lab.subject import Subject
from jnn.model import streams
from jnn.web import modules


def streamed(subject: Subject) -> str:
    """The model read token by token, as an expression of JavaScript with two modules.

        begin  call(...params, ...state, ...x)            -> ...carry
        step   call(...params, ...state, ...carry, ...x)  -> ...logits, ...carry

    x are the arrays of the input, of which ``tokens``, or the only one, is a single token. The
    carry has room for as many tokens as the input of the ``subject``, which is `prepared`.

    It is "" for a model that does not stream, and where `jnn.web` has no rule for something in it.
    """
    model, example = subject.model, subject.example
    if not streams(model):
        return ""
    tokens = example["tokens"] if isinstance(example, Mapping) else example
    token = jax.ShapeDtypeStruct((), tokens.dtype)
    x_t = {**example, "tokens": token} if isinstance(example, Mapping) else token
    (length,) = tokens.shape

    def begin(params: Any, state: Any, x_t: Any) -> Any:
        return model.carry(params, x_t, length)

    params, state = jax.eval_shape(lambda: (subject.params, subject.state))
    try:
        carry = jax.eval_shape(begin, params, state, x_t)
        return modules(
            {
                "begin": (begin, params, state, x_t),
                "step": (model.step, params, state, carry, x_t),
            }
        )
    except (JnnError, NotImplementedError):
        return ""
