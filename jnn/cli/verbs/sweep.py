"""``jnn sweep``: an experiment for every combination of settings, in few compiled programs."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import math
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jnn.cli.arguments import examples_text, name_first, taken_out
from jnn.cli.machine import use_device
from jnn.cli.programs import keep_programs
from jnn.errors import Diverged, Interrupted, mistake
from jnn.runs.experiments import Listing, find, load

HELP = """\
usage: jnn sweep NAME --SETTING VALUES [--SETTING VALUES ...] [options]

Train an experiment for every combination of settings. VALUES is a list, 1e-2,3e-3,1e-3, or a range
of integers, 0..7 (both ends included). Runs that differ in seed, learning rate, weight decay and
clip alone are one compiled program, split over all devices (a weight decay or clip of 0 is another
program than those above 0). The table and the picture at the end have means over seeds. The best
run, on the validation data by which runs keep their params where there are such, becomes a run of
its own in FOLDER/best, to load, generate with, or resume with more epochs. `jnn compare FOLDER`
shows all runs again. The same command with the same --out continues where it stopped.

  --out FOLDER   where to save the results; otherwise runs/NAME/sweep-DATE-TIME
  --json         end with the results as JSON on one line
  --device NAME  auto, cpu, gpu or tpu
  --offline      download nothing
  --profile      record a profile of every operation into the sweep's folder
  --quiet        no progress and no messages
"""

EXAMPLES = (
    "jnn sweep image_classification --seed 0..4 --learning-rate 1e-2,3e-3,1e-3",
    "jnn sweep image_classification --seed 0..2 --weight-decay 0,0.05,0.5 --smoke",
    "jnn sweep tabular_regression --seed 0..2 --learning-rate 1e-2,1e-3 --out runs/rates",
)
MOST = 10_000
OF_A_RUN = (
    "--tensorboard",
    "--track",
    "--name",
    "--overwrite",
    "--config",
    "--dry-run",
    "--print-config",
)
"""Options of `jnn run` that a sweep does not have."""


@dataclass(frozen=True, kw_only=True)
class SweepArguments:
    """Options of the sweep itself, besides ``--out``."""

    json: bool = False
    device: str = "auto"
    offline: bool = False
    profile: bool = False
    quiet: bool = False


def main(argv: list[str]) -> int:
    """Run the sweep and print its table on standard output; progress goes to standard error."""
    name, rest = name_first("sweep", argv)
    if name == "--help" or "--help" in rest:
        print(f"{HELP}\n{examples_text(EXAMPLES)}")
        return 0
    options = [word.split("=")[0].replace("_", "-") for word in rest]
    if of_a_run := [option for option in options if option in OF_A_RUN]:
        raise mistake(
            "jnn sweep",
            got=of_a_run[0],
            expected="an option of a sweep",
            remedy="It is for a single run: see jnn sweep --help.",
        )
    listing = find(name)
    out, rest = taken_out(rest, "--out")
    choices, fixed = split(rest)
    use_device(taken_out(rest, "--device")[0] or "auto")
    keep_programs()
    module = load(listing)
    if not hasattr(module, "task"):
        raise mistake(
            f"jnn sweep {name}",
            got="an experiment without task(config, data)",
            expected="one that has it",
            remedy="See `jnn run --help`.",
        )

    from jnn.cli.options import parse
    from jnn.runs.config_values import check_recorded

    configs = []
    for values in itertools.product(*choices.values()):
        words = [*fixed, *itertools.chain(*zip(choices, values, strict=True))]
        config, arguments = parse("sweep", name, module.Config, SweepArguments, words, EXAMPLES)
        check_recorded(config, name)
        configs.append(config)
    dated = f"runs/{listing.name}/sweep-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    folder = Path(out or dated).absolute()
    command = shlex.join(["jnn", "sweep", name, *rest, "--out", str(folder)])
    return _run(module, listing, configs, folder, arguments, command)


def split(argv: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options with several values, and all other words.

    >>> split(["--seed", "0..2", "--learning-rate=1e-2,1e-3", "--model", "cnn"])
    ({'--seed': ['0', '1', '2'], '--learning-rate': ['1e-2', '1e-3']}, ['--model', 'cnn'])
    """
    words: list[str] = []
    for word in argv:
        words += word.split("=", 1) if word.startswith("--") else [word]
    choices: dict[str, list[str]] = {}
    for option, value in itertools.zip_longest(words, words[1:], fillvalue=""):
        if option.startswith("--") and (several := _values(value)):
            choices[option] = several
    fixed: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word in choices:
            next(remaining)
        else:
            fixed.append(word)
    if not choices:
        raise mistake(
            "jnn sweep",
            got="no setting with several values",
            expected="one at least, as in --seed 0..4 or --learning-rate 1e-2,1e-3",
        )
    return choices, fixed


def _values(text: str) -> list[str]:
    """The values of a list or a range; none where the text is a single value."""
    if ends := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        first, last = map(int, ends.groups())
        if not first <= last < first + MOST:
            expected = f"an increasing range of at most {MOST:,} integers"
            raise mistake("jnn sweep", got=text, expected=expected)
        return [str(number) for number in range(first, last + 1)]
    return [value for value in text.split(",") if value] if "," in text else []


