"""``jnn describe``: what an experiment does, its settings and its layers."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

from jnn.cli.arguments import examples_text, name_first
from jnn.cli.pretrained import description, description_lines
from jnn.cli.terminal import bold, dim
from jnn.errors import mistake
from jnn.runs.experiments import Listing, find, load
from jnn.runs.folders import is_pretrained, is_run, read_record
from jnn.runs.recorded import recorded
from jnn.tables import table

HELP = """\
usage: jnn describe NAME [options of the experiment] [--diagram FILE.svg] [--json]
       jnn describe FOLDER [--json]

Show what an experiment does, its settings, and the layers of its model with shapes and parameters:
NAME is an experiment, or the folder of a run, whose settings these are. Of a folder with a
pretrained model, show what is in it and where its tensors go.
"""

EXAMPLES = (
    "jnn describe image_classification",
    "jnn describe image_classification --model resnet --diagram resnet.svg",
    "jnn describe runs/image_classification/latest",
)


def main(argv: list[str]) -> int:
    """Print the docstring, the settings and the layers of an experiment, for the options given."""
    name, rest = name_first("describe", argv)
    if name == "--help":
        print(f"{HELP}\n{examples_text(EXAMPLES)}")
        return 0
    if is_pretrained(name):
        return _describe_folder(name, rest)
    listing, module, defaults = _experiment(name)

    from jnn.cli.layers import model_lines, parameter_count
    from jnn.cli.options import DescribeArguments, parse
    from jnn.files import plain

    examples = [f"jnn describe {name}{more}" for more in ("", " --json", " --diagram model.svg")]
    config, arguments = parse("describe", name, defaults, DescribeArguments, rest, examples)
    settings = plain(config)
    if arguments.diagram:
        _draw(Path(arguments.diagram), module, config)
    if arguments.json:
        more = {
            "doc": listing.doc,
            "config": settings,
            "parameters": parameter_count(module, config),
        }
        print(json.dumps({**listing.record(), **more}, ensure_ascii=False))
        return 0
    rows = [
        [f"  --{field.replace('_', '-')}", json.dumps(value)] for field, value in settings.items()
    ]
    lines = [bold(listing.name), "", listing.doc, "", dim("Settings"), *table(rows)]
    lines += ["", dim("Model"), *model_lines(module, config)]
    lines += ["", arguments.diagram] if arguments.diagram else []
    print("\n".join(lines))
    return 0


def _experiment(name: str) -> tuple[Listing, ModuleType, Any]:
    """The experiment, and its ``Config``; of the folder of a run, the config with its settings."""
    folder = Path(name)
    if is_run(folder):
        run = recorded(folder, read_record(folder))
        return run.listing, run.module, run.config
    listing = find(name)
    module = load(listing)
    return listing, module, module.Config


def _draw(path: Path, module: ModuleType, config: Any) -> None:
    """Write the picture of the model, which needs the experiment's ``describe``."""
    from jnn.cli.layers import described
    from jnn.explain import diagram
    from jnn.files import write_text

    if path.suffix != ".svg":
        raise mistake("--diagram", got=str(path), expected="the name of a file that ends in .svg")
    write_text(path, diagram(*described(module, config)))


def _describe_folder(name: str, rest: list[str]) -> int:
    """Print what a folder with a pretrained model has."""
    if rest not in ([], ["--json"]):
        raise mistake("jnn describe FOLDER", got=shlex.join(rest), expected="--json, or nothing")
    if rest:
        print(json.dumps(description(name), ensure_ascii=False))
    else:
        print("\n".join(description_lines(name)))
    return 0
