"""The tokenizer of a pretrained model, by Hugging Face's ``tokenizers``, whatever its kind."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jnn.data.text_files import read_text
from jnn.data.tokenizers.byte_pairs import MOST, reading, tokenizers_library
from jnn.data.tokenizers.record import Tokenizer, check_text, check_tokens
from jnn.errors import mistake

_NAMES = {
    "padding": ("pad_token",),
    "unknown": ("unk_token",),
    "start": ("bos_token", "cls_token"),
    "end": ("eos_token", "sep_token"),
}
"""The names of special tokens in jnn, and in ``tokenizer_config.json``."""


def read_pretrained_tokenizer(path: str | Path, names: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of a ``tokenizer.json``.

    ``names`` are the contents of the ``tokenizer_config.json`` beside it, which says which tokens
    are special. Unlike `read_byte_pairs`, it takes any kind, also one that changes text, such as
    one of lower case. No text is encoded as a special token, and none is added.

    Raises JnnError for a missing or damaged file.
    """
    path = Path(path)
    with reading(path):
        definition = json.loads(read_text(path))
        return from_pretrained(definition, _special(definition, names))


def from_pretrained(
    definition: Mapping[str, Any],
    special: Mapping[str, int],
    *,
    ends: bool = False,
    vocabulary: int = 0,
) -> Tokenizer:
    """The tokenizer of a definition by Hugging Face's ``tokenizers``, with its ``special`` ones.

    With ``ends``, encoded text has the tokens around it that the definition adds, such as BERT's
    ``[CLS]`` and ``[SEP]``. Where a model has a larger ``vocabulary``, the tokens beyond those of
    the definition have no text.
    """
    definition = {**definition, "truncation": None, "padding": None}
    library = tokenizers_library().Tokenizer.from_str(json.dumps(definition))
    library.encode_special_tokens = True
    numbers = library.get_vocab()
    if (most := max(numbers.values(), default=0)) >= MOST:
        raise mistake("tokenizer", got=f"the token {most}", expected=f"tokens below {MOST}")
    tokens = [""] * max(most + 1, vocabulary)
    for token, number in numbers.items():
        tokens[number] = token

    added = {"ends": True} if ends else {}
    added |= {"vocabulary": vocabulary} if vocabulary > most + 1 else {}

    def encode(text: str) -> np.ndarray:
        check_text(text)
        if lone := re.search("[\ud800-\udfff]", text):
            got = f"the lone surrogate U+{ord(lone.group()):04X} at position {lone.start()}"
            raise mistake("encode", got=got, expected="text that has bytes in UTF-8")
        return np.array(library.encode(text, add_special_tokens=ends).ids, np.int32)

    def decode(tokens_of_text: ArrayLike) -> str:
        return library.decode(check_tokens(tokens_of_text, tokens), skip_special_tokens=True)

    return Tokenizer(
        kind="pretrained",
        tokens=tuple(tokens),
        special=special,
        definition={"tokenizer": definition, "special": dict(special), **added},
        encode=encode,
        decode=decode,
    )


def _special(definition: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, int]:
    """The special tokens that ``names`` has and the tokenizer knows."""
    numbers = tokenizers_library().Tokenizer.from_str(json.dumps(definition)).get_vocab()
    special = {}
    for name, keys in _NAMES.items():
        for key in keys:
            token = names.get(key)
            token = token.get("content") if isinstance(token, Mapping) else token
            if token in numbers:
                special.setdefault(name, numbers[token])
    return special
