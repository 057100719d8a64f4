"""``python -m benchmarks.plan_table``: language models from 1 to 256 chips, on paper.

Each row is what ``jnn plan`` says of one step, and needs no chip: some minutes on two cores. With
``--write`` the table goes into experiments/many_devices/README.md.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from jnn.plan import CHIPS

PAGE = Path(__file__).parents[1] / "experiments" / "many_devices" / "README.md"
BEGIN, END = "<!-- plan -->", "<!-- end of plan -->"


class Row(NamedTuple):
    """A model on so many devices."""

    preset: str
    batch_size: int
    accumulate: int
    mesh: str

    @property
    def words(self) -> list[str]:
        """The arguments of ``jnn plan``."""
        pairs = [(f"--{name.replace('_', '-')}", value) for name, value in self._asdict().items()]
        options = [str(word) for pair in pairs for word in pair]
        return ["text_generation", *options, "--precision", "bfloat16"]


ROWS = (
    Row("gpt2", 512, 32, "data=1"),
    Row("gpt2", 512, 4, "data=8"),
    Row("gpt2", 512, 1, "data=64"),
    Row("gpt2", 512, 1, "data=256"),
    Row("gpt2_xl", 512, 64, "data=1"),
    Row("gpt2_xl", 512, 8, "fsdp=8"),
    Row("gpt2_xl", 512, 1, "data=8,fsdp=8"),
    Row("gpt2_xl", 512, 1, "data=32,fsdp=8"),
    Row("llama2_7b", 1024, 1024, "data=1"),
    Row("llama2_7b", 1024, 128, "fsdp=8"),
    Row("llama2_7b", 1024, 16, "data=8,fsdp=8"),
    Row("llama2_7b", 1024, 4, "data=32,fsdp=8"),
)
"""Half a million tokens a step for GPT-2, and four million for Llama 2."""
TITLES = (
    *("model", "chips", "mesh", "sequences a step, parts", "params and optimizer", "temporaries"),
    *("fits", "operations a chip", "sent a chip", "least time on h100", "tokens a second, at most"),
)
LENGTH = {"gpt2": 1024, "gpt2_xl": 1024, "llama2_7b": 4096}


def planned(row: Row) -> dict[str, Any]:
    """What ``jnn plan`` says."""
    words = [sys.executable, "-m", "jnn", "plan", *row.words, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def line(row: Row, plan: dict[str, Any]) -> str:
    """A row of the table."""
    kept = plan["params"] + plan["optimizer_state"]
    fits = [name for name, chip in CHIPS.items() if plan["peak"] <= chip.memory]
    sent = sum(collective["bytes"] for collective in plan["collectives"].values())
    chip = CHIPS["h100"]
    seconds = max(
        plan["operations"] / chip.peak, 2 * kept / chip.memory_rate, sent / chip.link_rate
    )
    tokens = row.batch_size * LENGTH[row.preset]
    cells = [
        f"{row.preset}, {plan['parameters'] / 1e6:,.0f} M",
        f"{plan['devices']}",
        row.mesh,
        f"{row.batch_size}, {row.accumulate}",
        f"{kept / 1e9:.1f} GB",
        f"{plan['temporaries'] / 1e9:.1f} GB",
        ", ".join(fits) or "none",
        f"{plan['operations'] / 1e12:,.0f} T",
        f"{sent / 1e9:,.1f} GB",
        f"{seconds:.3g} s",
        f"{tokens / seconds:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def write(lines: list[str]) -> None:
    """Put the table into its document."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, "", *lines, "", END + after]))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.plan_table", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.name}")
    arguments = parser.parse_args()
    lines = [f"| {' | '.join(TITLES)} |", "|" + "---|" * len(TITLES)]
    print("\n".join(lines), flush=True)
    for row in ROWS:
        lines.append(line(row, planned(row)))
        print(lines[-1], flush=True)
    if arguments.write:
        write(lines)


if __name__ == "__main__":
    main()
