import gzip
import json
import signal

import pytest

from jnn.cli import main
from jnn.cli.result_table import result_lines


def status(folder):
    return json.loads((folder / "status.json").read_text())


def test_run_prints_the_result_on_stdout_and_everything_else_on_stderr(folder, capsys):
    assert main(["run", "line.py", "--out", "here", "--seed", "5", "--epochs", "10"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("line: 1,234 parameters, 10 steps, ")
    assert lines[0].endswith("seed 5")
    assert lines[2:6] == [
        "                 test/rmse  test/r2",
        "▶ this run          0.0123   0.5000",
        "  mean              1.0000",
        "  least squares     0.0100   0.7500",
    ]
    assert lines[-2:] == [str(folder / "here"), str(folder / "here" / "report.html")]
    assert err.startswith("line, seed 5, on ")
    assert (
        folder / "here" / "command.txt"
    ).read_text() == "jnn run line.py --out here --seed 5 --epochs 10\n"
    assert status(folder / "here")["state"] == "done"


def test_run_with_json_ends_with_the_summary_on_one_line(folder, capsys):
    assert main(["run", "straight_line", "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    summary = json.loads(out.splitlines()[-1])
    latest = folder / "runs" / "straight_line" / "latest"
    assert summary == json.loads((latest / "summary.json").read_text())
    assert summary["experiment"] == "straight_line"
    assert {
        "metrics",
        "baselines",
        "parameters",
        "seconds",
        "steps",
        "seed",
        "device",
        "versions",
    } <= set(summary)
    assert err == ""


def test_a_main_without_metrics_is_told_what_to_return(folder, capsys):
    text = (folder / "line.py").read_text().split("def main")[0]
    (folder / "bare.py").write_text(
        f"{text}def main(config, run):\n    return {{'loss': 1.0}}\n\n\nERRORS = {{}}\n"
    )
    assert main(["run", "bare.py", "--quiet"]) == 2
    assert "main of bare: got {'loss': 1.0} returned, expected a dict with 'metrics'" in (
        capsys.readouterr().err
    )


def test_the_first_metric_of_the_test_split_counts_where_none_is_named(folder):
    text = (folder / "line.py").read_text()
    start, end = text.index("ABOUT = "), text.index("@dataclass")
    (folder / "bare.py").write_text(text[:start] + text[end:])
    assert main(["run", "bare.py", "--quiet", "--out", "out"]) == 0
    summary = json.loads((folder / "out/summary.json").read_text())
    assert summary["metric"] == {"name": "test/rmse", "direction": None}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("encoding", "start"), [("utf-8-sig", ""), ("latin-1", "# coding: latin-1\n")]
)
def test_a_script_is_read_as_python_reads_it(folder, encoding, start):
    text = start + (folder / "line.py").read_text(encoding="utf-8") + "\n# é\n"
    (folder / "line.py").write_text(text, encoding=encoding)
    assert main(["run", "line.py", "--smoke", "--quiet", "--out", "out"]) == 0
    assert json.loads((folder / "out/summary.json").read_text())["metric"]["direction"] == "lowest"


@pytest.mark.parametrize(
    "content", ["x = 'é'".encode("latin-1"), b"x = 1\0", b"# coding: nope\n", b"-" * 100_000 + b"1"]
)
def test_what_is_no_python_is_told(folder, capsys, content):
    (folder / "bad.py").write_bytes(content)
    assert main(["run", "bad.py"]) == 2
    assert "bad.py: got " in (err := capsys.readouterr().err)
    assert "expected Python" in err


def test_a_smoke_run_says_that_its_numbers_mean_nothing(folder, capsys):
    assert main(["run", "line.py", "--smoke", "--quiet"]) == 0
    assert "its numbers mean nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("trouble", "code", "state"),
    [
        ("mistake", 2, "failed"),
        ("data", 3, "failed"),
        ("extra", 3, "failed"),
        ("diverged", 4, "diverged"),
        ("sigint", 130, "interrupted"),
        ("sigterm", 143, "interrupted"),
    ],
)
def test_each_end_has_its_exit_code_and_status_and_can_be_resumed(
    folder, capsys, trouble, code, state
):
    assert main(["run", "line.py", "--out", "here", "--trouble", trouble]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert status(folder / "here")["state"] == state
    assert status(folder / "here")["resume"] == f"jnn resume {folder / 'here'}"
    if state == "interrupted":
        assert f"Continue with: jnn resume {folder / 'here'}" in err
    else:
        assert f"error: trouble with {trouble}" in err
    assert main(["resume", "here", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 3
    assert (folder / "here" / "command.txt").read_text().splitlines()[1] == "jnn resume here --json"


def test_sigterm_is_the_system_s_again_after_a_run(folder):
    before = signal.getsignal(signal.SIGTERM)
    main(["run", "line.py", "--quiet"])
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_bug_keeps_its_traceback(folder):
    with pytest.raises(ZeroDivisionError):
        main(["run", "line.py", "--out", "here", "--trouble", "bug"])
    assert status(folder / "here")["state"] == "failed"
    assert "Traceback" in (folder / "here" / "log.txt").read_text()


def test_an_if_on_a_traced_array_is_explained_with_its_line(folder, capsys):
    assert main(["run", "line.py", "--trouble", "if"]) == 2
    line = 1 + (folder / "line.py").read_text().splitlines().index(
        "        jax.jit(lambda x: 1 if x > 0 else 0)(1.0)"
    )
    err = capsys.readouterr().err
    assert f"line.py, line {line}: `jax.jit(lambda x: 1 if x > 0 else 0)(1.0)`: an `if`" in err
    assert "Use jnp.where or jax.lax.cond." in err


def test_the_main_metric_comes_first_in_the_table(folder):
    summary = {
        "metrics": {"test/a": 0.1, "train/b": 2.0, "test/c": 12345.678},
        "baselines": {},
        "config": {"model": "cnn", "data": "digits"},
    }
    summary |= {
        "experiment": "e",
        "parameters": None,
        "steps": None,
        "seconds": 61.0,
        "device": "cpu",
        "seed": 0,
        "folder": "f",
    }
    summary["metric"] = {"name": "test/c", "direction": "lowest"}
    heading, _, head, row, *_ = result_lines(summary)
    assert heading == "e on digits: 1 min 1 s on cpu, seed 0"
    assert (head.split(), row.split()) == (["test/c", "test/a"], ["▶", "cnn", "12346", "0.1000"])


def test_profile_records_the_run_and_says_how_to_look_at_it(folder, capsys):
    assert main(["run", "line.py", "--out", "here", "--profile"]) == 0
    trace = next((folder / "here" / "profile").glob("plugins/profile/*/*.trace.json.gz"))
    assert json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert f"Profile: open {trace} at https://ui.perfetto.dev" in capsys.readouterr().err


def test_tensorboard_is_written_into_the_run(folder):
    assert main(["run", "line.py", "--out", "here", "--tensorboard", "--quiet"]) == 0
    assert b"train/loss" in next((folder / "here" / "tensorboard").iterdir()).read_bytes()


@pytest.mark.parametrize("words", [["--batch-size", "100000"], ["--file", "typo.csv"]])
def test_a_run_that_is_refused_overwrites_none(folder, capsys, words):
    assert main(["new", "exp.py", "--data", "csv"]) == 0
    command = ["run", "exp.py", "--smoke", "--quiet", "--out", "good"]
    assert main(command) == 0
    files = [path for path in (folder / "good").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files if path.name != ".lock"}
    assert main([*command, "--overwrite", *words]) == 2
    files = [path for path in (folder / "good").rglob("*") if path.is_file()]
    assert {path: path.read_bytes() for path in files if path.name != ".lock"} == before
    assert main([*command, "--overwrite", "--seed", "1"]) == 0
    assert json.loads((folder / "good/summary.json").read_text())["seed"] == 1
    assert not list((folder / "good").glob(".writing-*"))
