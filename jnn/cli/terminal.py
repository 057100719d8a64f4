"""Text that stands out, where standard output is a terminal that may show it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator


def bold(text: str) -> str:
    """The text in bold, where standard output is a terminal that may show it."""
    return f"\033[1m{text}\033[0m" if _styled() else text


def dim(text: str) -> str:
    """The text in the background, where standard output is a terminal that may show it."""
    return f"\033[2m{text}\033[0m" if _styled() else text


@contextlib.contextmanager
def at_least(columns: int) -> Iterator[None]:
    """Within the block the terminal counts as no narrower than so many columns.

    For what wraps text by the width of the terminal, and never ends where no letter fits.
    """
    if shutil.get_terminal_size().columns >= columns:
        yield
        return
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(columns)
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def _styled() -> bool:
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
