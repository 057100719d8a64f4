"""How metrics, settings, numbers and durations are written for people."""

import contextlib
import difflib
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeGuard

from jnn.errors import mistake

DIRECTIONS = {"highest": False, "lowest": True}
"""Which values of a metric are the better ones, and whether those are the lowest."""

CAPITALS = {
    "rmse": "RMSE",
    "mse": "MSE",
    "mae": "MAE",
    "r2": "R²",
    "auc": "AUC",
    "bleu": "BLEU",
    "eer": "EER",
    "f1": "F1",
    "nll": "NLL",
    "map": "mAP",
    "map50": "mAP50",
    "ap50": "AP50",
    "frechet": "Frechet",
    "qlike": "QLIKE",
    "lstm": "LSTM",
    "tcn": "TCN",
    "tar": "TAR",
}

TINY, LARGE = 1e-3, 1e3
"""Numbers of a column between them are written with four decimals."""
MOST_DECIMALS = 6


_OBEYED = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
"""Control characters but for tab and newline, those that turn the line, and halves of pairs."""


def printable(text: str) -> str:
    """Text whose characters that a terminal obeys, or cannot show, are escaped.

    >>> printable("a red \\x1b[31mname") == r"a red \\x1b[31mname"
    True
    """
    return _OBEYED.sub(lambda match: ascii(match[0])[1:-1], text)


def tell(text: str) -> None:
    """Print a message to standard error, and nothing where that is full, or nobody reads it.

    Whoever works on, as a training does, is not to be ended by what is said of it.
    """
    with contextlib.suppress(OSError, ValueError):  # ValueError is that of a closed file
        print(printable(text), file=sys.stderr, flush=True)


def size_in_words(size: float, *, digits: int = 3) -> str:
    """A size in bytes, in the largest unit that is not larger.

    >>> size_in_words(1_355_323), size_in_words(999_900), size_in_words(800, digits=4)
    ('1.36 MB', '1 MB', '800 B')
    """
    rounded = float(f"{size:.{digits}g}")
    units = {"GB": 1e9, "MB": 1e6, "kB": 1e3}
    unit = next((unit for unit, least in units.items() if rounded >= least), "B")
    return f"{rounded / units.get(unit, 1):.{digits}g} {unit}"


def metric_name(metric: str) -> str:
    """A metric's name in words.

    >>> metric_name("test/rmse_24h"), metric_name("validation/nats_per_character")
    ('test RMSE 24h', 'validation nats per character')
    """
    words = metric.replace("/", " ").replace("_", " ").split()
    return " ".join(CAPITALS.get(word, word) for word in words)


def sentence(text: str) -> str:
    """The text with a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def title_of(task: str, setting: Callable[[str], Any]) -> str:
    """The title of a run: its task, and the data, the target and the model that it names.

    ``setting(name)`` is a value, or None.

    >>> title_of("image_classification", {"data": "fashion_mnist", "model": "cnn"}.get)
    'Image classification: fashion mnist, cnn'
    """
    values = filter(None, map(setting, ("data", "target", "model")))
    subject = ", ".join(str(value).replace("_", " ") for value in values)
    return sentence(task.replace("_", " ")) + (f": {subject}" if subject else "")


def lowest_is_best(direction: str | None) -> bool | None:
    """A direction as a truth value; None for a metric without one, whose values are not ranked.

    Raises `JnnError` for another word.

    >>> lowest_is_best("lowest"), lowest_is_best("highest"), lowest_is_best("")
    (True, False, None)
    """
    if not direction:
        return None
    if direction not in DIRECTIONS:
        raise mistake("direction", got=repr(direction), expected="'highest' or 'lowest'")
    return DIRECTIONS[direction]


def better(lowest: bool | None) -> str:
    """Which values are better, for a caption; nothing where that is not known.

    >>> better(True), better(False), better(None)
    ('lower is better', 'higher is better', '')
    """
    if lowest is None:
        return ""
    return f"{'lower' if lowest else 'higher'} is better"


def is_finite(value: Any) -> TypeGuard[float]:
    """Whether a value, from a JSON file or of NumPy, is a finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def ranked(values: Mapping[str, Any], lowest: bool | None) -> list[str]:
    """The names from the best value to the worst, those without a finite number last.

    They keep their order where ``lowest`` is None.

    >>> ranked({"mean": 0.9, "broken": None, "linear": 0.1}, lowest=True)
    ['linear', 'mean', 'broken']
    """
    if lowest is None:
        return list(values)

    def rank(name: str) -> float:
        value = values[name]
        if not is_finite(value):
            return math.inf
        return value if lowest else -value

    return sorted(values, key=rank)


def number(value: Any) -> str:
    """A value in a sentence or beside a bar: four significant digits, no trailing zeros.

    Other text is kept; null and NaN, which are no numbers, are written in words.

    >>> number(0.991234), number(1234567), number(float("nan")), number(None)
    ('0.9912', '1,234,567', 'not a number', 'not a number')
    """
    if not is_finite(value):
        is_text = isinstance(value, str) and value.lower() not in ("nan", "")
        return value if is_text else "not a number"
    if float(value) == int(value) and abs(value) >= 1:
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def significant(value: float) -> str:
    """A value on a line that is rewritten: four significant digits, with trailing zeros.

    >>> significant(0.98765), significant(1234.5), significant(3.1e-7), significant(float("nan"))
    ('0.9877', '1234', '3.100e-07', 'nan')
    """
    size = abs(value)
    if not math.isfinite(value) or size == 0:
        return f"{value:.4g}"
    if not 1e-4 <= size < 1e6:
        return f"{value:.3e}"
    return f"{value:.{max(0, min(4, 3 - math.floor(math.log10(size))))}f}"


