"""Parsing the arguments after a verb: help with examples, and errors with suggestions."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from typing import NoReturn

from jnn.errors import JnnError
from jnn.wording import did_you_mean


class Parser(argparse.ArgumentParser):
    """An argument parser of one verb. It raises JnnError instead of printing its usage."""

    def __init__(self, verb: str, about: str, *, examples: Iterable[str]):
        super().__init__(
            prog=f"jnn {verb}",
            description=about,
            epilog=examples_text(examples),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """The arguments, where options may stand before, between and after the others.

        Raises JnnError for unknown, missing and invalid ones.
        """
        arguments, unknown = self.parse_known_intermixed_args(argv)
        if unknown:
            suggestion = did_you_mean(unknown[0].split("=")[0], self._option_string_actions)
            suggestion = suggestion or f"See {self.prog} --help."
            raise JnnError(f"Unknown option or argument {unknown[0]!r}. {suggestion}")
        return arguments

    def error(self, message: str) -> NoReturn:
        """Raise the message that argparse would print."""
        raise JnnError(f"{self.prog}: {message}. See {self.prog} --help.")


def examples_text(examples: Iterable[str]) -> str:
    """The last lines of a help text."""
    return "\n".join(["examples:", *(f"  {example}" for example in examples)])


def name_first(verb: str, argv: list[str]) -> tuple[str, list[str]]:
    """The experiment and the other words of a verb; ``"--help"`` where that is asked for.

    >>> name_first("run", ["digits", "--smoke"]), name_first("run", ["-h"])
    (('digits', ['--smoke']), ('--help', []))
    >>> name_first("run", ["--smoke", "digits"])
    Traceback (most recent call last):
    jnn.errors.JnnError: The experiment comes first: jnn run NAME --smoke digits
    """
    name, *rest = argv or ["--help"]
    if name in ("-h", "--help"):
        return "--help", []
    if name.startswith("-"):
        raise JnnError(f"The experiment comes first: jnn {verb} NAME {shlex.join(argv)}")
    return name, rest


def taken_out(argv: list[str], option: str) -> tuple[str | None, list[str]]:
    """The value of ``option`` in ``argv``, and the other words.

    For an option that is needed before the others can be parsed.

    >>> taken_out(["digits", "--device", "cpu", "--smoke"], "--device")
    ('cpu', ['digits', '--smoke'])
    >>> taken_out(["--device=cpu"], "--device")
    ('cpu', [])
    """
    for i, word in enumerate(argv):
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}="), argv[:i] + argv[i + 1 :]
        if word == option:
            if i + 1 == len(argv):
                raise JnnError(f"{option} needs a value.")
            return argv[i + 1], argv[:i] + argv[i + 2 :]
    return None, argv
