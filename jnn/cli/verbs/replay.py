"""``jnn replay``: a step of a run, made again."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from jnn.cli.arguments import Parser
from jnn.cli.machine import several_cpus, use_device
from jnn.cli.programs import keep_programs
from jnn.cli.terminal import bold
from jnn.errors import JnnError, mistake
from jnn.tables import table

EXAMPLES = (
    "jnn replay runs/image_classification/latest --step 100",
    "jnn replay runs/text_generation/latest --step 1 --capture weights",
    "jnn replay runs/tabular_regression/latest --out step.npz",
)
MOST_ROWS = 20
OTHERWISE = (
    "The run was resumed with other settings\nsince, or was made by another machine, another "
    "processor, or other versions; see env.json."
)


def main(argv: list[str]) -> int:
    """Print what a step saw and computed; write its arrays to a file."""
    arguments = _parse(argv)
    from jnn.runs.folders import read_record, read_status

    folder = Path(arguments.run)
    record = read_record(folder)
    several_cpus(record["config"].get("devices"), record["config"].get("mesh"))
    use_device(arguments.device)
    keep_programs()

    from jnn.cli.replayable import replayable
    from jnn.train.parting import leaves_by_path
    from jnn.train.replay import cause, inside, not_as_logged, replay

    task, config, _, transfer = replayable(folder, record, offline=arguments.offline)
    status = read_status(folder)
    step = arguments.step if arguments.step is not None else _last(folder, status)
    replayed = replay(task, config, folder, step, transfer=transfer)
    other = not_as_logged(_rows(folder), replayed)
    gradient, values = inside(task, config, replayed)
    chosen = {path: value for path, value in values.items() if _wanted(path, arguments.capture)}
    if arguments.capture and not chosen:
        paths = ", ".join(list(values)[:8]) or "none"
        got, expected = ", ".join(arguments.capture), f"the ends of paths among {paths}"
        raise mistake("--capture", got=got, expected=expected)
    arrays = {
        **leaves_by_path(replayed.batch, "batch"),
        **leaves_by_path(gradient, "gradient"),
        **leaves_by_path(replayed.before.params, "params"),
        **{f"captured/{path}": value for path, value in chosen.items()},
    }
    origin = cause(task, config, replayed) if replayed.bad_leaf else None
    if arguments.out:
        _write(Path(arguments.out), arrays)
    if arguments.json:
        bad = {"bad_leaf": replayed.bad_leaf, "cause": str(origin) if origin else None}
        of_step = {"step": step, "since": replayed.since, **replayed.metrics}
        print(json.dumps({**of_step, **bad, "not_as_logged": other}))
        return 0
    print(bold(f"Step {step:,} of {folder}, made again from step {replayed.since:,}"))
    print("\n".join(table([[f"  {k}", f"{v:.6g}"] for k, v in replayed.metrics.items()])))
    if other:
        print(f"\nThis step is not what it was: {other}. {OTHERWISE}")
    for name in ("batch", "gradient", "captured"):
        rows = [
            [f"  {path}", *_summary(array)]
            for path, array in arrays.items()
            if path.startswith(f"{name}/") or path == name
        ]
        printed = rows if arguments.capture else rows[:MOST_ROWS]
        if rows:
            head = f"\n{name}" + (f", {len(printed)} of {len(rows)}" if printed != rows else "")
            columns = [f"  {name}", "shape", "least", "mean", "largest"]
            print("\n".join([head, *table([columns, *printed])]))
    if replayed.bad_leaf:
        print(f"\nThe first bad value is in the {replayed.bad_leaf}. {origin or ''}".rstrip())
    if arguments.out:
        print(f"\n{arguments.out}")
    return 0


def _wanted(path: str, names: list[str]) -> bool:
    """Whether a path ends in one of the names, or no name was given."""
    return not names or any(path == name or path.endswith(f"/{name}") for name in names)


def _last(folder: Path, status: dict) -> int:
    """The step that diverged, which is the one after the last that was kept, or the last one."""
    from jnn.checkpoints import Checkpoints

    steps = []
    if (folder / "checkpoints").is_dir():
        with Checkpoints(folder / "checkpoints", read_only=True) as checkpoints:
            steps = checkpoints.steps()
    if not steps:
        return 1
    return max(steps) + 1 if status.get("state") == "diverged" else max(steps)


def _rows(folder: Path) -> list[dict[str, Any]]:
    """What the run has logged; nothing where its log is damaged."""
    from jnn.runs.loading import logged

    with contextlib.suppress(JnnError):
        return logged(folder)
    return []


def _summary(array) -> list[str]:
    """Shape, least, mean and largest value."""
    import numpy as np

    array = np.asarray(array)
    if not array.size or not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        return [str(list(array.shape)), "", "", ""]
    numbers = array.astype(np.float64)
    values = (numbers.min(), numbers.mean(), numbers.max())
    return [str(list(array.shape)), *(f"{value:.4g}" for value in values)]


def _write(path: Path, arrays: dict) -> None:
    import numpy as np

    from jnn.files import replacing

    with replacing(path) as temporary, open(temporary, "wb") as file:
        host_arrays: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
        np.savez(file, **host_arrays)


def _parse(argv: list[str]):
    parser = Parser(
        "replay",
        "Make a step of a run again: its batch, loss, gradient, and the values inside the model.",
        examples=EXAMPLES,
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--step", type=int, metavar="N", help="which; the last kept, or the one that diverged"
    )
    parser.add_argument(
        "--capture", nargs="+", default=[], metavar="PATH", help="values inside, by end of path"
    )
    parser.add_argument("--out", metavar="FILE.npz", help="write all arrays to a file")
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or tpu")
    parser.add_argument("--offline", action="store_true", help="download nothing")
    parser.add_argument("--json", action="store_true", help="an object for machines")
    return parser.parse(argv)
