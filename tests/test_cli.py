import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jnn.cli import HELP, VERBS, experiments, main
from jnn.cli.options import config_from
from jnn.cli.results import result_lines
from jnn.cli.verbs import doctor
from jnn.errors import JnnError
from jnn.train.files import plain

EXPERIMENT = '''
"""Fit a line.

More about it.
"""
import signal
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

import jnn
from jnn.errors import Diverged, MissingDataError, MissingExtraError, mistake
from jnn.train.runs import About

ABOUT = About(task="regression", models=("line",), data=("made",), metric="test/rmse", expected="0.1", cost="1 s")


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0
    smoke: bool = False
    epochs: int = 3
    learning_rate: float = 0.1
    """How far a step goes."""
    widths: tuple[int, ...] = (3, 4)
    trouble: Literal["", "mistake", "data", "extra", "diverged", "sigterm", "sigint", "bug", "if"] = ""

    def __post_init__(self):
        if self.learning_rate <= 0:
            raise mistake("config", got=f"learning_rate={self.learning_rate}", expected="a number > 0")


def describe(config):
    return jnn.chain(jnn.dense(4), jnn.dense(2)), jnp.ones(3)


def main(config, run):
    trouble = "" if run.resuming else config.trouble
    if trouble in ERRORS:
        raise ERRORS[trouble](f"trouble with {trouble}")
    if trouble.startswith("sig"):
        signal.raise_signal(signal.SIGTERM if trouble == "sigterm" else signal.SIGINT)
    if trouble == "if":
        jax.jit(lambda x: 1 if x > 0 else 0)(1.0)
    run.metrics.write(1, {"train/loss": 0.5})
    return {
        "metrics": {"test/rmse": 0.0123, "test/r2": 0.5},
        "baselines": {"mean": 1.0, "least squares": {"test/rmse": 0.0100, "test/r2": 0.75}},
        "parameters": 1234,
        "steps": config.epochs,
    }


ERRORS = {"mistake": lambda text: mistake(text, got="this", expected="that"), "data": MissingDataError, "extra": MissingExtraError,
          "diverged": Diverged, "bug": ZeroDivisionError}
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with one experiment of the user's own, and one that comes with jnn."""
    (tmp_path / "line.py").write_text(EXPERIMENT)
    (tmp_path / "built_in").mkdir()
    (tmp_path / "built_in" / "straight_line.py").write_text(EXPERIMENT)
    (tmp_path / "built_in" / "helper.py").write_text('"""A module without ABOUT is no experiment."""')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, "experiments_folder", lambda: tmp_path / "built_in")
    return tmp_path


def status(folder):
    return json.loads((folder / "status.json").read_text())


@pytest.mark.parametrize(
    "command", [["--help"], ["list"], ["data", "path"], ["run", "--help"], ["describe", "--help"], ["resume", "--help"]]
)
def test_what_must_come_at_once_does_not_import_jax(command):
    code = f"import sys; from jnn.cli import main; code = main({command}); assert 'jax' not in sys.modules; sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_m_jnn_is_jnn():
    done = subprocess.run([sys.executable, "-m", "jnn", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "usage: jnn VERB [options]"
    assert all(f"\n  {verb} " in done.stdout for verb in VERBS)
    assert len(done.stdout.splitlines()) <= 30
    assert HELP.endswith("jnn describe image_classification --model mlp\n")


@pytest.mark.parametrize("command", [[], *([verb] for verb in VERBS), ["run", "line.py"], ["describe", "line.py"]])
def test_every_help_ends_with_three_examples(folder, capsys, command):
    assert main([*command, "--help"]) == 0
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert lines[-4] == "examples:"
    assert all(line.startswith("  jnn ") for line in lines[-3:])


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("lst", "Unknown verb 'lst'. Did you mean list?"),
        ("frobnicate", "Unknown verb 'frobnicate'. The verbs are list, describe, run, resume, data, doctor."),
        ("list --jsn", "Unknown option or argument '--jsn'. Did you mean --json?"),
        ("run strait_line", "Unknown experiment 'strait_line'. Did you mean straight_line?"),
        ("run absent.py", "experiment: got absent.py, which is no file, expected a Python file."),
        ("run --smoke line.py", "The experiment comes first: jnn run NAME --smoke line.py"),
        ("run line.py --lerning-rate 1", "Unknown option --lerning-rate. Did you mean --learning-rate?"),
        ("run line.py --learning-rate fast", "could not convert string to float: 'fast'. See jnn run line.py --help."),
        ("run line.py --learning-rate -1", "config: got learning_rate=-1.0, expected a number > 0."),
        ("run line.py --trouble much", "invalid choice 'much' for argument '--trouble'. Expected one of"),
        ("run line.py --device cup", "--device: got 'cup', expected auto, cpu, gpu or tpu."),
        ("run line.py --device tpu", "--device: got tpu, expected a device that JAX finds here: cpu."),
        ("run line.py --device", "--device needs a value."),
        ("run line.py --config absent.json", "absent.json: got no such file, expected a JSON file."),
        ("run line.py --name a/b", "name of a run: got 'a/b', expected letters, digits, dots, - and _."),
        ("describe line.py --out here", "Unknown option --out. See jnn describe line.py --help."),
        ("resume", "jnn resume: the following arguments are required: RUN. See jnn resume --help."),
        ("resume nowhere", "nowhere: got no run, expected the folder of a run."),
        ("data", "jnn data: the following arguments are required: list|get|path"),
        ("data lst", "jnn data: unknown action 'lst'. Did you mean list?"),
        ("data get digit", "data: got the name 'digit', expected one of"),
        ("data get", "Name the sets to get: digits, "),
    ],
)
def test_a_mistake_is_said_in_one_sentence_with_exit_code_2(folder, capsys, command, text):
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert text in err
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("def main(config, run): pass", "got no Config, expected a frozen dataclass `Config`"),
        (
            "from dataclasses import dataclass\n@dataclass\nclass Config:\n  seed: int = 0",
            "got no main, expected a function `main(config, run)`",
        ),
        ("def main(:", "broken.py: got SyntaxError: invalid syntax"),
        ("ABOUT = About(task=1 + x)", "broken.py, line 1: got an ABOUT that must be computed, expected keywords with literal values."),
        (
            "from dataclasses import dataclass\n@dataclass\nclass Config:\n  out: str = ''\ndef main(config, run): pass",
            "Config of broken.py: got fields out, expected names that `jnn run` does not use itself.",
        ),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(folder, capsys, content, text):
    (folder / "broken.py").write_text(content)
    assert main(["run", "broken.py"]) == 2
    assert text in capsys.readouterr().err


def test_list_reads_experiments_without_running_them(folder, capsys):
    (folder / "built_in" / "explosive.py").write_text('"""Boom."""\nABOUT = About(task="none")\nraise SystemExit(1)')
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "straight_line  Fit a line.\n  line on made\n  test/rmse 0.1, 1 s\n" in out
    assert "2 experiments in " in out
    assert main(["list", "--json"]) == 0
    explosive, line = json.loads(capsys.readouterr().out)
    assert explosive["name"] == "explosive"
    expected = {"task": "regression", "models": ["line"], "data": ["made"], "metric": "test/rmse", "expected": "0.1", "cost": "1 s"}
    assert line == {"name": "straight_line", "about": "Fit a line.", **expected}


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
    assert lines[-1] == str(folder / "here")
    assert err.startswith("line, seed 5, on ")
    assert (folder / "here" / "command.txt").read_text() == "jnn run line.py --out here --seed 5 --epochs 10\n"
    assert status(folder / "here")["state"] == "done"


def test_run_with_json_ends_with_the_summary_on_one_line(folder, capsys):
    assert main(["run", "straight_line", "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    summary = json.loads(out.splitlines()[-1])
    latest = folder / "runs" / "straight_line" / "latest"
    assert summary == json.loads((latest / "summary.json").read_text())
    assert summary["experiment"] == "straight_line"
    assert {"metrics", "baselines", "parameters", "seconds", "steps", "seed", "device", "versions"} <= set(summary)
    assert err == ""


def test_a_smoke_run_says_that_its_numbers_mean_nothing(folder, capsys):
    assert main(["run", "line.py", "--smoke", "--quiet"]) == 0
    assert "its numbers mean nothing" in capsys.readouterr().out


def test_a_config_printed_by_one_run_replays_it_and_options_override_it(folder, capsys):
    assert main(["run", "line.py", "--print-config", "--widths", "5", "6", "7", "--epochs", "9"]) == 0
    (folder / "replay.json").write_text(capsys.readouterr().out)
    assert main(["run", "line.py", "--config", "replay.json", "--epochs", "2", "--quiet", "--json"]) == 0
    config = json.loads(capsys.readouterr().out)["config"]
    assert (config["widths"], config["epochs"]) == ([5, 6, 7], 2)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"experiment": "other", "config": {}}, "got the config of other, expected one of line."),
        ({"config": {"sed": 1}}, "c.json: got an unknown setting 'sed', expected those of the experiment: seed, smoke"),
        ({"seed": "one"}, "c.json, seed: got 'one', expected int."),
        ({"widths": [1, "two"]}, "c.json, widths: got 'two', expected int."),
        ({"trouble": "much"}, "c.json, trouble: got 'much', expected Literal["),
        ({"learning_rate": 0}, "config: got learning_rate=0.0, expected a number > 0."),
    ],
)
def test_a_config_file_that_does_not_fit_is_refused(folder, capsys, record, text):
    (folder / "c.json").write_text(json.dumps(record))
    assert main(["run", "line.py", "--config", "c.json"]) == 2
    assert text in capsys.readouterr().err


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = Inner()
    pair: tuple[int, str] = (1, "a")
    maybe: int | None = None
    path: Path = Path("x")
    options: dict[str, float | bool | str] = field(default_factory=dict)


def test_settings_of_every_kind_come_back_from_json():
    made = Outer(inner=Inner(rate=2.0), pair=(3, "b"), path=Path("y"), options={"b1": 0.5, "nesterov": True, "dtype": "bfloat16"})
    assert config_from(Outer, json.loads(json.dumps(plain(made))), "test") == made


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"pair": [1]}, r"test, pair: got \[1\], expected tuple\[int, str\]"),
        ({"maybe": "one"}, r"test, maybe: got 'one', expected int \| None"),
        ({"inner": {"rat": 1.0}}, r"test, inner: got an unknown setting 'rat', .* Did you mean rate\?"),
    ],
)
def test_settings_of_another_kind_are_refused(values, text):
    with pytest.raises(JnnError, match=text):
        config_from(Outer, values, "test")


def test_describe_and_dry_run_show_settings_and_parameters_and_train_nothing(folder, capsys):
    assert main(["describe", "line.py", "--epochs", "8"]) == 0
    out = capsys.readouterr().out
    assert "Fit a line.\n\nMore about it." in out
    assert "--epochs         8" in out
    assert "26 parameters" in out  # 3 x 4 + 4, and 4 x 2 + 2
    assert main(["describe", "line.py", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["parameters"], described["config"]["epochs"], described["task"]) == (26, 3, "regression")
    assert main(["run", "line.py", "--dry-run"]) == 0
    assert "26 parameters" in capsys.readouterr().out
    assert not (folder / "runs").exists()


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
def test_each_end_has_its_exit_code_and_status_and_can_be_resumed(folder, capsys, trouble, code, state):
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
    line = 1 + EXPERIMENT.splitlines().index("        jax.jit(lambda x: 1 if x > 0 else 0)(1.0)")
    err = capsys.readouterr().err
    assert f"line.py, line {line}: `jax.jit(lambda x: 1 if x > 0 else 0)(1.0)`: an `if`" in err
    assert "Use jnp.where or jax.lax.cond." in err


def test_resume_trains_longer_only_when_told(folder, capsys):
    assert main(["run", "line.py", "--out", "here", "--quiet"]) == 0
    assert main(["resume", "here"]) == 2
    assert "here: got a run that is done, expected one that stopped. Train it longer with --epochs +5." in capsys.readouterr().err
    for epochs, steps in (("+5", 8), ("20", 20)):
        assert main(["resume", "here", "--epochs", epochs, "--quiet", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["steps"] == steps
    assert main(["resume", "here", "--epochs", "more"]) == 2
    assert "--epochs: got 'more', expected a number such as 20, or +5 for five more." in capsys.readouterr().err


def test_resume_refuses_another_config_than_the_run_began_with(folder, capsys):
    main(["run", "line.py", "--out", "here", "--trouble", "sigint"])
    (folder / "line.py").write_text(EXPERIMENT.replace("    smoke: bool", "    depth: int = 2\n    smoke: bool"))
    assert main(["resume", "here"]) == 2
    assert "got settings that the run does not have: depth, expected the same." in capsys.readouterr().err
    (folder / "line.py").write_text(EXPERIMENT)
    config = folder / "here" / "config.json"
    config.write_text(config.read_text().replace('"learning_rate": 0.1', '"learning_rate": 0.2'))
    assert main(["resume", "here"]) == 2
    assert "got a config edited since the run began" in capsys.readouterr().err


def test_the_main_metric_comes_first_in_the_table(folder):
    summary = {
        "metrics": {"test/a": 0.1, "train/b": 2.0, "test/c": 12345.678},
        "baselines": {},
        "config": {"model": "cnn", "data": "digits"},
    }
    summary |= {"experiment": "e", "parameters": None, "steps": None, "seconds": 61.0, "device": "cpu", "seed": 0, "folder": "f"}
    heading, _, head, row, *_ = result_lines(summary, "test/c")
    assert heading == "e on digits: 1 min 1 s on cpu, seed 0"
    assert (head.split(), row.split()) == (["test/c", "test/a"], ["▶", "cnn", "12346", "0.1000"])


def test_doctor_finds_this_machine_ready(folder, capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    found = {finding["name"]: finding["text"] for finding in report["findings"]}
    assert set(found) == {"python", "versions", "device", "gpu", "cores", "memory", "data", "output"}
    assert sys.executable in found["python"]
    assert "digits" in found["data"]


def test_doctor_names_a_problem_and_ends_with_1(monkeypatch, capsys):
    def broken():
        raise OSError("no disk")

    monkeypatch.setitem(doctor.LOOKS, "output", broken)
    assert main(["doctor"]) == 1
    assert "PROBLEM  output    OSError: no disk" in capsys.readouterr().out


def test_doctor_hints_at_a_gpu_that_jax_does_not_use(monkeypatch, capsys):
    monkeypatch.setattr("jnn.cli.devices.gpu_present", lambda: True)
    assert main(["doctor"]) == 0
    assert 'A GPU is present but jax computes on the CPU alone. pip install "jnn[cuda13]"' in capsys.readouterr().out


def test_data_lists_what_is_here(capsys):
    assert main(["data", "list", "--json"]) == 0
    digits = next(record for record in json.loads(capsys.readouterr().out) if record["name"] == "digits")
    assert digits["here"]
    assert main(["data", "list"]) == 0
    assert "digits " in capsys.readouterr().out
    assert main(["data", "get", "digits"]) == 0
    assert capsys.readouterr().out == "digits comes with scikit-learn\n"


def test_a_reader_that_leaves_is_no_error():
    code = "import sys; from jnn.cli import main; sys.exit(main(['data', 'list']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0
