"""Plain tables for a terminal, a file or a report."""

from collections.abc import Mapping, Sequence

from jnn.wording import metric_name


def table(rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> list[str]:
    """The rows as lines with aligned columns; the columns ``numbers`` are aligned to the right.

    >>> table([["model", "accuracy"], ["cnn", "0.99"]], numbers=[1])
    ['model  accuracy', 'cnn        0.99']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    align = lambda i, text: text.rjust(widths[i]) if i in numbers else text.ljust(widths[i])
    return ["  ".join(align(i, text) for i, text in enumerate(row)).rstrip() for row in rows]


def metric_table(measured: Mapping[str, Mapping[str, float]]) -> str:
    """The metrics of each method, ``{method: {metric: value}}``: those that the first has; blank
    where another has none.

    >>> print(metric_table({"LSTM": {"test/auc": 0.9, "test/f1": 0.5}, "|z|": {"test/auc": 0.7}}))
            AUC     F1
    LSTM  0.900  0.500
    |z|   0.700
    """
    metrics = list(next(iter(measured.values())))
    heads = [metric_name(metric.rpartition("/")[2]) for metric in metrics]
    cells = lambda values: [
        f"{values[metric]:.3f}" if metric in values else "" for metric in metrics
    ]
    rows = [["", *heads], *([method, *cells(values)] for method, values in measured.items())]
    return "\n".join(table(rows, numbers=range(1, len(metrics) + 1)))
