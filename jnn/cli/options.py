"""The options of ``jnn run`` and ``jnn describe``.

Those of the experiment's ``Config`` and those of the command are parsed together, by tyro.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import io
import re
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from jnn.cli.arguments import examples_text
from jnn.cli.terminal import at_least
from jnn.errors import JnnError, mistake
from jnn.literals import types_of
from jnn.runs.config_values import fields_of, is_enum
from jnn.runs.run import RunOptions
from jnn.wording import did_you_mean

# an interactive session keeps its last value in builtins, all of which tyro hashes: not a list
_last_value = builtins.__dict__.pop("_", None)
try:
    import tyro
finally:
    if _last_value is not None:
        builtins.__dict__["_"] = _last_value


NARROWEST = 40
"""Columns for which help is laid out; in fewer than six tyro would wrap it for ever."""


@dataclass(frozen=True, kw_only=True)
class RunArguments(RunOptions):
    """Options of the run itself."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """The run's folder, used exactly as given. Otherwise runs/EXPERIMENT/DATE-TIME-sSEED."""
    name: str = ""
    """Ending of the run folder's name."""
    overwrite: bool = False
    """Replace the run that --out holds, once the new one takes a step."""
    device: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """Where to compute; an error where that is absent."""
    keep_memory: bool = False
    """Keep freed memory for the next step: faster on a CPU (Linux with glibc), but uses more."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """The config.json of a run, whose settings become the defaults here."""
    start: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """The folder of another run, whose params it begins with, or of a pretrained model."""
    paths: str = ".*"
    """Which of the params of --start: a regular expression for whole paths, such as 'blocks/.*'."""
    processes: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Processes that train together, each on its own devices: started here, unless SLURM, Open MPI
    or Kubernetes have started them, or --coordinator is given.
    """
    devices_per_process: Annotated[
        int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")
    ] = None
    """Devices that each process makes of its CPU; by default those of --mesh by --processes."""
    coordinator: Annotated[str, tyro.conf.arg(metavar="HOST:PORT", help_behavior_hint="")] = ""
    """Where process 0 listens, for processes that are started by hand."""
    process_id: Annotated[int | None, tyro.conf.arg(metavar="I", help_behavior_hint="")] = None
    """Which process this is, from 0, for processes that are started by hand."""
    connect_within: float = 300.0
    """Seconds in which all processes must have joined."""
    stuck_after: Annotated[float, tyro.conf.arg(metavar="SECONDS", help_behavior_hint="")] = 0.0
    """Seconds without a step after which a run ends as stuck; 600 with --processes."""
    dry_run: bool = False
    """Show layers, shapes and parameters; do not train."""
    print_config: bool = False
    """Print the settings as JSON, for --config; do not train."""


@dataclass(frozen=True, kw_only=True)
class DescribeArguments:
    """Options of the description itself."""

    json: bool = False
    """An object for machines."""
    diagram: str = ""
    """Draw the model, as an SVG in this file."""


def parse(
    verb: str, name: str, defaults: Any, arguments: type, argv: list[str], examples: Sequence[str]
) -> tuple[Any, Any]:
    """The experiment's config and the command's own ``arguments``, parsed from ``argv``.

    ``defaults`` is a config, or the class of one. Of both, what was not asked for follows the other
    settings, and what is asked for must have an effect. A boolean setting x has ``--x``, which its
    help describes, and ``--no-x``. With --help, prints help and exits. Raises JnnError for an
    unknown option and an invalid value.
    """
    of_command = {field.name for field in dataclasses.fields(arguments)}
    of_experiment = {field.name for field in dataclasses.fields(defaults)}
    if taken := sorted(of_command & of_experiment):
        raise mistake(
            f"Config of {name}",
            got=f"fields {', '.join(taken)}",
            expected=f"names that `jnn {verb}` does not use itself",
        )
    kind = defaults if isinstance(defaults, type) else type(defaults)
    _check_names(argv, of_command | _option_names(kind), f"jnn {verb} {name}")
    opened = with_suited(kind)
    without_prefix = tyro.conf.arg(name="")
    fields = [
        ("experiment", Annotated[opened, without_prefix]),
        (
            "command",
            Annotated[tyro.conf.FlagCreatePairsOff[arguments], without_prefix],
            dataclasses.field(default_factory=arguments),
        ),
    ]
    both = dataclasses.make_dataclass("Options", fields, frozen=True, kw_only=True)
    given = {} if defaults is kind else {"default": both(experiment=_as(opened, defaults))}
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), at_least(NARROWEST):
            options = tyro.cli(
                both,
                prog=f"jnn {verb} {name}",
                description=f"Options of {name}.",
                args=argv,
                **given,
            )
    except SystemExit as stop:
        if not stop.code:
            print(examples_text(examples))
            raise
        raise JnnError(f"{_unboxed(printed.getvalue())} See jnn {verb} {name} --help.") from None
    config = kind(**_settings(options.experiment))
    for setting, error in getattr(config, "unused", {}).items():
        if setting in config.asked:
            raise error
    return config, options.command


