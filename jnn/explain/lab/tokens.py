"""Tokenizers as data of the page."""

from typing import Any

from jnn.data.tokenizers import Tokenizer


def tokenizer_data(tokenizer: Tokenizer) -> dict[str, Any]:
    """What ``tokenizers.js`` needs to encode as the tokenizer does, and to show its tokens.

    ``encodes`` is False where it cannot: for byte pairs that are not split as GPT-2 splits them,
    and for tokenizers of other kinds.
    """
    definition = tokenizer.definition
    data: dict[str, Any] = {
        "kind": tokenizer.kind,
        "tokens": list(tokenizer.tokens),
        "special": dict(tokenizer.special),
        "encodes": tokenizer.kind in ("characters", "words"),
    }
    if tokenizer.kind == "words":
        return data | {"lower": definition["lower"], "pattern": definition["pattern"]}
    if tokenizer.kind == "byte pairs":
        model, split = definition["tokenizer"]["model"], definition["tokenizer"]["pre_tokenizer"]
        as_gpt2 = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
        encodes = split is not None and as_gpt2.items() <= split.items()
        pieces = [""] * (max(model["vocab"].values()) + 1)
        for piece, token in model["vocab"].items():
            pieces[token] = piece
        merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
        return data | {"encodes": encodes, "pieces": pieces, "merges": merges}
    return data
