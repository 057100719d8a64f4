import contextlib
import json
import os
import sys

import jax
import pytest

from jnn.cli import main
from jnn.cli.machine import several_cpus
from jnn.cli.verbs import doctor
from jnn.errors import JnnError
from jnn.sharding import THREADS


@contextlib.contextmanager
def jax_with(setting, value):
    before = getattr(jax.config, setting)
    jax.config.update(setting, value)
    try:
        yield
    finally:
        jax.config.update(setting, before)


def test_doctor_finds_this_machine_ready(folder, capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    texts = {finding["name"]: finding["text"] for finding in report["findings"]}
    assert set(texts) == {
        "python",
        "versions",
        "device",
        "gpu",
        "cores",
        "memory",
        "data",
        "programs",
        "output",
    }
    assert sys.executable in texts["python"]
    assert "digits" in texts["data"]
    assert "compiled ones are re" in texts["programs"]


def test_doctor_says_where_nothing_can_be_kept(folder, monkeypatch, capsys):
    monkeypatch.delenv("JNN_DATA", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(folder / "line.py" / name))
    with jax_with("jax_compilation_cache_dir", None):
        assert main(["doctor"]) == 0
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if "ok" in line}
    for name in ("data", "programs"):
        assert f"nothing is kept, since {folder}/line.py/jnn/{name}" in lines[name]
        assert "cannot be written" in lines[name]


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("jax_compilation_cache_dir", "{folder}/own", "0 MiB kept in {folder}/own"),
        ("jax_compilation_cache_dir", "gs://bucket/own", "are kept in gs://bucket/own, by JAX_"),
        ("jax_enable_compilation_cache", False, "anew, by JAX_ENABLE_COMPILATION_CACHE"),
    ],
)
def test_doctor_follows_what_the_environment_says_of_programs(folder, capsys, setting, value, text):
    with jax_with(setting, value and value.format(folder=folder)):
        assert main(["doctor"]) == 0
    assert text.format(folder=folder) in capsys.readouterr().out


def test_doctor_names_a_problem_and_ends_with_1(monkeypatch, capsys):
    def broken():
        raise OSError("no disk")

    monkeypatch.setitem(doctor.CHECKS, "output", broken)
    assert main(["doctor"]) == 1
    assert "PROBLEM  output    OSError: no disk" in capsys.readouterr().out


def test_doctor_hints_at_a_gpu_that_jax_does_not_use(monkeypatch, capsys):
    monkeypatch.setattr("jnn.cli.machine.gpu_present", lambda: True)
    assert main(["doctor"]) == 0
    assert (
        'A GPU is present but jax computes on the CPU alone. pip install -e ".[cuda13]"'
        in capsys.readouterr().out
    )


def test_data_lists_what_is_here(capsys):
    assert main(["data", "list", "--json"]) == 0
    digits = next(
        record for record in json.loads(capsys.readouterr().out) if record["name"] == "digits"
    )
    assert digits["here"]
    assert main(["data", "list"]) == 0
    assert "digits " in capsys.readouterr().out
    for action in ("get", "path"):
        assert main(["data", action, "digits"]) == 0
        assert capsys.readouterr().out == "digits comes with scikit-learn\n"


@pytest.mark.parametrize(("count", "mesh"), [("3", None), (None, "data=3")])
def test_cores_become_devices_before_jax_starts(monkeypatch, count, mesh):
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.delenv("NPROC")
    told = {}
    monkeypatch.setattr(jax.config, "update", told.__setitem__)
    several_cpus(count, mesh)
    assert told == {"jax_num_cpu_devices": 3}
    assert os.environ["NPROC"] == str(3 * THREADS)


def test_a_number_of_devices_that_no_cpu_can_be_is_refused(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS")
    with pytest.raises(JnnError, match="--devices: got 10000000, expected at most 1024 devices"):
        several_cpus("10000000")
