"""``jnn glossary``: the terms of the field."""

from __future__ import annotations

import json
from pathlib import Path

from jnn.cli.arguments import Parser
from jnn.cli.terminal import bold
from jnn.glossary import find, lines, page, terms

EXAMPLES = (
    "jnn glossary",
    "jnn glossary attention head",
    "jnn glossary --html glossary.html",
)


def main(argv: list[str]) -> int:
    """Print a term, or the names of all, or write their page."""
    parser = Parser(
        "glossary", "The terms of the field, and where jnn has them.", examples=EXAMPLES
    )
    parser.add_argument("term", metavar="TERM", nargs="*", help="a term; all names without one")
    parser.add_argument("--html", metavar="FILE", help="write all terms as a page")
    parser.add_argument("--json", action="store_true", help="an object for machines")
    arguments = parser.parse(argv)
    if arguments.html:
        from jnn.files import writable, write_text

        path = Path(arguments.html)
        with writable(path):
            write_text(path, page())
        print(path)
        return 0
    chosen = [find(" ".join(arguments.term))] if arguments.term else list(terms().values())
    if arguments.json:
        print(json.dumps([term._asdict() for term in chosen], ensure_ascii=False))
    elif arguments.term:
        print("\n".join([bold(chosen[0].name), *lines(chosen[0])]))
    else:
        print("\n".join(term.name for term in chosen))
        print(f"\n{len(chosen)} terms. Explain one with: jnn glossary TERM")
    return 0
