"""``jnn explain``: a page in which the trained model of a run runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from jnn.cli.arguments import Parser
from jnn.cli.machine import use_device
from jnn.cli.programs import keep_programs

EXAMPLES = (
    "jnn explain runs/image_classification/latest",
    "jnn explain runs/text_generation/latest --out lab.html",
    "jnn explain runs/mine/latest --device cpu",
)


def main(argv: list[str]) -> int:
    """Write the page and print its path."""
    arguments = _parse(argv)
    use_device(arguments.device)
    keep_programs()

    from jnn.cli.smoke import warn_of_smoke
    from jnn.cli.subject import subject_of
    from jnn.explain.lab.page import write_lab
    from jnn.runs.folders import read_record

    folder = Path(arguments.run).resolve()
    out = Path(arguments.out).absolute() if arguments.out else folder / "lab.html"
    subject = subject_of(folder)
    warn_of_smoke(read_record(folder)["config"])
    print(write_lab(out, subject))
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    about = "Write a page in which the trained model runs: see, and change, what is inside it."
    parser = Parser("explain", about, examples=EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="the run's folder")
    parser.add_argument("--out", default="", metavar="FILE", help="where the page goes (lab.html)")
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or tpu")
    return parser.parse(argv)
