"""The report as a browser gets it: complete, escaped, self-contained, small."""

import base64
import json
from html.parser import HTMLParser
from typing import NamedTuple

import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.explain.inside.feature_maps import filters
from jnn.explain.page import figures
from jnn.explain.page.report import (
    MainMetric,
    Section,
    main_metric,
    result_in_words,
    why_curves_differ,
    write_report,
)
from jnn.explain.results.bars import against_baselines

LIMIT = 2_000_000  # bytes of a page
EVIL = "<script>alert(\"x\")</script> & 'quoted'"


class About(NamedTuple):
    task: str = "image classification"
    metric: str = "test/accuracy"
    direction: str = "highest"


SUMMARY = {
    "experiment": "image_classification",
    "metrics": {"test/loss": 0.0312, "test/accuracy": 0.9912, "test/f1": None},
    "baselines": {"support vector machine": 0.9944, "most frequent class": 0.1},
    "parameters": 54321,
    "seconds": 754.2,
    "steps": 1600,
    "seed": 7,
    "device": "cpu (2 cores)",
    "versions": {"python": "3.11.2", "jax": "0.10.2"},
    "config": {"data": "digits", "model": "cnn", "learning_rate": 0.001, "smoke": False},
    "data": {"name": "digits", "sha256": "ab12" * 16},
}
ROWS = [{"step": i, "train/loss": 1 / i, "validation/accuracy": i / 10} for i in range(1, 9)]


class Page(HTMLParser):
    """Tags with their attributes, the text, and the cells of the tables; fails where tags do not
    nest.
    """

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open, self.rows = [], [], [], []
        self.feed(text.replace("<wbr>", ""))
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append(([], dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)
        if self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][0].append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def has(self, text):
        return text in " ".join(" ".join(self.text).split())


def report(folder, **changes):
    arguments = {"title": "Digits", "summary": SUMMARY, "rows": ROWS, "about": About()} | changes
    return write_report(folder, **arguments)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "command.txt").write_text(
        "jnn run image_classification --seed 7\njnn resume somewhere\n"
    )
    figure = against_baselines("test/accuracy", 0.9, {"svm": 0.8}, lowest=False)
    sections = [
        Section("Bars", "Longer is better.", figure),
        Section("Layers", "All of them.", "layer  parameters\nout    10"),
    ]
    return Page(report(folder, sections=sections).read_text(encoding="utf-8"))


def test_the_result_is_in_a_sentence_and_beside_the_baselines(page):
    assert page.has(
        "Test accuracy is 0.9912, worse than the best baseline, support vector machine (0.9944), "
        "by 0.0032."
    )
    compared = [cells for cells, _ in page.rows if len(cells) == 2][1:4]
    assert compared == [
        ["support vector machine", "0.9944"],
        ["this model (cnn)", "0.9912"],
        ["most frequent class", "0.1000"],
    ]
    assert [cells[0] for cells, attributes in page.rows if attributes.get("class") == "model"] == [
        "this model (cnn)"
    ]


def test_all_metrics_settings_and_what_is_needed_to_reproduce_are_there(page):
    cells = [cells for cells, _ in page.rows]
    for row in (
        ["test loss", "0.0312"],
        ["test F1", "not a number"],
        ["learning_rate", "0.001"],
        ["smoke", "false"],
        ["jax", "0.10.2"],
    ):
        assert row in cells
    assert ["data: sha256", "ab12" * 16] in cells
    for text in (
        "54,321",
        "1,600",
        "12 min 34 s",
        "cpu (2 cores)",
        "jnn run image_classification --seed 7",
    ):
        assert page.has(text)
    assert not page.has("jnn resume somewhere")


def test_parts_come_in_their_order_under_headings(page):
    headings = [attributes["id"] for attributes in page.named("h2")]
    assert headings == ["result", "section-0", "section-1", "section-2", "reproduce", "settings"]
    assert {attributes["aria-labelledby"] for attributes in page.named("section")} == set(headings)
    assert len(page.named("h1")) == 1


def test_figures_are_inside_with_a_description(page):
    images = page.named("img")
    assert [image["alt"].split(".")[0] for image in images] == ["Learning curves", "Bars"]
    for image in images:
        kind, data = image["src"].split(";base64,")
        start = base64.b64decode(data, validate=True)[:5]
        assert (kind, start) in {("data:image/svg+xml", b"<?xml"), ("data:image/png", b"\x89PNG\r")}


