"""`jnn diff`, on records of runs and on runs."""

import json
from pathlib import Path

import pytest

from jnn.cli import main
from jnn.cli.verbs.diff import _lines
from jnn.files import write_json
from jnn.runs import Run, RunOptions
from jnn.train import TrainingConfig


def run_of(folder, losses, *, experiment="noisy", **settings):
    """A run that has logged these losses."""
    config = TrainingConfig(**settings)
    with Run.create(experiment, config, out=folder, options=RunOptions(quiet=True)) as run:
        for step, loss in enumerate(losses, start=1):
            run.metrics.write(step, {"train/loss": loss, "train/norm": 1.0})
    return str(folder)


def epochs_of(folder):
    return str(json.loads((Path(folder) / "config.json").read_text())["config"]["epochs"])


def diff(capsys, *words):
    code = main(["diff", *words])
    return code, capsys.readouterr().out


def test_the_logs_and_settings_of_two_runs(tmp_path, capsys):
    a = run_of(tmp_path / "a", [0.5, 0.4, 0.3])
    b = run_of(tmp_path / "b", [0.5, 0.4, 0.2], seed=3)
    env = json.loads((tmp_path / "b/env.json").read_text())
    env["versions"]["jax"] = "0.9"
    write_json(tmp_path / "b/env.json", env)
    code, out = diff(capsys, a, b, "--logs", "--json")
    report = json.loads(out)
    assert (code, report["logs"]) == (1, {"step": 3, "metric": "train/loss", "values": [0.3, 0.2]})
    assert report["resumed"] == [[], []]
    assert report["settings"] == {"seed": [0, 3]}
    assert report["environment"]["versions.jax"][1] == "0.9"
    code, out = diff(capsys, a, b, "--logs")
    assert (code, out.splitlines()[0]) == (1, "The logs of the runs part at step 3")
    same = run_of(tmp_path / "same", [0.5, 0.4])
    with Run.open(same, epochs=12, options=RunOptions(quiet=True)) as run:
        run.take_first_step()
    out = diff(capsys, a, same, "--logs")[1]
    assert "second run was resumed with other settings than it began with: epochs: 10 -> 12." in out
    code, out = diff(capsys, a, same, "--logs")
    assert code == 0
    assert out.startswith("The runs are the same: the logs of all 2 steps in common\n")
    rows = (tmp_path / "same/metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "same/metrics.jsonl").write_text(rows[1].replace("0.4", "0.45"))
    code, out = diff(capsys, a, same, "--logs")
    assert (code, out.splitlines()[0]) == (0, "The logs have no step in common")
    write_json(tmp_path / "same/status.json", {"state": "diverged"})
    out = diff(capsys, a, same, "--logs")[1]
    assert "The first run has logged 3 steps (done), the second 2 (diverged)." in out


def test_what_cannot_be_compared_is_refused(tmp_path, capsys):
    a, other = run_of(tmp_path / "a", [1.0]), run_of(tmp_path / "b", [1.0], experiment="other")
    for words, message in {
        (a, str(tmp_path / "a/../a")): "diff: got",
        (a, other): "diff: got runs of noisy and of other, expected two runs of one experiment.",
        (a, str(tmp_path)): "got no run, expected the folder of a run",
        (a, run_of(tmp_path / "c", [])): "c: got a run that has logged no step, expected one to",
        (a,): "the following arguments are required: RUN_B",
    }.items():
        assert main(["diff", *words, "--logs"]) == 2
        assert message in capsys.readouterr().err


def test_equal_gradients_are_followed_by_what_differs_after_them():
    def lines(metrics, **settings):
        parts = {"gradient": [], "metrics": metrics, "update": ["params/kernel"]}
        differ = {
            name: {"arrays": 9, "differ": [{"path": path, "how": ""} for path in paths]}
            for name, paths in parts.items()
        }
        result = {
            "settings": settings,
            "environment": {},
            "resumed": [[], []],
            "logged": [1, 1],
            "states": ["done", "done"],
            "logs": None,
            "parting": {"step": 2, "parts": differ},
            "not_as_logged": ["", ""],
        }
        return _lines([Path("a"), Path("b")], result)[-2:]

    equal = "The values inside and the gradient are equal where one device computes them: the runs"
    rate = "the learning rate of this step"
    assert lines(["learning_rate"], epochs=[2, 4], warmup=[0.1, 0.2], clip=[0.0, 1.0]) == [
        f"{equal} differ in",
        f"{rate}, which follows from warmup and epochs.",
    ]
    assert lines(["learning_rate"])[-1] == f"{rate}."
    optimizer = "the optimizer, or in how a step is compiled for their devices."
    assert lines(["loss"], epochs=[2, 4])[-1] == optimizer


@pytest.mark.slow
def test_two_runs_of_an_experiment(tmp_path, capsys):
    train = ["run", "tabular_regression", "--smoke", "--offline", "--quiet"]
    folders = {name: str(tmp_path / name) for name in ("a", "same", "rate")}
    for name, more in (("a", []), ("same", []), ("rate", ["--weight-decay", "0.5"])):
        assert main([*train, *more, "--out", folders[name]]) == 0
    capsys.readouterr()
    code, out = diff(capsys, folders["a"], folders["same"], "--offline")
    assert (code, "checkpoint of step" in out) == (0, True)
    code, out = diff(capsys, folders["a"], folders["rate"], "--offline", "--json")
    report = json.loads(out)
    parts = report["parting"]["parts"]
    assert code == 1
    assert report["settings"].keys() == {"weight_decay"}
    assert not parts["gradient"]["differ"]
    assert parts["update"]["differ"][0]["path"].startswith("params/")
    assert report["not_as_logged"] == ["", ""]
    assert report["parting"]["step"] <= report["logs"]["step"]
    assert main(["resume", folders["same"], "--epochs", "+1", "--offline", "--quiet"]) == 0
    longer = str(tmp_path / "longer")
    assert main([*train, "--epochs", epochs_of(folders["same"]), "--out", longer]) == 0
    capsys.readouterr()
    code, out = diff(capsys, folders["same"], longer, "--offline")
    assert code == 1
    assert out.splitlines()[0].endswith("where they ran, or the settings before a resume")
