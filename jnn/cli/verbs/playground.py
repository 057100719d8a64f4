"""``jnn playground``: networks that train in a page."""

from __future__ import annotations

from pathlib import Path

from jnn.cli.arguments import Parser

NAME = "playground.html"
EXAMPLES = (
    "jnn playground",
    "jnn playground --open",
    "jnn playground --out lessons/playground.html",
)


def main(argv: list[str]) -> int:
    """Write the page and print its path."""
    about = "Write a page in which small networks train, with eight lessons."
    parser = Parser("playground", about, examples=EXAMPLES)
    parser.add_argument(
        "--out", metavar="FILE", default=NAME, help=f"where to write it; in a folder, {NAME}"
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    arguments = parser.parse(argv)

    from jnn.explain.playground import playground
    from jnn.files import writable, write_text

    path = Path(arguments.out)
    path = path / NAME if path.is_dir() else path
    with writable(path):
        write_text(path, playground())
    print(path)
    if arguments.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return 0
