import errno
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from jnn.errors import Diverged, Interrupted, JnnError
from jnn.files import JsonLines, read_json, write_json
from jnn.runs.environment import environment
from jnn.runs.folders import read_status
from jnn.runs.run import Run, RunOptions
from jnn.train import TrainingConfig

QUIET = RunOptions(quiet=True)


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 3
    epochs: int = 2
    widths: tuple[int, ...] = (4, 8)


def create(tmp_path, **more):
    return Run.create("toy", Config(), root=tmp_path, options=QUIET, **more)


def strict(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_a_run_is_a_dated_folder_with_its_settings_and_latest_leads_to_it(tmp_path):
    with create(tmp_path, name="first", command="jnn run toy --name first") as run:
        assert run.folder.parent == tmp_path / "toy"
        assert run.folder.match("[0-9]*-[0-9]*-s3-first")
        assert (tmp_path / "toy" / "latest").resolve() == run.folder
        assert not run.resuming
        record = strict(run.folder / "config.json")
        assert record["config"] == run.config == {"seed": 3, "epochs": 2, "widths": [4, 8]}
        assert (run.folder / "command.txt").read_text() == "jnn run toy --name first\n"
        assert strict(run.folder / "status.json")["state"] == "running"
        assert strict(run.folder / "env.json")["versions"]["numpy"] == np.__version__


def test_a_run_tells_which_settings_were_asked_for(tmp_path):
    config = TrainingConfig(seed=3, epochs=2)
    object.__setattr__(config, "_asked", frozenset({"width"}))
    with Run.create("toy", config, out=tmp_path / "run", options=QUIET):
        assert read_json(tmp_path / "run/config.json")["asked"] == ["width"]
    with Run.open(tmp_path / "run", epochs=7, options=QUIET) as run:
        run.keep_config()
    assert read_json(tmp_path / "run/config.json")["asked"] == ["epochs", "width"]


def test_two_runs_of_one_second_get_two_folders(tmp_path):
    with create(tmp_path) as first, create(tmp_path) as second:
        assert first.folder != second.folder
        assert (tmp_path / "toy" / "latest").resolve() == second.folder


def test_latest_does_not_lead_to_a_smoke_run(tmp_path):
    latest, smoke = tmp_path / "toy" / "latest", {"seed": 3, "smoke": True}
    with Run.create("toy", smoke, root=tmp_path, name="first", options=QUIET):
        assert not latest.is_symlink()
    with create(tmp_path) as run:
        pass
    with Run.create("toy", smoke, root=tmp_path, name="last", options=QUIET):
        assert latest.resolve() == run.folder


def test_latest_does_not_lead_to_a_run_that_failed_before_its_first_checkpoint(tmp_path):
    latest = tmp_path / "toy" / "latest"
    with pytest.raises(OSError, match="gone"), create(tmp_path):
        raise OSError("gone")
    assert not latest.is_symlink()
    with create(tmp_path, name="good") as good:
        pass
    ends = ((False, JnnError), (False, KeyboardInterrupt), (True, JnnError))
    for name, (checkpoint, error) in zip("abc", ends, strict=True):  # names save a second each
        with pytest.raises(error), create(tmp_path, name=name) as run:
            if checkpoint:
                (run.checkpoints / "3").mkdir(parents=True)
            raise error("no")
        kept = error is KeyboardInterrupt or checkpoint  # it can be resumed
        assert latest.resolve() == (run.folder if kept else good.folder)
        good = run if kept else good


def test_out_is_used_exactly_and_nothing_is_written_beside_it(tmp_path):
    out = tmp_path / "a" / "b"
    with create(tmp_path / "elsewhere", out=out) as run:
        assert run.folder == out
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(
        JnnError,
        match=r"got a folder that is not empty, expected a new or empty one\. .*--overwrite",
    ):
        create(tmp_path, out=tmp_path)
    with pytest.raises(JnnError, match="got --overwrite of a folder that is not a run's"):
        create(tmp_path, out=tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_overwrite_replaces_a_run_and_nothing_else(tmp_path):
    with create(tmp_path, out=tmp_path / "run") as run:
        run.checkpoints.mkdir()
        (run.checkpoints / "old").write_text("")
        (run.folder / "export").mkdir()
        run.metrics.write(1, {"train/loss": 1.0})
        (run.folder / "notes.txt").write_text("the user's own")
    with create(tmp_path, out=tmp_path / "run", overwrite=True) as run:
        assert not run.checkpoints.exists()
        assert not (run.folder / "export").exists()
        assert run.metrics.rows() == []
        assert (run.folder / "notes.txt").read_text() == "the user's own"


def contents(folder):
    """All files of a folder but the lock, with what is in them."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def good(tmp_path):
    """The folder of a run with a checkpoint and a result, and a file of the user's."""
    with create(tmp_path, out=tmp_path / "run") as run:
        (run.checkpoints / "3").mkdir(parents=True)
        (run.checkpoints / "3" / "params").write_text("good")
        run.metrics.write(1, {"train/loss": 1.0})
        run.finish({"metrics": {"test/rmse": 0.5}})
        (run.folder / "notes.txt").write_text("the user's own")
    return tmp_path / "run"


@pytest.mark.parametrize("error", [JnnError("no file"), KeyboardInterrupt(), OSError("a bug")])
def test_a_run_that_takes_no_step_replaces_none(tmp_path, good, error):
    before = contents(good)
    with pytest.raises(type(error)), create(tmp_path, out=good, overwrite=True) as run:
        assert not run.checkpoints.exists()
        (run.folder / "plots").mkdir()
        (run.folder / "preparation.json").write_text("{}")
        raise error
    assert contents(good) == before
    assert not list(good.glob(".writing-*"))
    with Run.open(good, options=QUIET):
        pass


def test_a_run_that_cannot_begin_replaces_none(tmp_path, monkeypatch, good):
    before = contents(good)
    monkeypatch.setattr("jnn.runs.run.write_json", no_space)
    with pytest.raises(JnnError, match="No space"):
        create(tmp_path, out=good, overwrite=True)
    assert contents(good) == before
    monkeypatch.setattr(Run, "__init__", no_space)
    with pytest.raises(JnnError, match="No space"):
        create(tmp_path, out=good, overwrite=True)
    assert contents(good) == before


def test_what_a_step_was_taken_of_replaces_a_run(tmp_path, good):
    with (
        pytest.raises(JnnError, match="late"),
        create(tmp_path, out=good, overwrite=True) as run,
    ):
        run.take_first_step()
        assert not list(good.glob(".writing-*"))
        run.timings.write(1, {"seconds": 0.1})
        raise JnnError("late")
    assert read_status(good) | {"state": "failed", "message": "late"} == read_status(good)
    assert not (good / "summary.json").exists()


def test_what_a_killed_process_set_aside_is_put_back(tmp_path, good):
    before = contents(good)
    aside = good / ".writing-replaced-abc"
    aside.mkdir()
    for path in [path for path in good.iterdir() if path.name not in (aside.name, "notes.txt")]:
        path.rename(aside / path.name)
    for file in ("status.json", "config.json"):
        (good / file).write_text("{}")
    with pytest.raises(JnnError, match="no"), create(tmp_path, out=good, overwrite=True):
        raise JnnError("no")
    assert contents(good) == before
    assert not list(good.glob(".writing-*"))


KILLED_EARLY = """
import os, signal, sys
from jnn.runs.run import Run, RunOptions
options = RunOptions(quiet=True)
Run.create("toy", {"seed": 0, "epochs": 1}, out=sys.argv[1], overwrite=True, options=options)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed_early(good):
    """A run that was to replace the ``good`` one, and was killed before a step."""
    done = subprocess.run([sys.executable, "-c", KILLED_EARLY, good], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (good / "summary.json").exists()
    return good


def test_a_resumed_run_that_takes_no_step_replaces_none(killed_early):
    (aside,) = killed_early.glob(".writing-replaced-*")
    before = contents(aside)
    with pytest.raises(JnnError, match="refused"), Run.open(killed_early, options=QUIET):
        raise JnnError("refused")
    assert contents(killed_early) == before | {"notes.txt": b"the user's own"}
    assert not aside.exists()


def test_a_resumed_run_that_takes_a_step_replaces_a_run(killed_early):
    with Run.open(killed_early, options=QUIET) as run:
        run.take_first_step()
        assert not list(killed_early.glob(".writing-*"))
        run.timings.write(1, {"seconds": 0.1})
    assert read_status(killed_early)["state"] == "done"
    assert not (killed_early / "checkpoints").exists()


def test_a_run_that_is_of_use_has_replaced_what_was_set_aside(killed_early):
    (killed_early / "checkpoints" / "1").mkdir(parents=True)
    with pytest.raises(JnnError, match="refused"), Run.open(killed_early, options=QUIET):
        assert not list(killed_early.glob(".writing-*"))
        raise JnnError("refused")
    assert (killed_early / "checkpoints" / "1").is_dir()


@pytest.mark.parametrize(
    ("out", "text"),
    [("file", "got a file, expected a folder"), ("file/run", "expected a place to write to")],
)
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, out, text):
    (tmp_path / "file").write_text("")
    with pytest.raises(JnnError, match=text):
        create(tmp_path, out=tmp_path / out)


def test_the_name_of_a_run_cannot_lead_out_of_its_folder(tmp_path):
    with pytest.raises(
        JnnError, match=r"name of a run: got '\.\./up', expected letters, digits, dots"
    ):
        create(tmp_path, name="../up")


def test_one_folder_has_one_process(tmp_path):
    in_use = f"got a folder in use by process {os.getpid()}, expected a free one"
    with create(tmp_path) as run, pytest.raises(JnnError, match=in_use):
        Run.open(run.folder)
    Run.open(run.folder, options=QUIET).close()


KILLED = """
import os, signal, sys
from jnn.runs.run import Run, RunOptions
from jnn.train import TrainingConfig
run = Run.create("toy", {"seed": 0, "epochs": 1}, out=sys.argv[1], options=RunOptions(quiet=True))
run.metrics.write(1, {"train/loss": 0.5})
run.metrics.write(2, {"train/loss": 0.4})
with open(run.metrics.path, "a") as stream:
    stream.write('{"step": 3, "train/l')
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_can_be_resumed_and_its_torn_line_is_dropped(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "run"], check=False)
    assert done.returncode == -signal.SIGKILL
    with Run.open(tmp_path / "run", options=QUIET) as run:
        assert run.resuming
        assert [row["step"] for row in run.metrics.rows()] == [1, 2]
        run.metrics.write(3, {"train/loss": 0.3})
        assert run.metrics.rows()[-1] == {"step": 3, "train/loss": 0.3}


def test_a_folder_that_is_no_run_is_not_resumed(tmp_path):
    with pytest.raises(JnnError, match="got no run, expected the folder of a run"):
        Run.open(tmp_path)


@pytest.mark.parametrize("text", [None, "", "{", "[1]", '{"seconds": "long", "state": 7}'])
def test_a_run_goes_on_without_its_status(tmp_path, text):
    create(tmp_path, out=tmp_path / "run").close()
    path = tmp_path / "run" / "status.json"
    path.unlink() if text is None else path.write_text(text)
    with Run.open(tmp_path / "run", options=QUIET) as run:
        assert run.seconds < 60
    assert strict(path)["state"] == "done"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            "config.json: got no JSON (Expecting value: line 1 column 1 (char 0)), "
            "expected a JSON object. Put a copy of the file back.",
        ),
        ("[" * 100_000, "config.json: got no JSON (maximum recursion depth exceeded"),
        (
            "null",
            "config.json: got a JSON NoneType, expected a JSON object. "
            "Put a copy of the file back.",
        ),
        (
            "{}",
            "got no valid experiment, config, config_hash, expected the file that the run wrote. "
            "Put a copy of the file back.",
        ),
        (
            '{"experiment": 5, "config": [], "config_hash": "", "source": 1}',
            "got no valid experiment, config, source, expected the file",
        ),
    ],
)
def test_a_damaged_config_is_refused(tmp_path, text, message):
    create(tmp_path, out=tmp_path / "run").close()
    (tmp_path / "run" / "config.json").write_text(text)
    with pytest.raises(JnnError, match=re.escape(message)):
        Run.open(tmp_path / "run", options=QUIET)


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    create(tmp_path, out=tmp_path / "run").close()
    (tmp_path / "run" / "plots").mkdir()
    for leftover in (
        "run/.writing-status-12345678.json",
        "run/plots/.writing-loss-12345678.png",
        "new/.writing-status-12345678.json",
    ):
        (tmp_path / leftover).parent.mkdir(exist_ok=True)
        (tmp_path / leftover).write_text("{")
    Run.open(tmp_path / "run", options=QUIET).close()
    create(tmp_path, out=tmp_path / "new").close()
    assert not list(tmp_path.rglob(".writing-*"))


