"""``jnn predict``: what a trained model says of files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jnn.cli.arguments import Parser
from jnn.cli.machine import use_device
from jnn.cli.programs import keep_programs
from jnn.wording import printable, tell

EXAMPLES = (
    "jnn predict runs/image_classification/latest photo.png drawing.jpg",
    "jnn predict runs/tabular_regression/latest patients.csv --out predictions.csv",
    "jnn predict runs/text_classification/latest < questions.txt",
)


def main(argv: list[str]) -> int:
    """Print a line for each input, or write them all to a file, whose path is printed."""
    arguments = _parse(argv)
    from jnn.cli.prediction_output import check_path, lines, write_answers

    out = Path(arguments.out) if arguments.out else None
    if out is not None:
        check_path(out, arguments.files)
    use_device(arguments.device)
    keep_programs()

    from jnn.cli.prediction import predict_files
    from jnn.cli.smoke import warn_of_smoke
    from jnn.integers import check_integer
    from jnn.loaded import load

    size = check_integer("jnn predict", "--batch-size", arguments.batch_size)
    loaded = load(arguments.run)
    warn_of_smoke(loaded.config)
    if loaded.preparation is None:
        tell("inputs are arrays as the experiment prepares them: the run has no preparation")
    answers = predict_files(loaded, arguments.files, sys.stdin, tell, batch_size=size)
    unit = loaded.preparation.unit if loaded.preparation else ""
    if out is None:
        for line in lines(answers, unit):
            print(printable(line))
        if not answers:
            tell("nothing was found")
        return 0
    write_answers(out, answers, unit)
    print(out.absolute())
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    about = "Print what a trained model says of pictures, rows of tables, or texts, a line each."
    parser = Parser("predict", about, examples=EXAMPLES)
    kind = "the folder of a run, or of a pretrained classifier"
    parser.add_argument("run", metavar="RUN", help=kind)
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        default=[],
        help="pictures, CSV or .npy files, or texts, one a line; these without a file, or of the "
        "name -, from standard input",
    )
    parser.add_argument(
        "--out", default="", metavar="FILE", help="a .csv or .json file for all, with more detail"
    )
    parser.add_argument(
        "--batch-size", type=int, default=64, metavar="N", help="inputs at a time (64)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or tpu")
    return parser.parse(argv)
