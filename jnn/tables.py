"""Tables of plain text for a terminal, a file or a report."""

import unicodedata
from collections.abc import Mapping, Sequence

from jnn.wording import metric_name, printable


def table(rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> list[str]:
    """The rows as lines with aligned columns; the columns ``numbers`` are aligned to the right.

    Letters that a terminal draws twice as wide, as of Chinese and Japanese, count as two, and marks
    above and below others as none.

    >>> table([["model", "accuracy"], ["cnn", "0.99"]], numbers=[1])
    ['model  accuracy', 'cnn        0.99']
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]

    def align(i, text):
        space = " " * (widths[i] - _width(text))
        return space + text if i in numbers else text + space

    return ["  ".join(align(i, text) for i, text in enumerate(row)).rstrip() for row in rows]


def metric_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """The metrics of each method, ``{method: {metric: value}}``, with three decimals.

    The columns are the metrics of the first method; a cell is blank where another lacks it.

    >>> print(metric_table({"LSTM": {"test/auc": 0.9, "test/f1": 0.5}, "|z|": {"test/auc": 0.7}}))
            AUC     F1
    LSTM  0.900  0.500
    |z|   0.700
    """
    names = list(next(iter(metrics.values())))
    head = ["", *(metric_name(name.rpartition("/")[2]) for name in names)]
    cell = lambda values, name: f"{values[name]:.3f}" if name in values else ""
    rows = [[method, *(cell(values, name) for name in names)] for method, values in metrics.items()]
    return "\n".join(table([head, *rows], numbers=range(1, len(names) + 1)))


def _width(text: str) -> int:
    """The columns that a terminal draws a text in."""
    letters = unicodedata.normalize("NFC", text)  # so that parts of Korean syllables are one letter
    drawn = [letter for letter in letters if unicodedata.category(letter) not in ("Mn", "Me")]
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in drawn)
