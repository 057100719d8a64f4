"""``jnn sweep``: values and ranges, the table, the files, and mistakes."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jnn.cli import main
from jnn.cli.verbs.sweep import split
from jnn.errors import JnnError
from tests.experiments import killed
from tests.forks import forks


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
    assert [(run["config"]["seed"], run["config"]["learning_rate"]) for run in runs] == [
        (0, 1e-2),
        (0, 1e-3),
        (1, 1e-2),
        (1, 1e-3),
    ]
    assert all(0 <= run["metrics"]["test/accuracy"] <= 1 for run in runs)
    assert {path.name for path in (tmp_path / "sweep").glob("sweep.*")} == {
        "sweep.json",
        "sweep.csv",
        "sweep.md",
        "sweep.png",
    }
    best = json.loads((tmp_path / "sweep/best/summary.json").read_text())
    chosen = min(runs, key=lambda run: run["kept"]["value"])  # on validation data
    assert (best["kept"], best["config"]["seed"]) == (chosen["kept"], chosen["config"]["seed"])
    assert best["metrics"]["test/accuracy"] == chosen["metrics"]["test/accuracy"]
    assert main(["compare", str(tmp_path / "sweep"), str(tmp_path / "sweep/best")]) == 0
    assert "4 runs of 2 configs" in capsys.readouterr().out
    assert main(["resume", str(tmp_path / "sweep/best")]) == 2
    assert "got a run that is done" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "1"], "jnn sweep: got no setting with several values"),
        (["--seed", "7..0"], "jnn sweep: got 7..0, expected an increasing range"),
    ],
)
def test_what_is_no_sweep_is_refused(words, message):
    with pytest.raises(JnnError, match=message):
        split(words)


def test_an_experiment_without_a_task_is_refused(tmp_path, capsys):
    path = tmp_path / "own.py"
    path.write_text(
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Config:\n"
        "    seed: int = 0\ndef main(config, run): ...\n"
    )
    assert main(["sweep", str(path), "--seed", "0..1"]) == 2
    assert "got an experiment without task(config, data)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            "--tensorboard",
            "jnn sweep: got --tensorboard, expected an option of a sweep. It is for a single run",
        ),
        ("--config=a.json", "jnn sweep: got --config, expected an option of a sweep."),
        ("--profil", "Unknown option --profil. Did you mean --profile?"),
        ("--patience 3", "sweep: got patience=3, expected 0: members of one program stop tog"),
        ("--devices 2", "sweep: got devices=2, expected 1. Omit it: members are spread over all"),
        (
            "--out used",
            "used: got a folder that holds mine.txt, expected a new one, or that of a sweep. "
            "Choose another --out.",
        ),
        ("--out used/mine.txt/x", "x: got Not a directory, expected a place to write to."),
    ],
)
def test_what_a_sweep_cannot_do_is_said(tmp_path, monkeypatch, capsys, words, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("kept")
    assert main(["sweep", "tabular_regression", "--smoke", "--seed", "0..1", *words.split()]) == 2
    assert text in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["used", "mine.txt"]


TABULAR = ["sweep", "tabular_regression", "--smoke", "--seed", "0..1"]


@pytest.mark.slow
def test_a_sweep_of_which_every_run_diverges_ends_with_4(tmp_path, capsys):
    wild = [
        "--learning-rate",
        "1e38",
        "--optimizer",
        "sgd",
        "--schedule",
        "constant",
        "--warmup",
        "0",
        "--epochs",
        "1",
    ]
    assert main([*TABULAR, *wild, "--out", str(tmp_path / "sweep")]) == 4
    assert (
        f"All 2 runs diverged. Their losses are in {tmp_path}/sweep/sweep.json."
        in capsys.readouterr().err
    )
    assert len(json.loads((tmp_path / "sweep/sweep.json").read_text())["runs"]) == 2


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [
        (
            "splits.train['features'][[3, 7], 1] = np.nan",
            "The data is not finite: features in rows 3, 7, counted from 0. Mend the data.",
        ),
        (
            "splits.train['features'][:] *= 1e30; splits.train['label'][:] = np.arange(144) == 5",
            "Try smaller learning rates, or look at the data, where label has 0 to 1, the largest "
            "in row 5; classes and tokens count from 0.",
        ),
    ],
)
def test_a_sweep_of_which_every_run_diverges_says_what_is_wrong_with_the_data(
    tmp_path, capsys, spoil, advice
):
    own = (Path(__file__).parent / "own.py").read_text(encoding="utf-8")
    loaded = "    return from_arrays({"
    assert loaded in own
    own = own.replace(loaded, "    splits = from_arrays({")
    path = tmp_path / "own.py"
    path.write_text(own.replace("int32)})", f"int32)}})\n    {spoil}\n    return splits"))
    words = ["--seed", "0..1", "--out", str(tmp_path / "sweep")]
    assert main(["sweep", str(path), *words]) == 4
    assert f"sweep.json. {advice}" in capsys.readouterr().err


def test_a_sweep_of_which_some_runs_diverge_does_not_say_that_all_did(tmp_path, capsys):
    own = (Path(__file__).parent / "own.py").read_text(encoding="utf-8")
    path = tmp_path / "own.py"
    nothing = "lambda params, state: {'test/loss': np.nan}"
    for old, new in {
        "return supervised(jnn.dense(2)": "task = supervised(jnn.chain(jnn.dense(2), jnn.dense(2))",
        "batch_size=16)": f"batch_size=16)\n    return task._replace(test={nothing}, best=None)",
    }.items():
        assert old in own
        own = own.replace(old, new)
    path.write_text(own, encoding="utf-8")
    wild = ["--optimizer", "sgd", "--learning-rate", "1e-3,1e38", "--warmup", "0"]
    assert main(["sweep", str(path), *wild, "--out", str(tmp_path / "sweep")]) == 4
    error = capsys.readouterr().err
    assert "The test/loss of all 2 runs is not finite, and 1 of them diverged." in error
    assert "Try smaller learning rates" in error


def sweep_in_a_process(folder, rng):
    """Sweep until it ends, killed at most three times; returns the exit codes and the files of
    results.
    """
    codes = []
    while 0 not in codes:
        kill = killed.draw(rng) if rng and len(codes) < 3 else None
        process = forks.Process(
            target=killed.in_a_process,
            args=(sweep_command, [], folder, folder.parent / "programs", kill),
        )
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        codes.append(process.exitcode)
    return codes, [(folder / f"sweep.{kind}").read_bytes() for kind in ("json", "csv", "md")]


def sweep_command(words, folder):
    assert (
        main(
            [
                *TABULAR,
                "--learning-rate",
                "1e-2,1e-3",
                "--epochs",
                "6",
                "--quiet",
                "--out",
                str(folder),
            ]
        )
        == 0
    )


@pytest.mark.slow
def test_a_killed_sweep_ends_with_the_same_bits(tmp_path):
    _, expected = sweep_in_a_process(tmp_path / "whole", None)
    codes, resumed = sweep_in_a_process(tmp_path / "cut", random.Random(0))
    assert -signal.SIGKILL in codes
    assert resumed == expected


@pytest.mark.slow
def test_a_sweep_may_be_profiled_and_stopped(tmp_path):
    words = [sys.executable, "-m", "jnn", *TABULAR]
    done = subprocess.run(
        [*words, "--profile", "--out", tmp_path / "sweep"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Profile: open " in done.stderr
    assert list((tmp_path / "sweep/profile").glob("plugins/profile/*/*.trace.json.gz"))
    endless = [*words, "--epochs", "9999", "--out", tmp_path / "stopped"]
    process = subprocess.Popen(
        endless, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    next(line for line in process.stderr if line.startswith("epoch 2/"))
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert (
        "stopped. Continue with: jnn sweep tabular_regression --smoke --seed 0..1"
        in process.stderr.read()
    )
