"""Tokenizers as plain JSON data, and as the file that is saved with a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jnn.data.text_files import read_text
from jnn.data.tokenizers.byte_pairs import from_byte_pairs
from jnn.data.tokenizers.characters import from_characters
from jnn.data.tokenizers.pretrained import from_pretrained
from jnn.data.tokenizers.record import Tokenizer, check_same_tokenizer
from jnn.data.tokenizers.words import from_words
from jnn.errors import JnnError, MissingExtraError, mistake
from jnn.files import write_text

_MAKERS: dict[str, Callable[[Mapping[str, Any]], Tokenizer]] = {
    "characters": lambda data: from_characters(data["characters"], data["special"]),
    "words": lambda data: from_words(
        data["words"], data["special"], data["lower"], data["pattern"]
    ),
    "byte pairs": lambda data: from_byte_pairs(data["tokenizer"], data["special"]),
    "pretrained": lambda data: from_pretrained(
        data["tokenizer"],
        data["special"],
        ends=data.get("ends", False),
        vocabulary=data.get("vocabulary", 0),
    ),
}


def from_json(data: Mapping[str, Any], caller: str = "tokenizer") -> Tokenizer:
    """The tokenizer whose ``to_json`` returned ``data``; raises JnnError for other or altered data.

    >>> from jnn.data.tokenizers import character_tokenizer
    >>> from_json(character_tokenizer("abc").to_json()).tokens
    ('a', 'b', 'c')
    """
    try:
        tokenizer = _MAKERS[data["kind"]](data)
        unaltered = tokenizer.fingerprint == data["fingerprint"]
    except MissingExtraError:
        raise
    except Exception as error:  # whatever is wrong in the data
        got = f"{type(error).__name__}: {error}"
        raise mistake(caller, got=got, expected="what a tokenizer's to_json gives") from error
    if not unaltered:
        raise mistake(
            caller,
            got=f"fingerprint {tokenizer.fingerprint[:12]}",
            expected=str(data["fingerprint"])[:12],
            remedy="It was altered since it was saved: use that of the run.",
        )
    return tokenizer


def write_tokenizer(path: str | Path, tokenizer: Tokenizer) -> None:
    """Write ``tokenizer`` to a JSON file, in ASCII."""
    write_text(Path(path), json.dumps(tokenizer.to_json(), indent=1) + "\n")


def read_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer that `write_tokenizer` wrote.

    Raises JnnError for a missing, damaged or altered file.
    """
    path = Path(path)
    try:
        data = json.loads(read_text(path))
    except JnnError:
        raise
    except (ValueError, RecursionError) as error:
        raise mistake(
            str(path),
            got=f"{type(error).__name__}: {error}",
            expected="the tokenizer that was saved with a run",
        ) from error
    return from_json(data, str(path))


def keep_tokenizer(path: str | Path, tokenizer: Tokenizer) -> None:
    """Save the tokenizer of a new run; check that of a resumed run.

    Raises JnnError where a resumed run has another tokenizer than the saved one.
    """
    path = Path(path)
    if path.exists():
        check_same_tokenizer(tokenizer, read_tokenizer(path), str(path))
    else:
        write_tokenizer(path, tokenizer)
