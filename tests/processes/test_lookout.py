"""Lookouts of several processes in one: a lock on a file is of the stream that holds it."""

import errno
import json
import os
import threading
import time

import jax
import pytest

from jnn.errors import Interrupted, JnnError, Lost
from jnn.processes import lookout
from jnn.processes.lookout import Lookout
from jnn.processes.together import Processes

SOON = 20.0  # seconds, on a machine that is busy


class Alone(Processes):
    """A process that does not wait for the others."""

    def gather(self, value):
        return [value] * self.count

    def told(self, compute):
        return compute()


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """``enter(index, **options)`` starts a lookout; what ends its process is in ``words``."""
    monkeypatch.setattr(lookout, "EVERY", 0.02)
    monkeypatch.setattr(lookout, "on_abort", lambda words, code: None)
    monkeypatch.setattr(Lookout, "_make", lambda self: self._folder.mkdir(exist_ok=True))
    started = []

    def enter(index, count=2, **options):
        words = []
        one = Lookout(
            tmp_path,
            Alone(index, count),
            end=lambda *what: words.append(what) or one._over.set(),
            **options,
        )
        started.append(one.__enter__())
        return one, words

    yield enter
    for one in started:
        one._over.set()


def wait_for(words):
    deadline = time.monotonic() + SOON
    while not words and time.monotonic() < deadline:
        time.sleep(0.01)
    return words


def drop_lock(one):
    """As when the operating system closes the files of a process that was killed."""
    one._over.set()
    one._stream.close()


def test_a_process_that_was_killed_is_named_and_the_run_told(ended, tmp_path):
    told = []
    other, _ = ended(1, stuck_after=0)
    other.step(37)
    _, words = ended(0, stuck_after=0, tell=told.append)
    other._write(1, None)
    drop_lock(other)
    [(text, code)] = wait_for(words)
    assert text.startswith("process 1 of 2 (host ")
    assert ", at step 37) has ended. " in text
    assert text.endswith(f"jnn resume {tmp_path}")
    assert code == Lost.exit_code == 5
    assert told == [text]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (JnnError("no data here."), "JnnError: no data here."),
        (Interrupted(15), "Interrupted: stopped by SIGTERM."),  # outside training: it alone
    ],
)
def test_a_process_that_ended_with_an_error_says_why(ended, error, why):
    other, _ = ended(1, stuck_after=0)
    _, words = ended(0, stuck_after=0)
    other.__exit__(type(error), error, None)
    drop_lock(other)
    [(text, _)] = wait_for(words)
    assert f"has ended: {why} This process ends too" in text


@pytest.mark.parametrize("error", [None, Interrupted(15, of_all=True)])
def test_a_process_that_is_done_is_not_missed(ended, error):
    other, _ = ended(1, stuck_after=0)
    ours, words = ended(0, stuck_after=0)
    other.__exit__(type(error) if error else None, error, None)
    drop_lock(other)
    before = ours._read(0)["beat"]
    deadline = time.monotonic() + SOON
    while ours._read(0).get("beat", 0) < before + 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not words


def test_no_beat_is_written_after_the_end(ended, monkeypatch):
    """The end comes while a beat is about to be written."""
    write, beating, done = Lookout._write, threading.Event(), threading.Event()

    def slow(self, beat, words):
        if beat > 0:
            beating.set()
            done.wait(0.2)
        write(self, beat, words)

    monkeypatch.setattr(Lookout, "_write", slow)
    one, _ = ended(0, stuck_after=0)
    assert beating.wait(SOON)
    one.__exit__(None, None, None)
    done.set()
    time.sleep(0.1)
    assert one._read(0)["ended"] == ""


def test_training_without_a_step_is_stuck_and_shows_the_stacks(ended, capfd):
    ours, words = ended(0, count=1, stuck_after=0.2)
    time.sleep(0.3)
    assert not words, "before the first step programs are compiled"
    ours.step(5)
    [(text, code)] = wait_for(words)
    assert text.startswith("no step for 0 s; the stacks above say where this process waits.")
    assert code == Lost.exit_code
    stacks = capfd.readouterr().err
    assert "test_training_without_a_step_is_stuck_and_shows_the_stacks" in stacks
    assert "_watch" in stacks


def test_the_process_that_is_behind_is_named(ended):
    other, _ = ended(1, stuck_after=0)
    other.step(3)
    ours, words = ended(0, stuck_after=0.2)
    time.sleep(0.1)
    ours.step(4)
    [(text, _)] = wait_for(words)
    assert "Behind the others: process 1 of 2 (host " in text


@pytest.mark.parametrize("kind", [jax.errors.JaxRuntimeError, ValueError])
def test_an_error_of_an_operation_over_both_waits_for_the_lookout(ended, monkeypatch, kind):
    """JAX raises where a connection is closed, maybe before the lookout has seen it."""
    other, _ = ended(1, stuck_after=0)
    ours, words = ended(0, stuck_after=0)
    drop_lock(other)
    monkeypatch.setattr(lookout, "_TO_NOTICE", SOON / lookout.EVERY)
    ours.__exit__(kind, kind("closed by peer"), None)
    assert "process 1 of 2" in words[0][0]


def test_a_process_that_runs_without_a_connection_is_named(ended, monkeypatch):
    """As when a cable is pulled: the runtime of JAX ends both."""
    monkeypatch.setattr(lookout, "_PATIENCE", 0.05)
    ended(1, stuck_after=0)
    ours, _ = ended(0, stuck_after=0)
    assert "has lost the connection to process 1 of 2 (host " in ours.blame()


def test_a_file_system_without_locks_leaves_it_to_heartbeats(ended, monkeypatch):
    def flock(stream, operation):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(lookout.fcntl, "flock", flock)
    ended(1, stuck_after=0)
    ours, words = ended(0, stuck_after=0)
    assert ours._gone() == words == []


def test_a_folder_that_a_host_does_not_see(tmp_path):
    class Elsewhere(Alone):
        def gather(self, value):
            return [value, False] if value is True else [value] * 2

    with pytest.raises(JnnError, match="a folder that process 1 does not see"):
        Lookout(tmp_path, Elsewhere(0, 2)).__enter__()


def test_one_process_without_a_limit_leaves_no_file(tmp_path):
    with Lookout(tmp_path, Processes(), stuck_after=0):
        pass
    assert not list(tmp_path.iterdir())


def test_the_file_of_a_process_says_where_it_is(ended, tmp_path):
    ours, _ = ended(0, stuck_after=0)
    ours.step(12)
    ours._write(2, None)
    record = json.loads((tmp_path / "processes" / "0.json").read_text())
    assert record["step"] == 12
    assert record["pid"] > 0
