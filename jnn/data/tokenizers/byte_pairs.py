"""Byte-level byte-pair encoding, trained or read by Hugging Face's ``tokenizers``.

Text is encoded as its UTF-8 bytes. Every byte is a token, and so is each merge of two tokens that
is frequent in the training texts; hence no text is unknown. The special tokens of jnn are not
passed to ``tokenizers``, which would match them where they are spelled out in a text.

Source: Sennrich, Haddow and Birch, Neural machine translation of rare words with subword units,
2016; Radford et al., Language models are unsupervised multitask learners, 2019.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jnn.data.text_files import read_text
from jnn.data.tokenizers.record import (
    Tokenizer,
    check_text,
    check_texts,
    check_tokens,
    number_special,
    written,
)
from jnn.errors import JnnError, missing_extra, mistake
from jnn.integers import check_integer

MOST = 2**24
"""More tokens than any vocabulary has: numbers below it may be missing and take room all the same.
"""

_PROBE = "Ab  c\n\t\r\n  éé e\u0301 ﬁ 漢字 🙂\u200d\x00 <s> 12345'll  "
"""A text that any normalizer or added token would change.

With and without a space in front it also reveals added or stripped spaces.
"""


def byte_pair_tokenizer(
    texts: str | Iterable[str], *, vocabulary: int, special: Sequence[str] = ()
) -> Tokenizer:
    """At most ``vocabulary`` tokens: 256 bytes, the most frequent merges, and the ``special`` ones.

    The round trip is exact for every text, and by `encode_bytes` and `decode_bytes` for all bytes.
    ``decode`` replaces bytes that are not UTF-8, such as an incomplete character, by U+FFFD.

    Raises JnnError for a vocabulary smaller than the bytes and special tokens, and for a text with
    a lone surrogate; MissingExtraError without ``tokenizers``.

    >>> tokenizer = byte_pair_tokenizer("low lower lowest " * 9, vocabulary=262, special=("end",))
    >>> tokenizer.decode(tokenizer.encode("lower 🙂")), tokenizer.end
    ('lower 🙂', 261)
    """
    library = tokenizers_library()
    numbered, smallest = number_special(special), 256 + len(special)
    vocabulary = check_integer("byte_pair_tokenizer", "vocabulary", vocabulary)
    if vocabulary < smallest:
        expected = f"at least {smallest}: each byte, and the special tokens"
        raise mistake("byte_pair_tokenizer", got=f"vocabulary={vocabulary}", expected=expected)
    trained = library.Tokenizer(library.models.BPE())
    trained.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary - len(special),
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(check_texts(texts, "byte_pair_tokenizer"), trainer)
    first = trained.get_vocab_size()
    definition = json.loads(trained.to_str())
    return from_byte_pairs(definition, {name: first + i for name, i in numbered.items()})


def read_byte_pairs(path: str | Path, *, special: Mapping[str, str] | None = None) -> Tokenizer:
    """The tokenizer of a ``tokenizer.json`` of Hugging Face's ``tokenizers``, such as GPT-2's.

    ``special`` gives jnn's names to some of its tokens, as in ``{"end": "<|endoftext|>"}``. Raises
    JnnError for a missing or damaged file, a token that it does not have, and a tokenizer whose
    round trip is not exact: not byte-level, or with a normalizer or an added space.
    """
    path = Path(path)
    names = dict(special or {})
    number_special(tuple(names))
    with reading(path):
        definition = json.loads(read_text(path))
        tokens = tokenizers_library().Tokenizer.from_str(json.dumps(definition)).get_vocab()
        if missing := [token for token in names.values() if token not in tokens]:
            got = f"no token {missing[0]!r}"
            raise mistake(str(path), got=got, expected="special tokens of its own vocabulary")
        return from_byte_pairs(definition, {name: tokens[token] for name, token in names.items()})


def from_byte_pairs(definition: Mapping[str, Any], special: dict[str, int]) -> Tokenizer:
    """The tokenizer of a definition by Hugging Face's ``tokenizers``.

    ``special`` tokens are among its own, or follow them.
    """
    # Dropout, truncation and padding are stored with the tokenizer there, and would alter text.
    definition = {
        **definition,
        "truncation": None,
        "padding": None,
        "model": {**definition["model"], "dropout": None},
    }
    library = tokenizers_library().Tokenizer.from_str(json.dumps(definition))
    library.encode_special_tokens = True
    contents = _contents(definition, special)
    names = dict(zip(special.values(), written(special), strict=True))
    texts = [content.decode(errors="replace") for content in contents]
    tokens = tuple(names.get(i, text) for i, text in enumerate(texts))

    def encode(text: str) -> np.ndarray:
        check_text(text)
        if lone := re.search("[\ud800-\udfff]", text):
            raise mistake(
                "encode",
                got=f"the lone surrogate U+{ord(lone.group()):04X} at position {lone.start()}",
                expected="text that has bytes in UTF-8",
                remedy="Encode bytes with encode_bytes.",
            )
        return np.array(library.encode(text, add_special_tokens=False).ids, np.int32)

    def decode(tokens_of_text: ArrayLike) -> str:
        content = b"".join(contents[i] for i in check_tokens(tokens_of_text, tokens))
        return content.decode(errors="replace")

    if any(decode(encode(text)) != text for text in (_PROBE, " " + _PROBE)):
        raise mistake(
            "byte pairs",
            got="a tokenizer that changes text",
            expected="an exact round trip",
            remedy="Remove its normalizer and add_prefix_space, or train one.",
        )
    return Tokenizer(
        kind="byte pairs",
        tokens=tokens,
        special=special,
        definition={"tokenizer": definition, "special": special},
        encode=encode,
        decode=decode,
    )


def encode_bytes(tokenizer: Tokenizer, content: bytes) -> np.ndarray:
    """The tokens of any bytes, (T,) int32.

    UTF-8 is encoded by ``encode``, every other byte as the token of that byte.
    """
    parts = re.split("([\udc80-\udcff]+)", content.decode("utf-8", "surrogateescape"))
    byte = tokenizer.definition["tokenizer"]["model"]["vocab"]
    tokens = []
    for number, part in enumerate(parts):
        if number % 2 == 0:
            tokens.append(tokenizer.encode(part))
        else:  # bytes that are not UTF-8
            tokens.append(np.array([byte[_ALPHABET[ord(c) - 0xDC00]] for c in part], np.int32))
    return np.concatenate(tokens)


def decode_bytes(tokenizer: Tokenizer, tokens: ArrayLike) -> bytes:
    """The bytes of ``tokens``; special tokens have none."""
    contents = token_bytes(tokenizer)
    return b"".join(contents[i] for i in check_tokens(tokens, tokenizer.tokens))


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes of each token, for decoding piece by piece: a token may end within a character."""
    return _contents(tokenizer.definition["tokenizer"], tokenizer.special)


