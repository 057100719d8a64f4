"""What is set before JAX starts."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from jnn.cli import main
from jnn.errors import JnnError
from jnn.train.memory import keep_memory

FAULTS = """
import resource, sys
from jnn.train import keep_memory
if sys.argv[1:]:
    keep_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use = lambda: b"x" * (40 * 2**20)  # more than what malloc keeps by itself
use()
before = faults()
for _ in range(20):
    use()
print(faults() - before)
"""
HAS_GLIBC = hasattr(ctypes.CDLL(None), "mallopt")


@pytest.mark.skipif(not HAS_GLIBC, reason="the C library is not glibc")
def test_memory_that_is_kept_is_not_faulted_in_again():
    count = lambda *words: int(
        subprocess.run(
            [sys.executable, "-c", FAULTS, *words], capture_output=True, check=True
        ).stdout
    )
    assert count("keep") < count() / 10


EIGHT = "--xla_force_host_platform_device_count=8"
"""What makes eight devices in these tests."""


def jnn(*words, quiet=True):
    """The command in a process of its own, which sees one device unless told otherwise."""
    environment = {**os.environ, "XLA_FLAGS": os.environ["XLA_FLAGS"].replace(EIGHT, "")}
    return subprocess.run(
        [sys.executable, "-m", "jnn", *words, "--offline", *(["--quiet"] if quiet else [])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def devices(folder):
    return json.loads((folder / "env.json").read_text())["device"]["count"]


OWN = Path(__file__).parent / "own.py"


def test_more_devices_than_there_are_are_refused(tmp_path, monkeypatch, capsys):
    one = jax.devices()[:1]
    monkeypatch.setattr(jax, "devices", lambda: one)
    words = ["run", OWN, "--devices", "2", "--offline", "--quiet", "--out", tmp_path / "none"]
    assert main(list(map(str, words))) == 2
    expected = "devices: got 2, expected 1 to 1 devices, those that JAX finds here."
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.fixture(scope="module")
def on_two(tmp_path_factory):
    """A run on two devices, in a process of its own, with its memory kept where that can be."""
    out = tmp_path_factory.mktemp("on_two") / "run"
    keep = ["--keep-memory"] if HAS_GLIBC else []
    done = jnn("run", OWN, "--devices", "2", *keep, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow  # the variables that make devices of cores have a test in test_machine.py
def test_each_core_may_be_a_device(on_two):
    assert devices(on_two) == 2


@pytest.mark.slow
def test_a_run_that_keeps_memory_ends_the_same(on_two, tmp_path):
    words = ["run", OWN, "--devices", "2", "--offline", "--quiet", "--out", tmp_path / "plain"]
    assert main(list(map(str, words))) == 0
    texts = [(folder / "metrics.jsonl").read_text() for folder in (on_two, tmp_path / "plain")]
    assert texts[0] == texts[1]


@pytest.mark.slow  # two more processes, of some seconds each
def test_a_run_that_goes_on_or_is_repeated_has_as_many_devices(on_two, tmp_path):
    again = tmp_path / "again"
    for words in (
        ["resume", on_two, "--epochs", "+1"],
        ["run", OWN, "--config", on_two / "config.json", "--out", again],
    ):
        done = jnn(*words)
        assert done.returncode == 0, done.stderr
    assert (devices(on_two), devices(again)) == (2, 2)


@pytest.mark.slow  # two more processes
def test_steps_are_made_again_on_as_many_devices(on_two, tmp_path):
    row = json.loads((on_two / "metrics.jsonl").read_text().splitlines()[2])
    step, cpu = str(row["step"]), ("--device", "cpu", "--json")
    done = jnn("replay", on_two, "--step", step, *cpu, quiet=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["loss"] == row["train/loss"]
    shutil.copytree(on_two, tmp_path / "copy")
    done = jnn("diff", on_two, tmp_path / "copy", "--step", step, *cpu, quiet=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parting"] is None


def test_without_glibc_that_is_said(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    with pytest.raises(
        JnnError,
        match="keep_memory: got a C library without glibc's mallopt, expected Linux with glibc",
    ):
        keep_memory()
