"""``jnn generate``: text or pictures from a trained model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from jnn.cli.arguments import Parser
from jnn.cli.machine import use_device
from jnn.cli.programs import keep_programs
from jnn.errors import mistake

EXAMPLES = (
    "jnn generate runs/text_generation/latest --prompt 'ROMEO:'",
    "jnn generate runs/translation/latest --prompt 'Where is the station?' --beams 4",
    "jnn generate gpt2 --prompt 'Once upon a time' --length 50",
)


def main(argv: list[str]) -> int:
    """Print the text that the run's best params generate, piece by piece.

    Where they generate a picture, save it and print its path.
    """
    arguments = _parse(argv)
    use_device(arguments.device)
    keep_programs()

    from jnn.cli.smoke import warn_of_smoke
    from jnn.decoding.generate import Request
    from jnn.decoding.sampling import Sampling
    from jnn.loaded import experiment_of
    from jnn.runs.folders import is_pretrained

    folder = Path(arguments.run).resolve()
    module, config = (None, None) if is_pretrained(arguments.run) else experiment_of(folder)
    if module is not None and not hasattr(module, "generate"):
        raise mistake(
            module.__name__.rpartition(".")[2],
            got="an experiment that cannot generate",
            expected="one with a function generate(config, folder, request)",
        )
    warn_of_smoke(config)
    sampling = Sampling(
        temperature=arguments.temperature,
        top_k=arguments.top_k,
        top_p=arguments.top_p,
        min_p=arguments.min_p,
        repetition_penalty=arguments.repetition_penalty,
    )
    request = Request(
        prompt=arguments.prompt,
        length=arguments.length,
        sampling=sampling,
        beams=arguments.beams,
        seed=arguments.seed,
    )
    if module is None:
        from jnn.interop.text import write_text

        output = write_text(folder, request)
    else:
        output = module.generate(config, folder, request)
    if hasattr(output, "savefig"):
        path = Path(arguments.out).absolute() if arguments.out else folder / "generated.png"
        print(_save(output, path))
        return 0
    if arguments.out:
        raise mistake(
            "--out",
            got="an experiment that generates text",
            expected="one that generates pictures",
            remedy="Text goes to standard output.",
        )
    for piece in output:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return 0


def _save(figure: Any, path: Path) -> Path:
    """Save a figure as PNG, whole or not at all."""
    from jnn.files import replacing

    if path.suffix != ".png":
        raise mistake("--out", got=path.name, expected="a file that ends with .png")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, bbox_inches="tight")
    return path


def _parse(argv: list[str]) -> argparse.Namespace:
    about = "Write, translate or draw with a trained model."
    parser = Parser("generate", about, examples=EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="the folder of a run, or of a pretrained model")
    parser.add_argument(
        "--prompt", default="", help="the beginning of the text, or what to translate or draw"
    )
    parser.add_argument(
        "--length", type=int, default=300, metavar="N", help="most tokens to generate (300)"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.8,
        metavar="T",
        help="0 takes the most probable token (0.8)",
    )
    parser.add_argument(
        "--top-k", type=int, default=0, metavar="K", help="sample from the K most probable tokens"
    )
    parser.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="sample from the smallest set of tokens with probability P",
    )
    parser.add_argument(
        "--min-p",
        type=float,
        default=0.0,
        metavar="P",
        help="sample from the tokens at least P times as probable as the best",
    )
    parser.add_argument(
        "--repetition-penalty",
        type=float,
        default=1.0,
        metavar="R",
        help="above 1: fewer repetitions",
    )
    parser.add_argument(
        "--beams",
        type=int,
        default=0,
        metavar="K",
        help="beam search for the most probable text, with K beams",
    )
    parser.add_argument(
        "--out", default="", metavar="FILE", help="where a picture goes (RUN/generated.png)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the sampling")
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or tpu")
    return parser.parse(argv)
