"""Byte-level byte-pair encoding, trained or read by Hugging Face's ``tokenizers``.

Text is taken as its UTF-8 bytes. Every byte is a token, and so is each merge of two tokens that
training found to be frequent; hence there is nothing unknown (Sennrich, Haddow and Birch, Neural
machine translation of rare words with subword units, 2016; Radford et al., Language models are
unsupervised multitask learners, 2019). The special tokens of jnn are not told to ``tokenizers``, as
it would find them written out in a text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jnn.data.tokenizers.record import (
    Tokenizer,
    check_text,
    check_texts,
    check_tokens,
    number_special,
    written,
)
from jnn.errors import MissingExtraError, mistake

_PROBE = "Ab  c\n\t\r\n  éé e\u0301 ﬁ 漢字 🙂\u200d\x00 <s> 12345'll  "
"""What a normalizer, an added token, or, with and without a space in front, an added or stripped
space would change.
"""


def byte_pair_tokenizer(
    texts: str | Iterable[str], *, vocabulary: int, special: Sequence[str] = ()
) -> Tokenizer:
    """The 256 bytes, the most frequent merges in ``texts``, then the ``special`` tokens: at most
    ``vocabulary`` in all.

    The round trip is exact for every text, and by `encode_bytes` and `decode_bytes` for all bytes.
    ``decode`` writes U+FFFD for bytes that are no UTF-8, such as a character that is not complete.
    Raises JnnError for a vocabulary that does not hold every byte, and for a text with a lone
    surrogate; MissingExtraError without ``tokenizers``.

    >>> tokenizer = byte_pair_tokenizer("low lower lowest " * 9, vocabulary=262, special=("end",))
    >>> tokenizer.decode(tokenizer.encode("lower 🙂")), tokenizer.end
    ('lower 🙂', 261)
    """
    library = _library()
    numbered, smallest = number_special(special), 256 + len(special)
    if vocabulary < smallest:
        got = f"vocabulary={vocabulary}"
        raise mistake(
            "byte_pair_tokenizer",
            got=got,
            expected=f"at least {smallest}: each byte, and the special tokens",
        )
    made = library.Tokenizer(library.models.BPE())
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary - len(special),
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(check_texts(texts, "byte_pair_tokenizer"), trainer)
    return from_byte_pairs(
        json.loads(made.to_str()), {name: made.get_vocab_size() + i for name, i in numbered.items()}
    )


def read_byte_pairs(path: str | Path, *, special: Mapping[str, str] | None = None) -> Tokenizer:
    """The tokenizer of a ``tokenizer.json`` of Hugging Face's ``tokenizers``, such as that of
    GPT-2.

    ``special`` says which of its own tokens has which name, as in ``{"end": "<|endoftext|>"}``.
    Raises JnnError for a missing or damaged file, a token that it has not, and one whose round trip
    is not exact: not byte-level, or with a normalizer or an added space.
    """
    path = Path(path)
    try:
        definition = json.loads(path.read_text(encoding="utf-8"))
        has = _library().Tokenizer.from_str(json.dumps(definition)).get_vocab()
    except MissingExtraError:
        raise
    except Exception as error:  # the library raises Exception itself
        raise mistake(
            str(path),
            got=f"{type(error).__name__}: {error}",
            expected="a tokenizer.json of Hugging Face's tokenizers",
        ) from error
    special = dict(special or {})
    number_special(tuple(special))
    if missing := [token for token in special.values() if token not in has]:
        raise mistake(
            str(path), got=f"no token {missing[0]!r}", expected="the special tokens to be its own"
        )
    return from_byte_pairs(definition, {name: has[token] for name, token in special.items()})


def from_byte_pairs(definition: Mapping[str, Any], special: dict[str, int]) -> Tokenizer:
    """The tokenizer of a definition by Hugging Face's ``tokenizers``; ``special`` tokens are its
    own, or follow them.
    """
    # Randomness, truncation and padding are settings of a call there, and would be lost text here.
    definition = {
        **definition,
        "truncation": None,
        "padding": None,
        "model": {**definition["model"], "dropout": None},
    }
    library = _library().Tokenizer.from_str(json.dumps(definition))
    library.encode_special_tokens = True
    contents = _contents(definition, special)
    names = dict(zip(special.values(), written(special), strict=True))
    tokens = tuple(
        names.get(i, content.decode(errors="replace")) for i, content in enumerate(contents)
    )
    own = {"tokenizer": definition, "special": special}

    def encode(text: str) -> np.ndarray:
        check_text(text)
        if lone := re.search("[\ud800-\udfff]", text):
            got = f"the lone surrogate U+{ord(lone.group()):04X} at position {lone.start()}"
            raise mistake(
                "encode",
                got=got,
                expected="text that has bytes in UTF-8",
                remedy="Encode bytes with encode_bytes.",
            )
        return np.array(library.encode(text, add_special_tokens=False).ids, np.int32)

    def decode(tokens_of_text: ArrayLike) -> str:
        return b"".join(contents[i] for i in check_tokens(tokens_of_text, tokens)).decode(
            errors="replace"
        )

    if any(decode(encode(text)) != text for text in (_PROBE, " " + _PROBE)):
        remedy = "Take the normalizer and add_prefix_space out of it, or train one."
        raise mistake(
            "byte pairs",
            got="a tokenizer that changes text",
            expected="an exact round trip",
            remedy=remedy,
        )
    return Tokenizer(
        kind="byte pairs",
        tokens=tokens,
        special=special,
        definition=own,
        encode=encode,
        decode=decode,
    )


def encode_bytes(tokenizer: Tokenizer, content: bytes) -> np.ndarray:
    """The tokens of any bytes, (T,) int32: those of UTF-8 as ``encode`` gives them, every other
    byte as the token of that byte.
    """
    parts = re.split("([\udc80-\udcff]+)", content.decode("utf-8", "surrogateescape"))
    byte = tokenizer.definition["tokenizer"]["model"]["vocab"]
    tokens = [tokenizer.encode(part) for part in parts[::2]]
    stray = [
        np.array([byte[_ALPHABET[ord(c) - 0xDC00]] for c in part], np.int32) for part in parts[1::2]
    ]
    return np.concatenate(
        [x for pair in zip(tokens, [*stray, np.array([], np.int32)], strict=True) for x in pair]
    )


def decode_bytes(tokenizer: Tokenizer, tokens: ArrayLike) -> bytes:
    """The bytes that ``tokens`` stand for; the special ones stand for none."""
    contents = token_bytes(tokenizer)
    return b"".join(contents[i] for i in check_tokens(tokens, tokenizer.tokens))


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes of each token, for decoding piece by piece: a token may end within a character."""
    return _contents(tokenizer.definition["tokenizer"], tokenizer.special)


def _contents(definition: Mapping[str, Any], special: Mapping[str, int]) -> list[bytes]:
    byte_of = {character: byte for byte, character in enumerate(_ALPHABET)}
    merged = definition["model"]["vocab"]
    if missing := set(_ALPHABET) - set(merged):
        got = f"no token for {len(missing)} of the 256 bytes"
        raise mistake(
            "byte pairs", got=got, expected="a byte-level tokenizer, in which each byte is a token"
        )
    contents = {
        number: bytes(byte_of[c] for c in text)
        for text, number in merged.items()
        if set(text) <= byte_of.keys()
    }
    contents |= {token["id"]: token["content"].encode() for token in definition["added_tokens"]}
    contents |= dict.fromkeys(special.values(), b"")
    return [contents.get(i, b"") for i in range(max(contents) + 1)]


def _alphabet() -> list[str]:
    """How byte-level tokenizers write each byte: itself where it is printed, and else the next
    character from U+0100 on.
    """
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printed else next(others)) for byte in range(256)]


_ALPHABET = _alphabet()


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingExtraError('byte pairs need tokenizers: pip install "jnn[text]".') from None
    return tokenizers
