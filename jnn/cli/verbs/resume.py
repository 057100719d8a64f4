"""``jnn resume``: continue a run that stopped."""

from __future__ import annotations

import argparse
import math
import re
import shlex
from pathlib import Path
from typing import Any

from jnn.cli.arguments import Parser
from jnn.cli.launch import division, joined, launch, shared
from jnn.cli.machine import use_device
from jnn.cli.programs import keep_programs
from jnn.errors import mistake
from jnn.train.memory import keep_memory

EXAMPLES = (
    "jnn resume runs/image_classification/latest",
    "jnn resume runs/image_classification/latest --epochs +5",
    "jnn resume runs/mlp --epochs 20 --learning-rate 1e-4",
)


def main(argv: list[str]) -> int:
    """Continue a run from its last checkpoint, bit for bit as if it had not stopped.

    With other epochs or another learning rate it differs from there on; ``config.json`` records
    both. With another processor, device, number of cores or version of JAX its bits may differ:
    the log and ``resumed_on`` in ``summary.json`` say so.
    """
    arguments = _parse(argv)
    if arguments.keep_memory:
        keep_memory()

    from jnn.runs.folders import read_record

    folder = Path(arguments.run)
    record = read_record(folder)
    mesh = record["config"].get("mesh") if arguments.mesh is None else arguments.mesh
    divided = division(argv)
    if divided.is_started_here:
        return launch(["resume", *argv], divided.processes or 1)
    devices, device = record["config"].get("devices"), arguments.device
    with joined(divided, devices=devices, mesh=mesh, device=device):
        use_device(device)
        keep_programs()
        return _resume(argv, arguments, folder, record, divided.stuck_after)


def _resume(
    argv: list[str],
    arguments: argparse.Namespace,
    folder: Path,
    record: dict[str, Any],
    stuck_after: float,
) -> int:
    """Continue the run in this process, or in its part of several."""
    from jnn.cli.execution import execute
    from jnn.files import plain
    from jnn.runs.folders import read_status
    from jnn.runs.recorded import recorded
    from jnn.runs.run import Run, RunOptions
    from jnn.runs.settings import changes
    from jnn.train.devices import check_devices

    is_done = read_status(folder).get("state") == "done" and (folder / "summary.json").is_file()
    if is_done and arguments.epochs is None:
        raise mistake(
            str(folder),
            got="a run that is done",
            expected="one that stopped",
            remedy="Train it longer with --epochs +5.",
        )
    epochs = wanted_epochs(arguments.epochs, record["config"].get("epochs"))
    rate = wanted_rate(arguments.learning_rate, record["config"])
    if arguments.mesh is not None and "mesh" not in record["config"]:
        got, expected = arguments.mesh, "an experiment with mesh"
        raise mistake("--mesh", got=got, expected=expected, remedy="Omit it.")
    asked = {"epochs": epochs, "learning_rate": rate, "mesh": arguments.mesh}
    asked = {name: value for name, value in asked.items() if value is not None}
    listing, module, settings, config = recorded(folder, record, asked)
    if changed := changes(settings, plain(config)):
        remedy = "Begin a new run of it with --config."
        got = f"other settings than the run has ({', '.join(changed)})"
        raise mistake(str(listing.path), got=got, expected="the same", remedy=remedy)
    check_devices(config)
    options = RunOptions(offline=arguments.offline, quiet=arguments.quiet, json=arguments.json)
    make = lambda: Run.open(
        folder,
        epochs=epochs,
        learning_rate=rate,
        mesh=arguments.mesh,
        options=options,
        command=shlex.join(["jnn", "resume", *argv]),
    )
    run = shared(make, config, listing)
    return execute(module, config, run, listing, stuck_after=stuck_after)


def wanted_epochs(text: str | None, planned: Any) -> int | None:
    """The number of epochs of the option ``--epochs``: ``20``, or ``+5`` more than planned.

    None where the option is not given.

    >>> wanted_epochs("+5", 10), wanted_epochs("20", 10), wanted_epochs(None, 10)
    (15, 20, None)
    """
    if text is None:
        return None
    if not isinstance(planned, int):
        raise mistake(
            "--epochs",
            got=text,
            expected="an experiment with epochs",
            remedy="This run has none; omit --epochs.",
        )
    if not re.fullmatch(r"\+?0*[1-9]\d*", text):
        raise mistake(
            "--epochs", got=repr(text), expected="a number such as 20, or +5 for five more"
        )
    return planned + int(text) if text.startswith("+") else int(text)


def wanted_rate(text: str | None, config: dict[str, Any]) -> float | None:
    """The learning rate of the option ``--learning-rate``; None where it is not given.

    >>> wanted_rate("1e-4", {"learning_rate": 1e-3}), wanted_rate(None, {})
    (0.0001, None)
    """
    if text is None:
        return None
    if "learning_rate" not in config:
        got, expected = text, "an experiment with learning_rate"
        raise mistake("--learning-rate", got=got, expected=expected, remedy="Omit it.")
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise mistake("--learning-rate", got=repr(text), expected="a number > 0")
    return rate


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        "resume", "Continue a run that stopped, from its last checkpoint.", examples=EXAMPLES
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder")
    parser.add_argument("--epochs", metavar="N", help="train to N epochs, or +N more than planned")
    parser.add_argument(
        "--learning-rate", metavar="X", help="the peak of the schedule from here on, for this run"
    )
    parser.add_argument(
        "--mesh",
        metavar="SIZES",
        help="another mesh, as data=2,fsdp=4; '' for one device",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or tpu")
    parser.add_argument(
        "--keep-memory",
        action="store_true",
        help="keep freed memory for the next step: faster on a CPU",
    )
    parser.add_argument("--processes", metavar="N", help="processes that train together")
    parser.add_argument("--devices-per-process", metavar="N", help="devices of each CPU")
    parser.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 listens")
    parser.add_argument("--process-id", metavar="I", help="which process this is, from 0")
    parser.add_argument("--connect-within", metavar="SECONDS", help="for all processes to join")
    parser.add_argument("--stuck-after", metavar="SECONDS", help="without a step a run ends")
    parser.add_argument("--offline", action="store_true", help="download nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress and no messages")
    parser.add_argument(
        "--json", action="store_true", help="end with the summary as JSON on one line"
    )
    return parser.parse(argv)
