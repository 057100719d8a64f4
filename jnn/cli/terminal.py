"""Text that stands out, where standard output is a terminal that may show it."""

from __future__ import annotations

import os
import sys


def bold(text: str) -> str:
    """The text in bold, where standard output is a terminal that may show it."""
    return f"\033[1m{text}\033[0m" if _styled() else text


def dim(text: str) -> str:
    """The text in the background, where standard output is a terminal that may show it."""
    return f"\033[2m{text}\033[0m" if _styled() else text


def _styled() -> bool:
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
