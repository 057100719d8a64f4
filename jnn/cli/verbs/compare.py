"""``jnn compare``: runs side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from jnn.cli.arguments import Parser
from jnn.errors import mistake
from jnn.wording import did_you_mean, tell

EXAMPLES = (
    "jnn compare runs/image_classification",
    "jnn compare runs/image_classification/*-lr-* --metric test/nll --picture rates.png",
    "jnn compare runs/rates runs/mlp --csv results.csv --markdown results.md",
)

ABOUT = """\
Show runs side by side: the settings that differ, and the metrics as mean and standard deviation
over the runs that differ in their seed alone. A sweep counts as its runs. Runs of
different experiments must share a metric."""


def main(argv: list[str]) -> int:
    """Print a table of runs, and write the files that the options name."""
    parser = Parser("compare", ABOUT, examples=EXAMPLES)
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help="the folder of a run or a sweep, or one with some below",
    )
    parser.add_argument(
        "--metric", help="the metric to sort by and plot, instead of the experiment's own"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table with all digits")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table for a README"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="plot the metric, a dot for each seed"
    )
    parser.add_argument(
        "--direction", choices=("highest", "lowest"), help="which values of --metric are better"
    )
    parser.add_argument("--json", action="store_true", help="an object for machines")
    arguments = parser.parse(argv)

    from jnn.cli.comparison_output import Outputs, comparison_lines, write_files
    from jnn.files import plain
    from jnn.runs.comparison import Result, compare, direction_of
    from jnn.runs.comparison_text import as_json
    from jnn.runs.results import read_results, run_folders
    from jnn.wording import lowest_is_best

    outputs = Outputs(csv=arguments.csv, markdown=arguments.markdown, picture=arguments.picture)
    folders = run_folders(arguments.runs)
    results: list[Result] = [result for folder in folders for result in read_results(folder)]
    metric = chosen_metric(results, arguments.metric)
    direction = arguments.direction or direction_of(results, metric)
    comparison = compare(results, metric=metric, lowest=lowest_is_best(direction))
    if arguments.json:
        unfinished = [
            {"run": result.folder, "state": result.state}
            for result in results
            if not result.metrics
        ]
        print(
            json.dumps(plain(as_json(comparison) | {"unfinished": unfinished}), ensure_ascii=False)
        )
    else:
        print("\n".join(comparison_lines(comparison, results)))
    for path in write_files(comparison, outputs):
        tell(f"wrote {path}")
    return 0


def chosen_metric(results: Sequence, wanted: str | None) -> str:
    """The metric to compare by: ``wanted``, else the experiments' own, else the first of the test.

    Raises JnnError where there is nothing to compare, and where the runs do not share a metric, or
    not the wanted one.
    """
    from jnn.runs.comparison import first_of_test, shared_metrics

    if len(results) < 2 or not any(result.metrics for result in results):
        states = "; ".join(f"{Path(result.folder).name} is {result.state}" for result in results)
        raise mistake(
            "jnn compare",
            got=f"nothing to compare: {states}",
            expected="two runs or more, of which one is done",
        )
    shared = shared_metrics(results)
    if not shared:
        names = " and ".join(dict.fromkeys(result.experiment for result in results))
        raise mistake(
            "jnn compare",
            got=f"runs of {names} without a metric in common",
            expected="runs that measured the same",
        )
    if wanted is not None and wanted not in shared:
        expected = f"a metric that all these runs have: {', '.join(shared)}"
        raise mistake(
            "--metric", got=repr(wanted), expected=expected, remedy=did_you_mean(wanted, shared)
        )
    named = [result.metric["name"] for result in results if result.metric.get("name") in shared]
    return wanted or next(iter(named), first_of_test(shared))
