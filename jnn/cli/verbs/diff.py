"""``jnn diff``: where two runs part."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jnn.cli.arguments import Parser
from jnn.cli.machine import several_cpus, use_device
from jnn.cli.programs import keep_programs
from jnn.cli.terminal import bold, dim
from jnn.errors import mistake
from jnn.tables import table

EXAMPLES = (
    "jnn diff runs/tabular_regression/A runs/tabular_regression/B",
    "jnn diff RUN_A RUN_B --logs",
    "jnn diff RUN_A RUN_B --step 100",
)
MOST_ROWS = 10
OF_THE_RATE = ("learning_rate", "schedule", "schedule_options", "warmup", "epochs")
"""The settings from which the learning rate of a step follows."""


def main(argv: list[str]) -> int:
    """Print what differs between two runs, and where; returns 1 if a step differs, else 0."""
    arguments = _parse(argv)
    from jnn.runs.folders import read_record, read_status
    from jnn.runs.loading import logged
    from jnn.runs.settings import changes
    from jnn.train.parting import first_row, in_common

    folders = [Path(arguments.first), Path(arguments.second)]
    records = [read_record(folder) for folder in folders]
    _check(folders, records)
    rows = [logged(folder) for folder in folders]
    for folder, log in zip(folders, rows, strict=True):
        if not log:
            remedy = "Train it, or put a copy of metrics.jsonl back."
            got = "a run that has logged no step"
            raise mistake(str(folder), got=got, expected="one to compare", remedy=remedy)
    logged_steps = [max(row["step"] for row in log) for log in rows]
    parted = first_row(*rows)
    environments = [_environment(folder) for folder in folders]
    at_start = [record.pop("config_at_start", None) for record in environments]
    result: dict[str, Any] = {
        "settings": _different([record["config"] for record in records]),
        "resumed": [
            changes(was or record["config"], record["config"])
            for was, record in zip(at_start, records, strict=True)
        ],
        "environment": _different(environments),
        "steps": min(logged_steps),
        "compared": len({step for step, *_ in in_common(*rows)}),
        "logged": logged_steps,
        "states": [read_status(folder).get("state", "") for folder in folders],
        "logs": dict(zip(("step", "metric", "values"), (*parted[:2], parted[2:]), strict=True))
        if parted
        else None,
    }
    if not arguments.logs:
        several_cpus(max(_devices(record["config"]) for record in records))  # before JAX starts
        use_device(arguments.device)
        keep_programs()
        result |= _made_again(folders, records, rows, parted, arguments)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print("\n".join(_lines(folders, result)))
    return int(bool(parted or result.get("parting") or result.get("checkpoint", {}).get("differ")))


def _check(folders: list[Path], records: list[dict[str, Any]]) -> None:
    """Refuse one run twice, and runs of two experiments."""
    if folders[0].resolve() == folders[1].resolve():
        raise mistake("diff", got=f"{folders[0]} twice", expected="two runs")
    names = [record["experiment"] for record in records]
    if names[0] != names[1]:
        got, expected = f"runs of {names[0]} and of {names[1]}", "two runs of one experiment"
        raise mistake("diff", got=got, expected=expected, remedy="See `jnn compare` for results.")


def _made_again(folders, records, rows, logged, arguments) -> dict[str, Any]:
    """Where the runs part, and whether their steps are on this machine what they were."""
    from jnn.cli.replayable import replayable
    from jnn.train.parting import PARTS, Side, last_checkpoints, part
    from jnn.train.replay import not_as_logged

    a, b = (
        Side(*replayable(folder, record, offline=arguments.offline))
        for folder, record in zip(folders, records, strict=True)
    )
    result: dict[str, Any] = {}
    step = logged[0] if logged else None
    if arguments.step is not None:
        step = arguments.step
    elif step is None:
        kept = last_checkpoints(a, b)
        if kept:
            result["checkpoint"] = {"step": kept[0], "differ": [d._asdict() for d in kept[1]]}
        if not kept or not kept[1]:
            return result
        step = kept[0]
    parting = part(a, b, step)
    result["parting"] = None
    if parting:
        result["parting"] = {
            "step": parting.step,
            "parts": {
                name: {
                    "arrays": parting.sizes[name],
                    "differ": [d._asdict() for d in parting.differences[name]],
                }
                for name in PARTS
            },
        }
        result["not_as_logged"] = [
            not_as_logged(log, replayed)
            for log, replayed in zip(rows, parting.replayed, strict=True)
        ]
    return result


def _environment(folder: Path) -> dict[str, Any]:
    """The versions, devices, processors, variables and sources, and the config at the start."""
    from jnn.files import read_json

    path = folder / "env.json"
    return read_json(path) if path.exists() else {}


def _different(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The values of two records, nested ones by dotted names, where they differ."""
    from jnn.runs.settings import flat

    a, b = map(flat, records)
    return {
        name: [a.get(name), b.get(name)]
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    }


def _devices(config: Mapping[str, Any]) -> int:
    """The devices that a run divides its batches over."""
    if config.get("mesh"):
        from jnn.sharding import mesh_sizes

        return math.prod(mesh_sizes(config["mesh"]).values())
    devices = config.get("devices")
    return devices if isinstance(devices, int) else 1


