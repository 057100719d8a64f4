"""Fonts for letters of a user's data that the usual ones lack, such as Chinese ones."""

from collections.abc import Iterable
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

LAST_RESORT = "Last Resort"
"""How the name of a font begins whose letters are boxes with the names of scripts."""


def families(text: str, font: FontProperties) -> list[str]:
    """The families of a font, and after them installed ones that have what it lacks of a text.

    >>> families("cat", FontProperties(family="DejaVu Sans"))
    ['DejaVu Sans']
    """
    usual = font.get_family()
    if text.isascii():
        return usual
    return list(dict.fromkeys([*usual, *_installed(_lacking(findfont(font), text))]))


@cache
def _installed(letters: frozenset[str]) -> list[str]:
    """Installed families that have these letters together, or as many of them as there are."""
    chosen: list[str] = []
    for font in sorted(fontManager.ttflist, key=lambda font: "Sans" not in font.name):
        if not letters:
            break
        others = _lacking(font.fname, letters)
        if others != letters and not font.name.startswith(LAST_RESORT):
            chosen.append(font.name)
            letters = others
    return chosen


def _lacking(path: str, letters: Iterable[str]) -> frozenset[str]:
    """The printable ones of some letters for which the font in a file has no glyph."""
    font = get_font(path)
    lacks = lambda letter: letter.isprintable() and not font.get_char_index(ord(letter))
    return frozenset(filter(lacks, letters))
