import contextlib
import io
import os
import re
import threading

import pytest

from jnn.runs import progress as module
from jnn.runs.progress import Progress


class Clock:
    """A clock that the test moves."""

    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def make(said, logged, **more):
    return Progress(
        100,
        steps_per_epoch=25,
        say=said.append,
        log=logged.append,
        **{"stream": io.StringIO(), **more},
    )


def test_speed_and_time_left_are_those_of_the_clock_without_what_happens_once(clock):
    said, logged = [], []
    with make(said, logged) as progress:
        with progress.compiling("train_step"):
            clock.now += 7.5
        clock.now += 30.0
        progress.update(5, {"train/loss": 0.7})  # in which programs are loaded
        clock.now += 10.0
        progress.update(25, {"train/loss": 0.5})
        with progress.evaluating():
            clock.now += 60.0  # compiled here
        progress.epoch(25, {})
        clock.now += 12.5
        progress.update(50, {})
        with progress.evaluating():
            clock.now += 2.5
        progress.epoch(50, {})
    assert said == [
        "compiling train_step ...",
        "compiled train_step in 7.5 s",
        "epoch 1/4  step 25/100  train/loss 0.5000  2.000 steps/s  38 s left",
        "epoch 2/4  step 50/100  train/loss 0.5000  1.800 steps/s  28 s left",
    ]


def test_a_resumed_run_counts_its_own_steps_alone(clock):
    said = []
    with make(said, [], start=50) as progress:
        clock.now += 7
        progress.update(60, {})
        clock.now += 3
        progress.epoch(75, {})
    assert said == ["epoch 3/4  step 75/100  5.000 steps/s  5.0 s left"]


def test_no_speed_is_shown_before_a_second_update(clock):
    said = []
    with make(said, []) as progress:
        clock.now += 5
        progress.update(25, {})
        clock.now += 1
        progress.epoch(25, {})
    assert said == ["epoch 1/4  step 25/100"]


def test_rows_within_a_dispatch_do_not_set_the_step_back():
    with make([], []) as progress:
        progress.update(25, {"train/loss": 0.5})
        progress.update(20, {"train/loss": 0.6})
    assert progress.text().startswith("epoch 1/4  step 25/100")


def test_metrics_keep_their_last_value_and_those_for_the_log_alone_are_hidden(clock):
    said = []
    with make(said, []) as progress:
        progress.update(50, {"train/loss": 0.5})
        clock.now += 0.5
        progress.update(
            100, {"train/loss": 0.25, "train/learning_rate": 0.1, "train/gradient_norm": 3.0}
        )
        progress.epoch(100, {"validation/accuracy": float("nan")})
    assert said == [
        "epoch 4/4  step 100/100  train/loss 0.2500  validation/accuracy nan  100.0 steps/s"
    ]


def test_without_a_terminal_nothing_is_written_but_what_is_said():
    stream, said, logged = io.StringIO(), [], []
    with make(said, logged, stream=stream) as progress:
        for step in range(1, 101):
            progress.update(step, {"train/loss": 1 / step})
            if step % 25 == 0:
                progress.epoch(step, {})
    assert stream.getvalue() == ""
    assert (len(said), logged) == (4, [])
    assert all(line.isprintable() for line in said)


def on_a_terminal(**more):
    """What a run writes to a pseudo-terminal of 160 columns, and what it logs."""
    leader, follower = os.openpty()
    received = []
    reader = threading.Thread(target=lambda: received.extend(iter(lambda: _read(leader), b"")))
    reader.start()
    said, logged = [], []
    with os.fdopen(follower, "w") as stream, make(said, logged, stream=stream, **more) as progress:
        progress.update(50, {"train/loss": 0.125})
        progress.epoch(100, {"validation/accuracy": 0.875})
    reader.join(timeout=10)
    os.close(leader)
    return b"".join(received).decode(), said, logged


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    # Linux ends a pseudo-terminal that nobody writes to any more with an input/output error
    except OSError:
        return b""


def test_on_a_terminal_one_line_lives_and_the_log_still_gets_each_epoch(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text, said, logged = on_a_terminal()
    assert "step 100/100  train/loss 0.1250  validation/accuracy 0.8750" in text
    assert "\x1b[" in text
    assert said == []
    assert [line.startswith("epoch 4/4  step 100/100") for line in logged] == [True]


def test_a_terminal_that_is_closed_ends_no_training(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = os.openpty()
    said, logged = [], []
    stream = os.fdopen(follower, "w")
    with make(said, logged, stream=stream) as progress:
        os.close(leader)
        progress.epoch(100, {"validation/accuracy": 0.875})
    with contextlib.suppress(OSError):
        stream.close()
    assert [line.startswith("epoch 4/4  step 100/100") for line in logged] == [True]


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    text, _, _ = on_a_terminal()
    assert "step 100/100" in text
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m|\x1b\[[0-9;]*9[0-7]m|\x1b\[38", text)


@pytest.mark.parametrize("why", ["quiet", "dumb terminal"])
def test_no_live_line_where_it_is_not_wanted(monkeypatch, why):
    monkeypatch.setenv("TERM", "dumb" if why == "dumb terminal" else "xterm")
    text, said, logged = on_a_terminal(quiet=why == "quiet")
    assert text == ""
    assert (len(said), logged) == (1, [])