def _lines(folders: list[Path], result: dict[str, Any]) -> list[str]:
    lines = [bold(_headline(result)), ""]
    lines += [f"  first   {folders[0]}", f"  second  {folders[1]}"]
    for name in ("settings", "environment"):
        if result[name]:
            rows = [
                [f"  {key}", *(json.dumps(value, ensure_ascii=False) for value in values)]
                for key, values in result[name].items()
            ]
            lines += ["", *table([[f"  {name}", "first", "second"], *rows])]
    for which, changed in zip(("first", "second"), result["resumed"], strict=True):
        if changed:
            began = f"The {which} run was resumed with other settings than it began with"
            lines += ["", f"{began}: {', '.join(changed)}."]
    (first, second), (of_first, of_second) = result["logged"], result["states"]
    if first != second or of_first != of_second:
        lines += ["", f"The first run has logged {first:,} steps ({of_first or 'no state'}), the "
                  f"second {second:,} ({of_second or 'no state'})."]  # fmt: skip
    if logs := result["logs"]:
        first, second = logs["values"]
        lines += ["", f"The logs part at step {logs['step']:,}: {logs['metric']} is {first:.9g} in "
                  f"the first run, {second:.9g} in the second."]  # fmt: skip
    if parting := result.get("parting"):
        lines += ["", *_step_table(parting)]
        differ = {name for name, of in parting["parts"].items() if of["differ"]}
        if differ and differ <= {"metrics", "update"}:
            lines += ["", *_of_the_update(result)]
        for which, text in zip(("first", "second"), result["not_as_logged"], strict=True):
            if text:
                lines += ["", f"Made again here, step {parting['step']:,} of the {which} run is "
                          f"not what it was: {text}."]  # fmt: skip
    return lines


def _of_the_update(result: dict[str, Any]) -> list[str]:
    """In what runs differ of which the values inside and the gradient of a step are equal."""
    equal = "The values inside and the gradient are equal where one device computes them"
    metrics = [of["path"] for of in result["parting"]["parts"]["metrics"]["differ"]]
    if "learning_rate" not in metrics:
        return [f"{equal}: the runs differ in", "the optimizer, or in how a step is compiled for "
                "their devices."]  # fmt: skip
    by = " and ".join(name for name in OF_THE_RATE if name in result["settings"])
    follows = f", which follows from {by}" if by else ""
    return [f"{equal}: the runs differ in", f"the learning rate of this step{follows}."]


def _headline(result: dict[str, Any]) -> str:
    if parting := result.get("parting"):
        part = next(name for name, of in parting["parts"].items() if of["differ"])
        path = parting["parts"][part]["differ"][0]["path"]
        where = "before" if part == "start" else "at"
        inside = "" if part == "start" else f", in the {part}"
        return f"The runs part {where} step {parting['step']:,}{inside}: {path}"
    differ = result["logs"] or result.get("checkpoint", {}).get("differ")
    if differ and "parting" in result:
        changed = ", or the settings before a resume" if any(result["resumed"]) else ""
        return (
            "The runs differ, but their steps are equal when they are made again here: what "
            f"differs is where they ran{changed}"
        )
    if differ:
        return f"The logs of the runs part at step {result['logs']['step']:,}"
    kept = result.get("checkpoint")
    if not result["compared"]:
        same = f"the checkpoint of step {kept['step']:,} is the same to the bit" if kept else ""
        return f"The logs have no step in common{', but ' if same else ''}{same}"
    also = f", and the checkpoint of step {kept['step']:,} to the bit" if kept else ""
    return f"The runs are the same: the logs of all {result['steps']:,} steps in common{also}"


def _step_table(parting: dict[str, Any]) -> list[str]:
    """For each part of the step how many arrays differ, and the first ones."""
    rows = [["  part", "differ", "first", ""]]
    for name, of in parting["parts"].items():
        if not of["arrays"]:
            continue
        differ = of["differ"]
        first = [differ[0]["path"], differ[0]["how"]] if differ else ["", ""]
        rows.append([f"  {name}", f"{len(differ)} of {of['arrays']}", *first])
        rows += [["", "", d["path"], d["how"]] for d in differ[1:MOST_ROWS] if name == "start"]
    return [dim(line) if " 0 of " in line else line for line in table(rows)]


def _parse(argv: list[str]):
    parser = Parser(
        "diff",
        "Find the first step at which two runs of an experiment part, and what differs there:\n"
        "the batch, a value inside the model, the gradient or the update. And what differs in\n"
        "their settings, versions and devices. Exit code 0: no step differs; 1: one does.",
        examples=EXAMPLES,
    )
    parser.add_argument("first", metavar="RUN_A", help="a run's folder")
    parser.add_argument("second", metavar="RUN_B", help="another's")
    parser.add_argument("--logs", action="store_true", help="compare records alone, at once")
    parser.add_argument("--step", type=int, metavar="N", help="a step by which they have parted")
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or tpu")
    parser.add_argument("--offline", action="store_true", help="download nothing")
    parser.add_argument("--json", action="store_true", help="an object for machines")
    return parser.parse(argv)
