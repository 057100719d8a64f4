"""The term of the glossary that explains a captured value, by the names in its path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from jnn.glossary import terms

NAMES = {
    "weights": "attention",
    "attend": "attention",
    "query": "query, key, and value",
    "key": "query, key, and value",
    "value": "query, key, and value",
    "conv": "convolution",
    "norm": "normalization",
    "activation": "activation function",
    "pool": "pooling",
    "flatten": "feature",
    "features": "feature",
    "cell": "LSTM",
    "candidate": "gate",
    "gate": "gate",
    "dense": "layer",
    "residual": "residual connection",
    "shortcut": "residual connection",
    "feed forward": "feed-forward layer",
    "out": "logit",
    "logits": "logit",
    "code": "latent variable",
}
"""What a part of a path means, where it is not a term itself."""


def term_of(path: str) -> str:
    """The term of the last part of a path that has one, "" for none.

    >>> term_of("stage0/conv1/output"), term_of("layer0/forget_gate"), term_of("a/b")
    ('convolution', 'gate', '')
    """
    glossary = terms()
    for part in reversed(path.split("/")):
        words = re.sub(r"[\d#]+", " ", part.replace("_", " ")).strip()
        for name in (words, *words.split()[-1:]):
            term = NAMES.get(name, name)
            if term in glossary and name != "output":
                return term
    return ""


def explained(paths: Iterable[str]) -> dict[str, dict[str, Any]]:
    """``terms`` by path, and the ``definitions`` and formulas of these terms."""
    by_path = {path: term for path in paths if (term := term_of(path))}
    glossary = terms()
    definitions = {
        term: {"definition": glossary[term].definition, "formula": glossary[term].formula}
        for term in sorted(set(by_path.values()))
    }
    return {"terms": by_path, "definitions": definitions}
