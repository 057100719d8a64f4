import errno
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from jnn.cli import HELP, VERBS, main
from jnn.cli.verbs.new import TEMPLATES, write

OF_DATA = """
def load_data(config, *, offline=False):
    raise MissingDataError("points are not on this machine.")


def task(config, data):
    raise NotImplementedError
"""


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["list"],
        ["data", "path"],
        ["run", "--help"],
        ["describe", "--help"],
        ["resume", "--help"],
        ["compare", "--help"],
    ],
)
def test_what_must_come_at_once_does_not_import_jax(command):
    code = (
        "import sys; from jnn.cli import main; "
        "assert not {'argparse', 'json', 'jax'} & set(sys.modules); "  # for Ctrl-C to find main
        f"code = main({command}); "
        "assert 'jax' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_m_jnn_is_jnn():
    done = subprocess.run(
        [sys.executable, "-m", "jnn", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0] == "usage: jnn VERB [options]"
    assert all(f"\n  {verb} " in done.stdout for verb in VERBS)
    assert len(done.stdout.splitlines()) <= len(VERBS) + 16
    assert HELP.endswith("jnn describe image_classification --model mlp\n")


def test_what_is_garbage_when_a_command_ends_is_finalized_and_what_lives_is_not_searched():
    code = """
import atexit, gc
atexit.register(lambda: print("frozen", gc.get_freeze_count() > 1000))  # called last

class Kept:
    def __del__(self):
        print("finalized")

from jnn.cli import main
for _ in range(2):
    main(["--version"])
kept = Kept()
kept.itself = kept
del kept
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.splitlines()[2:] == ["finalized", "frozen True"]


@pytest.mark.parametrize(
    "command", [[], *([verb] for verb in VERBS), ["run", "line.py"], ["describe", "line.py"]]
)
def test_every_help_ends_with_three_examples(folder, capsys, command):
    assert main([*command, "--help"]) == 0
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert lines[-4] == "examples:"
    assert all(line.startswith("  jnn ") for line in lines[-3:])


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("lst", "Unknown verb 'lst'. Did you mean list?"),
        (
            "frobnicate",
            f"Unknown verb 'frobnicate'. The verbs are {', '.join(VERBS)}.",
        ),
        ("list --jsn", "Unknown option or argument '--jsn'. Did you mean --json?"),
        ("run strait_line", "Unknown experiment 'strait_line'. Did you mean straight_line?"),
        (
            "run absent.py",
            "experiment: got absent.py, which is not a file, expected a Python file.",
        ),
        ("run --smoke line.py", "The experiment comes first: jnn run NAME --smoke line.py"),
        (
            "run line.py --lerning-rate 1",
            "Unknown option --lerning-rate. Did you mean --learning-rate?",
        ),
        (
            "run line.py --learning-rate fast",
            "--learning-rate: got 'fast', expected a number. See jnn run line.py --help.",
        ),
        ("run line.py --epochs 1e3", "--epochs: got '1e3', expected an integer. See jnn run"),
        ("run line.py --widths a", "--widths: got 'a', expected other values. See jnn run"),
        ("run line.py --augment", "Unknown option --augment. See jnn run line.py --help."),
        (
            "run line.py --learning-rate -1",
            "config: got learning_rate=-1.0, expected a number > 0.",
        ),
        (
            "run line.py --trouble much",
            "invalid choice 'much' for argument '--trouble'. Expected one of",
        ),
        ("run line.py --device cup", "--device: got 'cup', expected auto, cpu, gpu or tpu."),
        (
            "run line.py --device tpu",
            "--device: got tpu, expected a device that JAX finds here: cpu.",
        ),
        ("run line.py --device", "--device needs a value."),
        (
            "run line.py --config absent.json",
            "absent.json: got no such file, expected a JSON file.",
        ),
        (
            "run line.py --name a/b",
            "name of a run: got 'a/b', expected letters, digits, dots, - and _.",
        ),
        ("describe line.py --diagram line.png", "--diagram: got line.png, expected the name of a "),
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
            "got no load_data, expected functions load_data and task, or main; see jnn run --help",
        ),
        ("def main(:", "broken.py: got SyntaxError: invalid syntax"),
        (
            "ABOUT = About(task=1 + x)",
            "broken.py, line 1: got an ABOUT that must be computed, "
            "expected keywords with literal values.",
        ),
        (
            'ABOUT = About(task="a", metric="test/nll")',
            "broken.py, line 1: got metric='test/nll', direction=None, "
            'expected direction="highest" or "lowest"',
        ),
        (
            "from dataclasses import dataclass\n@dataclass\nclass Config:\n  out: str = ''\n"
            "def main(config, run): pass",
            "Config of broken.py: got fields out, "
            "expected names that `jnn run` does not use itself.",
        ),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(folder, capsys, content, text):
    (folder / "broken.py").write_text(content)
    assert main(["run", "broken.py"]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["new", "list"])
def test_the_next_command_names_the_file_as_it_was_given(folder, capsys, verb):
    path = folder / "my work" / "own.py"
    path.parent.mkdir()
    if verb == "list":
        path.write_text("")
    assert main([verb, "my work/own.py"]) == 0
    command = re.search("jnn run .*own.py.?", capsys.readouterr().out)
    assert shlex.split(command[0]) == ["jnn", "run", "my work/own.py"]


def test_list_reads_experiments_without_running_them(folder, capsys):
    (folder / "built_in" / "explosive.py").write_text(
        '"""Boom."""\nABOUT = About(task="none")\nraise SystemExit(1)'
    )
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "straight_line  Fit a line.\n  line on made\n  test/rmse 0.1, 1 s\n" in out
    assert "2 experiments in " in out
    assert main(["list", "--json"]) == 0
    explosive, line = json.loads(capsys.readouterr().out)
    assert explosive["name"] == "explosive"
    expected = {
        "task": "regression",
        "models": ["line"],
        "data": ["made"],
        "metric": "test/rmse",
        "direction": "lowest",
        "expected": "0.1",
        "cost": "1 s",
    }
    assert line == {"name": "straight_line", "about": "Fit a line.", **expected}


@pytest.mark.parametrize("template", TEMPLATES)
def test_describe_shows_the_layers_of_what_new_writes(folder, capsys, template):
    write(folder / "mine.py", template)
    assert main(["describe", "mine.py", "--diagram", "mine.svg"]) == 0
    assert re.search(r"total +\d", capsys.readouterr().out)
    assert main(["describe", "mine.py", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] > 1000


def test_describe_shows_the_settings_and_the_layers_of_a_run(folder, capsys):
    assert main(["run", "line.py", "--epochs", "8", "--out", "mine"]) == 0
    capsys.readouterr()
    assert main(["describe", "mine"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("line\n")
    assert "--epochs         8" in out
    assert re.search(r"total +26\n", out)
    assert main(["describe", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["epochs"] == 8
    assert main(["run", "mine"]) == 2
    message = f"Give {folder / 'line.py'}, and `jnn run` --config mine/config.json for the settings"
    assert message in capsys.readouterr().err


def test_describe_says_why_there_are_no_layers(folder, capsys):
    line = (folder / "line.py").read_text()
    without = line.replace("def describe", "def undescribed")
    (folder / "line.py").write_text(without)
    assert main(["describe", "line.py"]) == 0
    assert "has neither describe(config) -> (model, x) nor task" in capsys.readouterr().out
    (folder / "line.py").write_text(f"{without}{OF_DATA}")
    assert main(["describe", "line.py"]) == 0
    assert "not on this machine" in capsys.readouterr().out
    assert main(["describe", "line.py", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] is None


def test_describe_and_dry_run_show_settings_and_parameters_and_train_nothing(folder, capsys):
    assert main(["describe", "line.py", "--epochs", "8", "--diagram", "line.svg"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("line.svg\n")
    assert (folder / "line.svg").read_text().count("<circle ") == 3 + 4 + 2
    assert "Fit a line.\n\nMore about it." in out
    assert "--epochs         8" in out
    assert re.search(r"total +26\n", out)  # 3 x 4 + 4, and 4 x 2 + 2
    assert main(["describe", "line.py", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["parameters"], described["config"]["epochs"], described["task"]) == (
        26,
        3,
        "regression",
    )
    assert main(["run", "line.py", "--dry-run"]) == 0
    assert re.search(r"total +26\n", capsys.readouterr().out)
    assert not (folder / "runs").exists()


def test_a_reader_that_leaves_is_no_error():
    code = "import sys; from jnn.cli import main; sys.exit(main(['data', 'list']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_cannot_be_written_is_one_line(encoding):
    command = [sys.executable, "-m", "jnn", "list"]
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=-1, text=True, env=env, check=False)
    assert done.stderr == (
        "error: standard output: got No space left on device, expected a place to write to. "
        "Send it elsewhere.\n"
    )
    assert done.returncode == 2
    done = subprocess.run(command, capture_output=True, env=env, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("option", ["--keep-memory", "--keep_memory"])
def test_an_option_may_be_spelled_with_underscores(folder, monkeypatch, option):
    calls = []
    monkeypatch.setattr("jnn.cli.verbs.run.keep_memory", lambda: calls.append(option))
    assert main(["run", "line.py", option, "--print_config"]) == 0
    assert calls == [option]


def test_ctrl_c_while_a_verb_is_imported_ends_with_130_and_one_line(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


class Lost(io.StringIO):
    """A standard error that takes nothing: its disk is full, or its reader has left."""

    def __init__(self, code):
        super().__init__()
        self.code = code

    def write(self, text):
        raise OSError(self.code, os.strerror(self.code))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EPIPE])
def test_a_standard_error_that_takes_nothing_ends_no_run(folder, monkeypatch, code):
    monkeypatch.setattr(sys, "stderr", Lost(code))
    assert main(["lits"]) == 2
    assert main(["run", "line.py", "--out", "run"]) == 0
    assert json.loads((folder / "run/status.json").read_text())["state"] == "done"
    assert "line, seed 0, on " in (folder / "run/log.txt").read_text()