def _contents(definition: Mapping[str, Any], special: Mapping[str, int]) -> list[bytes]:
    byte_of = {character: byte for byte, character in enumerate(_ALPHABET)}
    vocabulary = definition["model"]["vocab"]
    if missing := set(_ALPHABET) - set(vocabulary):
        got = f"no token for {len(missing)} of the 256 bytes"
        expected = "a byte-level tokenizer, in which each byte is a token"
        raise mistake("byte pairs", got=got, expected=expected)
    byte_level = {i: text for text, i in vocabulary.items() if set(text) <= byte_of.keys()}
    contents = {i: bytes(byte_of[c] for c in text) for i, text in byte_level.items()}
    added = definition.get("added_tokens") or ()
    contents |= {token["id"]: token["content"].encode() for token in added}
    contents |= dict.fromkeys(special.values(), b"")
    if max(contents) >= MOST:
        got, expected = f"the token {max(contents)}", f"tokens below {MOST}"
        raise mistake("byte pairs", got=got, expected=expected)
    return [contents.get(i, b"") for i in range(max(contents) + 1)]


def _alphabet() -> list[str]:
    """The characters by which byte-level tokenizers write the 256 bytes.

    Printable bytes are written as themselves, the others as the characters from U+0100 on.
    """
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printed else next(others)) for byte in range(256)]


_ALPHABET = _alphabet()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say of whatever goes wrong within that it is in a ``tokenizer.json``, and where that is."""
    try:
        yield
    except JnnError:
        raise
    except Exception as error:  # the library raises Exception itself
        raise mistake(
            str(path),
            got=f"{type(error).__name__}: {error}",
            expected="a tokenizer.json of Hugging Face's tokenizers",
        ) from error


def tokenizers_library() -> Any:
    """Hugging Face's ``tokenizers``; raises MissingExtraError where it is not installed."""
    try:
        import tokenizers
    except ImportError:
        raise missing_extra("byte pairs need tokenizers", "text") from None
    return tokenizers
