"""The parts of a page of HTML.

Every function escapes its texts; a ``body`` is HTML that other functions here made.
"""

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources

import jnn.explain.page


def page(title: str, kicker: str, lead: str, body: str) -> str:
    """A whole page: a small line, the title and the sentence that matters, then the ``body``."""
    style = resources.files(jnn.explain.page).joinpath("report.css").read_text(encoding="utf-8")
    content = f"""<main>
<header>
{f'<p class="kicker">{escape(kicker)}</p>' if kicker else ""}
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
</header>
{body}
</main>"""
    return document(title, style, content)


def document(title: str, style: str, body: str) -> str:
    """A file of HTML that needs no other one: light and dark, as wide as the screen."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def section(name: str, title: str, text: str, body: str) -> str:
    """A part of the page under its heading."""
    name, paragraph = escape(name), f"<p>{escape(text)}</p>\n" if text else ""
    heading = f'<h2 id="{name}">{escape(title)}</h2>'
    return f'<section aria-labelledby="{name}">\n{heading}\n{paragraph}{body}\n</section>'


def warning(start: str, rest: str) -> str:
    """A paragraph that stands out, its ``start`` in bold."""
    text = f"<strong>{escape(start)}</strong> {escape(rest)}"
    return f'<p class="warning" role="note">{text}</p>'


def figure(source: str, title: str, text: str, width: int) -> str:
    """A picture on a white card, ``width`` pixels wide, or as wide as the screen has room for.

    Where that is less than three quarters, and letters would be too small to read, it scrolls, by
    keyboard too.
    """
    description = escape(f"{title}. {text}")
    image = f'<img src="{escape(source)}" alt="{description}" width="{width}">'
    box = f'class="figure" tabindex="0" role="group" aria-label="{escape(title)}"'
    return f'<div {box} style="--width: {width}px">{image}</div>'


def preformatted(text: str, label: str) -> str:
    """Text in fixed-width letters; where the screen is narrower it scrolls, by keyboard too."""
    return f'<pre tabindex="0" role="group" aria-label="{escape(label)}">{escape(text)}</pre>'


def facts(values: Mapping[str, str]) -> str:
    """A few values side by side, each below its name."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in values.items()
    )
    return f'<dl class="facts">{items}</dl>' if items else ""


def table(caption: str, values: Mapping[str, str]) -> str:
    """Names and values in two columns; no caption where the heading above is enough."""
    rows = "".join(
        f'<tr><th scope="row">{breakable(name)}</th><td>{escape(value)}</td></tr>\n'
        for name, value in values.items()
    )
    return f'<div class="table"><table>{_caption(caption)}\n<tbody>\n{rows}</tbody></table></div>'


def grid(caption: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A table with a heading above each column; where the screen is narrower it scrolls."""
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(value)}</td>" for value in values)
        + "</tr>\n"
        for name, values in rows.items()
    )
    head = f"<thead><tr><td></td>{heads}</tr></thead>"
    inside = f"{_caption(caption)}\n{head}\n<tbody>\n{lines}</tbody>"
    return (
        f'<div class="table" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f'<table class="grid">{inside}</table></div>'
    )


def bar_table(caption: str, rows: Sequence[tuple[str, str, float, bool]]) -> str:
    """``(name, text of its value, value, marked)``, with a bar from zero beside each value.

    A value that is negative or no number has no bar.
    """
    longest = max((value for _, _, value, _ in rows if value > 0), default=1.0)
    lines = []
    for name, text, value, marked in rows:
        share = 100 * value / longest if value > 0 else 0.0
        bar = f'<td class="bar" aria-hidden="true"><span style="width:{share:.2f}%"></span></td>'
        row = f'<th scope="row">{escape(name)}</th><td class="number">{escape(text)}</td>{bar}'
        lines.append(f"<tr{' class=model' if marked else ''}>{row}</tr>\n")
    heads = '<th scope="col">model</th><th scope="col">value</th><td></td>'
    head = f'<thead class="unseen"><tr>{heads}</tr></thead>'
    inside = f"{_caption(caption)}{head}\n<tbody>\n{''.join(lines)}</tbody>"
    return f'<div class="table"><table class="bars">{inside}</table></div>'


def breakable(name: str) -> str:
    """A name that a narrow column breaks after its dots and underscores."""
    return escape(name).replace("_", "_<wbr>").replace(".", ".<wbr>")


def _caption(text: str) -> str:
    return f"<caption>{escape(text)}</caption>" if text else ""
