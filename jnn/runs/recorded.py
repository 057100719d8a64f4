"""The experiment of a run, and its settings, from the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from jnn.errors import mistake
from jnn.runs.config_values import config_from
from jnn.runs.experiments import Listing, find, listings, load
from jnn.runs.folders import settings_at_hand


class Recorded(NamedTuple):
    """What ``config.json`` says of a run."""

    listing: Listing
    module: ModuleType
    """The experiment."""
    settings: dict[str, Any]
    """The settings as JSON values."""
    config: Any
    """The settings as the ``Config`` of the experiment."""


def recorded(
    folder: Path, record: dict[str, Any], changed: Mapping[str, Any] | None = None
) -> Recorded:
    """The experiment and the settings of the run in ``folder``.

    ``record`` is the run's ``config.json``. The experiment is read from the file that the run was
    started with, or found by its name where it is one of jnn's. A pretrained model is the run's own
    copy, if there is one. ``changed`` are settings with other values from here on.

    Raises `JnnError` for an experiment that is gone or that refuses the settings.
    """
    listing = _listing(folder, record.get("source"), record["experiment"])
    module = load(listing)
    settings = settings_at_hand(folder, record) | dict(changed or {})
    config = config_from(module.Config, settings, str(folder / "config.json"), record.get("asked"))
    return Recorded(listing, module, settings, config)


def _listing(folder: Path, source: str | None, name: str) -> Listing:
    """The experiment in the file ``source``, or that of jnn of this name."""
    if source and not Path(source).is_file():
        remedy = "Put it back; or begin a new run of it, with --config and the config.json of this."
        got, expected = f"a run of {source}, which is gone", "the file of its experiment"
        raise mistake(str(folder), got=got, expected=expected, remedy=remedy)
    if not source and name not in {listing.name for listing in listings()}:
        remedy = "Load what a notebook or a script trained by `jnn.load(folder, model)`."
        got, expected = f"a run of {name!r}, no experiment of jnn", "one that `jnn run` began"
        raise mistake(str(folder), got=got, expected=expected, remedy=remedy)
    return find(source or name)
