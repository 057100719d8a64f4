"""The contract of an experiment, over all that come with jnn and over what `jnn new` writes."""

import dataclasses
import itertools
import json
import pathlib
import re
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.cli import main
from jnn.cli.verbs.new import TEMPLATES
from jnn.runs.experiments import find, listings, load
from jnn.train import Classified

KEYS = {
    "experiment",
    "metrics",
    "metric",
    "kept",
    "baselines",
    "parameters",
    "seconds",
    "steps",
    "seed",
    "device",
    "versions",
}
README = pathlib.Path(__file__).parents[2] / "README.md"
LISTINGS = {listing.name: listing for listing in listings()}
OTHERS = [
    ("image_classification", "--model", "mlp"),
    ("image_classification", "--model", "resnet"),
    ("image_classification", "--model", "vit"),
    ("image_classification", "--data", "fashion_mnist"),
    ("universal_approximation", "--target", "ripples"),
    ("autoencoder", "--data", "fashion_mnist"),
    ("autoencoder", "--model", "convolutional"),
    ("text_generation", "--model", "transformer"),
    ("text_generation", "--model", "gru", "--vocabulary", "300"),
    ("text_classification", "--model", "lstm"),
    ("text_classification", "--model", "transformer"),
    ("translation", "--model", "transformer"),
    ("weather_forecasting", "--model", "gru"),
    ("weather_forecasting", "--model", "lstm"),
    ("anomaly_detection", "--model", "forecaster"),
    ("image_generation", "--model", "wgan_gp"),
    ("image_generation", "--model", "vae"),
    ("image_generation", "--model", "diffusion"),
    ("image_generation", "--data", "digits"),
    ("object_detection", "--data", "trees"),
    ("anomaly_detection", "--data", "machine_temperature"),
]
"""Other models and data, which `make test-all` runs."""
CHOSEN = ("model", "data", "target", "people", "loss")
FEW_CHOICES = ("stock_prediction",)
"""Whose choices take little to combine."""
QUICK = ("tabular_regression",)
"""Whose smoke run `make test` makes, beside that of a template for classes; those of the others
take many seconds each, mostly to compile and to draw, and are left to `make test-all`."""


def slow_but(quick, names):
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


def run(name, folder, *options):
    """The summary of a smoke run."""
    words = ["run", name, *options, "--smoke", "--offline", "--quiet", "--out", str(folder)]
    assert main(words) == 0
    return json.loads((folder / "summary.json").read_text())


def check_summary(summary, about):
    """The metric and its direction are those of ABOUT, and what was kept is there."""
    assert set(summary) >= KEYS
    assert summary["metric"] == {"name": about["metric"], "direction": about["direction"]}
    assert isinstance(summary["metrics"][about["metric"]], float)
    assert summary["steps"] > 0
    if kept := summary["kept"]:
        assert 0 < kept["step"] <= summary["steps"]
        assert kept["direction"] in ("lowest", "highest")


def check_loaded(loaded):
    """What `jnn.load` gives answers for an input of zeros, or for a text."""
    one = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), loaded.example)
    preparation = loaded.preparation
    if preparation and preparation.tokenizer:
        one = "what is it ?"
    elif preparation and preparation.scaling:
        one = np.zeros((*loaded.example.shape[:-1], *preparation.scaling.mean.shape))
    answer = loaded.predict(one)
    if isinstance(answer, Classified):
        assert set(np.ravel(answer.label)) <= set(answer.classes)
        answer = answer.probabilities
        np.testing.assert_allclose(answer.sum(axis=-1), 1, atol=1e-5)
    leaves = jax.tree.leaves(answer)
    assert leaves
    assert all(np.isfinite(leaf).all() for leaf in leaves)


