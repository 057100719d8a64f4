"""The tokenizer of a place: a file, a run, tokens in files, or a pretrained model."""

from __future__ import annotations

from pathlib import Path

from jnn.data.text_files import existing_file
from jnn.data.tokenizers.pretrained import read_pretrained_tokenizer
from jnn.data.tokenizers.record import Tokenizer
from jnn.data.tokenizers.saved import from_json
from jnn.files import read_json

NAME, CONFIG = "tokenizer.json", "tokenizer_config.json"


def find_tokenizer(place: str | Path) -> Tokenizer:
    """The tokenizer that a file has, or the ``tokenizer.json`` in a folder.

    It is one that jnn has saved, with a run or with tokens in files, or one of Hugging Face's
    ``tokenizers``, with the ``tokenizer_config.json`` beside it that says which tokens are special.

    Raises JnnError for a file that is missing, damaged or neither of them.
    """
    path = Path(place)
    path = existing_file(path / NAME if path.is_dir() else path)
    definition = read_json(path)
    if "fingerprint" in definition:
        return from_json(definition, str(path))
    config = path.with_name(CONFIG)
    return read_pretrained_tokenizer(path, read_json(config) if config.is_file() else {})
