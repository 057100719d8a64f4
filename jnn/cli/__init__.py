"""The command line: ``jnn VERB``, with the verbs of `VERBS`.

Each verb is a module of `jnn.cli.verbs`, imported when it is typed: nothing here imports jax, so
that help and lists come at once, and what is imported here is little, so that Ctrl-C finds `main`.
Exit codes: 0 done, 1 a bug, 2 a user's mistake, 3 missing data or extra, 4 diverged, 5 another
process of the run is gone or stuck, 130 and 143 interrupted with the checkpoint saved.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence

from jnn.cli.interrupts import deferred_in_extensions
from jnn.errors import Interrupted, JnnError

VERBS = {
    "list": "the experiments: task, models, data, result to expect, cost",
    "describe": "an experiment: what it does, its options, its layers",
    "run": "train and measure an experiment, or your own FILE.py",
    "new": "write an experiment of your own to start from",
    "resume": "continue a run that stopped",
    "predict": "what a trained model says of files",
    "export": "a trained model for use without jnn",
    "generate": "write, translate or draw with a trained model",
    "compare": "show runs side by side, over their seeds",
    "sweep": "an experiment for many settings at once",
    "explain": "a page in which the trained model of a run runs",
    "replay": "a step of a run, made again, and what was inside",
    "diff": "where two runs part: the first step, and what differs",
    "playground": "small networks that train in a page, with lessons",
    "plan": "what a training step needs on each device of a mesh",
    "glossary": "the terms of the field, and where jnn has them",
    "data": "the sets of data: list, get, path",
    "tokens": "texts as tokens in files, to train on text larger than memory",
    "doctor": "check this machine: versions, devices, memory, data",
}

HELP = """\
usage: jnn VERB [options]

Neural networks as small pure functions that chain, trained and measured.

verbs:
{verbs}

options:
  -h, --help  show this help; after a verb, that verb's
  --version   show the version

examples:
  jnn list
  jnn run image_classification --smoke
  jnn describe image_classification --model mlp
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    A user's mistake is printed without a traceback.
    """
    try:
        _collect_seldom()
        _prepare_streams()
        with deferred_in_extensions():
            code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except JnnError as error:
        return _told(error)
    except SystemExit as help_shown:
        return int(help_shown.code or 0)
    except Interrupted as stop:
        return stop.exit_code
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # standard error may be full
            print("interrupted", file=sys.stderr)
        return 130
    # as in `jnn list | head -1`: flushing the rest must not raise again at exit
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        from jnn.files import of_the_system, unwritable

        if not of_the_system(error):
            raise
        if isinstance(error.filename, str):
            return _told(unwritable(error.filename, error))
        if _is_of_stdout():
            return _told(unwritable("standard output", error, remedy="Send it elsewhere."))
        return _told(unwritable("jnn", error))


@functools.cache
def _collect_seldom() -> None:
    """Let Python look for garbage less often, and once at its end, where it does so several times.

    What JAX imports and traces is many objects that stay. `jnn describe` takes 0.75 of the time, a
    short run 0.86.
    """
    gc.set_threshold(10_000)
    for callback in (gc.freeze, gc.collect):  # the last one is called first
        atexit.register(callback)


def _prepare_streams() -> None:
    """Let standard output and error take every text, whatever they can show, or if closed."""
    # else a file that is opened later may get the number of a closed one, and what is printed
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not have every character
            stream.reconfigure(errors="backslashreplace")


def _told(error: JnnError) -> int:
    """Print an error to standard error; returns its exit code."""
    from jnn.wording import tell

    tell(f"error: {error}")
    return error.exit_code


def _is_of_stdout() -> bool:
    """Whether standard output takes not even an end of line. What is left of it is dropped then."""
    try:
        print(flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _dispatch(argv: list[str]) -> int:
    verb, *rest = argv or ["--help"]
    _check_text(argv)
    if verb in ("-h", "--help", "help"):
        verbs = "\n".join(f"  {name:<12}{about}" for name, about in VERBS.items())
        print(HELP.format(verbs=verbs), end="")
        return 0
    if verb in ("-V", "--version"):
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"jnn {version('jnn')}")
        except PackageNotFoundError:
            print("jnn, run from its source folder")
        return 0
    if verb not in VERBS:
        from jnn.wording import did_you_mean

        suggestion = did_you_mean(verb, VERBS) or f"The verbs are {', '.join(VERBS)}."
        raise JnnError(f"Unknown verb {verb!r}. {suggestion}")
    return importlib.import_module(f"jnn.cli.verbs.{verb}").main([*map(_hyphenated, rest)])


def _check_text(argv: list[str]) -> None:
    """Refuse words with bytes that are no text, which no file of a run can hold."""
    for word in argv:
        try:
            word.encode()
        except UnicodeEncodeError:
            encoding = sys.getfilesystemencoding()
            remedy = "" if encoding == "utf-8" else " Set PYTHONUTF8=1 for UTF-8."
            raise JnnError(f"jnn: got {word!r}, expected text in {encoding}.{remedy}") from None


def _hyphenated(word: str) -> str:
    """An option as help spells it, for ``--keep_memory`` too; other words as they are.

    >>> _hyphenated("--keep_memory"), _hyphenated("--out=my_run"), _hyphenated("my_run.py")
    ('--keep-memory', '--out=my_run', 'my_run.py')
    """
    option, *value = word.partition("=")
    if not option.startswith("--") or "." in option:
        return word
    return "".join([option.replace("_", "-"), *value])