def test_nothing_is_read_from_outside(page):
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert attributes.get(name, "data:").startswith("data:")
        assert "url(" not in (attributes.get("style") or "")
    assert not {"script", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}


def test_the_page_follows_light_dark_and_width_and_the_keyboard(tmp_path):
    text = report(tmp_path).read_text()
    css = text.split("<style>")[1].split("</style>")[0]
    assert "prefers-color-scheme: dark" in css
    assert "url(" not in css
    assert "@import" not in css
    page = Page(text)
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.named(
        "meta"
    )
    assert page.named("html") == [{"lang": "en"}]
    assert all(
        "tabindex" in attributes and attributes["aria-label"] for attributes in page.named("pre")
    )


def test_everything_is_escaped(tmp_path):
    (tmp_path / "command.txt").write_text(f"jnn run {EVIL}")
    summary = SUMMARY | {
        "metrics": {"test/accuracy": 0.5, EVIL: EVIL},
        "baselines": {EVIL: 0.2},
        "device": EVIL,
        "versions": {EVIL: EVIL},
        "config": {EVIL: EVIL, "model": EVIL},
        "data": EVIL,
    }
    figure = against_baselines("test/accuracy", 0.9, {}, lowest=False)
    sections = [Section(EVIL, EVIL, figure), Section(EVIL, EVIL, EVIL)]
    page = Page(
        report(
            tmp_path, title=EVIL, summary=summary, sections=sections, about=About(task=EVIL)
        ).read_text()
    )
    assert "script" not in {tag for tag, _ in page.tags}
    assert EVIL in page.named("img")[-1]["alt"]
    assert "".join(page.text).count(EVIL) >= 15


def test_a_run_that_was_resumed_with_other_settings_has_all_its_commands(tmp_path):
    commands = "jnn run digits\njnn resume digits --epochs 12\n"
    (tmp_path / "command.txt").write_text(commands)
    config = {"epochs": 10, "hidden": (3, 4)}
    (tmp_path / "env.json").write_text(json.dumps({"config_at_start": config}))
    page = Page(report(tmp_path, summary=SUMMARY | {"config": config}).read_text())
    assert page.has("jnn run digits")
    assert not page.has("jnn resume digits")
    changed = SUMMARY | {"config": config | {"epochs": 12}}
    page = Page(report(tmp_path, summary=changed).read_text())
    assert page.has(" ".join(commands.split()))
    assert page.has("resumed with other settings (epochs: 10 -> 12). The same commands, each from")


def test_the_page_does_not_tell_the_folders_of_the_machine(tmp_path):
    secret = "/home/ada/secret plan"
    command = f"jnn run '{secret}/own.py' --out {tmp_path} --start='{secret}/first' --paths 'a/.*'"
    (tmp_path / "command.txt").write_text(command)
    config = {"pretrained": f"{secret}/model", "files": [f"{secret}/a.csv"], "paths": "a/.*"}
    data = {"name": f"{secret}/faces", "parts": {"train": 7}}
    text = report(tmp_path, summary=SUMMARY | {"config": config, "data": data}).read_text()
    page = Page(text)
    assert "secret" not in text
    assert str(tmp_path.parent) not in text
    assert page.has(f"jnn run own.py --out {tmp_path.name} --start=first --paths 'a/.*'")
    assert page.has("shortened to their last names")
    assert page.has("faces")
    (tmp_path / "command.txt").write_text("")
    assert str(tmp_path) not in report(tmp_path).read_text()


def test_a_smoke_run_says_that_its_numbers_mean_nothing(tmp_path):
    path = report(tmp_path, summary=SUMMARY | {"config": {"smoke": True}})
    sentence = (
        "This is a smoke run: a few examples and steps, to see that everything works. "
        "Its numbers mean nothing."
    )
    assert Page(path.read_text()).has(sentence)
    assert "numbers mean nothing" not in report(tmp_path).read_text()


def test_a_report_of_little_is_still_a_page(tmp_path):
    page = Page(
        write_report(tmp_path, title="Bare", summary={"metrics": {"test/rmse": 0.5}}).read_text()
    )
    assert page.has("Test RMSE is 0.5; there is no baseline to compare it with.")


