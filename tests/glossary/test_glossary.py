"""The glossary: every term is complete, and every link leads somewhere."""

import json
import pkgutil
import re
from pathlib import Path

import pytest

from jnn.cli import main
from jnn.errors import JnnError
from jnn.glossary import anchor, find, page, terms

ROOT = Path(__file__).parents[2]
TERMS = list(terms().values())


def test_there_are_enough_and_they_are_in_order():
    assert len(TERMS) >= 90
    names = [term.name.lower() for term in TERMS]
    assert names == sorted(names)


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_a_definition_has_two_sentences_and_its_links_lead_somewhere(term):
    assert len(re.findall(r"\.(?:\s|$)", term.definition)) == 2
    assert term.definition[0].isupper()
    assert set(term.see) <= set(terms()) - {term.name}
    if term.function:
        assert pkgutil.resolve_name(term.function) is not None
    if term.shown:
        file, _, heading = term.shown.partition("#")
        path = ROOT / file
        assert path.exists()
        assert not heading or heading in headings(path)


def headings(path: Path) -> list[str]:
    """Those of a notebook or of a page of Markdown."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text())["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    else:
        text = path.read_text()
    return [line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("attenshun", "Did you mean attention"),
        ("learning", "Did you mean contrastive learning, learning rate"),
        ("zyzzyva", "`jnn glossary` lists them"),
        ("", "`jnn glossary` lists them"),
    ],
)
def test_an_unknown_term_suggests_known_ones(name, message):
    with pytest.raises(JnnError, match=message):
        find(name)


def test_a_term_is_found_in_any_case():
    assert find("RELU") == find(" relu ") == terms()["relu"]


def test_a_term_is_found_by_other_names_that_are_its_alone():
    assert find("gan") is terms()["generative adversarial network"]
    assert find("SGD") is terms()["gradient descent"]
    assert find("skip connection") is terms()["residual connection"]
    names = [name.casefold() for term in TERMS for name in (term.name, *term.also)]
    assert len(names) == len(set(names))


def test_the_page_links_terms_that_it_has():
    text = page()
    ids = set(re.findall(r'<h2 id="([^"]+)"', text))
    assert len(ids) == len(TERMS)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= ids
    assert "softmax(q Kᵀ / √d) V" in text
    assert anchor("F1 score") in ids


def test_the_command_prints_a_term_and_writes_the_page(tmp_path, capsys):
    assert main(["glossary", "Attention", "head"]) == 0
    said = capsys.readouterr().out
    assert "One of several attentions side by side" in said
    assert "jnn: jnn.attention" in said
    assert main(["glossary", "iou"]) == 0
    assert "also: IoU, Jaccard index" in capsys.readouterr().out
    assert main(["glossary", "--html", str(tmp_path / "glossary.html")]) == 0
    text = (tmp_path / "glossary.html").read_text()
    assert text.startswith("<!doctype html>")
    assert "jnn.<wbr>metrics.<wbr>balanced_<wbr>accuracy" in text
    assert main(["glossary", "atention"]) == 2
