import json
from pathlib import Path

import pytest

from jnn.cli import main


def test_resume_trains_longer_only_when_told(folder, capsys):
    assert main(["run", "line.py", "--out", "here", "--quiet"]) == 0
    assert main(["resume", "here"]) == 2
    assert (
        "here: got a run that is done, expected one that stopped. Train it longer with --epochs +5."
        in capsys.readouterr().err
    )
    for epochs, steps in (("+5", 8), ("20", 20)):
        assert main(["resume", "here", "--epochs", epochs, "--quiet", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["steps"] == steps
    for wrong in ("more", "0", "+0", "-3"):
        assert main(["resume", "here", "--epochs", wrong]) == 2
        assert (
            f"--epochs: got '{wrong}', expected a number such as 20, or +5 for five more."
            in capsys.readouterr().err
        )


def test_a_refused_resume_leaves_a_run_done(folder, capsys):
    source = (Path(__file__).parent / "own.py").read_text()
    (folder / "own.py").write_text(source)
    assert main(["run", "own.py", "--out", "here", "--quiet"]) == 0
    files = ("status.json", "config.json", "summary.json", "metrics.jsonl")
    before = {name: (folder / "here" / name).read_bytes() for name in files}
    assert main(["resume", "here", "--epochs", "1", "--quiet"]) == 2
    assert "expected at least the 18 already taken" in capsys.readouterr().err
    (folder / "own.py").write_text(
        source.replace("jnn.dense(2)", "jnn.chain(jnn.dense(4), jnn.dense(2))")
    )
    assert main(["resume", "here", "--epochs", "+1", "--quiet"]) == 2
    assert "not in the checkpoint" in capsys.readouterr().err
    assert {name: (folder / "here" / name).read_bytes() for name in files} == before
    (folder / "own.py").write_text(source)
    assert main(["resume", "here", "--epochs", "+1", "--quiet"]) == 0


def test_a_result_that_was_lost_is_made_again(folder, capsys):
    assert main(["run", "line.py", "--out", "here", "--quiet"]) == 0
    summary = json.loads((folder / "here" / "summary.json").read_text())
    (folder / "here" / "summary.json").unlink()
    assert main(["resume", "here", "--quiet"]) == 0
    assert (
        json.loads((folder / "here" / "summary.json").read_text())["metrics"] == summary["metrics"]
    )


def test_a_run_is_done_only_once_its_report_is_written(folder, monkeypatch):
    def fail(*arguments):
        assert json.loads((folder / "here" / "status.json").read_text())["state"] == "running"
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("jnn.cli.execution.report", fail)
        assert main(["run", "line.py", "--out", "here", "--quiet"]) == 130
    assert main(["resume", "here", "--quiet"]) == 0
    assert (folder / "here" / "report.html").exists()


def test_resume_refuses_another_config_than_the_run_began_with(folder, capsys):
    main(["run", "line.py", "--out", "here", "--trouble", "sigint"])
    experiment = (folder / "line.py").read_text()
    (folder / "line.py").write_text(
        experiment.replace("    smoke: bool", "    depth: int = 2\n    smoke: bool")
    )
    assert main(["resume", "here"]) == 2
    assert (
        "got other settings than the run has (depth: absent -> 2), expected the same."
        in capsys.readouterr().err
    )
    (folder / "line.py").write_text(experiment)
    config = folder / "here" / "config.json"
    config.write_text(config.read_text().replace('"learning_rate": 0.1', '"learning_rate": 0.2'))
    assert main(["resume", "here"]) == 2
    assert (
        "got a config edited since the run began (learning_rate: 0.1 -> 0.2), expected the same."
        in capsys.readouterr().err
    )
    text = config.read_text().replace('"learning_rate": 0.2', '"learning_rate": 0.1')
    config.write_text(text.replace('"config_hash": "', '"config_hash": "0'))
    assert main(["resume", "here"]) == 2
    assert "got a config edited since the run began (config_hash)," in capsys.readouterr().err


def test_another_learning_rate_is_recorded_beside_that_of_the_start(folder, capsys):
    assert main(["run", "line.py", "--out", "here", "--quiet"]) == 0
    for rate in ("0.02", "0.03"):
        words = ["resume", "here", "--epochs", "+1", "--learning-rate", rate, "--quiet"]
        assert main(words) == 0
    assert main(["resume", "here", "--epochs", "+1", "--quiet"]) == 0
    record = json.loads((folder / "here/config.json").read_text())
    assert record["config"]["learning_rate"] == 0.03
    assert record["began"] == {"learning_rate": 0.1}
    for wrong in ("0", "nan", "fast"):
        assert main(["resume", "here", "--epochs", "+1", "--learning-rate", wrong]) == 2
        assert f"--learning-rate: got {wrong!r}, expected a number > 0" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_goes_on_over_another_mesh(folder, monkeypatch):
    monkeypatch.undo()  # the experiments that come with jnn
    settings = ["--smoke", "--offline", "--quiet", "--schedule", "constant", "--warmup", "0"]

    def run(name, *words):
        words = ["run", "tabular_classification", *settings, "--out", str(folder / name), *words]
        assert main(words) == 0

    # fsdp=4,tensor=2 has collectives that do not need each other: few threads once waited for ever
    run("here", "--mesh", "data=2,fsdp=2", "--epochs", "1")
    meshes = (["--mesh", "fsdp=4,tensor=2"], [], ["--mesh", ""])
    for words in meshes:
        assert main(["resume", str(folder / "here"), "--epochs", "+1", *words, "--quiet"]) == 0
    record = json.loads((folder / "here/config.json").read_text())
    assert record["config"]["mesh"] == ""
    assert record["began"] == {"mesh": "data=2,fsdp=2"}
    run("alone", "--epochs", "4")
    losses = {
        name: [
            row["validation/loss"]
            for line in (folder / name / "metrics.jsonl").read_text().splitlines()
            if "validation/loss" in (row := json.loads(line))
        ]
        for name in ("here", "alone")
    }
    assert losses["here"] == pytest.approx(losses["alone"], rel=1e-3)


def test_a_mesh_is_for_experiments_that_have_one(folder, capsys):
    main(["run", "line.py", "--out", "here", "--quiet"])
    assert main(["resume", "here", "--epochs", "+1", "--mesh", "data=2"]) == 2
    assert "--mesh: got data=2, expected an experiment with mesh" in capsys.readouterr().err
