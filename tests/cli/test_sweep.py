"""``jnn sweep``: values and ranges, the table, the files, and mistakes."""

import json

import pytest

from jnn.cli import main
from jnn.cli.verbs.sweep import split
from jnn.errors import JnnError


def test_a_sweep_ends_with_a_table_and_files(tmp_path, capsys):
    arguments = [
        "--model",
        "mlp",
        "--seed",
        "0..1",
        "--learning-rate",
        "1e-2,1e-3",
        "--smoke",
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "sweep"),
    ]
    assert main(["sweep", "image_classification", *arguments]) == 0
    printed = capsys.readouterr()
    assert "4 runs of 2 configs" in printed.out
    assert "program 1 of 1: 4 runs" in printed.err
    runs = json.loads((tmp_path / "sweep/sweep.json").read_text())["runs"]
    assert [(each["config"]["seed"], each["config"]["learning_rate"]) for each in runs] == [(0, 1e-2), (0, 1e-3), (1, 1e-2), (1, 1e-3)]
    assert all(0 <= each["metrics"]["test/accuracy"] <= 1 for each in runs)
    assert {path.name for path in (tmp_path / "sweep").glob("sweep.*")} == {"sweep.json", "sweep.csv", "sweep.md", "sweep.png"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "1"], "jnn sweep: got no setting with several values"),
        (["--seed", "7..0"], "jnn sweep: got 7..0, expected a range that rises"),
    ],
)
def test_what_is_no_sweep_is_refused(words, message):
    with pytest.raises(JnnError, match=message):
        split(words)


def test_an_experiment_without_a_task_is_refused(tmp_path, capsys):
    path = tmp_path / "own.py"
    path.write_text(
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Config:\n    seed: int = 0\ndef main(config, run): ...\n"
    )
    assert main(["sweep", str(path), "--seed", "0..1"]) == 2
    assert "got an experiment without task(config, data)" in capsys.readouterr().err