def test_a_run_that_was_killed_as_it_began_can_be_overwritten(tmp_path):
    create(tmp_path, out=tmp_path / "run").close()
    for name in ("config.json", "README.md"):
        (tmp_path / "run" / name).unlink()
    with pytest.raises(JnnError, match="got a folder that is not empty"):
        create(tmp_path, out=tmp_path / "run")
    create(tmp_path, out=tmp_path / "run", overwrite=True).close()
    assert (tmp_path / "run" / "config.json").exists()


def test_what_ended_a_run_is_told_where_it_cannot_be_written_down(tmp_path):
    with pytest.raises(ZeroDivisionError), create(tmp_path, out=tmp_path / "run") as run:
        shutil.rmtree(run.folder)
        raise ZeroDivisionError


def test_an_edited_config_is_refused_but_epochs_may_change(tmp_path):
    create(tmp_path, out=tmp_path / "run").close()
    path = tmp_path / "run" / "config.json"
    with Run.open(tmp_path / "run", epochs=7, options=QUIET) as run:
        assert read_json(path)["config"]["epochs"] == 2
        run.keep_config()
    record = read_json(path)
    assert record["config"] == run.config == {"seed": 3, "epochs": 7, "widths": [4, 8]}
    write_json(path, record | {"config": {"seed": 4, "epochs": 9, "widths": [4, 8], "clip": 1.0}})
    edited = (
        r"config.json: got a config edited since the run began "
        r"\(seed: 3 -> 4, clip: absent -> 1.0\), expected the same\. "
    )
    with pytest.raises(JnnError, match=edited + ".*jnn run toy --config"):
        Run.open(tmp_path / "run")


