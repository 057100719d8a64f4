"""``jnn data``: the sets of data."""

from __future__ import annotations

import json

from jnn.cli.arguments import Parser
from jnn.cli.terminal import dim
from jnn.data.fetch.sources import SOURCES, Source, data_folder, fetch, find, source_named
from jnn.errors import JnnError
from jnn.tables import table
from jnn.wording import did_you_mean

EXAMPLES = ("jnn data list", "jnn data get mnist5k", "jnn data path mnist5k")


def main(argv: list[str]) -> int:
    """List the data sets, fetch some of them, or print their folders."""
    parser = Parser("data", "The data sets, each fetched once and verified.", examples=EXAMPLES)
    parser.add_argument(
        "action",
        metavar="list|get|path",
        help="list all sets; fetch some; print the folder of some, or of all",
    )
    parser.add_argument("names", metavar="NAME", nargs="*", default=[], help="names of sets")
    parser.add_argument(
        "--json", action="store_true", help="with list: a list of objects for machines"
    )
    parser.add_argument("--offline", action="store_true", help="with get: only check what is there")
    arguments = parser.parse(argv)
    sources = [source_named(name) for name in arguments.names]
    match arguments.action:
        case "list":
            _list(arguments.json)
        case "get":
            if not sources:
                raise JnnError(f"Name the sets to get: {', '.join(SOURCES)}.")
            for source in sources:
                print(_place(source, offline=arguments.offline))
        case "path":
            places = [_place(source, offline=True) for source in sources]
            for place in places or [str(data_folder())]:
                print(place)
        case other:
            suggestion = did_you_mean(other, ["list", "get", "path"]) or EXAMPLES[0]
            raise JnnError(f"jnn data: unknown action {other!r}. {suggestion}")
    return 0


def _place(source: Source, *, offline: bool) -> str:
    """The folder of a set, or that it needs none."""
    if not source.files:
        return f"{source.name} comes with scikit-learn"
    return str(fetch(source, offline=offline))


def _list(as_json: bool) -> None:
    records = [
        {
            "name": source.name,
            "about": source.about,
            "licence": source.licence,
            "here": not source.files or find(source) is not None,
        }
        for source in SOURCES.values()
    ]
    if as_json:
        print(json.dumps(records, ensure_ascii=False))
        return
    rows = [
        [record["name"], "here" if record["here"] else "-", record["about"]] for record in records
    ]
    note = f"Kept in {data_folder()}. `jnn data get NAME` fetches a set."
    print("\n".join([*table(rows), "", dim(note)]))
