"""Coloured text in a browser is the text itself, each token with its value and the colour
of that.
"""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from jnn.errors import JnnError
from jnn.explain import style
from jnn.explain.page.coloured_text import PROBABILITY, background, coloured_text, predicted_text

RNG = np.random.default_rng(0)
READABLE = 4.5  # contrast of letters that WCAG 2.1, 1.4.3 asks for
TEXT = 'if a < b & c > "d":\n\treturn <b>'


class Cells(HTMLParser):
    """The pieces of text with the attributes around them; fails where tags do not nest."""

    def __init__(self, html):
        super().__init__()
        self.open, self.pieces, self.tags = [], [], set()
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag != "br":
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            self.pieces.append((data, self.open[-1][1]))

    def titled(self):
        return [
            (data, float(attributes["title"]))
            for data, attributes in self.pieces
            if "title" in attributes
        ]


def colour(attributes):
    return to_rgb(re.search(r"background:(#\w{6})", attributes["style"]).group(1))


def test_each_token_has_its_value_and_the_colour_of_it():
    values = RNG.uniform(-2, 2, size=len(TEXT))
    cells = [
        piece
        for piece in Cells(coloured_text(TEXT, {"": values}, label="a unit")).pieces
        if "title" in piece[1]
    ]
    assert "".join(data for data, _ in cells) == TEXT.replace("\n", "↵\n")
    for value, (_, attributes) in zip(values, cells, strict=True):
        assert float(attributes["title"]) == float(f"{value:.2g}")
        assert attributes["style"] == background(value / np.abs(values).max())


def test_all_rows_have_one_scale_which_the_legend_shows():
    html = coloured_text("ab", {"one": [1.0, 2.0], "two": [-4.0, 2.0]}, label="")
    cells = [piece for piece in Cells(html).pieces if "title" in piece[1]]
    assert colour(cells[1][1]) == colour(cells[3][1])
    assert "−4<span" in html
    assert "0<span" in coloured_text("ab", {"": [1.0, np.nan]}, label="")
    assert "one</div>" in html


@pytest.mark.parametrize("colours", [style.SIGNED, PROBABILITY])
def test_what_is_beyond_the_scale_has_the_full_colour(colours):
    assert background(2.0, colours) == background(1.0, colours)
    lowest = -1.0 if colours is style.SIGNED else 0.0
    assert background(-2.0, colours) == background(lowest, colours)


@pytest.mark.parametrize("colours", [style.SIGNED, PROBABILITY])
def test_black_letters_can_be_read_on_every_colour(colours):
    def luminance(rgb):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    for value in np.linspace(-1 if colours is style.SIGNED else 0, 1, 81):
        ground = to_rgb(background(value, colours).removeprefix("background:"))
        assert (luminance(ground) + 0.05) / 0.05 >= READABLE


def test_farther_from_zero_is_farther_from_white():
    values = np.linspace(0, 1, 9)
    for sign in (1, -1):
        light = [
            sum(to_rgb(background(sign * value).removeprefix("background:"))) for value in values
        ]
        assert light[0] == 3
        assert np.all(np.diff(light) < 0)
    assert to_rgb(background(1.0)[11:])[0] > to_rgb(background(1.0)[11:])[2]  # orange
    assert to_rgb(background(-1.0)[11:])[0] < to_rgb(background(-1.0)[11:])[2]  # blue


def test_what_is_no_number_has_no_colour_and_zero_none_either():
    cells = Cells(coloured_text("abc", {"": [np.nan, 0.0, 1.0]}, label=""))
    assert cells.titled() == [("c", 1.0)]
    assert any(data == "ab" for data, _ in cells.pieces)


def test_text_is_escaped_and_nothing_runs_or_loads():
    tokens = ["<script>alert(1)</script>", '"', "&amp;", "ok"]
    for html in (
        coloured_text(tokens, {"<i>": [1, 2, 3, 4]}, label='"><b>', between=" "),
        predicted_text(tokens, [1, 2, 3, 4], np.full((4, 4), 0.25), tokens, label='"><b>'),
    ):
        cells = Cells(html)
        assert cells.tags <= {"div", "span", "br"}
        assert "url(" not in html
        assert "src=" not in html
    assert any(data == "<script>alert…" for data, _ in cells.pieces)


def test_a_long_text_is_cut_and_a_line_says_so():
    cells = Cells(coloured_text("x" * 1000, {"": np.ones(1000)}, label="", most=30))
    assert len(cells.titled()) == 30
    assert any("The first 30 of 1,000 tokens." in data for data, _ in cells.pieces)
    assert (
        len(predicted_text("x" * 1000, np.ones(1000), np.ones((1000, 1)), "x", label="", most=30))
        < 30_000
    )


def test_under_each_token_stand_the_most_probable_next_ones():
    vocabulary, text = "abcde", "abcd"
    p = RNG.dirichlet(np.ones(5), size=4)
    pieces = Cells(predicted_text(text, np.ones(4), p, vocabulary, label="", top=3)).titled()
    columns = [pieces[i : i + 4] for i in range(0, 16, 4)]
    for t, (token, *guesses) in enumerate(columns):
        assert token[0] == text[t]
        expected = sorted(zip(vocabulary, p[t], strict=True), key=lambda pair: -pair[1])[:3]
        assert guesses == [(name, float(f"{probability:.2g}")) for name, probability in expected]


def test_the_actual_next_token_is_underlined():
    pieces = Cells(
        predicted_text(
            "aba", np.ones(3), [[0.2, 0.8], [0.3, 0.7], [0.5, 0.5]], "ab", label="", top=2
        )
    ).pieces
    assert [data for data, attributes in pieces if "underline" in attributes.get("style", "")] == [
        "b",
        "a",
    ]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: coloured_text("abc", {"": [1, 2]}, label=""),
            "coloured_text: got values (2,) for 3 tokens, expected one for each token",
        ),
        (
            lambda: predicted_text("ab", [1, 2], np.ones((2, 3)), "ab", label=""),
            "got probabilities (2, 3) for 2 tokens and a vocabulary of 2",
        ),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call()
    assert text in str(error.value)
