"""TensorBoard's files hold what the log holds, read by TensorBoard's own rules."""

import math
import sys

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from jnn.errors import JnnError, MissingExtraError
from jnn.runs.run import Run, RunOptions
from jnn.runs.tensorboard import TensorBoardLines

TENSORBOARD = RunOptions(quiet=True, tensorboard=True)


def events(path):
    """The events in a file of records: length (8 bytes), checksum (4), the event, checksum (4)."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 8], "little")
        yield Event.FromString(content[at + 12 : at + 12 + length])
        at += length + 16


def shown(folder):
    """What TensorBoard shows: the start of a session at some step hides the values of that step and
    later that came before it.
    """
    found = []
    for path in sorted(folder.iterdir()):
        for event in events(path):
            if event.HasField("session_log") and event.session_log.status == SessionLog.START:
                found = [point for point in found if point[0] < event.step]
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return found


def test_every_number_of_the_log_is_an_event(tmp_path):
    log = TensorBoardLines(tmp_path / "metrics.jsonl")
    log.write(1, {"train/loss": 0.5, "train/accuracy": 0.25})
    log.write(2, {"train/loss": math.nan, "note": "text", "train/accuracy": 0.75})
    log.close()
    assert shown(tmp_path / "tensorboard") == [
        (1, "train/loss", 0.5),
        (1, "train/accuracy", 0.25),
        (2, "train/accuracy", 0.75),
    ]


def test_a_resumed_run_hides_the_steps_it_makes_again_and_brings_back_what_a_crash_lost(tmp_path):
    with Run.create("toy", {"seed": 0}, out=tmp_path / "run", options=TENSORBOARD) as run:
        for step in (1, 2, 3):
            run.metrics.write(step, {"loss": step / 4})
    next((run.folder / "tensorboard").iterdir()).write_bytes(b"")
    with Run.open(tmp_path / "run", options=RunOptions(quiet=True)) as run:
        run.metrics.truncate(2)
        run.metrics.write(3, {"loss": 7.0})
    assert shown(run.folder / "tensorboard") == [
        (1, "loss", 0.25),
        (2, "loss", 0.5),
        (3, "loss", 7.0),
    ]
    with Run.open(tmp_path / "run", options=RunOptions(quiet=True)) as run:
        run.metrics.truncate(1)
        run.metrics.write(2, {"loss": 8.0})
    assert shown(run.folder / "tensorboard") == [(1, "loss", 0.25), (2, "loss", 8.0)]
    assert len(list((run.folder / "tensorboard").iterdir())) == 3


def test_without_tensorboardx_the_command_that_installs_it_is_said_and_no_run_is_begun(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(
        MissingExtraError,
        match=r'--tensorboard needs tensorboardX: pip install -e "\.\[tensorboard\]" in the clone',
    ):
        Run.create("toy", {"seed": 0}, out=tmp_path / "run", options=TENSORBOARD)
    assert not (tmp_path / "run").exists()


def test_events_that_cannot_be_written_are_said_at_once_and_once(tmp_path):
    log = TensorBoardLines(tmp_path / "metrics.jsonl")
    log.write(1, {"loss": 0.5})
    full = open("/dev/full", "wb")  # noqa: SIM115
    log._writer._py_recordio_writer._writer = full
    for step in range(2, 40):
        log.write(step, {"loss": 0.5})
    with pytest.raises(JnnError, match="tensorboard: got No space left on device, expected a pl"):
        log.check()
    log.close()
    full.raw.close()
    assert len(log.rows()) == 39
