"""The look that all figures share.

Orange is positive and blue is negative, so that no reader needs to tell red from green; magnitudes
use viridis, whose equal steps look equal; lines take the colours of Okabe and Ito. Boxes, ticks of
images and backgrounds are omitted.

Text is drawn literally: names come from a user's data, where "$5" is no formula.

Everything is set on the figures and axes themselves: Matplotlib reads its global settings again
while it draws, when they are the user's.
"""

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter, MaxNLocator

from jnn.errors import mistake
from jnn.explain.fonts import families

INK, QUIET, GREY, FAINT = "#1f2430", "#667085", "#b8c0cc", "#e4e7ec"
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#a6558f",
    "#56b4e9",
    "#e69f00",
)
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW)
METHODS = (ORANGE, BLUE, *SERIES[2:])
"""Those of lines of which the first is the model's."""
DASHES = ("-", (0, (5, 2)), (0, (1, 1)), (0, (5, 1, 1, 1)))

LEFT_TO_RIGHT, NO_BREAK = "\N{LEFT-TO-RIGHT MARK}", "\N{NO-BREAK SPACE}"
_MINUS = re.compile(r"(?<![\w.-])-(?=\.?\d)")
"""A hyphen that is the sign of a number; those in dates and names are none."""
MAGNITUDE = "viridis"
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ("#08457e", "#2f7ebc", "#9ecae9", "#ffffff", "#fdc38d", "#dc7317", "#7f3b08"), N=257
).with_extremes(bad="#ffffff")


class PlainFigure(Figure):
    """A figure whose text is drawn literally, without formulas between dollar signs.

    The powers of ten at the ticks of a logarithmic axis, which Matplotlib writes itself, are the
    only formulas. Letters that a text's font lacks are those of another installed font. A number
    below zero has a minus sign, as Matplotlib's ticks have.
    """

    def draw(self, renderer: RendererBase) -> None:
        """Draw it, as Matplotlib does to show or save a figure."""
        for text in self.findobj(Text):
            family = families(text.get_text(), text.get_fontproperties())
            written = _MINUS.sub("−", text.get_text())
            text.set(text=written, parse_math=False, fontfamily=family)
        for ax in self.axes:
            for axis in (ax.xaxis, ax.yaxis):
                for text in _powers_of_ten(axis):
                    text.set(parse_math=True)
        super().draw(renderer)


def _powers_of_ten(axis: Axis) -> Iterator[Text]:
    """The texts at the ticks of a logarithmic axis that have no names of their own."""
    if isinstance(axis.get_major_formatter(), LogFormatter):
        yield from (text for tick in axis.majorTicks for text in (tick.label1, tick.label2))
    if isinstance(axis.get_minor_formatter(), LogFormatter):
        yield from (text for tick in axis.minorTicks for text in (tick.label1, tick.label2))


def panels(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float,
    height: float,
    title: str = "",
    widths: Sequence[float] | None = None,
    heights: Sequence[float] | None = None,
) -> tuple[Figure, np.ndarray]:
    """A figure of ``width`` x ``height`` inches and its axes, an array ``(rows, columns)``.

    ``title`` names the plot and its result. Columns are in proportion to ``widths``, rows to
    ``heights``.
    """
    figure = PlainFigure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=widths, height_ratios=heights)
    for ax in axes.ravel():
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(QUIET)
        ax.tick_params(which="both", colors=QUIET, labelcolor=INK, labelsize=9, length=3)
    entitle(figure, title)
    return figure, axes


def entitle(figure: Figure, title: str) -> None:
    """Put a title above all panels, wrapped to the width of the figure."""
    if title:
        figure.suptitle(
            wrapped(title, figure.get_figwidth()),
            x=0.012,
            ha="left",
            fontsize=12,
            fontweight="bold",
            color=INK,
        )


def wrapped(text: str, width: float) -> str:
    """``text`` in lines of ``width`` inches, in the bold letters of a title: 0.1 inches each.

    A line that begins with a Hebrew or Arabic name is read from left to right as the others are.
    """
    return "\n".join(
        f"{LEFT_TO_RIGHT}{line}" if _is_right_to_left(line) else line
        for line in lines(text, max(12, int(width / 0.1)))
    )


def lines(text: str, most: int) -> list[str]:
    """``text`` in lines of at most so many letters, none of which begins with a per cent sign.

    >>> lines("within the interval of 90 %", 25)
    ['within the interval of', '90 %']
    """
    whole = textwrap.wrap(text.replace(" %", f"{NO_BREAK}%"), most)
    return [line.replace(NO_BREAK, " ") for line in whole]


def _is_right_to_left(line: str) -> bool:
    """Whether the first letter of a line is one of those that are written from right to left."""
    kinds = (unicodedata.bidirectional(letter) for letter in line)
    return next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L"


