"""``jnn sweep``: an experiment for every combination of some settings, as few compiled programs as possible."""

from __future__ import annotations

import datetime
import itertools
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from jnn.cli.arguments import examples_text, taken_out
from jnn.cli.devices import use_device
from jnn.cli.experiments import find, load
from jnn.errors import JnnError, mistake

HELP = """\
usage: jnn sweep NAME --SETTING VALUES [--SETTING VALUES ...] [options]

Train an experiment for every combination of settings. VALUES is a list, 1e-2,3e-3,1e-3, or a range of integers, 0..7 (both ends counted).
Runs that differ in seed and learning rate alone are one compiled program, split over the devices there are. The table and the picture
at the end have means over seeds. The same command with the same --out goes on where it stopped.

  --out FOLDER  where to keep the results; otherwise runs/NAME/sweep-DATE-TIME
  --json        end with the results as JSON on one line
"""

EXAMPLES = (
    "jnn sweep image_classification --seed 0..4 --learning-rate 1e-2,3e-3,1e-3",
    "jnn sweep image_classification --seed 0..2 --weight-decay 0,0.05,0.5 --smoke",
    "jnn sweep tabular_regression --seed 0..2 --learning-rate 1e-2,1e-3 --out runs/rates",
)
MOST = 10_000


def main(argv: list[str]) -> int:
    """Run the sweep and print its table on standard output; progress goes to standard error."""
    name, *rest = argv or ["--help"]
    if name in ("-h", "--help") or "--help" in rest:
        print(f"{HELP}\n{examples_text(EXAMPLES)}")
        return 0
    if name.startswith("-"):
        raise JnnError(f"The experiment comes first: jnn sweep NAME {shlex.join(argv)}")
    listing = find(name)
    out, rest = taken_out(rest, "--out")
    choices, fixed = split(rest)
    use_device(taken_out(rest, "--device")[0] or "auto")
    module = load(listing)
    if not hasattr(module, "task"):
        raise mistake(
            f"jnn sweep {name}", got="an experiment without task(config, data)", expected="one that has it", remedy="See its file."
        )

    from jnn.cli.options import RunArguments, parse

    variants = [[word for pair in zip(choices, values, strict=True) for word in pair] for values in itertools.product(*choices.values())]
    parsed = [parse("sweep", name, module.Config, RunArguments, [*fixed, *variant], EXAMPLES) for variant in variants]
    folder = Path(out or f"runs/{listing.name}/sweep-{datetime.datetime.now():%Y%m%d-%H%M%S}").absolute()
    return _run(module, listing, [config for config, _ in parsed], folder, parsed[0][1])


def split(argv: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options with several values, and all other words.

    >>> split(["--seed", "0..2", "--learning-rate=1e-2,1e-3", "--model", "cnn"])
    ({'--seed': ['0', '1', '2'], '--learning-rate': ['1e-2', '1e-3']}, ['--model', 'cnn'])
    """
    choices, fixed, words = {}, [], [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for option, value in itertools.zip_longest(words, words[1:], fillvalue=""):
        if option.startswith("--") and (several := _values(value)):
            choices[option] = several
    remaining = iter(words)
    for word in remaining:
        if word in choices:
            next(remaining)
        else:
            fixed.append(word)
    if not choices:
        raise mistake(
            "jnn sweep", got="no setting with several values", expected="one at least, as in --seed 0..4 or --learning-rate 1e-2,1e-3"
        )
    return choices, fixed


def _values(text: str) -> list[str]:
    """The values of a list or a range; none where the text is a single value."""
    if found := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        first, last = map(int, found.groups())
        if not first <= last < first + MOST:
            raise mistake("jnn sweep", got=text, expected=f"a range that rises, of at most {MOST:,} integers")
        return [str(number) for number in range(first, last + 1)]
    return [value for value in text.split(",") if value] if "," in text else []


def _run(module: Any, listing: Any, configs: list[Any], folder: Path, arguments: Any) -> int:
    from jnn.cli.comparison import Outputs, comparison_lines, write_files
    from jnn.explain.wording import lower_is_better
    from jnn.train.comparison import Result, compare
    from jnn.train.files import plain, write_json
    from jnn.train.folders import lock
    from jnn.train.sweep import sweep

    say = (lambda text: None) if arguments.quiet else (lambda text: print(text, file=sys.stderr, flush=True))
    folder.mkdir(parents=True, exist_ok=True)
    say(f"sweep of {len(configs)} runs in {folder}")
    with lock(folder):
        task_of = lambda config: module.task(config, module.load_data(config, offline=arguments.offline))
        found = sweep(task_of, configs, folder=folder, say=say)
        write_json(folder / "sweep.json", {"experiment": listing.name, "runs": found})
    results = [
        Result(config=plain(each["config"]), metrics=plain(each["metrics"]), experiment=listing.name, rows=each["history"])
        for each in found
    ]
    metric = listing.about.get("metric") or next(iter(results[0].metrics))
    comparison = compare(results, metric=metric, lowest=lower_is_better(metric))
    written = write_files(comparison, Outputs(csv=folder / "sweep.csv", markdown=folder / "sweep.md", picture=folder / "sweep.png"))
    if arguments.json:
        print(json.dumps(plain({"folder": folder, "runs": [{k: each[k] for k in ("config", "metrics")} for each in found]})))
    else:
        print("\n".join([*comparison_lines(comparison, results), "", *map(str, written)]))
    return 0
