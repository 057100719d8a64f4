"""The lessons beside the playground, with the terms of the glossary that they use."""

import re
from collections.abc import Iterator
from html import escape, unescape
from importlib import resources

import jnn.explain.playground
from jnn.glossary import Term, anchor, find

_TERM = re.compile(r'<dfn data-term="([^"]+)">([^<]+)</dfn>')
_STATE = re.compile(r'(?:href="#|data-start=")([^"]*)"')


def lesson_texts() -> list[str]:
    """The HTML of each lesson, in their order."""
    folder = resources.files(jnn.explain.playground).joinpath("lessons")
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return [file.read_text(encoding="utf-8") for file in files if file.name.endswith(".html")]


def states(text: str) -> Iterator[str]:
    """The states that a lesson opens, as they stand after # in an address.

    >>> list(states('<a href="#lesson=1&set=xor">four corners</a>'))
    ['lesson=1&set=xor']
    """
    yield from map(unescape, _STATE.findall(text))


def lessons() -> str:
    """All lessons as HTML, in which each term of the glossary opens its definition."""
    texts = "\n".join(lesson_texts())
    terms = sorted({find(name) for name, _ in _TERM.findall(texts)})
    return _TERM.sub(_button, texts) + "\n".join(map(_definition, terms))


def _button(match: re.Match[str]) -> str:
    name = anchor(find(match[1]).name)
    return f'<button type="button" class="term" popovertarget="term-{name}">{match[2]}</button>'


def _definition(term: Term) -> str:
    formula = f'<p class="formula">{escape(term.formula)}</p>' if term.formula else ""
    text = f"<p><b>{escape(term.name)}</b>: {escape(term.definition)}</p>"
    place = escape(term.shown.replace("#", ": "))
    hint = f'<p class="hint">Shown in {place}</p>' if place else ""
    return f'<div popover id="term-{anchor(term.name)}">{text}{formula}{hint}</div>'