def _settings(config: Any) -> dict[str, Any]:
    """What makes a config again: without what nobody asked for, where it knows."""
    if hasattr(config, "settings"):
        return config.settings()
    return {field.name: getattr(config, field.name) for field in fields_of(config)}


def _as(opened: type, config: Any) -> Any:
    """A config as defaults of the command line: what was not asked for is left open."""
    from jnn.train.config import Suited

    default = object.__new__(opened)
    for field in fields_of(opened):
        object.__setattr__(default, field.name, field.default)
    for name, value in _settings(config).items():
        is_suited = isinstance(value, Suited)
        object.__setattr__(default, name, value.value if is_suited else value)
    return default


def with_suited(kind: type) -> type:
    """A config class whose `SUITED` settings may be omitted, as their help says."""
    hints = types_of(kind, extras=True)
    hint = "(default: what suits the data)"
    open_to_suit = {
        field.name: Annotated[
            hints[field.name] | None,
            tyro.conf.arg(metavar=_metavar(hints[field.name]), help_behavior_hint=hint),
        ]
        for field in fields_of(kind)
        if field.default is None and type(None) not in typing.get_args(hints[field.name])
    }
    body = {"__annotations__": open_to_suit, "__module__": kind.__module__}
    body |= dict.fromkeys(open_to_suit)
    opened = type(kind.__name__, (kind,), body)
    return dataclasses.dataclass(frozen=True, kw_only=True)(opened)


def _metavar(hint: Any) -> str:
    """A type as tyro shows it in help.

    >>> _metavar(float), _metavar(tuple[int, ...]), _metavar(Literal["mlp", "cnn"])
    ('FLOAT', '[INT [INT ...]]', '{mlp,cnn}')
    """
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return f"{{{','.join(map(str, parts))}}}"
    if is_enum(hint):
        return f"{{{','.join(hint.__members__)}}}"
    if typing.get_origin(hint) in (tuple, list, set, frozenset):
        return f"[{_metavar(parts[0])} [{_metavar(parts[0])} ...]]"
    return getattr(hint, "__name__", str(hint)).upper()


def _option_names(kind: type, prefix: str = "") -> set[str]:
    """The names of the options that set the fields of a config, as tyro has them.

    A boolean has two. Those of a nested config follow its name: ``inner.depth``.
    """
    names = set()
    hints = types_of(kind)
    for field in fields_of(kind):
        hint, name = hints[field.name], field.name
        parts = [part for part in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(part)]
        for part in parts:
            names |= _option_names(typing.cast(type, part), f"{prefix}{name}.")
        if hint not in parts:
            names |= {f"{prefix}{name}"} | ({f"{prefix}no-{name}"} if hint is bool else set())
    return names


def _check_names(argv: list[str], names: set[str], command: str) -> None:
    """Refuse an unknown option, and suggest the nearest one."""
    options = {f"--{name.replace('_', '-')}" for name in {*names, "help"}}
    for word in argv:
        option = word.split("=")[0].replace("_", "-")
        if option.startswith("--") and option not in options:
            suggestion = did_you_mean(option, options) or f"See {command} --help."
            raise JnnError(f"Unknown option {option}. {suggestion}")


_PARSED = (
    (r".*invalid literal for int\(\) with base 10: (['\"].*['\"])", "an integer"),
    (r".*could not convert string to float: (['\"].*['\"])", "a number"),
    (r".*Could not find valid parse for arguments: \[(.*?)\]", "other values"),
)
"""What is said of a text that is no such value, and what was expected."""


def _unboxed(message: str) -> str:
    """The message in tyro's coloured box as one plain sentence, without its advice."""
    lines = re.sub(r"\033\[[0-9;]*m|[─-]{5,}|\{None\}\|", "", message).splitlines()[1:]
    words = " ".join(" ".join(line.strip("│╰╯|+ ") for line in lines).split())
    words = re.sub(r" - <class 'NoneType'>:.*?\('None',\)|'None', |, 'None'", "", words)
    sentence = (
        words.split(" Argument helptext:")[0]
        .split(" For full helptext")[0]
        .split(" Perhaps you meant:")[0]
        .replace("Expected 1 values", "Expected one")
        .removeprefix("Error parsing experiment: ")
        .strip()
    )
    for pattern, expected in _PARSED:
        if match := re.match(rf"Error parsing (\S+): {pattern}", sentence):
            return f"{match[1]}: got {match[2]}, expected {expected}."
    return f"{sentence.rstrip('.')}."
