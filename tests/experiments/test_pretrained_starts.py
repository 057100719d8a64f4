"""Experiments that begin with a pretrained model, by `jnn run NAME --start FOLDER`."""

import json
import shutil

import numpy as np
import pytest

import jnn
from jnn.checkpoints import Checkpoints
from jnn.cli import main
from jnn.interop import of_trained
from jnn.interop.tensor_files import write_tensors
from jnn.runs import Run, RunOptions
from jnn.runs.experiments import find, load
from tests.interop import tiny


def classifier(folder):
    """A RoBERTa of two classes."""
    read_out = {"head": "none", "head_bias": False, "head_transform": False, "pooled": True}
    return tiny.encoder(folder, "roberta", **read_out, outputs=2)


MAKERS = {
    "text_generation": [tiny.decoder],
    "text_classification": [tiny.encoder],
    "sentiment_analysis": [classifier],
    "image_classification": [tiny.vision_transformer_folder, tiny.resnet_folder],
}
LORA = {"text_generation", "text_classification", "sentiment_analysis"}
SHORT = ["--smoke", "--offline", "--quiet", "--epochs", "1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "maker"), [(name, maker) for name, makers in MAKERS.items() for maker in makers]
)
def test_it_trains_and_all_that_follows_needs_the_folder_no_more(name, maker, tmp_path, capsys):
    folder, run = maker(tmp_path / "given"), str(tmp_path / "run")
    adapters = ["--lora", "2", "--warmup", "0"] if name in LORA else []
    assert main(["run", name, "--start", str(folder), *SHORT, *adapters, "--out", run]) == 0
    shutil.rmtree(folder)
    assert main(["resume", run, "--epochs", "+1", "--offline", "--quiet"]) == 0
    steps = json.loads((tmp_path / "run" / "summary.json").read_text())["steps"]
    capsys.readouterr()
    assert main(["replay", run, "--step", "1", "--offline", "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    first = next(row for row in map(json.loads, rows) if "train/loss" in row)
    assert steps > 1
    if first["step"] == 1:
        assert replayed["loss"] == pytest.approx(first["train/loss"], rel=1e-6)
    loaded = jnn.load(run)
    own = of_trained(loaded)
    assert own.family in ("gpt2", "bert", "roberta", "vit", "resnet")
    if name == "text_generation":
        assert main(["generate", run, "--prompt", "low", "--length", "3"]) == 0
        assert capsys.readouterr().out.startswith("low")
    elif name == "image_classification":
        assert loaded.predict(np.zeros((8, 8, 1), np.uint8)).label in loaded.preparation.classes
    else:
        assert loaded.predict("what is it ?").label in loaded.preparation.classes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tabular_regression"], "which tabular_regression cannot begin with, expected the folder"),
        (
            ["image_classification"],
            "got a model of the family gpt2, to train for classes of images, ",
        ),
        (["text_classification"], "to train for classes of texts, expected one of bert, distil"),
        (["text_generation", "--width", "9"], "got width=9 for a pretrained model, expected what"),
        (["text_generation", "--model", "lstm"], "got model=lstm for a pretrained model"),
        (["text_generation", "--lora", "-1"], "got lora=-1, expected an integer >= 0"),
    ],
)
def test_what_does_not_go_together_is_refused_before_the_run_begins(
    words, message, tmp_path, capsys
):
    name, *options = words
    folder = tmp_path / "gpt2"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "n_head": 2}))
    run = tmp_path / "run"
    command = ["run", name, "--start", str(folder), *options, "--smoke", "--out", str(run)]
    assert main(command) == 2
    assert message in capsys.readouterr().err
    assert not run.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path, capsys):
    gone = str(tmp_path / "gone")
    assert main(["run", "text_generation", "--start", gone, "--lora", "2"]) == 2
    expected = "which is no folder, expected the folder of a run, or of a pretrained model"
    assert f"--start: got {gone}, {expected}" in capsys.readouterr().err


DAMAGED = {
    "the weights are cut off": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "a tensor is missing": lambda path: write_tensors(path.parent, [], shard_bytes=2**30),
    "no weights": lambda path: path.unlink(),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_pretrained_model_is_refused_before_the_run_begins(damage, tmp_path, capsys):
    folder = tiny.decoder(tmp_path / "gpt2")
    DAMAGED[damage](folder / "model.safetensors")
    refused(tmp_path, folder, capsys, str(folder))


@pytest.mark.slow
def test_damaged_params_and_paths_of_none_are_refused_before_the_run_begins(tmp_path, capsys):
    old, config = tmp_path / "old", find_config()
    with Run.create("text_generation", config, out=old, options=RunOptions(quiet=True)) as run:
        pass
    refused(tmp_path, old, capsys, "got a folder without checkpoints")
    with Checkpoints(run.checkpoints) as checkpoints:
        checkpoints.save(1, ((), ({"w": np.zeros(4)}, {})), {})
    refused(tmp_path, old, capsys, "out/kernel: not in the checkpoint")
    refused(tmp_path, old, capsys, "--paths: got 'tail', which matches no path", "--paths", "tail")
    refused(tmp_path, old, capsys, "'tail', which matches no path", "--frozen", "tail")
    more = ["--lora", "2", "--lora-paths", "tail"]
    refused(tmp_path, old, capsys, "'tail', which matches no path", *more)
    for path in (run.checkpoints / "1").rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            path.write_bytes(path.read_bytes()[:-1] + b"?")
    refused(tmp_path, old, capsys, "got none that verifies")


def find_config():
    return load(find("text_generation")).Config(smoke=True)


def refused(tmp_path, start, capsys, message, *options):
    run = tmp_path / "run"
    command = ["run", "text_generation", "--start", str(start), "--smoke", "--out", str(run)]
    assert main([*command, *options]) == 2
    assert message in capsys.readouterr().err
    assert not run.exists()
