"""The errors that jnn raises, and the form of a message about a user's mistake."""

import inspect
import signal
from typing import Any


class JnnError(ValueError):
    """A user's mistake: bad shapes, types, values, options, files.

    The message says where it happened, what was got, what is expected, and a remedy. The command
    line prints it without a traceback and exits with ``exit_code``.
    """

    exit_code = 2


class MissingDataError(JnnError):
    """Data that is not on this machine, and was not fetched or could not be."""

    exit_code = 3


class MissingExtraError(JnnError):
    """An optional package that is not installed; the message has the pip command to install it."""

    exit_code = 3


class Diverged(JnnError):  # noqa: N818
    """The loss or a gradient became NaN or infinite; the last good parameters are kept."""

    exit_code = 4


class Lost(JnnError):  # noqa: N818
    """Another process of the run is gone or stuck; its last checkpoint is kept."""

    exit_code = 5


class Interrupted(BaseException):
    """Training was stopped by a signal, and its checkpoint is saved.

    Like KeyboardInterrupt, it is not caught by ``except Exception``. ``of_all`` says that all
    processes of the run have stopped at the same step.

    >>> Interrupted(15).exit_code, str(Interrupted(15))
    (143, 'stopped by SIGTERM')
    """

    def __init__(self, signum: int, *, of_all: bool = False):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum, self.of_all = signum, of_all
        self.exit_code = 128 + signum


def installing(extra: str) -> str:
    """How to install the packages of an extra; another project has the name jnn on PyPI.

    >>> print(installing("text"))
    pip install -e ".[text]" in the clone of jnn
    """
    return f'pip install -e ".[{extra}]" in the clone of jnn'


def missing_extra(need: str, extra: str) -> MissingExtraError:
    """The error to raise where the packages of an extra are not installed.

    >>> print(missing_extra("BLEU needs sacrebleu", "text"))
    BLEU needs sacrebleu: pip install -e ".[text]" in the clone of jnn.
    """
    return MissingExtraError(f"{need}: {installing(extra)}.")


def check_type(caller: str, name: str, value: Any, kind: type, example: str) -> None:
    """Refuse a ``value`` that is of another type; ``example`` is one in code.

    >>> check_type("fit", "feed", {}, tuple, "in_memory(arrays, batch_size)")
    Traceback (most recent call last):
    jnn.errors.JnnError: fit: got feed of type dict, expected a tuple, such as in_memory(\
arrays, batch_size).
    """
    if not isinstance(value, kind):
        got = f"{name} of type {type(value).__name__}"
        raise mistake(caller, got=got, expected=f"a {kind.__name__}, such as {example}")


def check_function(caller: str, name: str, value: Any, form: str, remedy: str = "") -> None:
    """Refuse a ``value`` that cannot be called with the arguments of ``form``.

    >>> check_function("fit", "evaluate", {}, "(params, state) -> metrics")
    Traceback (most recent call last):
    jnn.errors.JnnError: fit: got evaluate={}, expected a function (params, state) -> metrics.
    >>> check_function("fit", "evaluate", lambda params: {}, "(params, state) -> metrics")
    Traceback (most recent call last):
    jnn.errors.JnnError: fit: got evaluate(params), expected a function (params, state) -> metrics.
    """
    got = f"{name}={value!r}"[:100]
    if callable(value):
        arguments = form[1 : form.index(")")].split(", ")
        try:
            signature = inspect.signature(value)
        except (TypeError, ValueError):  # not every callable tells
            return
        try:
            signature.bind(*filter(None, arguments))
        except TypeError:
            got = f"{name}{signature}"
        else:
            return
    raise mistake(caller, got=got, expected=f"a function {form}", remedy=remedy)


def mistake(caller: str, *, got: str, expected: str, remedy: str = "") -> JnnError:
    """The error to raise for a value that a user got wrong.

    >>> print(mistake("dense", got="features=0", expected="an integer >= 1", remedy="Try 10."))
    dense: got features=0, expected an integer >= 1. Try 10.
    """
    return JnnError(f"{caller}: got {got}, expected {expected}.{' ' + remedy if remedy else ''}")
