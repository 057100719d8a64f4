"""``jnn export``: a trained model for use without jnn."""

from __future__ import annotations

import argparse
from pathlib import Path

from jnn.cli.arguments import Parser
from jnn.cli.machine import use_device

EXAMPLES = (
    "jnn export runs/image_classification/latest",
    "jnn export runs/tabular_regression/latest --out diabetes --web",
    "jnn export runs/text_classification/seed1 --out questions --transformers",
)


def main(argv: list[str]) -> int:
    """Write the folder, and print its path."""
    arguments = _parse(argv)
    use_device("cpu")  # what is written is for all devices, and tried on this one

    from jnn.cli.smoke import warn_of_smoke
    from jnn.export import export
    from jnn.loaded import load
    from jnn.runs.folders import is_pretrained, read_record

    run = Path(arguments.run)
    loaded = load(run)
    warn_of_smoke(loaded.config)
    out = Path(arguments.out) if arguments.out else run.resolve() / "export"
    kind = "" if is_pretrained(arguments.run) else read_record(run.resolve())["experiment"]
    title = f"{kind or 'classification'}: {run.resolve().name}"
    kinds = {name: getattr(arguments, name) for name in ("web", "onnx", "transformers")}
    print(export(loaded, out, title=title, **kinds))
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    about = "Write a trained model as a folder that is used without jnn."
    parser = Parser("export", about, examples=EXAMPLES)
    kind = "the folder of a run, or of a pretrained classifier"
    parser.add_argument("run", metavar="RUN", help=kind)
    parser.add_argument("--out", default="", metavar="FOLDER", help="a new folder (RUN/export)")
    parser.add_argument(
        "--web", action="store_true", help="also as JavaScript, for a browser or Node"
    )
    parser.add_argument(
        "--onnx", action="store_true", help="also as ONNX, by jax2onnx (extra: onnx)"
    )
    parser.add_argument(
        "--transformers",
        action="store_true",
        help="also as a folder that Hugging Face's transformers read, of a run that began with one",
    )
    return parser.parse(argv)
