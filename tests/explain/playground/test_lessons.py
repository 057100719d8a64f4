"""Lessons open states that there are, and their terms are in the glossary."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import jnn.explain.scripts
from jnn.explain.playground.lessons import lesson_texts, lessons, states
from jnn.explain.scripts.bundle import bundle
from jnn.glossary import terms
from tests.explain.playground.engine import Engine

TITLES = [
    "A neuron",
    "Activations",
    "Weights and biases",
    "Losses",
    "Gradient descent and learning rate",
    "Backpropagation",
    "Batch size and epochs",
    "Overfitting, weight decay and dropout",
]
LINKS = [(i, state) for i, text in enumerate(lesson_texts(), 1) for state in states(text)]


@pytest.fixture(scope="module")
def engine():
    engine = Engine("state.js")
    engine.context.eval(bundle(Path(jnn.explain.scripts.__file__).parent / "address.js"))
    return engine


def test_there_are_eight_in_their_order():
    texts = lesson_texts()
    assert [re.search("<h2[^>]*>(.*?)</h2>", text)[1] for text in texts] == TITLES
    for number, text in enumerate(texts, 1):
        assert f'<article data-lesson="{number}" ' in text
        assert len(list(states(text))) >= 4


def test_each_link_opens_the_state_that_it_names(engine):
    for number, link in LINKS:
        read = engine(f"readAddress({json.dumps(link)}, DEFAULTS)")
        checked = engine(f"checkedState({json.dumps(read)}, facts)")
        assert checked == read, link  # no name of a set, loss, ... that there is not
        assert read["lesson"] == number
        wanted = dict(pair.split("=") for pair in link.split("&"))
        assert set(wanted) <= set(read)
        written = engine(f"writeAddress({json.dumps(read)}, DEFAULTS)")
        assert engine(f"readAddress({json.dumps(written)}, DEFAULTS)") == read


class Tags(HTMLParser):
    """The tags of a text, checked to be closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.targets = [], set(), set()

    def handle_starttag(self, tag, attributes):
        """A tag that begins."""
        values = dict(attributes)
        self.open.append(tag)
        self.ids |= {values["id"]} if "id" in values else set()
        self.targets |= {values["popovertarget"]} if "popovertarget" in values else set()

    def handle_endtag(self, tag):
        """A tag that ends."""
        assert self.open.pop() == tag


def test_terms_of_the_glossary_open_states_that_there_are(engine):
    linked = {name: term.playground for name, term in terms().items() if term.playground}
    assert len(linked) >= 40
    for name, link in linked.items():
        read = engine(f"readAddress({json.dumps(link)}, DEFAULTS)")
        assert engine(f"checkedState({json.dumps(read)}, facts)") == read, name
        assert set(dict(pair.split("=") for pair in link.split("&"))) <= set(read)


def test_terms_open_their_definitions():
    tags = Tags()
    tags.feed(lessons())
    assert tags.open == []
    assert len(tags.targets) >= 15
    assert tags.targets == tags.ids
    assert "Shown in notebooks/training.ipynb: Overfitting" in lessons()


JUNK = [
    "set=<script>&layers=99,-3,x,1,1,1,1&rate=-5&points=1e9&seed=0.4",
    "activation=&features=&loss=crossentropy&view=admin&lesson=77",
    "own=%E0%A4%A&dropout=2&batch=NaN&momentum=Infinity&__proto__=1",
    "&&==&a=&b=7&surface=constructor",
]


@pytest.mark.parametrize("junk", JUNK)
def test_an_address_of_junk_is_a_state_that_can_train(engine, junk):
    state = engine(f"checkedState(readAddress({json.dumps(junk)}, DEFAULTS), facts)")
    assert state["view"] == "network"
    assert state["set"] == "circles"
    assert 0 <= state["lesson"] <= 8
    assert all(1 <= int(n) <= 8 for n in state["layers"].split(",") if n)
    assert len(state["layers"].split(",")) <= 4
    assert 0 < state["rate"] <= 10
    assert 0 <= state["momentum"] < 1
    assert 0 <= state["dropout"] < 1
    arrays = engine(f"networkSettings({json.dumps(state)}, facts)")
    assert sum(arrays["settings/features"]) >= 1
    assert all(i >= 0 for i in arrays["settings/activation"])


def test_layers_of_the_address_keep_their_activations(engine):
    state = engine('readAddress("layers=2,3&activation=relu,gelu", DEFAULTS)')
    names = engine(f"activationsOf({json.dumps(state)}, facts)")
    assert names == ["relu", "gelu", "gelu", "gelu"]
