"""Texts as the inputs of an exported program, without jnn: ``texts.py`` and ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from jnn.data.sequences import pad
from jnn.export.checks import check_same
from jnn.export.stablehlo import Sizes
from jnn.files import write_json, write_text
from jnn.train.preparation import Preparation

TEXTS = '''\
"""Texts as inputs of predict.py: ``predict(**encode(["a text", "another"]))``. See README.md."""

import json
import pathlib
{imports}

spec = json.loads((pathlib.Path(__file__).parent / "tokenizer.json").read_text("utf-8"))
special = spec["special"]
{tokens}

def encode(texts):
    """The tokens of texts, in rows of one length, and a mask that is true where one is real."""
    texts = [texts] if isinstance(texts, str) else texts
    rows = [tokens_of(text)[:{most}] for text in texts]
    if not all(rows):
        raise ValueError(f"got {{texts[rows.index([])]!r}}, expected texts with a token or more")
    length = {length}
    padding = special.get("padding", 0)
    tokens = np.array([row + [padding] * (length - len(row)) for row in rows], np.int32)
    return {{"tokens": tokens, "mask": np.arange(length) < np.array([[len(row)] for row in rows])}}


if __name__ == "__main__":
    np.savez(sys.argv[2], **encode(np.load(sys.argv[1])["texts"].tolist()))
'''
_WORDS = '''
index = {word: len(special) + i for i, word in enumerate(spec["words"])}


def tokens_of(text):
    """The number of each word."""
    text = text.lower() if spec["lower"] else text
    words = [match[0] for match in re.finditer(spec["pattern"], text)]
    return [index[w] if w in index else special["unknown"] for w in words]
'''
_CHARACTERS = '''
index = {character: len(special) + i for i, character in enumerate(spec["characters"])}


def tokens_of(text):
    """The number of each character."""
    return [index[c] if c in index else special["unknown"] for c in text]
'''
_LIBRARY = '''
tokenizer = tokenizers.Tokenizer.from_str(json.dumps(spec["tokenizer"]))
tokenizer.no_padding()
tokenizer.no_truncation()
tokenizer.encode_special_tokens = True


def tokens_of(text):
    """The number of each piece of the text."""
    return tokenizer.encode(text, add_special_tokens=spec.get("ends", False)).ids
'''
_KINDS = {
    "words": ("import re\nimport sys\n\nimport numpy as np", _WORDS),
    "characters": ("import sys\n\nimport numpy as np", _CHARACTERS),
}
_OTHERS = ("import sys\n\nimport numpy as np\nimport tokenizers", _LIBRARY)
"""Of byte pairs, and of pretrained models."""


def write_texts(
    folder: Path,
    preparation: Preparation,
    sizes: Sizes,
    run: Callable[[Path, Mapping[str, np.ndarray]], dict[str, np.ndarray]],
) -> dict[str, str]:
    """Write both files, after ``run`` got from ``texts.py`` the tokens that jnn makes of texts.

    Returns what each file is, by its name. Raises `JnnError` where the tokens differ.
    """
    tokenizer = preparation.tokenizer
    assert tokenizer is not None, "a preparation of texts has a tokenizer"
    fixed = preparation.longest or preparation.example.shape[0]
    is_free = sizes.least is not None
    most = preparation.longest if is_free else fixed
    length = f"max({sizes.least}, *map(len, rows))" if is_free else str(fixed)
    imports, tokens = _KINDS.get(tokenizer.kind, _OTHERS)
    source = TEXTS.format(imports=imports, tokens=tokens, most=most or "", length=length)
    write_json(folder / "tokenizer.json", tokenizer.to_json())
    write_text(folder / "texts.py", source)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, tokenizer.vocabulary, (3, fixed))
    texts = [tokenizer.decode(row[i:]) or tokenizer.tokens[-1] for i, row in enumerate(drawn)]
    outputs = run(folder / "texts.py", {"texts": np.array(texts)})
    padding = tokenizer.padding if "padding" in tokenizer.special else 0
    encoded = [tokenizer.encode(text)[:most] for text in texts]
    expected = pad(encoded, outputs["tokens"].shape[-1], value=padding)
    check_same("texts.py", outputs, expected._asdict())
    return {"texts.py": "texts as inputs", "tokenizer.json": "which text is which token"}