def test_no_value_is_written_twice(page):
    """Beside the sentence at the top: the main metric, the seed, the device."""
    body = [data for data in page.text if not data.startswith("Test accuracy is")]
    for value in ("0.9912", "7", "cpu (2 cores)"):
        assert body.count(value) == 1
    assert not page.has("test accuracy")


def test_several_metrics_of_baselines_have_a_table_of_their_own(tmp_path):
    baselines = {
        "svm": {"test/accuracy": 0.9944, "test/f1": 0.25},
        "guess": {"test/accuracy": 0.1011},
        "plain": 0.5,
    }
    page = Page(report(tmp_path, summary=SUMMARY | {"baselines": baselines}).read_text())
    rows = [cells for cells, _ in page.rows]
    names = ["svm", "this model (cnn)", "plain", "guess"]
    assert [row[0] for row in rows if row[0] in names and row[1] != "svm"] == names
    assert ["this model (cnn)", "svm"] in rows
    assert ["test F1", "not a number", "0.25"] in rows


ACCURACY, NLL = ("test/accuracy", "highest"), ("test/nll", "lowest")


@pytest.mark.parametrize(
    ("metric", "about", "expected"),
    [
        (NLL, ACCURACY, ("test/nll", True)),
        (None, ACCURACY, ("test/accuracy", False)),
        (None, NLL, ("test/nll", True)),
        (None, ("test/f1", "highest"), ("test/loss", None)),
        (("test/f1", "highest"), NLL, ("test/nll", True)),
        (("test/nll", None), ACCURACY, ("test/nll", None)),
    ],
)
def test_the_metric_and_its_direction_come_from_the_summary_else_the_experiment(
    metric, about, expected
):
    summary = {
        "metrics": {"test/loss": 1.0, "test/nll": 0.5, "test/accuracy": 0.9},
        "metric": metric and dict(zip(("name", "direction"), metric, strict=True)),
    }
    assert main_metric(summary, About("", *about)) == expected


def test_bars_are_in_proportion_and_a_value_that_is_no_number_has_none(tmp_path):
    baselines = {"half": 0.25, "broken": float("nan"), "negative": -1.0}
    summary = {"metrics": {"test/r2": 0.5}, "baselines": baselines}
    page = Page(write_report(tmp_path, title="x", summary=summary).read_text())
    widths = [span["style"] for span in page.named("span")]
    assert widths == ["width:100.00%", "width:50.00%", "width:0.00%", "width:0.00%"]
    assert ["broken", "not a number"] in [cells for cells, _ in page.rows]


@pytest.mark.parametrize("name", ["test/nll", "box"])
@pytest.mark.parametrize(
    ("direction", "order", "sentence"),
    [
        ("lowest", ["b", "this model", "a"], "worse than the best baseline, b (0.1), by 0.1."),
        ("highest", ["a", "this model", "b"], "worse than the best baseline, a (0.9), by 0.7."),
        (None, ["this model", "a", "b"], "is 0.2."),
    ],
)
def test_baselines_are_ranked_by_the_direction_whatever_the_name(
    tmp_path, name, direction, order, sentence
):
    summary = {
        "metrics": {name: 0.2},
        "metric": {"name": name, "direction": direction},
        "baselines": {"a": 0.9, "b": {name: 0.1}},
    }
    page = Page(write_report(tmp_path, title="x", summary=summary).read_text())
    assert [cells[0] for cells, _ in page.rows if cells[0] in order] == order
    assert page.has(sentence)
    assert page.has("is better") == page.has("worse") == (direction is not None)


@pytest.mark.parametrize(
    ("kept", "caption"),
    [
        (
            {"kept": {"metric": "validation/loss", "direction": "lowest", "step": 2, "value": 0.4}},
            "The dotted line marks the step whose params were kept.",
        ),
        ({"kept": None}, "The params of the last step were kept."),
        ({}, ""),
    ],
)
def test_the_curves_say_which_params_were_kept(tmp_path, kept, caption):
    rows = [{"step": 1, "validation/loss": 0.5}, {"step": 2, "validation/loss": 0.4}]
    page = Page(report(tmp_path, rows=rows, summary=SUMMARY | kept).read_text())
    assert page.has(caption)
    assert page.has("were kept") == bool(caption)
    assert page.named("img")[0]["alt"] == f"Learning curves. {caption}"


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"dropout": 0.3, "label_smoothing": 0.1}, "with dropout and label smoothing, validation"),
        ({"augmentation": True, "dropout": 0.0}, "with augmentation, validation"),
        ({"dropout": 0.0, "augmentation": False}, ""),
        ({}, ""),
    ],
)
def test_why_training_and_validation_differ_is_said_where_a_setting_makes_them(config, sentence):
    rows = [{"step": 1, "train/loss": 1.0}, {"step": 2, "validation/loss": 0.5}]
    text = why_curves_differ(rows, config)
    assert sentence in text
    assert bool(sentence) == bool(text)
    assert why_curves_differ(rows[:1], config) == ""


