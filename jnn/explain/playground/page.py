"""The playground as one file, which needs no network and no server."""

import base64
import gzip
import json
from importlib import resources
from pathlib import Path

import jnn.explain.page
import jnn.explain.playground
from jnn.explain.page.html import document
from jnn.explain.playground.lessons import lessons
from jnn.explain.playground.programs import compiled, facts
from jnn.explain.scripts.bundle import bundle, embedded


def playground() -> str:
    """The text of the page. It takes some seconds, in which its functions are compiled."""
    here, shared = resources.files(jnn.explain.playground), resources.files(jnn.explain.page)
    read = lambda name: here.joinpath(name).read_text(encoding="utf-8")
    style = shared.joinpath("report.css").read_text(encoding="utf-8") + read("playground.css")
    script = f"globalThis.facts = {json.dumps(facts())};\n{scripts('main.js')}"
    parts = {
        "LESSONS": lessons(),
        "PROGRAMS": _compressed(compiled()),
        "SCRIPT": embedded(script),
    }
    body = read("page.html").rstrip()
    for name, text in parts.items():
        body = body.replace(f"<!-- {name} -->", text)
    return document("Playground of neural networks", style, body)


def _compressed(text: str) -> str:
    """A text as base64 of gzip, the same bytes for the same text."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def scripts(entry: str) -> str:
    """A script of the playground, with all that it imports."""
    folder = resources.files(jnn.explain.playground).joinpath("scripts")
    return bundle(Path(str(folder.joinpath(entry))))