def test_seconds_add_up_over_resumed_runs(tmp_path):
    with create(tmp_path) as run:
        run._earlier_seconds = 100.0
    with Run.open(run.folder, options=QUIET) as run:
        assert 100.0 < run.seconds < 160.0
        assert 100.0 < run.finish({"metrics": {}})["seconds"] < 160.0


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (Interrupted(signal.SIGTERM), "interrupted", "stopped by SIGTERM"),
        (KeyboardInterrupt(), "interrupted", "stopped by Ctrl-C"),
        (Diverged("loss is nan"), "diverged", "loss is nan"),
        (JnnError("bad labels"), "failed", "bad labels"),
        (ZeroDivisionError("a bug"), "failed", "ZeroDivisionError: a bug"),
    ],
)
def test_how_a_run_ended_is_written_down_and_its_folder_freed(tmp_path, error, state, message):
    run = create(tmp_path)
    run.status("running", step=40)
    with pytest.raises(type(error)), run:
        raise error
    status = strict(run.folder / "status.json")
    assert (status["state"], status["message"], status["step"]) == (state, message, 40)
    assert status["resume"] == f"jnn resume {run.folder}"
    assert ("Traceback" in (run.folder / "log.txt").read_text()) == isinstance(
        error, ZeroDivisionError
    )
    Run.open(run.folder, options=QUIET).close()


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("error", [JnnError("too few epochs"), KeyboardInterrupt(), OSError("no")])
@pytest.mark.parametrize("state", ["done", "interrupted", "diverged"])
def test_a_resume_that_takes_no_step_leaves_the_status(tmp_path, monkeypatch, state, error, full):
    with create(tmp_path) as run:
        run.status(state, message="as it ended")
    before = strict(run.folder / "status.json")
    with pytest.raises(type(error)), Run.open(run.folder, options=QUIET):
        if full:
            monkeypatch.setattr("jnn.runs.run.write_json", no_space)
        raise error
    assert strict(run.folder / "status.json") == before
    monkeypatch.undo()
    with pytest.raises(type(error)), Run.open(run.folder, options=QUIET) as again:
        again.metrics.write(1, {"train/loss": 0.5})
        raise error
    assert read_status(run.folder)["state"] in ("failed", "interrupted")