def check_contract(name, about, folder, capsys):
    """Every verb takes the experiment, whose file or name is given."""
    check_listed(name, capsys)
    check_summary(run(name, folder / "one"), about)
    run(name, folder / "two", "--seed", "1")
    assert jnn.load(folder / "two").config.seed == 1
    capsys.readouterr()
    assert main(["compare", str(folder / "one"), str(folder / "two")]) == 0
    better = {"highest": "higher", "lowest": "lower"}[about["direction"]]
    assert f"{better} {about['metric']} is better" in capsys.readouterr().out
    choices = ["--seed", "0..1", "--learning-rate", "1e-3,2e-3"]
    out = ["--quiet", "--offline", "--smoke", "--json", "--out", str(folder / "sweep")]
    assert main(["sweep", name, *choices, *out]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [each["config"]["seed"] for each in told["runs"]] == [0, 0, 1, 1]
    assert all(about["metric"] in each["metrics"] for each in told["runs"])
    best = str(folder / "sweep/best")
    check_loaded(jnn.load(best))
    if hasattr(load(find(name)), "generate"):
        assert main(["generate", best, "--length", "3", *prompt(name)]) == 0
        assert capsys.readouterr().out.endswith("\n")  # a translation may be empty
    assert main(["resume", best, "--epochs", "+1", "--quiet", "--offline", "--json"]) == 0
    check_summary(json.loads(capsys.readouterr().out.splitlines()[-1]), about)


def check_listed(name, capsys):
    words = [name] if name.endswith(".py") else []
    assert main(["list", *words]) == 0
    assert find(name).name in capsys.readouterr().out
    assert main(["run", name, "--help"]) == 0
    assert "--learning-rate" in capsys.readouterr().out
    assert main(["describe", name, "--smoke"]) == 0
    assert "learning-rate" in capsys.readouterr().out


def prompt(name):
    return ["--prompt", "where is it ?"] if name == "translation" else []


def test_costs_are_those_of_the_readme():
    row = r"^\| `(\w+)` \|.*\| ([\d.]+ (?:s|min))[^|]*\|$"
    costs = dict(re.findall(row, README.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(costs) >= 15
    differ = {name for name, cost in costs.items() if cost not in LISTINGS[name].about["cost"]}
    assert not differ


@pytest.mark.sampled(8)
@pytest.mark.parametrize("name", LISTINGS)
def test_each_is_listed_described_and_explains_its_options(name, capsys):
    check_listed(name, capsys)


@pytest.mark.parametrize("name", slow_but(QUICK, LISTINGS))
def test_a_smoke_run_leaves_a_whole_folder(tmp_path, capsys, name):
    summary = run(name, tmp_path / "run")
    check_summary(summary, LISTINGS[name].about)
    assert len(summary["baselines"]) >= 2
    report = (tmp_path / "run/report.html").read_text()
    assert all(baseline in report for baseline in summary["baselines"])
    assert list((tmp_path / "run/plots").glob("*.png"))
    assert "its numbers mean nothing" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTINGS)
def test_every_verb_takes_it(tmp_path, capsys, name):
    check_contract(name, LISTINGS[name].about, tmp_path, capsys)
    assert main(["export", str(tmp_path / "sweep/best"), "--out", str(tmp_path / "export")]) == 0
    assert (tmp_path / "export/predict.py").exists()


@pytest.mark.slow  # some runs each; one is below
@pytest.mark.parametrize("data", TEMPLATES)
def test_every_verb_takes_what_new_writes(tmp_path, monkeypatch, capsys, data):
    monkeypatch.chdir(tmp_path)
    path = f"my_{data}.py"
    assert main(["new", path, "--data", data]) == 0
    assert f"jnn run {path} --smoke" in capsys.readouterr().out
    check_contract(path, find(path).about, tmp_path, capsys)


def test_new_replaces_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("x = 1\n")
    assert main(["new", "mine.py"]) == 2
    assert "mine.py: got a file that exists" in capsys.readouterr().err
    assert (tmp_path / "mine.py").read_text() == "x = 1\n"
    assert main(["new", "mine.txt"]) == 2
    assert main(["new", "other.py", "--data", "sound"]) == 2
    assert not (tmp_path / "other.py").exists()


def test_a_template_reads_files_of_its_user(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{i % 7};{i % 5};{5 * (i % 7 > 3)}" for i in range(200))
    (tmp_path / "table.csv").write_text(f"a;b; kind\n{rows}\n")
    assert main(["new", "mine.py", "--data", "csv"]) == 0
    assert "jnn run mine.py --smoke" in capsys.readouterr().out
    check_listed("mine.py", capsys)
    options = ["--file", "table.csv", "--target", "kind", "--epochs", "60"]
    summary = run("mine.py", tmp_path / "run", *options)
    check_summary(summary, find("mine.py").about)
    assert summary["metrics"]["test/accuracy"] > 0.9
    assert summary["data"]["test"] == 40
    answer = jnn.load(tmp_path / "run").predict([[6.0, 1.0], [0.0, 1.0]])
    assert answer.label.tolist() == ["5", "0"]
    assert answer.classes == ("0", "5")


def choices(config):
    """Every combination of the model, the data and what else is chosen by name."""
    hints = typing.get_type_hints(config)
    named = {
        field.name: typing.get_args(hints[field.name])
        for field in dataclasses.fields(config)
        if field.name in CHOSEN
    }
    return [dict(zip(named, values, strict=True)) for values in itertools.product(*named.values())]


@pytest.mark.slow
@pytest.mark.parametrize("options", OTHERS, ids=" ".join)
def test_the_other_models_and_data_run(tmp_path, options):
    name, *others = options
    assert run(name, tmp_path / "run", *others)["steps"] > 0


@pytest.mark.parametrize("name", slow_but(FEW_CHOICES, LISTINGS))
def test_every_choice_fits_the_other_defaults(name):
    module = load(LISTINGS[name])
    for chosen in choices(module.Config):
        model, example = module.describe(module.Config(**chosen))
        params, state = jax.eval_shape(model.init, jax.random.key(0), example)
        assert jax.tree.leaves(jax.eval_shape(model.apply, params, state, example)[0]), chosen
