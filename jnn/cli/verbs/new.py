"""``jnn new``: an experiment of your own to start from."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path

from jnn.cli.arguments import Parser
from jnn.errors import mistake

TEMPLATES = {
    "csv": "classes of the rows of a CSV file",
    "images": "classes of the pictures in a folder",
    "text": "the text of a file, to write more like it",
}

EXAMPLES = (
    "jnn new my_experiment.py",
    "jnn new my_experiment.py --data images",
    "jnn run my_experiment.py --smoke",
)


def main(argv: list[str]) -> int:
    """Write the file, and print the commands that run it."""
    about = "Write an experiment of your own to start from; it runs without changes."
    parser = Parser("new", about, examples=EXAMPLES)
    parser.add_argument("file", metavar="FILE.py", help="the file to write; it must not exist")
    listed = "; ".join(f"{name}: {text}" for name, text in TEMPLATES.items())
    parser.add_argument("--data", choices=TEMPLATES, default="csv", help=listed)
    arguments = parser.parse(argv)
    path = Path(arguments.file)
    if path.suffix != ".py" or not path.stem.isidentifier():
        expected = "a Python file whose name is an identifier, such as my_experiment.py"
        raise mistake("jnn new", got=arguments.file, expected=expected)
    if path.exists():
        raise mistake(str(path), got="a file that exists", expected="a new one")
    write(path, arguments.data)
    name = shlex.quote(str(path))
    print(
        f"wrote {path}. Next:\n"
        f"  jnn run {name} --smoke    # seconds, to see that it works\n"
        f"  jnn run {name} --help     # its settings\n"
        f"  jnn sweep {name} --seed 0..2 --learning-rate 1e-2,1e-3\n"
        "The parts of an experiment: jnn run --help"
    )
    return 0


def write(path: Path, name: str) -> None:
    """Copy a template."""
    from jnn.files import write_text

    source = resources.files("jnn.cli.templates").joinpath(f"{name}.py")
    write_text(path, source.read_text(encoding="utf-8"))