def _run(
    module: Any,
    listing: Any,
    configs: list[Any],
    folder: Path,
    arguments: SweepArguments,
    command: str,
) -> int:
    from jnn.cli.execution import profiled, terminable
    from jnn.files import plain, write_json
    from jnn.runs.records import sealed
    from jnn.train.sweep import check_member, sweep
    from jnn.wording import tell

    for config in configs:
        check_member(config)  # before the folder is made and data is loaded
    best = _Best(listing)

    def say(text: str) -> None:
        if not arguments.quiet:
            tell(text)

    def task_of(config: Any) -> Any:
        return module.task(config, module.load_data(config, offline=arguments.offline))

    try:
        with _locked(folder), terminable():
            say(f"sweep of {len(configs)} runs in {folder}")
            with profiled(folder, say) if arguments.profile else contextlib.nullcontext():
                runs = sweep(task_of, configs, folder=folder, say=say, on_member=best.offer)
            about = listing.metric or {}
            record = {"experiment": listing.name, "metric": about, "runs": runs}
            write_json(folder / "sweep.json", sealed(record))
            lines = _results(listing, runs, folder, best.advice)
            lines += best.keep(folder / "best", command)
    except (KeyboardInterrupt, Interrupted):
        say(f"stopped. Continue with: {command}")
        raise
    if arguments.json:
        names = ("config", "metrics", "kept")
        results = [{name: run[name] for name in names} for run in runs]
        summary = {"folder": folder, "best": folder / "best", "runs": results}
        print(json.dumps(plain(summary), ensure_ascii=False))
    else:
        print("\n".join(lines))
    return 0


class _Best:
    """The best member so far, by the metric by which runs keep their params.

    That is one of validation data. Of runs that keep their last params, the best is chosen by the
    metric of the experiment, so that its result is better than what to expect of another.

    ``advice`` is what to do about the members that diverged.
    """

    def __init__(self, listing: Listing):
        self.advice: dict[str, None] = {}  # each once, in the order of programs
        self._listing = listing
        self._trained: Any = None

    def offer(self, trained: Any) -> None:
        """Keep a member instead of the one before, where it is better."""
        if trained.advice:
            self.advice[trained.advice] = None
        if self._rank(trained) < (self._rank(self._trained) if self._trained else math.inf):
            self._trained = trained

    def _rank(self, trained: Any) -> float:
        """Its value, the lower the better; infinite where it has none or diverged."""
        about, kept = self._listing.metric or {}, trained.result["kept"]
        if trained.task.best and not kept:  # no value of the metric was finite
            return math.inf
        tested = trained.result["metrics"].get(about.get("name"), math.nan)
        value, direction = (
            (kept["value"], kept["direction"]) if kept else (tested, about.get("direction"))
        )
        if not direction or not math.isfinite(value) or (about and not math.isfinite(tested)):
            return math.inf
        return value if direction == "lowest" else -value

    def keep(self, folder: Path, command: str) -> list[str]:
        """Write it as a run into the folder; returns the lines to print."""
        from jnn.runs.run import Run, RunOptions
        from jnn.train.members_as_runs import keep_as_run

        if self._trained is None:
            why = "ABOUT of the experiment names no metric and direction"
            if self._listing.metric:
                why = "no value of the metric by which they are chosen is finite"
            return [f"No run is the best: {why}."]
        kept = self._trained.result["kept"]
        metric = kept["metric"] if kept else (self._listing.metric or {})["name"]
        run = Run.create(
            self._listing.name,
            self._trained.config,
            out=folder,
            overwrite=True,
            options=RunOptions(quiet=True),
            source=None if self._listing.built_in else self._listing.path,
            command=command,
        )
        with run:
            keep_as_run(self._trained, run, metric=self._listing.metric)
        return [f"The best run by {metric}: {folder}"]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder for a sweep: a new or empty one, or that of the sweep to continue."""
    from jnn.files import TEMPORARY, check_text, writable
    from jnn.runs.folders import LOCK, lock, sweep

    with writable(check_text(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        others = [
            path.name
            for path in folder.iterdir()
            if not path.name.startswith((LOCK, TEMPORARY, "program", "sweep.", "profile"))
            and path.name != "best"
        ]
    if others:
        got = f"a folder that holds {others[0]}"
        raise mistake(
            str(folder),
            got=got,
            expected="a new one, or that of a sweep",
            remedy="Choose another --out.",
        )
    with lock(folder):
        sweep(folder)
        yield


def _results(
    listing: Any, runs: list[dict[str, Any]], folder: Path, advice: Iterable[str]
) -> list[str]:
    """Write the table and the picture; returns the lines to print.

    Raises `Diverged` with the ``advice`` where all runs diverged.
    """
    from jnn.cli.comparison_output import Outputs, comparison_lines, write_files
    from jnn.files import plain
    from jnn.runs.comparison import Result, compare, first_of_test
    from jnn.wording import lowest_is_best

    results = [
        Result(
            config=plain(run["config"]),
            metrics=plain(run["metrics"]),
            kept=run["kept"],
            experiment=listing.name,
        )
        for run in runs
    ]
    about = listing.metric or {"name": first_of_test(results[0].metrics), "direction": None}
    metric = about["name"]
    if all(result.metrics[metric] is None for result in results):
        diverged = sum(not all(row["train/finite"] for row in run["history"]) for run in runs)
        what = f"The {metric} of all {len(runs)} runs is not finite"
        if diverged == len(runs):
            what = f"All {len(runs)} runs diverged"
        elif diverged:
            what += f", and {diverged} of them diverged"
        losses = f"Their losses are in {folder / 'sweep.json'}."
        raise Diverged(" ".join([f"{what}. {losses}", *advice]))
    comparison = compare(results, metric=metric, lowest=lowest_is_best(about["direction"]))
    paths = {"csv": "sweep.csv", "markdown": "sweep.md", "picture": "sweep.png"}
    outputs = Outputs(**{kind: folder / name for kind, name in paths.items()})
    written = write_files(comparison, outputs)
    return [*comparison_lines(comparison, results), "", *map(str, written)]
