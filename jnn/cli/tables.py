"""Plain tables for a terminal, a file or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> list[str]:
    """The rows as lines with aligned columns; the columns ``numbers`` are aligned to the right.

    >>> table([["model", "accuracy"], ["cnn", "0.99"]], numbers=[1])
    ['model  accuracy', 'cnn        0.99']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    align = lambda i, text: text.rjust(widths[i]) if i in numbers else text.ljust(widths[i])
    return ["  ".join(align(i, text) for i, text in enumerate(row)).rstrip() for row in rows]


def bold(text: str) -> str:
    """The text in bold, where standard output is a terminal that may show it."""
    return f"\033[1m{text}\033[0m" if _styled() else text


def dim(text: str) -> str:
    """The text in the background, where standard output is a terminal that may show it."""
    return f"\033[2m{text}\033[0m" if _styled() else text


def _styled() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