def no_space(*arguments, **options):
    raise JnnError("got No space left on device")


def test_a_resume_that_cannot_begin_leaves_the_status(tmp_path, monkeypatch):
    with create(tmp_path) as run:
        pass
    before = strict(run.folder / "status.json")
    monkeypatch.setattr(Run, "_append", no_space)
    with pytest.raises(JnnError, match="No space"):
        Run.open(run.folder, options=QUIET)
    assert strict(run.folder / "status.json") == before


def test_an_unknown_state_is_refused(tmp_path):
    with (
        create(tmp_path) as run,
        pytest.raises(JnnError, match=r"run.status: got 'finished', expected one of running, done"),
    ):
        run.status("finished")


def test_the_summary_has_what_was_measured_and_on_what(tmp_path):
    with create(tmp_path) as run:
        returned = run.finish(
            {
                "metrics": {"test/accuracy": np.float32(0.5)},
                "baselines": {"svm": 0.99},
                "parameters": 10,
                "steps": 20,
            }
        )
        assert strict(run.folder / "status.json")["state"] == "running"
    summary = strict(run.folder / "summary.json")
    assert summary == returned
    assert summary["metrics"] == {"test/accuracy": 0.5}
    assert (summary["baselines"], summary["parameters"], summary["steps"], summary["seed"]) == (
        {"svm": 0.99},
        10,
        20,
        3,
    )
    assert summary["versions"]["jax"] == importlib.metadata.version("jax")
    assert summary["folder"] == str(run.folder)
    status = strict(run.folder / "status.json")
    assert (status["state"], status["resume"]) == ("done", None)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, "a dict with 'metrics'"),
        ([0.5], "a dict with 'metrics'"),
        ({}, "a dict with 'metrics'"),
        ({"metrics": 0.5}, "a dict with 'metrics'"),
        ({"metrics": {"test/errors": np.ones(3)}}, "one number"),
        ({"metrics": {"test/loss": 1.0}, "baselines": [1.0]}, "a dict of baselines"),
        ({"metrics": {"test/loss": 1.0}, "baselines": {"mean": "low"}}, "one number"),
        ({"metrics": {"test/loss": 1.0}, "baselines": {"mean": {"a": [1]}}}, "one number"),
    ],
)
def test_a_main_that_returns_no_metrics_is_refused(tmp_path, returned, expected):
    with (
        create(tmp_path) as run,
        pytest.raises(JnnError, match=rf"main of toy: got .*, expected {expected}.*are kept"),
    ):
        run.finish(returned)


