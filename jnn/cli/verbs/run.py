"""``jnn run``: train and measure an experiment."""

from __future__ import annotations

import ast
import json
import shlex
from pathlib import Path
from typing import Any

from jnn.cli.arguments import examples_text, name_first, taken_out
from jnn.cli.launch import division, joined, launch, shared
from jnn.cli.machine import GPU_HINT, gpu_unused, use_device
from jnn.cli.programs import keep_programs
from jnn.cli.start import check_start, fitting_task, started
from jnn.errors import mistake
from jnn.runs.experiments import Listing, find, listings, load
from jnn.train.memory import keep_memory
from jnn.wording import tell

HELP = """\
usage: jnn run NAME [options]
       jnn run PATH/TO/FILE.py [options]

Train an experiment, compare it with its baselines, and save everything in a new run folder.
`jnn run NAME --help` shows its options.

experiments:
  {names}

{contract}
"""

EXAMPLES = (
    "jnn run image_classification --smoke",
    "jnn run image_classification --model mlp --learning-rate 3e-4 --out runs/mlp",
    "jnn run my_experiment.py --seed 1",
)


def main(argv: list[str]) -> int:
    """Run an experiment and print its result; progress goes to standard error."""
    name, rest = name_first("run", argv)
    if name == "--help":
        names = "\n  ".join(listing.name for listing in listings()) or "none found"
        print(HELP.format(names=names, contract=contract()))
        print(examples_text(EXAMPLES))
        return 0
    listing = find(name)
    if "--keep-memory" in rest:
        keep_memory()

    from jnn.runs.config_values import config_file

    replayed = taken_out(rest, "--config")[0]
    record = config_file(Path(replayed), listing.name) if replayed else {"config": {}}
    settings = record["config"]
    asked = lambda name: taken_out(rest, f"--{name}")[0] or settings.get(name)
    device = taken_out(rest, "--device")[0] or "auto"
    divided = division(rest)
    if divided.is_started_here:
        return launch(["run", *argv], divided.processes or 1)
    with joined(divided, devices=asked("devices"), mesh=asked("mesh"), device=device):
        use_device(device)
        keep_programs()
        return _run(name, listing, rest, replayed, record, divided.stuck_after)


def _run(
    name: str,
    listing: Listing,
    rest: list[str],
    replayed: str | None,
    record: dict[str, Any],
    stuck_after: float,
) -> int:
    """Run the experiment in this process, or in its part of several."""
    argv, settings = [name, *rest], record["config"]
    module = load(listing)
    rest = started(name, module.Config, rest, settings)

    from jnn.cli.execution import execute
    from jnn.cli.layers import model_lines
    from jnn.cli.options import RunArguments, parse
    from jnn.files import plain
    from jnn.runs.config_values import check_recorded, config_from
    from jnn.runs.run import Run
    from jnn.runs.settings import asked_of
    from jnn.train.devices import check_devices

    defaults = module.Config
    if replayed:
        defaults = config_from(module.Config, settings, replayed, record.get("asked"))
    config, arguments = parse("run", name, defaults, RunArguments, rest, _examples(name))
    check_recorded(config, name)
    if arguments.print_config:
        printed = {"experiment": listing.name, "config": plain(config), **asked_of(config)}
        print(json.dumps(printed, indent=2))
        return 0
    if arguments.dry_run:
        print("\n".join([json.dumps(plain(config), indent=2), "", *model_lines(module, config)]))
        return 0
    if arguments.paths != ".*" and not arguments.start:
        raise mistake("--paths", got=arguments.paths, expected="--start with it")
    if getattr(config, "adapted_run", "") and not arguments.start:
        got = f"additions to the run {config.adapted_run}"
        raise mistake("--lora", got=got, expected="--start with it")
    if arguments.device == "auto" and not arguments.quiet and gpu_unused():
        tell(GPU_HINT)
    # what can be refused is refused before the folder is created
    check_devices(config)
    task = None
    if arguments.start:
        check_start(module, config, arguments.start, arguments.paths)
        task = fitting_task(module, config, arguments)
    make = lambda: Run.create(
        listing.name,
        config,
        out=arguments.out,
        name=arguments.name,
        overwrite=arguments.overwrite,
        options=arguments,
        source=None if listing.built_in else listing.path,
        start=arguments.start,
        paths=arguments.paths,
        command=shlex.join(["jnn", "run", *argv]),
    )
    run = shared(make, config, listing)
    return execute(module, config, run, listing, task=task, stuck_after=stuck_after)


def contract() -> str:
    """The parts of an experiment, from the module that documents them, which is not imported."""
    path = Path(__file__).parents[2] / "train" / "experiment.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.replace("``", "`")


def _examples(name: str) -> list[str]:
    return [
        f"jnn run {name} --smoke",
        f"jnn run {name} --seed 1 --name second",
        f"jnn run {name} --dry-run",
    ]
