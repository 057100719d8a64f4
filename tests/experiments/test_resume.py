"""An experiment that is killed anywhere, and resumed in a new process, ends in the same bits.

All this takes `make test-all`: that a run goes on in the same bits is a test of the loop.
"""

import json
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from jnn.runs.experiments import listings
from tests.experiments import killed
from tests.experiments.test_contract import OTHERS
from tests.forks import forks

pytestmark = pytest.mark.slow
NAMES = [listing.name for listing in listings()]
OPTIONS = ["--smoke", "--average-decay", "0.9", "--accumulate", "2"]
CASES = [[name] for name in NAMES] + [list(words) for words in OTHERS]


def undisturbed(work, words, folder):
    """The result of a run that nobody disturbs, and the folder of its compiled programs."""
    assert killed.run(work, words, folder / "whole", folder / "programs") == 0
    return killed.result(folder / "whole"), folder / "programs"


def kill_often(work, words, folder, expected, programs, *, kills):
    """Runs with ``kills`` kills in all, each of which ends as ``expected``."""
    rng, done = random.Random(0), 0
    for cut in (folder / str(number) for number in range(kills)):
        if done == kills:
            return
        done += killed.run(work, words, cut, programs, kills=kills - done, rng=rng)
        assert killed.result(cut) == expected
        left = {path.name for path in (*cut.glob(".*"), *(cut / "checkpoints").iterdir())}
        assert all(name == ".lock" or name.isdigit() for name in left)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return undisturbed(killed.everything, [], tmp_path_factory.mktemp("small"))


def test_killed_again_and_again(tmp_path, small):
    kill_often(killed.everything, [], tmp_path, *small, kills=20)


def test_a_full_disk_stops_a_run_which_goes_on_when_there_is_room(tmp_path, small):
    expected, programs = small
    process = forks.Process(
        target=killed.in_a_process,
        args=(killed.on_a_full_disk, [], tmp_path / "cut", programs, None),
    )
    process.start()
    process.join()
    assert process.exitcode == 2
    status = json.loads((tmp_path / "cut/status.json").read_text())
    assert status["state"] == "failed"
    told = (
        rf"checkpoint of step \d+ in {tmp_path}/cut/checkpoints: got File too large.* "
        r"Make room .*, then resume: no step is on disk yet\."
    )
    assert re.fullmatch(told, status["message"])
    killed.run(killed.everything, [], tmp_path / "cut", programs)
    assert killed.result(tmp_path / "cut") == expected


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_killed_200_times_in_all(tmp_path, words):
    words = [*words, *OPTIONS]
    kill_often(
        killed.command,
        words,
        tmp_path,
        *undisturbed(killed.command, words, tmp_path),
        kills=-(-200 // len(CASES)),
    )


COMMAND = [sys.executable, "-m", "jnn"]


def rows(folder):
    path = folder / "metrics.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


@pytest.fixture(scope="module", params=NAMES)
def whole(request, tmp_path_factory):
    """A run of an experiment that nobody disturbs."""
    words, folder = (
        ["run", request.param, *OPTIONS, "--quiet", "--out"],
        tmp_path_factory.mktemp("whole") / "run",
    )
    subprocess.run([*COMMAND, *words, folder], check=True, capture_output=True)
    return words, folder


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_ends_in_the_same_bits(tmp_path, whole, signum):
    words, expected = whole
    cut = tmp_path / "cut"
    process = subprocess.Popen(
        [*COMMAND, *words, cut], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wanted = int(np.random.default_rng(int(signum)).integers(1, rows(expected)))
    while rows(cut) < wanted and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signum)
    code = process.wait()
    assert code in (0, -signal.SIGKILL, 128 + signum)
    if code:
        subprocess.run([*COMMAND, "resume", cut], check=True, capture_output=True)
    assert killed.result(cut) == killed.result(expected)