def test_json_is_strict_and_nan_is_null(tmp_path):
    log = JsonLines(tmp_path / "metrics.jsonl")
    log.write(
        1,
        {
            "train/loss": np.float32("nan"),
            "train/gradient_norm": float("inf"),
            "train/accuracy": np.float64(0.1),
        },
    )
    assert (
        log.path.read_text()
        == '{"step": 1, "train/loss": null, "train/gradient_norm": "inf", "train/accuracy": 0.1}\n'
    )
    assert np.isnan(log.rows()[0]["train/loss"])


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b'{"step": 2, "train/lo', '\'{"step": 2, "train/lo\''),
        (b"[1]", "'[1]'"),
        (b"{}", "'{}'"),
        (b'{"step": null}', "'{\"step\": null}'"),
        (b"\xff\x00", r"'\\xff\x00'"),
    ],
)
def test_a_damaged_row_is_named(tmp_path, line, shown):
    log = JsonLines(tmp_path / "metrics.jsonl")
    log.path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 3}\n')
    message = f"metrics.jsonl, line 2: got {shown}, expected a row such as"
    for read in (log.rows, lambda: log.truncate(3)):
        with pytest.raises(JnnError, match=re.escape(message)):
            read()
    assert len(log.path.read_bytes().splitlines()) == 3


