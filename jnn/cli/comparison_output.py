"""A comparison on the terminal and in files, as ``jnn compare`` and ``jnn sweep`` end with."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jnn.cli.result_table import chosen_columns
from jnn.cli.terminal import bold, dim
from jnn.errors import mistake
from jnn.files import replacing, write_text
from jnn.runs.comparison import Comparison, Result, differing
from jnn.runs.comparison_text import caption, cells, csv_text, markdown
from jnn.tables import table
from jnn.wording import printable

PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The files to write a comparison to; those that are None are not written."""

    csv: Path | None = None
    markdown: Path | None = None
    picture: Path | None = None

    def __post_init__(self):
        """Refuse an unknown format of picture, and a path that must not be replaced.

        These errors come before anything is computed.
        """
        for path in filter(None, (self.csv, self.markdown, self.picture)):
            if path.is_symlink() or (path.exists() and not path.is_file()):
                got, expected = "not a regular file", "a new file, or one to replace"
                raise mistake(str(path), got=got, expected=expected)
        if self.picture is not None and self.picture.suffix not in PICTURES:
            expected = f"a name that ends in {', '.join(PICTURES)}"
            raise mistake("--picture", got=str(self.picture), expected=expected)


def comparison_lines(comparison: Comparison, results: Sequence[Result]) -> list[str]:
    """The table with its best row marked, a caption, and the runs that are not in it."""
    columns = chosen_columns(dict.fromkeys(comparison.metrics), comparison.metric)
    rows = cells(comparison, columns)
    numbers = [i for i, name in enumerate(rows[0]) if name in ("kept step", "time", "runs")]
    head, best, *others = table(rows, numbers=numbers)
    notes = [caption(comparison)]
    if comparison.repeated:
        notes.append(
            f"Of runs with the same config and seed the last counts; {comparison.repeated} omitted."
        )
    if any(result.config.get("smoke") for result in results):
        notes.append(
            "These include smoke runs, which only show that everything works: "
            "their numbers mean nothing."
        )
    unfinished = [
        [f"  {_relative(result.folder)}", result.state] for result in results if not result.metrics
    ]
    listed = ["", "Not done, so not counted:", *table(unfinished)] if unfinished else []
    return [
        _heading(comparison, results),
        "",
        dim(head),
        bold(best),
        *others,
        "",
        *map(dim, map(printable, notes)),
        *listed,
    ]


def write_files(comparison: Comparison, outputs: Outputs) -> list[Path]:
    """Write the files that are asked for, and return them."""
    if outputs.csv is not None:
        write_text(outputs.csv, csv_text(comparison))
    if outputs.markdown is not None:
        write_text(outputs.markdown, markdown(comparison))
    if outputs.picture is not None:
        _draw(comparison, outputs.picture)
    return [path for path in (outputs.csv, outputs.markdown, outputs.picture) if path is not None]


def _draw(comparison: Comparison, path: Path) -> None:
    from jnn.explain.results.over_seeds import over_seeds

    rows = [
        (row, row.metrics[comparison.metric].values if row.metrics else ())
        for row in comparison.rows
    ]
    drawn = [row for row, values in rows if any(map(math.isfinite, values))]
    names = comparison.settings  # of a single one all, which tell it from those that are not drawn
    if len(drawn) > 1:
        names = differing([result for row in drawn for result in row.results])
    measured = [
        (
            {name: row.settings[name] for name in names if name in row.settings},
            [*values, *[math.nan] * row.unfinished],
        )
        for row, values in rows
    ]
    baselines = {
        name: values[comparison.metric]
        for name, values in comparison.baselines.items()
        if comparison.metric in values
    }
    figure = over_seeds(comparison.metric, measured, baselines=baselines, lowest=comparison.lowest)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=150, bbox_inches="tight")


def _heading(comparison: Comparison, results: Sequence[Result]) -> str:
    names = " and ".join(dict.fromkeys(result.experiment for result in results))
    runs, rows = sum(len(row.results) for row in comparison.rows), len(comparison.rows)
    return f"{bold(printable(names))}: {_count(runs, 'run')} of {_count(rows, 'config')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _relative(folder: str) -> str:
    """The folder as a user in the working directory would type it."""
    relative = os.path.relpath(folder)
    return folder if relative.startswith("..") else relative