def test_large_pictures_are_made_coarser_until_all_fit(monkeypatch):
    noise = filters(np.random.default_rng(0).normal(size=(60, 60, 3, 16)))
    # where a PNG has it
    width = lambda source: int.from_bytes(base64.b64decode(source.split(",")[1])[16:20])
    (fine,) = figures.inline_images([noise])
    monkeypatch.setattr(figures, "MOST", len(fine))
    coarse = figures.inline_images([noise, None, noise])
    assert coarse[1] is None
    assert len(coarse[0]) + len(coarse[2]) <= len(fine)
    assert width(coarse[0]) == width(coarse[2]) < width(fine)


@pytest.mark.slow
def test_a_page_of_many_pictures_stays_small(tmp_path):
    noise = filters(np.random.default_rng(0).normal(size=(40, 40, 3, 64)))
    assert (
        report(
            tmp_path, sections=[Section(f"Noise {i}", "Random kernels.", noise) for i in range(3)]
        )
        .stat()
        .st_size
        < LIMIT
    )


def test_pictures_that_cannot_be_small_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "MOST", 1000)
    with pytest.raises(
        JnnError,
        match=r"got 1 figures of more than 1,000 characters.* Give fewer or smaller figures",
    ):
        report(tmp_path, rows=ROWS)
    assert not list(tmp_path.iterdir())


def test_the_same_run_gives_the_same_page(tmp_path):
    first = report(tmp_path).read_bytes()
    assert report(tmp_path).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_summary_as_its_file_has_it_is_enough(tmp_path):
    assert "0.9912" in report(tmp_path, summary=json.loads(json.dumps(SUMMARY))).read_text()


@pytest.mark.parametrize(
    ("value", "baselines", "expected"),
    [
        (
            0.2,
            {"mean": 0.5},
            "Test RMSE is 0.2, better than the best baseline, mean (0.5), by 0.3.",
        ),
        (
            0.5,
            {"mean": 0.5, "worse": 0.9},
            "Test RMSE is 0.5, the same as the best baseline, mean.",
        ),
        (
            0.5,
            {"broken": float("nan")},
            "Test RMSE is 0.5; there is no baseline to compare it with.",
        ),
        (None, {"mean": 0.5}, "Test RMSE is not a number."),
        (
            0.99999,
            {"mean": 0.999995},
            "Test RMSE is 1, practically the same as the best baseline, mean.",
        ),
        (
            0.99994,
            {"mean": 0.99996},
            "Test RMSE is 0.9999, better than the best baseline, mean (1), by 0.0001.",
        ),
        (
            12345.6,
            {"mean": 12343.4},
            "Test RMSE is 12,346, worse than the best baseline, mean (12,343), by 3.",
        ),
    ],
)
def test_the_sentence(value, baselines, expected):
    summary = {"metrics": {"test/rmse": value}, "baselines": baselines}
    assert result_in_words(MainMetric("test/rmse", lowest=True), summary) == expected


def test_a_task_without_a_test_has_a_report_that_says_so(tmp_path):
    summary = {key: value for key, value in SUMMARY.items() if key not in ("metric", "baselines")}
    page = report(tmp_path, summary=summary | {"metrics": {}}).read_text(encoding="utf-8")
    assert "Its task has no test, so there is no metric to report." in page
    assert "learning curves" in page.lower()


@pytest.mark.parametrize(
    ("folder", "summary", "text"),
    [
        ("missing", SUMMARY, "which is no folder"),
        ("", {"experiment": "mine"}, "got a summary without metrics"),
    ],
)
def test_mistakes(tmp_path, folder, summary, text):
    with pytest.raises(JnnError, match=text):
        report(tmp_path / folder, summary=summary)