def test_a_folder_in_place_of_the_log_is_refused(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(
        JnnError, match=r"metrics.jsonl: got Is a directory, expected a file of rows\."
    ):
        JsonLines(tmp_path / "metrics.jsonl").rows()


def test_truncate_drops_the_rows_after_a_step(tmp_path):
    log = JsonLines(tmp_path / "metrics.jsonl")
    for step in (10, 20, 30):
        log.write(step, {"x": step / 10})
    log.truncate(20)
    log.write(30, {"x": -1.0})
    assert log.rows() == [{"step": 10, "x": 1.0}, {"step": 20, "x": 2.0}, {"step": 30, "x": -1.0}]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (None, "failed", "status.json: got No space left on device"),
        (KeyError("x" * 9000), "failed", "KeyError: 'xxx"),
        (Diverged("NaN at step 3"), "diverged", "NaN at step 3"),
        (Interrupted(signal.SIGTERM), "interrupted", "stopped by SIGTERM"),
    ],
)
def test_a_run_that_ends_on_a_full_disk_does_not_say_running(
    tmp_path, monkeypatch, error, state, message
):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(JnnError if error is None else type(error)), create(tmp_path) as run:
        monkeypatch.setattr(os, "fsync", full)
        if error is not None:
            raise error
    status = read_status(run.folder)
    assert status["state"] == state
    assert message in status["message"]
    assert status["resume"] == run.resume_command
    monkeypatch.undo()
    with Run.open(run.folder, options=QUIET):
        pass
    assert read_status(run.folder)["state"] == "done"


def test_a_full_disk_is_said_and_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_json(path, {"state": "running"})

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        JnnError,
        match="status.json: got No space left on device, "
        r"expected a place to write to\. Free some space",
    ):
        write_json(path, {"state": "done"})
    assert read_json(path) == {"state": "running"}
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


@pytest.mark.parametrize(
    ("content", "text"), [("{", "got no JSON"), ("[]", "got a JSON list, expected a JSON object")]
)
def test_a_file_that_is_no_json_object_is_refused(tmp_path, content, text):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(JnnError, match=text):
        read_json(tmp_path / "x.json")


def test_a_json_file_may_have_a_byte_order_mark_and_is_utf_8(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"data": "é"}', encoding="utf-8-sig")
    assert read_json(path) == {"data": "é"}
    path.write_text('{"data": "é"}', encoding="utf-16")
    with pytest.raises(
        JnnError, match=r"got the byte 0xff, which is not UTF-8, .*Save it as UTF-8"
    ):
        read_json(path)


def test_a_run_that_fails_before_its_settings_are_saved_names_no_resume(tmp_path, monkeypatch):
    def full(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Run, "keep_config", full)
    with pytest.raises(OSError, match="No space"):
        create(tmp_path)
    (folder,) = tmp_path.glob("toy/2*")
    assert read_status(folder)["state"] == "failed"
    assert read_status(folder)["resume"] is None
    monkeypatch.undo()
    with create(tmp_path) as run:
        assert read_status(run.folder)["resume"] == run.resume_command


