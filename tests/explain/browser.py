"""Chromium, driven by Selenium, for tests that use a page as a person does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def chromium(width: int = 1400, height: int = 1000, *, dark: bool = False) -> Iterator[Any]:
    """A driver of a window of this size; the test is skipped where there is no Chromium."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("there is no chromium with its chromedriver on this machine")
    options = selenium.ChromeOptions()
    options.binary_location = browser
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    try:
        resize(window, width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield window
    finally:
        window.quit()


def resize(window: Any, width: int, height: int) -> None:
    """Give the page a size, narrower than a window can be."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def complaints(window: Any) -> list[str]:
    """What the console has said since the last time."""
    return [entry["message"] for entry in window.get_log("browser")]


PATIENCE = 60
"""Seconds, on a machine with other work."""


def wait(window: Any, script: str) -> Any:
    """The value of a script, once it is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(window, PATIENCE, 0.05).until(lambda w: w.execute_script(script))


def visited(window: Any, address: str, width: int, ready: str) -> Any:
    """The window, when a page is opened anew in this width and the script ``ready`` is true."""
    window.get("about:blank")
    resize(window, width, 1000)
    window.get(address)
    wait(window, ready)
    return window


def text(window: Any, selector: str) -> str:
    """The text of the first node of a CSS selector."""
    return window.execute_script(f"return document.querySelector({selector!r}).textContent")


def drawn(window: Any) -> None:
    """Let the page draw."""
    window.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def is_wider_than_the_screen(window: Any) -> bool:
    """Whether the page scrolls sideways."""
    return window.execute_script("return document.documentElement.scrollWidth > innerWidth")


def on_paper(window: Any) -> None:
    """Show the page as it is printed, for a reader who has chosen dark pages."""
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": dark})


def pictures(window: Any) -> list[str]:
    """What is drawn on the canvases of the page."""
    return window.execute_script(f"return {PICTURES}")


def printed_pictures(window: Any) -> list[str]:
    """What is drawn on the canvases of the page on paper."""
    window.execute_script(
        f"addEventListener('beforeprint', () => (window.printed = {PICTURES}), {{ once: true }})"
    )
    window.execute_cdp_cmd("Page.printToPDF", {})
    return window.execute_script("return window.printed")


def colour_scheme(window: Any, scheme: str) -> None:
    """Show the page to a reader who has chosen light or dark pages."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [feature]})
    drawn(window)


PICTURES = "[...document.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL())"
CUT = """
return [...document.querySelectorAll("main, main *")].filter((node) => {
  const { overflowX, overflowY } = getComputedStyle(node);
  return [overflowX, overflowY].includes("auto") && !node.matches("textarea, .figure");
}).map((node) => node.outerHTML.slice(0, 80));
"""
"""A script for what would need scrolling on paper."""
COLOURS = """
const { backgroundColor, color } = getComputedStyle(document.body);
return [backgroundColor, color];
"""
NAMELESS = """
const named = (node) =>
  node.textContent.trim() || node.getAttribute("aria-label") || node.labels?.length;
return [...document.querySelectorAll("button, select, input, textarea, summary")]
  .filter((node) => node.offsetParent && !named(node)).map((node) => node.outerHTML);
"""
"""A script for the controls that a screen reader would have no name for."""


def violations(window: Any) -> list[str]:
    """What axe finds wrong with the page for people who use a screen reader or a keyboard alone, or
    see little; skipped where axe is not installed.
    """
    package = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    window.execute_script((Path(package.__file__).parent / "axe.min.js").read_text("utf-8"))
    return window.execute_async_script(_RUN_AXE)


_RUN_AXE = """
const [done] = arguments;
const inWords = ({ id, help, nodes }) =>
  nodes.map(({ html, any }) => `${id}: ${help}: ${html.slice(0, 160)} ${any[0]?.message ?? ""}`);
axe.run(document, {}).then(({ violations }) => done(violations.flatMap(inWords)));
"""
