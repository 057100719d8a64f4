"""Colours that colour-blind readers can tell apart, text drawn as it is, and no use of Matplotlib's
global state.
"""

import colorsys
import html
import io
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from jnn.errors import JnnError
from jnn.explain import style
from jnn.explain.inside import importance
from jnn.explain.results import (
    anomalies,
    bars,
    classification,
    detection,
    faces,
    forecast,
    functions,
    generated_images,
    over_seeds,
    reconstruction,
)
from jnn.scores.verification import Roc

STEP = 0.5  # of CIE lightness, 0 to 100: what an eye cannot tell apart


def lightness(rgb):
    """CIE L* of sRGB colours ``(..., 3)``."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, (29 / 3) ** 3 * y)


def test_the_signed_map_darkens_steadily_to_both_sides_of_white():
    colours = style.SIGNED(np.linspace(0, 1, 257))[:, :3]
    light = lightness(colours)
    assert colours[128] == pytest.approx(1)
    assert np.all(np.diff(light[:129]) > -STEP)
    assert np.all(np.diff(light[128:]) < STEP)
    assert light[0] < 40 > light[-1]


def test_negative_is_blue_and_positive_is_orange():
    hue = lambda value: 360 * colorsys.rgb_to_hsv(*style.SIGNED(value)[:3])[0]
    assert all(195 < hue(value) < 225 for value in (0.0, 0.2, 0.4))
    assert all(15 < hue(value) < 45 for value in (0.6, 0.8, 1.0))


def test_neighbouring_lines_differ_in_lightness_or_between_blue_and_orange():
    """Red-green blindness keeps lightness and blue against yellow."""
    opponent = lambda rgb: np.array([lightness(rgb), 100 * (rgb[2] - (rgb[0] + rgb[1]) / 2)])
    seen = np.array([opponent(np.array(to_rgb(colour))) for colour in style.SERIES])
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert np.min(apart[~np.eye(len(seen), dtype=bool)]) > 10


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-2.0, 1.0], (style.SIGNED, -2, 2)),
        ([0.0, 3.0], ("viridis", 0, 3)),
        ([0.0, np.nan], ("viridis", 0, 1)),
    ],
)
def test_the_range_of_colours_is_symmetric_where_values_have_signs(values, expected):
    assert style.colour_range(np.array(values)) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.array([51, 255], np.uint8), [0.2, 1]),
        ([-1.0, 3.0], [0, 1]),
        ([0.25, 0.5], [0.25, 0.5]),
        ([10.0, 20.0], [0, 1]),
        ([0.5, 2.5], [0, 1]),
        ([-0.5, 0.5], [0, 1]),
        ([3.0, 5.0, np.inf, -np.inf], [0, 1, 1, 0]),
        ([7.0, 7.0], [0, 0]),
        ([np.nan, 0.5], [np.nan, 0.5]),
    ],
)
def test_images_are_scaled_from_their_least_to_their_greatest_unless_in_zero_to_one(
    image, expected
):
    np.testing.assert_allclose(style.displayable(np.array([[image]]))[0, 0], expected)


def test_an_image_without_pixels_stays_one():
    assert style.displayable(np.zeros((2, 0, 4))).shape == (2, 0, 4)


MANY = [f"method {i}" for i in range(9)]  # more than there are colours
TENTHS = np.array([0.1, 0.2])
FIGURES_OF_LINES = {
    "precision_recall": lambda: detection.precision_recall(TENTHS, dict.fromkeys(MANY, TENTHS)),
    "roc_curves": lambda: faces.roc_curves(
        dict.fromkeys(MANY, Roc(*np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])))
    ),
    "series": lambda: forecast.series(TENTHS, dict.fromkeys(MANY, TENTHS)),
    "calibration": lambda: forecast.calibration(TENTHS, dict.fromkeys(MANY, TENTHS)),
    "losses_of_players": lambda: generated_images.losses_of_players(
        [{"step": 1, **dict.fromkeys(MANY, 0.5)}], {name: name for name in MANY}
    ),
    "error_by_size": lambda: reconstruction.error_by_size([2, 4], dict.fromkeys(MANY, TENTHS)),
    "curve_fit": lambda: functions.curve_fit(TENTHS, TENTHS, dict.fromkeys(MANY, TENTHS)),
}


@pytest.mark.parametrize("draw", FIGURES_OF_LINES.values(), ids=FIGURES_OF_LINES)
def test_every_line_is_drawn_and_differs_from_the_others(draw):
    lines = {line.get_label(): line for line in draw().axes[0].lines}
    named = [next(line for label, line in lines.items() if name in label) for name in MANY]
    assert len({(line.get_color(), str(line.get_linestyle())) for line in named}) == len(MANY)


def test_every_kind_has_its_bars():
    for figure in (
        detection.precision_by_class(["cat", "dog"], dict.fromkeys(MANY, TENTHS)),
        generated_images.class_coverage(dict.fromkeys(MANY, TENTHS), ["cat", "dog"]),
    ):
        assert [bars.get_label() for bars in figure.axes[0].containers] == MANY


LONG = [f"kind {i} of a thing with a name of {'very ' * 15}many words" for i in range(3)]
FRACTIONS = np.array([0.5, 0.3, 0.2])
FIGURES_OF_NAMES = {
    "confusion": lambda: classification.confusion(np.eye(3) + 1, LONG),
    "most_wrong": lambda: classification.most_wrong(
        np.zeros((3, 4, 4)), np.array([1, 2, 0]), np.eye(3), LONG
    ),
    "precision_by_class": lambda: detection.precision_by_class(LONG, {"model": FRACTIONS}),
    "center_map": lambda: detection.center_map(np.zeros((8, 8, 3)), np.zeros((4, 4, 3)), LONG),
    "class_coverage": lambda: generated_images.class_coverage({"real": FRACTIONS}, LONG),
    "importances": lambda: importance.importances(np.eye(3), LONG),
    "against_baselines": lambda: bars.against_baselines(
        "test/loss", 1.0, dict.fromkeys(LONG, 2.0), lowest=True
    ),
    "over_seeds": lambda: over_seeds.over_seeds(
        "test/loss", [({"depth": 1, "name": name}, [1.0]) for name in LONG], lowest=True
    ),
}


@pytest.mark.parametrize("draw", FIGURES_OF_NAMES.values(), ids=FIGURES_OF_NAMES)
def test_long_names_leave_room_for_the_data(draw):
    figure = draw()
    figure.draw_without_rendering()
    frame = figure.bbox
    names = [text for text in figure.findobj(Text) if "kind" in text.get_text()]
    assert names
    for box in (text.get_window_extent() for text in names):
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
    panel = max(ax.get_window_extent().width for ax in figure.axes)
    assert panel > min(100, 0.25 * frame.width)


def test_a_line_of_a_title_that_begins_with_a_hebrew_name_is_read_from_left_to_right():
    hebrew = "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET}"
    title = f"12 letters: {hebrew} (5 times)"
    assert style.wrapped(title, 1.2) == f"12 letters:\n\u200e{hebrew} (5 times)"


def test_channels_first_are_refused():
    with pytest.raises(JnnError, match=r"got shape \(2, 3, 8, 8\), expected .* Channels come last"):
        style.displayable(np.zeros((2, 3, 8, 8)))


def test_a_figure_ignores_and_keeps_the_global_settings():
    draw = lambda: bars.against_baselines("test/accuracy", 0.9, {"mean": 0.1}, lowest=False)
    with matplotlib.rc_context({"axes.spines.top": True, "axes.grid": False}):
        before = dict(matplotlib.rcParams)
        figure = draw()
        assert dict(matplotlib.rcParams) == before
    assert not figure.axes[0].spines["top"].get_visible()


def drawn_texts(figure):
    """The texts of the figure as SVG; a formula is not one of them, for it has tags inside."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", bbox_inches="tight")
    texts = re.findall(r">([^<>]+)</text>", stream.getvalue())
    return [html.unescape(text) for text in texts if text.strip()]