def cut(name: str, most: int = 24) -> str:
    """A name from a user's data; of a long one both ends, which may tell it from others.

    >>> cut("cat"), cut("long-eared jerboa of the Gobi", 12)
    ('cat', 'long-ear…obi')
    """
    end = most // 4
    return name if len(name) <= most else f"{name[: most - 1 - end]}…{name[-end:]}"


def spread(count: int, most: int = 40) -> range:
    """Indices of the items that have room for their names, of so many along an axis.

    >>> list(spread(3)), list(spread(100))
    ([0, 1, 2], [0, 3, 6, ..., 99])
    """
    return range(0, count, max(1, -(-count // most)))


def caption(ax: Axes, title: str = "", *, x: str = "", y: str = "") -> None:
    """Name a panel and its axes."""
    ax.set_title(title, loc="left", fontsize=10, color=INK)
    ax.set_xlabel(x, fontsize=9, color=QUIET)
    ax.set_ylabel(y, fontsize=9, color=QUIET)


def gridded(ax: Axes, axis: Literal["both", "x", "y"] = "y") -> None:
    """Faint lines behind the data to read values by."""
    ax.grid(True, which="major", axis=axis, color=FAINT, linewidth=0.8)
    ax.set_axisbelow(True)


def whole(axis: Axis) -> None:
    """Ticks at whole numbers alone, as for steps."""
    steps = [1, 2, 2.5, 5, 10]
    axis.set_major_locator(MaxNLocator("auto", integer=True, steps=steps, min_n_ticks=1))


def bare(ax: Axes) -> None:
    """No ticks and no frame, as around a picture."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def legend(ax: Axes, *, above: bool = False) -> None:
    """Names of the lines, without a box, where the fewest data are.

    With ``above`` they are over a panel without a title, for data that may be anywhere in it.
    """
    names = ax.get_legend_handles_labels()[1]
    row = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": len(names), "borderpad": 0}
    if names:
        place: dict[str, Any] = row if above else {}
        ax.legend(frameon=False, fontsize=9, labelcolor=INK, handlelength=1.4, **place)


def line(i: int, colours: Sequence[str] = SERIES) -> dict[str, Any]:
    """The colour and the dashes of line i; where the colours begin again, the dashes differ.

    >>> line(0), line(7)["color"] == ORANGE
    ({'color': '#0072b2', 'linestyle': '-'}, True)
    """
    repeat, colour = divmod(i, len(colours))
    return {"color": colours[colour], "linestyle": DASHES[repeat % len(DASHES)]}


def colour_range(values: np.ndarray) -> tuple[Colormap | str, float, float]:
    """The colour map of some values, and its ends.

    It is signed and symmetric about zero where any is negative, else a magnitude from zero.
    """
    finite = values[np.isfinite(values)]
    most = float(np.max(np.abs(finite), initial=0.0)) or 1.0
    return (SIGNED, -most, most) if np.any(finite < 0) else (MAGNITUDE, 0.0, most)


def picture(
    ax: Axes, image: np.ndarray, *, low: float | None = None, high: float | None = None
) -> AxesImage:
    """Show an image ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, grey or in colour.

    ``low`` is black and ``high`` is white; without them, as for `displayable`.
    """
    image = displayable(np.asarray(image)[None], low=low, high=high)[0]
    bare(ax)
    return ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def displayable(
    images: np.ndarray, *, low: float | None = None, high: float | None = None
) -> np.ndarray:
    """Images of any range, scaled to values from 0 to 1.

    ``(N, H, W)`` and ``(N, H, W, 1)`` become ``(N, H, W)``; ``(N, H, W, 3)`` keeps its shape.
    ``low`` becomes 0 and ``high`` 1. By default these are 0 and 255 for bytes, 0 and 1 where all
    values are between them, and else the least and the greatest finite value.

    >>> displayable(np.array([[[10.0, 15.0, 20.0]]])).tolist()
    [[[0.0, 0.5, 1.0]]]
    """
    images = np.asarray(images)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] not in (1, 3)):
        raise mistake(
            "images",
            got=f"shape {images.shape}",
            expected="(N, H, W), (N, H, W, 1) or (N, H, W, 3)",
            remedy="Channels come last.",
        )
    images = images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images
    least, greatest = _range(images)
    low, high = least if low is None else low, greatest if high is None else high
    return np.clip((images.astype(np.float64) - low) / ((high - low) or 1), 0, 1)


def _range(images: np.ndarray) -> tuple[float, float]:
    """The values that are drawn black and white."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    finite = images[np.isfinite(images)]
    if np.all((finite >= 0) & (finite <= 1)):
        return 0.0, 1.0
    return float(finite.min()), float(finite.max())


def colour_bar(figure: Figure, image, axes, label: str = "") -> None:
    """The colour scale beside some axes."""
    bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.tick_params(which="both", colors=QUIET, labelcolor=INK, labelsize=8, length=2)
    bar.set_label(label, fontsize=9, color=QUIET)


def short(value: float) -> str:
    """A value in few digits, with a proper minus sign.

    >>> short(-0.01234)
    '−0.012'
    """
    return f"{value:.2g}".replace("-", "−")
