"""The page is one file that loads nothing, and the command that writes it."""

import re
from pathlib import Path

import pytest

from jnn.cli import main
from jnn.explain.playground import page

ROOT = Path(__file__).parents[3]
MOST = 300_000
"""Bytes, so that the file can be kept beside notebooks."""


@pytest.fixture
def text(monkeypatch):
    """The page without its programs, which take seconds to compile."""
    monkeypatch.setattr(page, "compiled", lambda: "globalThis.compiled = {};")
    return page.playground()


def test_it_loads_nothing(text):
    links = re.findall(r'(?:src|href)=["\']?([^"\' >]+)', text)
    assert {link[:1] for link in links} <= {"#", "d"}
    assert {link for link in links if link.startswith("d")} == {"data:,"}
    assert "@import" not in text
    assert re.findall(r"url\(", text) == []
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|import)\(", text)
    assert not re.search(r"^(?:import|export) ", text, re.MULTILINE)


def test_ids_are_unique_and_those_that_scripts_ask_for_are_there(text):
    body, script = text.split('<script type="module">')
    ids = re.findall(r'\bid="([^"]+)"', body)
    assert len(ids) == len(set(ids))
    made = set(re.findall(r'\bid: "([^"]+)"', script))
    asked = set(re.findall(r'byId\(\s*"([^"]+)"', script))
    assert {"neurons", "output", "lessons", "numbers"} <= set(ids)
    assert asked <= set(ids) | made
    labels = set(re.findall(r'aria-labelledby="([^"]+)"', body))
    assert labels <= set(ids)


def test_nothing_is_left_to_fill_in(text):
    assert re.findall(r"<!-- [A-Z]+ -->", text) == []
    assert text.startswith("<!doctype html>")
    assert text.count("</script>") == 2
    assert text.rstrip().endswith("</html>")


@pytest.mark.slow
def test_the_copy_is_that_of_this_version(text):
    without = lambda page: re.sub(r'(id="programs">)[^<]*', r"\1", page)
    copy = (ROOT / "notebooks" / "playground.html").read_text()
    remedy = "write it again: jnn playground --out notebooks/playground.html"
    assert without(copy) == without(text), remedy


@pytest.mark.slow
def test_it_is_small_and_the_same_each_time():
    text = page.playground()
    assert len(text.encode()) < MOST
    assert text == page.playground()


def test_the_command_writes_it_and_prints_its_path(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(page, "compiled", lambda: "globalThis.compiled = {};")
    monkeypatch.setattr("webbrowser.open", opened.append)
    path = tmp_path / "play.html"
    assert main(["playground", "--out", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_text().startswith("<!doctype html>")
    assert opened == []
    assert main(["playground", "--out", str(path), "--open"]) == 0
    assert opened == [path.resolve().as_uri()]
    assert main(["playground", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "playground.html").read_text() == path.read_text()
    assert main(["playground", "--out", str(tmp_path / "no" / "play.html")]) == 2
    assert "expected a place to write to" in capsys.readouterr().err
    assert main(["playground", "--opn"]) == 2
    assert "Did you mean --open" in capsys.readouterr().err
