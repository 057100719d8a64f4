import csv
import json
import re
import statistics

import pytest
from matplotlib.image import imread

from jnn.cli import main
from jnn.errors import Diverged
from jnn.runs.run import Run, RunOptions

KEPT = {"metric": "validation/rmse", "direction": "lowest"}
SCORES = {0.1: [0.2, 0.4], 0.01: [0.1, 0.16]}


def made(out, *, experiment="straight_line", rmse=0.1, metric="test/rmse", **config):
    """A run of the experiment, which ended with that metric, or diverged where it is None."""
    settings = {"seed": 0, "learning_rate": 0.1, "model": "line", **config}
    run = Run.create(experiment, settings, out=out, options=RunOptions(quiet=True))
    try:
        with run:
            run.metrics.write(5, {"validation/rmse": 0.3})
            run.metrics.write(8, {"validation/rmse": 0.2})
            if rmse is None:
                raise Diverged("the loss is nan at step 8. The gradient was inf. Lower the rate.")
            run.kept = {**KEPT, "step": 8, "value": 0.2}
            counts = {"name": metric, "direction": "lowest"}
            metrics = {metric: rmse, "test/r2": 0.5}
            run.finish({"metrics": metrics, "baselines": {"mean": 1.0}}, metric=counts)
    except Diverged:
        pass


@pytest.fixture
def runs(folder):
    """Two seeds each of two learning rates, and one that diverged."""
    for rate, scores in SCORES.items():
        for seed, rmse in enumerate(scores):
            made(folder / "runs" / f"rate{rate}-s{seed}", learning_rate=rate, seed=seed, rmse=rmse)
    made(folder / "runs" / "lost", learning_rate=9.0, rmse=None)
    (folder / "runs" / "latest").symlink_to("lost")
    return folder / "runs"


def test_compare_shows_what_differs_and_the_metrics_over_seeds(runs, capsys):
    before = sorted(runs.rglob("*"))
    assert main(["compare", "runs", "runs/latest", "runs/rate0.1-s0"]) == 0
    out, err = capsys.readouterr()
    heading, _, head, best, worse, lost, baseline, *_ = out.splitlines()
    assert heading == "straight_line: 4 runs of 3 configs"
    assert head.split() == ["learning_rate", "test/rmse", "test/r2", "kept", "step", "time", "runs"]
    # means 0.13 and 0.3; deviations of two values are their difference / sqrt(2): 0.0424 and 0.1414
    assert best.split()[:4] == ["0.01", "0.130", "±", "0.042"]
    assert worse.split()[:4] == ["0.1", "0.300", "±", "0.141"]
    assert (best.split()[7], best.split()[-1]) == ("8", "2")
    assert lost.split() == ["9.0", "0", "of", "1"]
    assert baseline.split() == ["baseline", "mean", "1.000"]
    assert "lower test/rmse is better" in out
    assert out.splitlines()[-2:] == [
        "Not done, so not counted:",
        "  runs/lost  diverged: the loss is nan at step 8",
    ]
    assert err == ""
    assert sorted(runs.rglob("*")) == before


def test_compare_writes_files_only_where_asked_to(runs, capsys):
    words = "compare runs --csv a.csv --markdown a.md --picture a.png --json"
    assert main(words.split()) == 0
    out, err = capsys.readouterr()
    assert err == "wrote a.csv\nwrote a.md\nwrote a.png\n"
    row = next(csv.DictReader((runs.parent / "a.csv").open()))
    assert (row["learning_rate"], float(row["test/rmse deviation"])) == (
        "0.01",
        statistics.stdev(SCORES[0.01]),
    )
    assert (runs.parent / "a.md").read_text().startswith("| learning_rate | test/rmse | test/r2 |")
    assert imread(runs.parent / "a.png").std() > 0
    report = json.loads(out)
    assert report["rows"][0]["metrics"]["test/rmse"]["values"] == SCORES[0.01]
    assert report["unfinished"] == [
        {"run": str(runs / "lost"), "state": "diverged: the loss is nan at step 8"}
    ]
    assert report["baselines"] == {"mean": {"test/rmse": 1.0}}