def test_a_figure_becomes_a_picture_among_the_plots(tmp_path):
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1])
    with create(tmp_path) as run:
        path = run.save_figure("loss", figure)
        assert run.plots == [path] == [run.folder / "plots" / "loss.png"]
    assert imread(path).std() > 0


def test_say_tells_the_user_and_the_log_and_quiet_only_the_log(tmp_path, capsys):
    with Run.create("toy", Config(), root=tmp_path) as run:
        run.say("hello")
        run.log("to the log alone")
        first = capsys.readouterr()
        assert first.out == ""
        assert first.err.splitlines()[0].startswith("toy, seed 3, on ")
        assert first.err.splitlines()[-1] == "hello"
    with Run.open(run.folder, options=QUIET) as run:
        run.say("hush")
    assert capsys.readouterr() == ("", "")
    log = (run.folder / "log.txt").read_text()
    assert all(text in log for text in ("hello", "to the log alone", "resuming toy", "hush"))


def test_the_environment_names_the_commit_of_a_checkout():
    root = Path(__file__).resolve().parents[2]
    git = environment()["git"]
    if not (root / ".git").exists():
        assert git is None
        return
    head = subprocess.run(
        ["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    assert git == (
        None if head.returncode else {"commit": head.stdout.strip(), "dirty": git["dirty"]}
    )


def test_infinite_values_of_a_log_stay_infinite(tmp_path):
    log = JsonLines(tmp_path / "metrics.jsonl")
    log.write(1, {"norm": np.float32(np.inf), "low": -np.inf, "loss": np.nan})
    assert strict(log.path) == {"step": 1, "norm": "inf", "low": "-inf", "loss": None}
    (row,) = log.rows()
    assert (row["norm"], row["low"]) == (np.inf, -np.inf)
    assert np.isnan(row["loss"])


def test_a_process_that_follows_writes_its_part_of_the_checkpoints_alone(tmp_path):
    with create(tmp_path, out=tmp_path / "run") as run:
        before = sorted(run.folder.iterdir())
        with Run.follow(run.folder, run.record, resuming=False) as follower:
            scratch = follower.folder
            follower.metrics.write(1, {"train/loss": 0.5})
            follower.say("nothing of it is shown")
            (follower.folder / "samples").mkdir()
            follower.keep_config()
            follower.checkpoints.resolve().mkdir()
            (follower.checkpoints / "3").mkdir()
            assert follower.config == run.config
            assert follower.identity == run.identity
            assert follower.resume_command == run.resume_command
        assert not scratch.exists()
        assert sorted(run.folder.iterdir()) == sorted([*before, run.checkpoints])
        assert (run.checkpoints / "3").is_dir()
        assert read_status(run.folder)["state"] == "running"


def test_a_process_that_follows_begins_with_the_params_that_the_run_began_with(tmp_path):
    with create(tmp_path, out=tmp_path / "run") as run:
        (run.folder / "start").mkdir()
        with Run.follow(run.folder, run.record, resuming=True) as follower:
            assert (follower.folder / "start").resolve() == (run.folder / "start").resolve()
        assert (run.folder / "start").is_dir()


def test_commands_name_a_folder_with_a_blank_as_one_word(tmp_path):
    source = tmp_path / "my work" / "own.py"
    with create(tmp_path, out=tmp_path / "my run", source=source) as run:
        config = run.folder / "config.json"
    record = strict(config)
    config.write_text(json.dumps(record | {"config": record["config"] | {"seed": 9}}))
    with pytest.raises(JnnError) as edited:
        Run.open(run.folder)
    advice = (run.folder / "README.md").read_text() + f"`{str(edited.value).split(': ')[-1]}`"
    commands = [shlex.split(words) for words in re.findall(r"`(jnn [^`]*)`", advice)]
    again = ["jnn", "run", str(source), "--config", str(config)]
    assert ["jnn", "resume", str(run.folder)] in commands
    assert [words for words in commands if words[1] == "run"] == [again, again]
    assert {len(words) for words in commands} == {3, 4, 5}  # jnn predict RUN FILE...