def aligned(value: Any) -> str:
    """A value in a column: four decimals, unless it is too small or too large for them.

    >>> aligned(0.5), aligned(1234.5), aligned(None), aligned("none")
    ('0.5000', '1234', '', 'none')
    """
    if not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:.4f}" if value == 0 or TINY <= abs(value) < LARGE else significant(value)


def spreads(pairs: Sequence[tuple[float, float | None] | None]) -> list[str]:
    """A column of ``(mean, standard deviation)``, with the decimals of the smallest deviation.

    It is written with two digits. Without any deviation there are four decimals, or none for large
    means; a column whose means are all tiny is written with exponents. None is blank.

    >>> spreads([(0.98765, 0.0123), (0.5, None), None])
    ['0.988 ± 0.012', '0.500', '']
    """
    finite = [pair for pair in pairs if pair is not None and math.isfinite(pair[0])]
    sizes = [abs(mean) for mean, _ in finite if mean]
    deviations = [deviation for _, deviation in finite if deviation]
    if deviations:
        decimals = 1 - math.floor(math.log10(min(deviations)))
    else:
        decimals = 4 if max(sizes, default=0.0) < LARGE else 0
    decimals = min(max(decimals, 0), MOST_DECIMALS)
    tiny = bool(sizes) and max(sizes) < TINY
    text = significant if tiny else lambda value: f"{value:,.{decimals}f}"
    width = max((len(text(mean)) for mean, _ in finite), default=0)

    def cell(pair: tuple[float, float | None] | None) -> str:
        if pair is None:
            return ""
        mean, deviation = pair
        if not math.isfinite(mean):
            return "not a number"
        return text(mean).rjust(width) + ("" if deviation is None else f" ± {text(deviation)}")

    return [cell(pair) for pair in pairs]


def setting(value: Any) -> str:
    """A setting as a user types it, lists as JSON.

    >>> [setting(value) for value in ("cnn", 0.001, True, [32, 64], None)]
    ['cnn', '0.001', 'true', '[32, 64]', 'null']
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


_QUOTED = re.compile(r"""(["'])~?/(?:[^"'\n]*/)?([^"'/\n]+)/*\1""")
_ABSOLUTE = re.compile(r"""(?<![^\s'"=:,;([{>@])~?(?:/[^\s/'"=:,;]+)*/([^\s/'"=:,;]+)/*""")


def without_folders(text: str) -> str:
    """A text with the last names of its absolute paths, as a page for others has it.

    Folders say whose machine it was.

    >>> without_folders("--start=/home/ada/runs/first --paths blocks/.* https://jax.dev/x")
    '--start=first --paths blocks/.* https://jax.dev/x'
    >>> without_folders("--frozen (body|[a-d]+)/kernel --images */*.png")  # none is absolute
    '--frozen (body|[a-d]+)/kernel --images */*.png'
    >>> without_folders("/home/ada/my own/data.npz")  # a text that is a path as a whole
    'data.npz'
    """
    if text.startswith(("/", "~/")) and not re.search(r"\s-|[\n'\"]", text):
        return text.rstrip("/").rpartition("/")[2]
    return _ABSOLUTE.sub(r"\1", _QUOTED.sub(r"\1\2\1", text))


def duration(seconds: float) -> str:
    """Seconds in the units that people use.

    >>> duration(8.42), duration(42), duration(75), duration(7300)
    ('8.4 s', '42 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A question with the choices nearest to ``word``; "" where none is near.

    Those with its letters as initials are nearest, as ``--learning-rate`` is to ``--lr``. Hyphens
    in front make no two options alike, nor do capitals two words different.

    >>> did_you_mean("rum", ["run", "list"])
    'Did you mean run?'
    >>> did_you_mean("--lr", ["--help", "--learning-rate", "--name"])
    'Did you mean --learning-rate?'
    >>> did_you_mean("--augment", ["--name", "--quiet"])
    ''
    """
    bare = lambda option: option.lstrip("-").casefold()
    by_name = {bare(choice): choice for choice in choices}
    initials = lambda name: "".join(part[:1] for part in re.split("[-_]+", name))
    near = [name for name in by_name if initials(name) == bare(word)]
    near = near or difflib.get_close_matches(bare(word), by_name, n=3)
    return f"Did you mean {' or '.join(map(by_name.__getitem__, near))}?" if near else ""


def suggestion(word: str, choices: Iterable[str]) -> str:
    """A question with the value nearest to ``word``, quoted; "" where none is near.

    Case is ignored.

    >>> suggestion("adamv", ["sgd", "adamw"]), suggestion("same", ["SAME", "VALID"])
    ("Did you mean 'adamw'?", "Did you mean 'SAME'?")
    """
    by_name = {choice.casefold(): choice for choice in choices}
    near = difflib.get_close_matches(word.casefold(), by_name, n=1)
    return f"Did you mean {by_name[near[0]]!r}?" if near else ""
