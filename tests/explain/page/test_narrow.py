"""On the screen of a phone the report scrolls down, never sideways."""

import html
import re
import shutil
import subprocess

import pytest

from jnn.explain.inside.feature_maps import filters
from jnn.explain.page.coloured_text import coloured_text, predicted_text
from jnn.explain.page.report import Section, write_report
from jnn.explain.results.bars import against_baselines
from tests.explain.browser import COLOURS, CUT, chromium, on_paper

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--dump-dom",
)
LONG = "a_name_of_many_letters_without_any_blank_" * 4
FIGURE = """
const images = [...document.querySelectorAll(".figure img")];
const whole = (image) => Number(image.getAttribute("width"));
const image = images.sort((a, b) => whole(b) - whole(a))[0];
return [image.clientWidth, whole(image), image.parentElement.clientWidth];
"""
MEASURE = """<body><script>
onload = () => {
  const pages = [...document.querySelectorAll("iframe")].map(f => f.contentDocument);
  document.body.textContent = "widths: " + pages.map(page => page.scrollingElement.scrollWidth);
};
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report of everything that is wide."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "command.txt").write_text(f"jnn run {LONG} --out {LONG}")
    summary = {
        "metrics": {"test/accuracy": 0.5, "test/f1": 0.25, LONG: 1234567.0},
        "metric": {"name": "test/accuracy", "direction": "highest"},
        "baselines": {f"{LONG}{i}": {"test/accuracy": i / 8, "test/f1": 0.5} for i in range(7)},
        "device": LONG,
        "config": {LONG: LONG, "widths": list(range(100)), "smoke": True},
        "versions": {LONG: "1"},
    }
    tokens = [LONG, *"some words of text"]
    values = [1.0] * len(tokens)
    probabilities = [[1 / len(tokens)] * len(tokens)] * len(tokens)
    sections = [
        Section("Wide figure", LONG, filters([[[[0.5] * 40] * 12] * 3] * 3)),
        Section(LONG, "Bars", against_baselines("a", 0.5, {"b": 0.25}, lowest=None)),
        Section("Table", "Of a table", f"{LONG}  {LONG}"),
        Section("Text", "", coloured_text(tokens, {LONG: values}, label="text")),
        Section("Text", "", predicted_text(tokens, values, probabilities, tokens, label="text")),
    ]
    rows = [{"step": 1, "train/loss": 0.5}]
    return write_report(folder, title=LONG, summary=summary, rows=rows, sections=sections)


def test_each_landmark_has_a_name_of_its_own(page):
    text = page.read_text()
    headings = dict(re.findall(r'<h2 id="(.+?)">(.*?)</h2>', text))
    sections = re.findall(r'<section aria-labelledby="(.+?)">', text)
    regions = re.findall(r'role="region" aria-label="(.+?)"', text)
    assert set(map(headings.get, sections)) >= {"Result", "Table"}
    names = [*map(headings.get, sections), *regions]
    assert {name for name in names if names.count(name) > 1} <= {"Text"}  # two have one title


@pytest.mark.slow  # a browser takes seconds; the rules of the page are checked below
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_no_screen_needs_sideways_scrolling(page, tmp_path):
    widths = (320, 390, 500, 1400)
    frames = [
        f'<iframe style="width:{width}px" srcdoc="{html.escape(page.read_text())}"></iframe>'
        for width in widths
    ]
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(MEASURE + "".join(frames))
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [str(BROWSER), *OPTIONS, profile, "--window-size=2000,2000", wrapper.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    measured = [int(width) for width in re.findall(r"\d+", dom.split("widths: ")[1])]
    assert len(measured) == len(widths)
    too_wide = {
        width: inside for width, inside in zip(widths, measured, strict=True) if inside > width
    }
    assert not too_wide


@pytest.mark.slow
def test_a_wide_figure_is_readable_on_a_telephone_and_whole_on_paper(page):
    with chromium(390, 900) as window:
        window.get(page.as_uri())
        shown, drawn, room = window.execute_script(FIGURE)
        assert shown >= 0.74 * drawn > room
        on_paper(window)
        shown, drawn, room = window.execute_script(FIGURE)
        assert shown <= room < drawn


@pytest.mark.slow
def test_on_paper_all_is_there_and_dark_on_white(page):
    with chromium(700, 900) as window:
        window.get(page.as_uri())
        on_paper(window)
        assert window.execute_script(CUT) == []
        assert window.execute_script(COLOURS) == ["rgb(255, 255, 255)", "rgb(31, 36, 48)"]


def test_a_name_is_broken_after_its_underscores(page):
    assert f'<th scope="row">{LONG.replace("_", "_<wbr>")}</th>' in page.read_text()


def test_everything_wide_is_in_a_box_that_scrolls_or_shrinks(page):
    css = page.read_text().split("<style>")[1].split("</style>")[0]
    rule = lambda selector: re.search(rf"^{re.escape(selector)} \{{(.*)\}}$", css, re.M).group(1)
    for selector in (".figure", ".table", "pre"):
        assert "overflow-x: auto" in rule(selector)
    assert "max-width: 100%; min-width: calc(0.75 * var(--width))" in rule(".figure img")
    assert re.search(r'style="--width: (\d+)px"><img [^>]* width="\1">', page.read_text())
    assert "overflow-wrap: break-word" in rule("body")
