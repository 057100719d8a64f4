"""The parts of a page. Every function escapes its texts; a ``body`` is HTML that other functions
here made.
"""

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources

import jnn.explain.page


def page(title: str, kicker: str, lead: str, body: str) -> str:
    """A whole page: a small line, the title and the sentence that matters, then the ``body``."""
    style = resources.files(jnn.explain.page).joinpath("report.css").read_text(encoding="utf-8")
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
<main>
<header>
{f'<p class="kicker">{escape(kicker)}</p>' if kicker else ""}
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
</header>
{body}
</main>
</body>
</html>
"""


def section(name: str, title: str, text: str, body: str) -> str:
    """A part of the page under its heading."""
    paragraph = f"<p>{escape(text)}</p>\n" if text else ""
    return f'<section aria-labelledby="{escape(name)}">\n<h2 id="{escape(name)}">{escape(title)}</h2>\n{paragraph}{body}\n</section>'


def figure(source: str, description: str, least: int) -> str:
    """A picture on a white card, at least ``least`` pixels wide: where the screen is narrower it
    scrolls, with the keyboard too.
    """
    label = escape(description)
    image = f'<img src="{escape(source)}" alt="{label}" style="min-width:{least}px">'
    return f'<div class="figure" tabindex="0" role="region" aria-label="{label}">{image}</div>'


def preformatted(text: str, label: str) -> str:
    """Text in fixed-width letters as it is."""
    return f'<pre tabindex="0" role="region" aria-label="{escape(label)}">{escape(text)}</pre>'


def facts(values: Mapping[str, str]) -> str:
    """A few values side by side, each above its name."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in values.items()
    )
    return f'<dl class="facts">{items}</dl>' if items else ""


def table(caption: str, values: Mapping[str, str]) -> str:
    """Names and values in two columns; without a caption where the heading above says it all."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>\n'
        for name, value in values.items()
    )
    head = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="table"><table>{head}\n<tbody>\n{rows}</tbody></table></div>'


def bar_table(caption: str, rows: Sequence[tuple[str, str, float, bool]]) -> str:
    """A table of ``(name, text of its value, value, marked)`` with a bar from zero behind each
    value.
    """
    longest = max((value for _, _, value, _ in rows), default=0.0)
    lines = []
    for name, text, value, marked in rows:
        share = 100 * max(0.0, value) / longest if longest > 0 else 0.0
        bar = f'<td class="bar" aria-hidden="true"><span style="width:{share:.2f}%"></span></td>'
        row = f'<th scope="row">{escape(name)}</th><td class="number">{escape(text)}</td>{bar}'
        lines.append(f"<tr{' class=model' if marked else ''}>{row}</tr>\n")
    head = '<thead class="unseen"><tr><th scope="col">model</th><th scope="col">value</th><td></td></tr></thead>'
    inside = f"<caption>{escape(caption)}</caption>{head}\n<tbody>\n{''.join(lines)}</tbody>"
    return f'<div class="table"><table class="bars">{inside}</table></div>'
