"""An experiment that is killed anywhere, and resumed in a new process, ends in the same bits."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from jnn.train.checkpoints import Checkpoints
from jnn.train.loop import Ledger

COMMAND = [sys.executable, "-m", "jnn"]
OPTIONS = ["--smoke", "--epochs", "4", "--average-decay", "0.9", "--accumulate", "2", "--quiet"]
UNTIMED = ("experiment", "metrics", "baselines", "parameters", "steps", "seed", "config")


def run(*arguments, check=True):
    return subprocess.run([*COMMAND, *map(str, arguments)], check=check, capture_output=True, text=True)


def rows(folder):
    path = folder / "metrics.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def last_manifest(folder):
    with Checkpoints(folder / "checkpoints", read_only=True) as checkpoints:
        newest = checkpoints.steps()[-1]
    manifest = json.loads((folder / "checkpoints" / str(newest) / "manifest.json").read_text())["manifest"]
    return newest, [(leaf["path"], leaf["crc32"]) for leaf in manifest["leaves"]], Ledger.from_json(manifest["host"])


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_ends_in_the_same_bits(tmp_path, signum):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run("run", "image_classification", *OPTIONS, "--out", whole)
    process = subprocess.Popen([*COMMAND, "run", "image_classification", *OPTIONS, "--out", str(cut)], stderr=subprocess.DEVNULL)
    wanted = int(np.random.default_rng(int(signum)).integers(1, rows(whole)))
    while rows(cut) < wanted and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signum)
    code = process.wait()
    assert code in (0, -signal.SIGKILL, 128 + signum)
    run("resume", cut)
    assert (cut / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert last_manifest(cut) == last_manifest(whole)
    found, expected = (json.loads((folder / "summary.json").read_text()) for folder in (cut, whole))
    assert {name: found[name] for name in UNTIMED} == {name: expected[name] for name in UNTIMED}
