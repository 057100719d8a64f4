"""What every tokenizer is: two functions, its tokens, and the plain data that makes it again."""

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

    ``tokens[i]`` is what token i stands for, to be read by people; ``special`` has the special
    tokens by their names. No text is encoded as a special token but ``unknown``, and ``decode``
    leaves the others out. ``definition`` is JSON data that makes the tokenizer again.
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
        """The token that fills up rows. Raises JnnError where the tokenizer has none, as the three
        below.
        """
        return self._special("padding")

    @property
    def unknown(self) -> int:
        """The token of what the vocabulary does not have."""
        return self._special("unknown")

    @property
    def start(self) -> int:
        """The token that a model is given before the first one it writes."""
        return self._special("start")

    @property
    def end(self) -> int:
        """The token that ends a text."""
        return self._special("end")

    def _special(self, name: str) -> int:
        if name not in self.special:
            has = ", ".join(self.special) or "no special token"
            raise mistake(
                "tokenizer",
                got=has,
                expected=f"a token {name!r}",
                remedy=f"Make it with special=({name!r}, ...).",
            )
        return self.special[name]

    @property
    def fingerprint(self) -> str:
        """The sha256 of the kind and the definition: tokenizers of one fingerprint encode every
        text alike.
        """
        body = json.dumps({"kind": self.kind, **self.definition}, sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, from which `from_json` makes the tokenizer again."""
        return {"kind": self.kind, "fingerprint": self.fingerprint, **self.definition}


def check_same_tokenizer(
    tokenizer: Tokenizer, expected: Tokenizer, where: str = "tokenizer"
) -> None:
    """Raise JnnError unless ``tokenizer`` encodes every text as ``expected`` does, the one that a
    model was trained with.
    """
    if tokenizer.fingerprint == expected.fingerprint:
        return
    first, second = (
        f"{one.kind} with {one.vocabulary} tokens, fingerprint {one.fingerprint[:12]}"
        for one in (tokenizer, expected)
    )
    pairs = enumerate(zip(tokenizer.tokens, expected.tokens, strict=False))
    other = next(
        (f"Token {i} is {one!r} in place of {two!r}. " for i, (one, two) in pairs if one != two), ""
    )
    remedy = f"{other}The model knows its own tokens alone: use the tokenizer that is saved with the run."
    raise mistake(where, got=first, expected=f"that of the run: {second}", remedy=remedy)


def check_text(text: Any) -> None:
    """Raise JnnError unless ``text`` is a str."""
    if not isinstance(text, str):
        raise mistake(
            "encode",
            got=f"a {type(text).__name__}",
            expected="one text, a str",
            remedy="Encode several texts one by one.",
        )


def check_texts(texts: str | Iterable[str], where: str) -> list[str]:
    """One text or several as a list. Raises JnnError where there is no text in it."""
    listed = [texts] if isinstance(texts, str) else list(texts)
    if not any(listed):
        raise mistake(
            where,
            got="no text" if not listed else "empty text",
            expected="text to take the vocabulary from",
        )
    return listed


def check_tokens(tokens: ArrayLike, names: Sequence[str]) -> list[int]:
    """The tokens as a list. Raises JnnError for what is not (T,) integers in [0, vocabulary),
    naming the token and its position.
    """
    array = np.asarray(tokens)
    if array.ndim != 1 or not (array.size == 0 or np.issubdtype(array.dtype, np.integer)):
        raise mistake(
            "decode", got=f"{array.dtype} of shape {array.shape}", expected="integers of shape (T,)"
        )
    wrong = np.flatnonzero((array < 0) | (array >= len(names)))
    if len(wrong):
        remedy = "Decode with the tokenizer that the model was trained with."
        got = f"token {array[wrong[0]]} at position {wrong[0]}"
        raise mistake(
            "decode", got=got, expected=f"tokens from 0 to {len(names) - 1}", remedy=remedy
        )
    return array.tolist()


def number_special(special: Sequence[str], start: int = 0) -> dict[str, int]:
    """The special tokens of these names, numbered from ``start``. Raises JnnError for another name
    or one given twice.
    """
    if (
        isinstance(special, str)
        or len(set(special)) < len(special)
        or not set(special) <= set(SPECIAL)
    ):
        raise mistake(
            "tokenizer",
            got=f"special={special!r}",
            expected=f"different names out of {', '.join(SPECIAL)}",
        )
    return {name: start + i for i, name in enumerate(special)}


def written(special: Iterable[str]) -> list[str]:
    """How special tokens are written for people.

    >>> written(["padding", "end"])
    ['<padding>', '<end>']
    """
    return [f"<{name}>" for name in special]
