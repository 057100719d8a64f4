"""Tokens as readable text, and as the ticks of an axis."""

import unicodedata
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from jnn.data.tokenizers import Tokenizer
from jnn.explain import style

VISIBLE = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥", "\r": "↤"})


def names(tokenizer: Tokenizer, tokens: ArrayLike) -> list[str]:
    """The texts of ``tokens`` ``(T,)``.

    >>> from jnn.data.tokenizers import character_tokenizer
    >>> names(character_tokenizer("ab"), [1, 0])
    ['b', 'a']
    """
    return [tokenizer.tokens[i] for i in np.asarray(tokens).tolist()]


def readable(token: str, most: int = 14) -> str:
    """A token with visible blanks, and escapes for what no font has; of a long one the beginning.

    >>> readable(" the\\n"), readable(""), readable("\\x0f")
    ('␣the↵', '∅', '\\\\x0f')
    """
    token = token.translate(VISIBLE) or "∅"
    token = "".join(map(_drawn, token))
    return token if len(token) <= most else token[: most - 1] + "…"


def _drawn(character: str) -> str:
    is_control = unicodedata.category(character) == "Cc"
    return character.encode("unicode_escape").decode() if is_control else character


def ticks(
    ax: Axes, axis: Literal["x", "y"], tokens: Sequence[str], *, size: float = 8, top: bool = False
) -> None:
    """Label the cells 0, 1, ... of an axis by tokens; those of the axis x are turned where long."""
    labels = [readable(token) for token in tokens]
    if axis == "x":
        turned = max(map(len, labels), default=0) > 2
        ax.set_xticks(range(len(labels)), labels, rotation=90 if turned else 0)
        ax.tick_params(
            axis="x", top=False, bottom=False, labeltop=top, labelbottom=not top, labelsize=size
        )
    else:
        ax.set_yticks(range(len(labels)), labels)
        ax.tick_params(axis="y", left=False, labelsize=size)
    for label in ax.get_xticklabels() if axis == "x" else ax.get_yticklabels():
        label.set(fontfamily="DejaVu Sans Mono", color=style.INK)