def test_names_of_classes_are_drawn_as_they_are():
    classes = ["$0_$5", "$5_$10", "<$50K"]
    figure = classification.confusion(np.array([[5, 3, 0], [0, 4, 1], [0, 0, 6]]), classes)
    drawn = drawn_texts(figure)
    assert [drawn.count(name) for name in classes] == [2, 2, 2]
    title = " ".join(figure.get_suptitle().split())
    assert "$0_$5 predicted as $5_$10" in title
    assert title in " ".join(" ".join(drawn).split())


def test_names_at_a_logarithmic_axis_are_text_and_its_powers_of_ten_are_not():
    figure, axes = style.panels(width=4, height=3, title="$a_$b")
    ax = axes[0, 0]
    ax.plot([1, 1000], [1, 1], label="$1_$2")
    ax.set_xscale("log")
    ax.set_yticks([1], ["$3_$4"])
    style.legend(ax)
    for _ in range(2):
        assert sorted(drawn_texts(figure)) == ["$1_$2", "$3_$4", "$a_$b"]
    assert [label.get_text() for label in ax.get_xticklabels()][1] == r"$\mathdefault{10^{0}}$"


def test_the_core_does_not_load_matplotlib_and_wording_and_tables_not_even_jax():
    """Importing Matplotlib takes most of a second. One process imports all, the lightest first."""
    slow = {"matplotlib", "scipy.stats"}
    must_not_load = {
        "jnn.wording": {*slow, "jax"},
        "jnn.tables": {*slow, "jax"},
        "jnn": slow,
        "jnn.explain": slow,
        "jnn.explain.inside.summary": slow,
    }
    code = [
        f"__import__({module!r}); assert not {others} & set(sys.modules), {module!r}"
        for module, others in must_not_load.items()
    ]
    command = [sys.executable, "-c", "\n".join(["import sys", *code])]
    subprocess.run(command, check=True, timeout=120)


def test_numbers_below_zero_have_a_minus_sign_and_names_their_hyphens():
    figure, axes = style.panels(width=9, height=2)
    axes[0, 0].text(0, 0, "rank correlation -0.08, from -.5; 2026-11-30, 1e-05, GPT-2, --lr -1")
    figure.draw_without_rendering()
    text = axes[0, 0].texts[0].get_text()
    assert text == "rank correlation −0.08, from −.5; 2026-11-30, 1e-05, GPT-2, --lr −1"


@pytest.mark.parametrize(
    "figure",
    [
        classification.calibration(np.array([[0.3, 0.7], [0.9, 0.1]]), np.array([1, 0])),
        anomalies.events_closely(np.arange(9), np.arange(9), np.ones(9), [range(4, 6)]),
    ],
)
def test_a_legend_is_over_a_panel_whose_data_may_be_anywhere(figure):
    figure.draw_without_rendering()
    ax = figure.axes[0]
    legend = ax.get_legend().get_window_extent()
    assert legend.y0 >= ax.get_window_extent().y1
    assert legend.x1 <= figure.bbox.x1
    assert legend.y1 <= figure.bbox.y1
