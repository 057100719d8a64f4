"""Every experiment runs with ``--smoke``, without a download, and leaves a whole run folder."""

import dataclasses
import itertools
import json
import typing

import jax
import pytest

from jnn.cli import main
from jnn.cli.experiments import listings, load

KEYS = {
    "experiment",
    "metrics",
    "baselines",
    "parameters",
    "seconds",
    "steps",
    "seed",
    "device",
    "versions",
}
LISTINGS = {listing.name: listing for listing in listings()}
OTHERS = [
    ("image_classification", "--model", "mlp"),
    ("image_classification", "--model", "resnet"),
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
CHOSEN = ("model", "data", "target", "people", "loss")


def choices(config):
    """Every combination of the model, the data and what else is chosen by name."""
    hints = typing.get_type_hints(config)
    named = {
        field.name: typing.get_args(hints[field.name])
        for field in dataclasses.fields(config)
        if field.name in CHOSEN
    }
    return [dict(zip(named, values, strict=True)) for values in itertools.product(*named.values())]


def smoke(folder, name, *options):
    assert (
        main(["run", name, *options, "--smoke", "--offline", "--quiet", "--out", str(folder)]) == 0
    )
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize("name", LISTINGS)
def test_a_smoke_run_leaves_a_whole_folder(tmp_path, capsys, name):
    summary = smoke(tmp_path / "run", name)
    metric = LISTINGS[name].about["metric"]
    assert set(summary) >= KEYS
    assert isinstance(summary["metrics"][metric], float)
    assert len(summary["baselines"]) >= 2
    assert summary["steps"] > 0
    report = (tmp_path / "run/report.html").read_text()
    assert all(baseline in report for baseline in summary["baselines"])
    assert list((tmp_path / "run/plots").glob("*.png"))
    assert "its numbers mean nothing" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("options", OTHERS, ids=" ".join)
def test_so_do_the_other_models_and_data(tmp_path, options):
    assert smoke(tmp_path / "run", *options)["steps"] > 0


@pytest.mark.parametrize("name", LISTINGS)
def test_every_choice_fits_the_other_defaults(name):
    module = load(LISTINGS[name])
    for chosen in choices(module.Config):
        model, example = module.describe(module.Config(**chosen))
        params, state = jax.eval_shape(model.init, jax.random.key(0), example)
        assert jax.tree.leaves(jax.eval_shape(model.apply, params, state, example)[0]), chosen
