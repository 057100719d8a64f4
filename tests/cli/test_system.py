"""What the operating system refuses to write is said in one line, with a code that is not 0, and
leaves nothing half-written.
"""

import errno
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import pytest

from jnn.cli import main
from jnn.files import read_json, write_json

OWN = Path(__file__).parent / "own.py"


def refuse(code, *path):
    raise OSError(code, os.strerror(code), *path)


@pytest.mark.parametrize(
    ("code", "path", "text"),
    [
        (
            errno.EFBIG,
            ["a/b.png"],
            "a/b.png: got File too large, expected a place to write to. "
            "Raise the limit: ulimit -f unlimited.",
        ),
        (
            errno.EROFS,
            ["c"],
            "c: got Read-only file system, expected a place to write to. "
            "Make it writable, or choose another folder.",
        ),
        (
            errno.ENOSPC,
            [],
            "jnn: got No space left on device, expected a place to write to. "
            "Free some space, or choose another folder.",
        ),
    ],
)
def test_an_error_of_the_system_is_said(monkeypatch, capsys, code, path, text):
    monkeypatch.setattr(importlib, "import_module", lambda name: refuse(code, *path))
    assert main(["list"]) == 2
    assert capsys.readouterr().err == f"error: {text}\n"


def test_a_file_that_a_program_misses_is_a_bug(monkeypatch):
    monkeypatch.setattr(importlib, "import_module", lambda name: refuse(errno.ENOENT, "a"))
    with pytest.raises(FileNotFoundError):
        main(["list"])


@pytest.mark.parametrize("file", ["env", "config", "README", "summary", "report"])
def test_a_file_of_a_run_that_cannot_be_written_is_named(folder, capsys, monkeypatch, file):
    begin = tempfile.mkstemp

    def limited(*, prefix, **more):
        return refuse(errno.EFBIG) if f"-{file}-" in prefix else begin(prefix=prefix, **more)

    monkeypatch.setattr(tempfile, "mkstemp", limited)
    assert main(["run", "line.py", "--out", "here", "--quiet"]) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith(f"error: {folder}/here/{file}.")
    assert "got File too large, expected a place to write to. Raise the limit" in line
    assert json.loads((folder / "here/status.json").read_text())["state"] == "failed"
    assert not list(folder.rglob(".writing-*"))
    assert out == ""


def test_a_profile_that_cannot_be_written_is_one_line(folder, capsys, monkeypatch):
    profile = folder / "here/profile"

    def full():
        raise jax.errors.JaxRuntimeError(
            "RESOURCE_EXHAUSTED: vm.xplane.pb; No space left on device"
        )

    monkeypatch.setattr(jax.profiler, "start_trace", lambda path, **options: profile.mkdir())
    monkeypatch.setattr(jax.profiler, "stop_trace", full)
    words = ["run", "line.py", "--quiet", "--profile", "--out"]
    assert main([*words, "here"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {profile}: got No space left on device, expected a place")
    assert not profile.exists()
    assert main([*words, "bug", "--trouble", "data"]) == 3
    assert "trouble with data" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["run", "line.py", "--out", "h\udcffre"],
        ["run", "line.py", "--name", "\udcff"],
        ["run", "\udcff.py"],
        ["generate", "here", "--prompt", "caf\udce9"],
    ],
)
def test_bytes_that_are_no_text_are_refused_before_anything_is_made(folder, capsys, words):
    before = sorted(folder.rglob("*"))
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(r"error: jnn: got '")
    assert sorted(folder.rglob("*")) == before


def test_a_working_folder_that_is_no_text_is_refused_before_anything_is_made(
    folder, capsys, monkeypatch
):
    here = folder / "w\udcffd"
    here.mkdir()
    (folder / "line.py").rename(here / "line.py")
    monkeypatch.chdir(here)
    for words in (
        ["run", "line.py"],
        ["run", "straight_line"],
        ["run", "straight_line", "--out=a"],
    ):
        assert main(words) == 2
        assert "expected one in UTF-8. Rename it, or choose another." in capsys.readouterr().err
    assert os.listdir(here) == ["line.py"]
    monkeypatch.chdir(folder)
    assert main(["run", "straight_line", "--quiet", "--out", "run"]) == 0
    (folder / "run").rename(here / "run")
    monkeypatch.chdir(here)
    assert main(["resume", "run", "--epochs", "+1", "--quiet"]) == 2
    assert "expected one in UTF-8." in capsys.readouterr().err


def test_a_text_that_utf_8_does_not_have_is_kept_in_json(tmp_path):
    write_json(tmp_path / "a.json", {"classes": ["caf\udce9", "é"]})
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"classes": ["caf\udce9", "é"]}


def test_standard_streams_that_are_closed_take_everything(folder, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["list"]) == 0
    assert main(["lst"]) == 2


LIMITED = """
import resource, sys
from jnn.cli import main
import jax
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow  # four processes
@pytest.mark.parametrize(
    ("limit", "place"),
    [(600, "env.json"), (1_500, "metrics.jsonl"), (3_000, "checkpoint"), (20_000, "lab.html")],
)
def test_a_limit_on_the_size_of_files_is_said(tmp_path, limit, place):
    words = ["run", str(OWN), "--offline", "--quiet", "--out", str(tmp_path / "run")]
    command = [sys.executable, "-c", LIMITED, str(limit), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert place in line
    assert "got File too large" in line
    assert not [*tmp_path.rglob(".writing-*"), *tmp_path.rglob(".saving-*")]
