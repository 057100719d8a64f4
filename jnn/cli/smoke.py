"""What is said of the numbers of smoke runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jnn.wording import tell

SMOKE = "A smoke run: it proves that everything works, its numbers mean nothing"


def warn_of_smoke(config: Any) -> None:
    """Say on standard error where a config, or its record, is that of a smoke run, whose model is
    of no use. A pretrained model has none.
    """
    is_smoke = config.get("smoke") if isinstance(config, Mapping) else getattr(config, "smoke", 0)
    if is_smoke:
        tell(f"{SMOKE}.")
