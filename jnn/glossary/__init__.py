"""The terms of the field, each with its formula, jnn's function and the place that shows it.

They are data, in ``terms.toml``.

>>> term = find("dropout")
>>> term.formula
'h ← h · m / (1 - p),  m ~ Bernoulli(1 - p)'
>>> find("droput")
Traceback (most recent call last):
jnn.errors.JnnError: glossary: got 'droput', expected a term. Did you mean dropout?
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from importlib import resources
from typing import NamedTuple

from jnn.errors import mistake


class Term(NamedTuple):
    """A term of the field."""

    name: str
    definition: str
    """Two sentences."""
    formula: str = ""
    function: str = ""
    """The dotted name of jnn's function or module."""
    shown: str = ""
    """The file of the repository that shows it, with ``#heading``."""
    playground: str = ""
    """The state of the page of `jnn playground` to play with it, as it stands in its address."""
    see: tuple[str, ...] = ()
    """Related terms."""
    also: tuple[str, ...] = ()
    """Other names of the same, and short forms, by which it is found too."""


@functools.cache
def terms() -> dict[str, Term]:
    """All terms by name, in alphabetical order."""
    text = resources.files("jnn.glossary").joinpath("terms.toml").read_text(encoding="utf-8")
    fields = tomllib.loads(text)
    return {
        name: Term(name, **entry | {key: tuple(entry.get(key, ())) for key in ("see", "also")})
        for name, entry in fields.items()
    }


def find(name: str) -> Term:
    """The term of this name, or that is also called so, in any case.

    Raises `JnnError` for an unknown one, with the terms that are alike or mention it.
    """
    also = {name.casefold(): term.name for term in terms().values() for name in term.also}
    canonical = also | {term.casefold(): term for term in terms()}
    wanted = " ".join(name.split()).casefold()
    if wanted in canonical:
        return terms()[canonical[wanted]]
    alike = difflib.get_close_matches(wanted, canonical, n=3, cutoff=0.65) if wanted else []
    within = [term.casefold() for term in terms() if wanted and wanted in term.casefold()]
    names = list(dict.fromkeys(canonical[term] for term in [*within, *alike]))[:5]
    remedy = f"Did you mean {', '.join(names)}?" if names else "`jnn glossary` lists them."
    raise mistake("glossary", got=repr(name), expected="a term", remedy=remedy)


def lines(term: Term) -> list[str]:
    """A term as text."""
    rows = [term.definition]
    labelled = {
        "also": ", ".join(term.also),
        "formula": term.formula,
        "jnn": term.function,
        "shown in": term.shown,
        "to play with": term.playground and f"playground.html#{term.playground}",
    }
    rows += [f"  {label}: {value}" for label, value in labelled.items() if value]
    return [*rows, f"  see also: {', '.join(term.see)}"] if term.see else rows


def page() -> str:
    """All terms as one page of HTML, with links between them."""
    from html import escape

    from jnn.explain.page import html

    def entry(term: Term) -> str:
        code = lambda text: f"<code>{escape(text)}</code>" if text else ""
        address = lambda state: escape(f"playground.html#{state}")
        play = lambda state: f'<a href="{address(state)}">the playground</a>' if state else ""
        links = ", ".join(f'<a href="#{anchor(name)}">{escape(name)}</a>' for name in term.see)
        facts = {
            "Also": escape(", ".join(term.also)),
            "Formula": code(term.formula),
            "jnn": term.function and f"<code>{html.breakable(term.function)}</code>",
            "Shown in": escape(term.shown.replace("#", ": ")),
            "To play with": play(term.playground),
            "See also": links,
        }
        rows = "".join(f"<dt>{label}</dt><dd>{fact}</dd>" for label, fact in facts.items() if fact)
        body = f'<dl class="term">{rows}</dl>' if rows else ""
        return html.section(anchor(term.name), term.name, term.definition, body)

    body = "\n".join(map(entry, terms().values()))
    lead = (
        f"{len(terms())} terms of the field, and where jnn has them. What can be played with opens "
        "in the page that jnn playground writes, in the same folder."
    )
    return html.page("Glossary", "jnn", lead, body)


def anchor(name: str) -> str:
    """The name of a term in a link.

    >>> anchor("query, key, and value")
    'query-key-and-value'
    """
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower())
    return "-".join(words.split())
