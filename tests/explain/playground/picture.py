"""``python -m tests.explain.playground.picture FILE.png``: the picture of the README."""

import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from jnn.explain.playground import playground
from tests.explain.browser import chromium

STATE = "set=spirals&features=x,y,xy&layers=8,6,4&optimizer=adam&momentum=0.9&rate=0.02&noise=0.05"
EPOCHS = 120
TRAIN = "for (let i = 0; i < arguments[0]; i++) document.getElementById('play-epoch').click()"


def main(path: str) -> None:
    """Open the page, train for some epochs, and keep what is seen."""
    with tempfile.TemporaryDirectory() as folder, chromium(1300, 720) as window:
        page = Path(folder) / "playground.html"
        page.write_text(playground())
        window.get(f"{page.as_uri()}#{STATE}")
        time.sleep(1)
        window.execute_script(TRAIN, EPOCHS)
        window.execute_script("scrollTo(0, document.getElementById('training').offsetTop - 12)")
        time.sleep(0.5)
        window.save_screenshot(path)
    Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
