"""Text as HTML, each token coloured by a number: an activation, a probability, an attribution.

Orange is positive and blue is negative; the predictions of the next token may be below each.
Colours are in the HTML itself, on white, so that light and dark pages show the same; the value of a
token is shown while the pointer rests on it.

Source: Karpathy 2015, http://karpathy.github.io/2015/05/21/rnn-effectiveness.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex
from numpy.typing import ArrayLike

from jnn.errors import mistake
from jnn.explain import style
from jnn.explain.page.markup import Markup
from jnn.explain.tokens import readable

MOST = 200
"""Tokens of a text that are shown, each with its colour about 60 bytes."""

PROBABILITY = LinearSegmentedColormap.from_list(
    "probability", ("#ffffff", "#8fd1bd", "#009e73"), N=101
)

TINT = 0.62
"""The share of the signed colours that is used: beyond it they are too dark for black letters."""

CARD = f"background:#ffffff;color:{style.INK};padding:1rem;overflow-x:auto"
LETTERS = (
    "color:#000;font:14px/1.75 ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace"
)
RUNNING = f"margin:0 0 1rem;max-width:none;white-space:pre-wrap;overflow-wrap:anywhere;{LETTERS}"
NOTE = f"margin:0 0 0.6rem;max-width:none;font-size:0.85rem;line-height:1.4;color:{style.QUIET}"
COLUMN = (
    "display:inline-block;vertical-align:top;text-align:center;"
    "min-width:1.25em;margin-bottom:0.7em;line-height:1.3"
)


def coloured_text(
    tokens: Sequence[str],
    values: Mapping[str, ArrayLike],
    *,
    label: str,
    scale: float | None = None,
    between: str = "",
    most: int = MOST,
) -> Markup:
    """The text once for each of ``values``, ``{name: (T,)}``, with the tokens in colour.

    Colours range from blue (``-scale``) through white (0) to orange (``scale``). A value that is no
    finite number has no colour.

    ``label``    describes it to screen readers
    ``scale``    the value of the full colour, by default the largest absolute value of all
    ``between``  the separator of two tokens: none for characters, a blank for words
    ``most``     tokens that are shown, the first ones; where there are more, a line says so

    Raises `JnnError` where there are not as many values as tokens.

    >>> html = coloured_text("ab", {"unit 3": [1.0, -0.5]}, label="activity of a unit")
    >>> '<span title="1" style="background:#e07d26">a</span>' in html
    True
    """
    rows = {name: _checked("coloured_text", tokens, value) for name, value in values.items()}
    scale = _scale(rows.values()) if scale is None else scale
    lowest = min((float(np.nanmin(row, initial=0.0)) for row in rows.values()), default=0.0)
    body = [_legend(scale, lowest), _cut(len(tokens), most)]
    for name, row in rows.items():
        cells = between.join(
            cell(running(token), value, scale)
            for token, value in zip(tokens[:most], row[:most], strict=True)
        )
        heading = f'<div style="{NOTE};margin-bottom:0.1rem">{escape(name)}</div>' if name else ""
        body.append(f'{heading}<div style="{RUNNING}">{cells}</div>')
    return card("\n".join(body), label)


def predicted_text(
    tokens: Sequence[str],
    values: ArrayLike,
    probabilities: ArrayLike,
    vocabulary: Sequence[str],
    *,
    label: str,
    scale: float | None = None,
    top: int = 5,
    most: int = 72,
) -> Markup:
    """The text in columns: each token coloured by its value, and below it the predicted next ones.

    ``values``         ``(T,)``, as for `coloured_text`
    ``probabilities``  ``(T, V)``: of the token after each. The ``top`` most probable ones stand
                       below one another, the greener the more probable; the actual one is
                       underlined.
    ``vocabulary``     the V tokens as text

    >>> p = [[0.1, 0.9], [0.5, 0.5]]
    >>> html = predicted_text("ab", [0.0, 1.0], p, "ab", label="a unit", top=1)
    >>> 'text-decoration:underline">b</span>' in html
    True
    """
    row, p = _checked("predicted_text", tokens, values), np.asarray(probabilities, np.float64)
    if p.shape != (len(tokens), len(vocabulary)):
        raise mistake(
            "predicted_text",
            got=f"probabilities {p.shape} for {len(tokens)} tokens and "
            f"a vocabulary of {len(vocabulary)}",
            expected="(tokens, vocabulary)",
        )
    scale = _scale([row]) if scale is None else scale
    columns = []
    for t, token in enumerate(tokens[:most]):
        following = tokens[t + 1] if t + 1 < len(tokens) else None
        guesses = [(vocabulary[int(i)], p[t, i]) for i in np.argsort(-p[t], kind="stable")[:top]]
        below = "<br>".join(_guess(text, q, is_next=text == following) for text, q in guesses)
        above = cell(readable(token), row[t], scale)
        columns.append(f'<span style="{COLUMN}">{above}<br>{below}</span>')
    note = (
        f"Below each token: the {top} most probable next ones, greener where more probable; "
        "the actual one is underlined."
    )
    parts = [
        _legend(scale, float(np.nanmin(row, initial=0.0))),
        f'<div style="{NOTE}">{note}</div>',
        _cut(len(tokens), most),
        f'<div style="max-width:none;{LETTERS}">{"".join(columns)}</div>',
    ]
    return card("\n".join(parts), label)


def card(body: str, label: str) -> Markup:
    """A body on a white card, as for the figures of the report."""
    region = f'tabindex="0" role="group" aria-label="{escape(label)}"'
    return Markup(f'<div class="figure" {region} style="{CARD}">\n{body}\n</div>')


def running(token: str) -> str:
    """A token within running text, with visible line breaks."""
    return token.replace("\r", "").replace("\n", "↵\n")


def background(value: float, colours: Any = style.SIGNED) -> str:
    """The style of a cell with the colour of ``value``, light enough for black letters.

    ``value`` is from -1 to 1 for signed ``colours`` and from 0 to 1 for others; what is beyond has
    the colour of the nearest end.

    >>> background(0.0), background(1.0)
    ('background:#ffffff', 'background:#e07d26')
    """
    place = (1 + TINT * min(max(value, -1), 1)) / 2 if colours is style.SIGNED else value
    return f"background:{to_hex(colours(place))}"


def cell(text: str, value: float, scale: float) -> str:
    """A coloured piece of text with its value as the tooltip; plain where that is 0 or NaN."""
    if value == 0 or not np.isfinite(value):
        return escape(text)
    return f'<span title="{value:.2g}" style="{background(value / scale)}">{escape(text)}</span>'


def _guess(token: str, probability: float, *, is_next: bool) -> str:
    line = ";text-decoration:underline" if is_next else ""
    look = f"{background(probability, PROBABILITY)}{line}"
    return f'<span title="{probability:.2g}" style="{look}">{escape(readable(token))}</span>'


def _legend(scale: float, lowest: float) -> str:
    start = -1 if lowest < 0 else 0
    colours = ",".join(
        background(value).removeprefix("background:") for value in np.linspace(start, 1, 9)
    )
    look = "display:inline-block;width:7rem;height:0.7em;margin:0 0.4rem"
    bar = f'<span style="{look};background:linear-gradient(90deg,{colours})"></span>'
    return f'<div style="{NOTE}">{style.short(start * scale)}{bar}{style.short(scale)}</div>'


def _cut(total: int, most: int) -> str:
    if total <= most:
        return ""
    return f'<div style="{NOTE}">The first {most} of {total:,} tokens.</div>'


def _scale(rows: Iterable[np.ndarray]) -> float:
    """The largest finite absolute value, or 1 where there is none above zero."""
    largest = [float(np.max(np.abs(row[np.isfinite(row)]), initial=0.0)) for row in rows]
    return max(largest, default=0.0) or 1.0


def _checked(caller: str, tokens: Sequence[str], values: ArrayLike) -> np.ndarray:
    row = np.asarray(values, np.float64)
    if row.shape != (len(tokens),):
        raise mistake(
            caller,
            got=f"values {row.shape} for {len(tokens)} tokens",
            expected="one for each token",
        )
    return row
