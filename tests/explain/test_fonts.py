"""Letters that the usual font lacks are drawn in an installed one that has them."""

import warnings

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font

from jnn.explain.fonts import LAST_RESORT, families
from jnn.explain.results.classification import confusion

CIRCLED = "\N{CIRCLED LATIN CAPITAL LETTER A}"  # not in DejaVu Sans, and in STIX of Matplotlib
USUAL = FontProperties(family="DejaVu Sans")


def test_a_missing_letter_adds_a_family_that_has_it():
    usual, other = families(f"caf\N{LATIN SMALL LETTER E WITH ACUTE} {CIRCLED}", USUAL)
    assert usual == "DejaVu Sans"
    assert not other.startswith(LAST_RESORT)
    assert get_font(findfont(FontProperties(family=other))).get_char_index(ord(CIRCLED))


def test_letters_of_the_usual_font_add_none():
    assert families("caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{MINUS SIGN}1\n", USUAL) == [
        "DejaVu Sans"
    ]


def test_a_figure_has_no_letter_without_a_glyph():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        confusion(np.array([[3, 1], [0, 2]]), [CIRCLED, "b"]).draw_without_rendering()
