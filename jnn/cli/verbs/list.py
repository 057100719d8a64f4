"""``jnn list``: the experiments."""

from __future__ import annotations

import json

from jnn.cli.arguments import Parser
from jnn.cli.experiments import experiments_folder, listings
from jnn.cli.terminal import bold, dim

EXAMPLES = ("jnn list", "jnn list --json", "jnn describe image_classification")


def main(argv: list[str]) -> int:
    """Print every experiment, read from its file without importing it."""
    parser = Parser("list", "The experiments that come with jnn.", examples=EXAMPLES)
    parser.add_argument("--json", action="store_true", help="a list of objects for machines")
    arguments = parser.parse(argv)
    records = [listing.record() for listing in listings()]
    if arguments.json:
        print(json.dumps(records, ensure_ascii=False))
        return 0
    for record in records:
        subject = " on ".join(
            filter(None, [", ".join(record["models"]), ", ".join(record["data"])])
        )
        result = ", ".join(
            filter(None, [f"{record['metric']} {record['expected']}".strip(), record["cost"]])
        )
        print(
            "\n".join(
                [
                    f"{bold(record['name'])}  {record['about']}",
                    f"  {subject}",
                    f"  {dim(result)}",
                    "",
                ]
            )
        )
    print(
        f"{len(records)} experiment{'s' * (len(records) != 1)} in {experiments_folder()}. Run one with: jnn run NAME"
    )
    return 0