def test_labels_of_a_picture_have_the_settings_that_differ_in_it(folder):
    made(folder / "a", model="line")
    made(folder / "b", model="parabola")
    made(folder / "c", learning_rate=9.0, rmse=None)
    for runs, labels in ("abc", {"model line", "model parabola"}), ("ac", {"learning_rate 0.1"}):
        assert main(["compare", *runs, "--picture", "a.svg"]) == 0
        comments = re.findall("<!-- (.*) -->", (folder / "a.svg").read_text())
        assert {text for text in comments if text.startswith(("model", "learning"))} == labels


def test_another_metric_may_be_chosen(runs, capsys):
    words = ["compare", "runs", "--metric", "test/r2"]
    assert main(words) == 0
    assert "which test/r2 is better is not known (--direction)" in capsys.readouterr().out
    assert main([*words, "--direction", "highest"]) == 0
    assert "higher test/r2 is better" in capsys.readouterr().out
    assert main(["compare", "runs", "--metric", "test/rmse", "--direction", "highest"]) == 0
    best = capsys.readouterr().out.splitlines()[3]
    assert best.split()[:4] == ["0.1", "0.300", "±", "0.141"]


def test_runs_of_different_experiments_need_a_metric_in_common(folder, capsys):
    made(folder / "a", experiment="a")
    made(folder / "b", experiment="b", learning_rate=0.5)
    assert main(["compare", "a", "b"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "a and b: 2 runs of 2 configs\n\nexperiment     learning_rate  test/rmse  test/r2"
    )
    with Run.create("c", {"seed": 0}, out=folder / "c", options=RunOptions(quiet=True)) as run:
        run.finish({"metrics": {"test/bleu": 0.3}})
    assert main(["compare", "a", "c"]) == 2
    assert "jnn compare: got runs of a and c without a metric in common" in capsys.readouterr().err


def test_a_run_that_is_made_twice_counts_once(folder, capsys):
    made(folder / "a", rmse=0.1)
    made(folder / "b", rmse=0.3)
    assert main(["compare", "a", "b"]) == 0
    out = capsys.readouterr().out
    assert "straight_line: 1 run of 1 config\n" in out
    assert "0.3000" in out
    assert "the last counts; 1 omitted." in out


def test_a_run_that_was_killed_is_listed(folder, capsys):
    made(folder / "a")
    Run.create(
        "straight_line", {"seed": 1}, out=folder / "b", options=RunOptions(quiet=True)
    ).close()
    assert main(["compare", "a", "b"]) == 0
    assert capsys.readouterr().out.endswith("Not done, so not counted:\n  b  running, or killed\n")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("compare", "the following arguments are required: RUN"),
        (
            "compare nowhere",
            "nowhere: got nothing there, expected the folder of a run or a sweep, or one that",
        ),
        (
            "compare runs/latest",
            "jnn compare: got nothing to compare: lost is diverged: the loss is nan at step 8, "
            "expected two runs",
        ),
        (
            "compare runs/rate0.1-s0",
            "jnn compare: got nothing to compare: rate0.1-s0 is done, expected two runs or more",
        ),
        (
            "compare runs --metric test/rmsd",
            "--metric: got 'test/rmsd', expected a metric that all these runs have: "
            "test/rmse, test/r2.",
        ),
        ("compare runs --metric test/rmsd", "Did you mean test/rmse or test/r2?"),
        (
            "compare runs --picture a.gif",
            "--picture: got a.gif, expected a name that ends in .png, .svg, .pdf.",
        ),
        (
            "compare runs --csv runs",
            "runs: got not a regular file, expected a new file, or one to replace.",
        ),
        ("compare runs --csv /dev/stdout", "/dev/stdout: got not a regular file"),
        (
            "compare runs --csv absent/a.csv",
            "absent/a.csv: got No such file or directory, expected a place to write to.",
        ),
    ],
)
def test_a_comparison_that_cannot_be_made_is_explained(runs, capsys, command, text):
    assert main(command.split()) == 2
    assert text in capsys.readouterr().err
