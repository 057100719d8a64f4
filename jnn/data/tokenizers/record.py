"""The record of every tokenizer: two functions, its tokens, and the JSON data that defines it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jnn.errors import mistake

SPECIAL = ("padding", "unknown", "start", "end")
"""The names of the special tokens, which stand for no text."""


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """Text to tokens, ``encode(text) -> (T,) int32``, and back, ``decode(tokens) -> str``.

    ``tokens[i]`` is the text of token i, for display; ``special`` has the special tokens by name.
    No text is encoded as a special token but ``unknown``, and ``decode`` omits the others.
    ``definition`` is JSON data from which the tokenizer can be rebuilt.
    """

    kind: str
    tokens: tuple[str, ...] = field(repr=False)
    special: Mapping[str, int]
    definition: Mapping[str, Any] = field(repr=False)
    encode: Callable[[str], np.ndarray] = field(repr=False, compare=False)
    decode: Callable[[ArrayLike], str] = field(repr=False, compare=False)

    @property
    def vocabulary(self) -> int:
        """The number of tokens, the special ones included."""
        return len(self.tokens)

    @property
    def padding(self) -> int:
        """The token that fills up rows; as for those below, JnnError where there is none."""
        return self._special("padding")

    @property
    def unknown(self) -> int:
        """The token of text that is not in the vocabulary."""
        return self._special("unknown")

    @property
    def start(self) -> int:
        """The token that a model reads before it generates the first one."""
        return self._special("start")

    @property
    def end(self) -> int:
        """The token that ends a text."""
        return self._special("end")

    def _special(self, name: str) -> int:
        if name not in self.special:
            raise mistake(
                "tokenizer",
                got=", ".join(self.special) or "no special token",
                expected=f"a token {name!r}",
                remedy=f"Make it with special=({name!r}, ...).",
            )
        return self.special[name]

    @property
    def fingerprint(self) -> str:
        """The sha256 of the kind and the definition; the same for tokenizers that encode alike."""
        body = json.dumps({"kind": self.kind, **self.definition}, sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """JSON data from which `from_json` rebuilds the tokenizer."""
        return {"kind": self.kind, "fingerprint": self.fingerprint, **self.definition}


def check_same_tokenizer(
    tokenizer: Tokenizer, expected: Tokenizer, caller: str = "tokenizer"
) -> None:
    """Raise JnnError unless ``tokenizer`` encodes every text as ``expected``, that of the run."""
    if tokenizer.fingerprint == expected.fingerprint:
        return
    describe = lambda t: f"{t.kind} with {t.vocabulary} tokens, fingerprint {t.fingerprint[:12]}"
    pairs = enumerate(zip(tokenizer.tokens, expected.tokens, strict=False))
    differences = (f"Token {i} is {a!r} in place of {b!r}. " for i, (a, b) in pairs if a != b)
    raise mistake(
        caller,
        got=describe(tokenizer),
        expected=f"that of the run: {describe(expected)}",
        remedy=next(differences, "") + "Use the tokenizer that is saved with the run.",
    )


def check_text(text: Any) -> None:
    """Raise JnnError unless ``text`` is a str."""
    if not isinstance(text, str):
        raise mistake(
            "encode",
            got=f"a {type(text).__name__}",
            expected="one text, a str",
            remedy="Encode several texts one by one.",
        )


def check_texts(texts: str | Iterable[str], caller: str) -> list[str]:
    """One text or several as a list; raises JnnError where all are empty."""
    listed = [texts] if isinstance(texts, str) else list(texts)
    if not any(listed):
        got = "empty text" if listed else "no text"
        raise mistake(caller, got=got, expected="text to take the vocabulary from")
    return listed


def check_tokens(tokens: ArrayLike, names: Sequence[str]) -> list[int]:
    """The tokens as a list.

    Raises JnnError, with the token and its position, unless they are (T,) integers in
    [0, vocabulary).
    """
    array = np.asarray(tokens)
    if array.ndim != 1 or not (array.size == 0 or np.issubdtype(array.dtype, np.integer)):
        got = f"{array.dtype} of shape {array.shape}"
        raise mistake("decode", got=got, expected="integers of shape (T,)")
    wrong = np.flatnonzero((array < 0) | (array >= len(names)))
    if len(wrong):
        raise mistake(
            "decode",
            got=f"token {array[wrong[0]]} at position {wrong[0]}",
            expected=f"tokens from 0 to {len(names) - 1}",
            remedy="Decode with the tokenizer that the model was trained with.",
        )
    return array.tolist()


def number_special(special: Sequence[str], start: int = 0) -> dict[str, int]:
    """The special tokens of these names, numbered from ``start``.

    Raises JnnError for an unknown or repeated name.
    """
    valid = set(special) <= set(SPECIAL) and len(set(special)) == len(special)
    if isinstance(special, str) or not valid:
        expected = f"different names out of {', '.join(SPECIAL)}"
        raise mistake("tokenizer", got=f"special={special!r}", expected=expected)
    return {name: start + i for i, name in enumerate(special)}


def written(special: Iterable[str]) -> list[str]:
    """Special tokens as they are displayed.

    >>> written(["padding", "end"])
    ['<padding>', '<end>']
    """
    return [f"<{name}>" for name in special]
