"""``jnn list``: the experiments."""

from __future__ import annotations

import json
import shlex

from jnn.cli.arguments import Parser
from jnn.cli.terminal import bold, dim
from jnn.runs.experiments import experiments_folder, find, listings

EXAMPLES = ("jnn list", "jnn list my_experiment.py", "jnn list --json")


def main(argv: list[str]) -> int:
    """Print every experiment, read from its file without importing it."""
    parser = Parser("list", "The experiments that come with jnn, or your own.", examples=EXAMPLES)
    parser.add_argument("files", metavar="FILE.py", nargs="*", help="experiments of your own")
    parser.add_argument("--json", action="store_true", help="a list of objects for machines")
    arguments = parser.parse(argv)
    chosen = [find(name) for name in arguments.files] or listings()
    records = [listing.record() for listing in chosen]
    if arguments.json:
        print(json.dumps(records, ensure_ascii=False))
        return 0
    for record in records:
        subject = _joined(" on ", ", ".join(record["models"]), ", ".join(record["data"]))
        result = _joined(", ", f"{record['metric']} {record['expected']}".strip(), record["cost"])
        lines = [f"{bold(record['name'])}  {record['about']}", f"  {subject}", f"  {dim(result)}"]
        print("\n".join([*(line for line in lines if line.strip()), ""]))
    place = "" if arguments.files else f" in {experiments_folder()}"
    name = shlex.quote(arguments.files[0]) if arguments.files else "NAME"
    count = f"{len(records)} experiment{'s' * (len(records) != 1)}"
    print(f"{count}{place}. Run one with: jnn run {name}")
    return 0


def _joined(separator: str, *parts: str) -> str:
    return separator.join(filter(None, parts))
