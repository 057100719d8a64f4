"""A folder with a pretrained model on the command line."""

from __future__ import annotations

import dataclasses
import json
from typing import Any


def description(name: str) -> dict[str, Any]:
    """What is in the folder, as strict JSON has it."""
    import jax

    from jnn.files import plain
    from jnn.interop import describe

    described = describe(name)
    leaves = jax.tree.leaves(described.shapes)
    return {
        "folder": name,
        "family": described.family,
        "settings": plain(dataclasses.asdict(described.settings)),
        "parameters": sum(leaf.size for leaf in leaves),
        "bytes": sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
        "dtypes": sorted({str(leaf.dtype) for leaf in leaves}),
        "tokens": described.vocabulary,
        "map": [str(row) for row in described.rows],
    }


def description_lines(name: str) -> list[str]:
    """The `description` for a terminal."""
    from jnn.cli.terminal import bold, dim
    from jnn.tables import table

    facts = description(name)
    size = f"{facts['parameters']:,} parameters, {', '.join(facts['dtypes'])}"
    tokens = f"a tokenizer of {facts['tokens']:,} tokens" if facts["tokens"] else "no tokenizer"
    settings = [[f"  {key}", json.dumps(value)] for key, value in facts["settings"].items()]
    rows = [["  " + row.split(" -> ")[0], row.split(" -> ", 1)[1]] for row in facts["map"]]
    lines = [
        bold(f"{facts['family']} in {name}"),
        "",
        f"{size}, {facts['bytes']:,} bytes; {tokens}",
    ]
    lines += ["", dim("Settings of the architecture"), *table(settings)]
    return [*lines, "", dim("Tensors of the files, and where they are in params"), *table(rows)]
