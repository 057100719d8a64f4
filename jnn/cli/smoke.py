"""What is said of the numbers of smoke runs."""

from __future__ import annotations

import sys
from pathlib import Path

from jnn.runs.folders import is_pretrained, read_record

SMOKE = "A smoke run: it proves that everything works, its numbers mean nothing"


def warn_of_smoke(run: str) -> None:
    """Say on standard error where a folder is that of a smoke run, whose model is of no use."""
    if not is_pretrained(run) and read_record(Path(run).resolve())["config"].get("smoke"):
        print(f"{SMOKE}.", file=sys.stderr)
