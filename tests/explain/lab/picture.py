"""``python -m tests.explain.lab.picture RUN FILE.png``: the picture of the README, of a run of
image_classification.
"""

import sys
from pathlib import Path

from PIL import Image

from tests.explain.browser import chromium, wait

STATE = "example=3&at=stage0/conv1/output:2:3:4"


def main(run: str, path: str) -> None:
    """Open the page of the run, look at a number, and keep what is seen."""
    with chromium(1400, 1000) as window:
        window.get(f"{(Path(run).absolute() / 'lab.html').as_uri()}#{STATE}")
        done = "return document.getElementById('time').textContent !== ''"
        wait(window, done)
        window.save_screenshot(path)
    Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
