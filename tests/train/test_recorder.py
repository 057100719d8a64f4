"""What the loop keeps in a run folder: a checkpoint goes with the rows logged up to it, and only
with the run that made it.
"""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest

from jnn.errors import Diverged, JnnError
from jnn.runs import Run, RunOptions
from jnn.runs.environment import conditions
from jnn.runs.folders import hash_of
from jnn.runs.loading import logged
from jnn.train import in_memory
from jnn.train.loop import Ledger
from jnn.train.recorder import Recorder

QUIET = RunOptions(quiet=True)
TREE = {"kernel": np.arange(6, dtype=np.float32)}
X = np.arange(40, dtype=np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What a run needs of a config."""

    seed: int = 0
    epochs: int = 2
    batch_size: int = 4
    learning_rate: float = 0.1


def record(run, x=X, batch_size=4):
    return Recorder(run, in_memory({"x": x}, batch_size))


@pytest.fixture
def folder(tmp_path):
    """A run of 10 steps of 20, with a row at each."""
    with (
        Run.create("test", Config(), out=tmp_path / "run", options=QUIET) as run,
        record(run) as recorder,
    ):
        recorder.start(0, 20)
        for step in range(1, 11):
            recorder.row(step, {"train/loss": step / 10})
        recorder.save(10, TREE, Ledger(best=0.5))
    return tmp_path / "run"


def restore(folder, **options):
    with Run.open(folder, options=QUIET) as run, record(run, **options) as recorder:
        restored = recorder.restore(TREE)
        return restored, recorder.rows, (folder / "log.txt").read_text()


def test_what_was_saved_comes_back_with_its_rows(folder):
    with Run.open(folder, options=QUIET) as run:
        run.metrics.write(11, {"train/loss": 1.1})
    restored, rows, _ = restore(folder)
    assert Ledger.from_json(restored.host) == Ledger(best=0.5)
    np.testing.assert_array_equal(restored.tree["kernel"], TREE["kernel"])
    assert [row["step"] for row in rows] == list(range(1, 11))


@pytest.mark.parametrize(
    ("lines", "text"),
    [(0, "0 of the 10 rows up to step 10"), (4, "4 of the 10 rows up to step 10")],
)
def test_rows_that_are_gone_are_missed(folder, lines, text):
    path = folder / "metrics.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
    assert f"metrics.jsonl has {text}; the others are lost" in restore(folder)[2]


@pytest.mark.parametrize(("line", "old", "new"), [(0, b"0.1", b"0.7"), (9, b"1.0", b"1.5")])
def test_a_row_that_was_altered_is_refused_and_later_rows_do_not_matter(folder, line, old, new):
    path = folder / "metrics.jsonl"
    with Run.open(folder, options=QUIET) as run:
        run.metrics.write(11, {"train/loss": 1.1})
    lines = path.read_bytes().splitlines(keepends=True)
    lines[10] = lines[10].replace(b"1.1", b"1.2")
    path.write_bytes(b"".join(lines))
    assert len(restore(folder)[1]) == 10
    lines[line] = lines[line].replace(old, new)
    path.write_bytes(b"".join(lines))
    message = "metrics.jsonl: got rows up to step 10 that were altered since the run wrote them"
    with pytest.raises(JnnError, match=message):
        restore(folder)
    path.unlink()
    assert restore(folder)[0].step == 10


def test_a_row_that_an_experiment_logs_after_training_is_dropped_before_it_is_logged_again(folder):
    before = (folder / "metrics.jsonl").read_bytes()
    with Run.open(folder, options=QUIET) as run:
        run.metrics.write(10, {"test/own": 0.5})
    assert len(logged(folder)) == 11
    text = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(text.replace('"train/loss": 0.3', '"train/loss": 0.7'))
    with pytest.raises(JnnError, match="rows up to step 10 that were altered"):
        logged(folder)
    (folder / "metrics.jsonl").write_text(text)
    _, rows, log = restore(folder)
    assert [row["step"] for row in rows] == list(range(1, 11))
    assert (folder / "metrics.jsonl").read_bytes() == before
    assert "are lost" not in log


def test_without_checkpoints_a_run_begins_anew(folder):
    for path in (folder / "checkpoints").glob("*/manifest.json"):
        path.unlink()
    with pytest.raises(JnnError, match=r"step 10 does not verify: manifest\.json is missing"):
        restore(folder)
    (folder / "checkpoints" / "10").rename(folder / "moved")
    restored, rows, log = restore(folder)
    assert (restored, rows) == (None, [])
    assert "no checkpoint to continue from: training begins again at step 0" in log


def test_a_row_before_training_is_no_training_that_begins_again(tmp_path):
    with Run.create("test", Config(), out=tmp_path / "run", options=QUIET) as run:
        run.metrics.write(0, {"validation/loss": 0.7})
        with record(run) as recorder:
            recorder.restore({"w": np.zeros(2)})
    assert "begins again" not in (tmp_path / "run/log.txt").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"seed": 1}}, "config.seed: 0 in the checkpoint, 1 here"),
        ({"config": {"batch_size": 8}}, "config.batch_size: 4 in the checkpoint, 8 here"),
        ({"x": X + 1}, "data.sha256: "),
        ({"x": X[:36]}, "data.examples: 40 in the checkpoint, 36 here"),
        ({"batch_size": 5}, "data.batch_size: 4 in the checkpoint, 5 here"),
    ],
)
def test_another_run_is_refused(folder, change, message):
    path = folder / "config.json"
    edited = json.loads(path.read_text())
    edited["config"] |= change.pop("config", {})
    # by someone who wants to
    path.write_text(json.dumps(edited | {"config_hash": hash_of(edited["config"])}))
    before = (folder / "metrics.jsonl").read_bytes()
    with pytest.raises(JnnError, match=re.escape(message)):
        restore(folder, **change)
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_fewer_epochs_than_were_trained_are_refused_and_not_written_down(folder):
    fewer = Run.open(folder, epochs=1, options=QUIET)
    with (
        pytest.raises(
            JnnError, match=r"epochs: got 5 steps, expected at least the 10 already taken\."
        ),
        fewer,
        record(fewer) as recorder,
    ):
        recorder.start(10, 5)
    assert json.loads((folder / "config.json").read_text())["config"]["epochs"] == 2
    with Run.open(folder, epochs=3, options=QUIET) as run, record(run) as recorder:
        recorder.start(10, 30)
        assert json.loads((folder / "config.json").read_text())["config"]["epochs"] == 2
        recorder.stepped(11, 1, 0.1, {})
    assert json.loads((folder / "config.json").read_text())["config"]["epochs"] == 3


def test_a_run_goes_on_with_another_learning_rate_when_it_is_told(folder):
    for rate in (0.02, 0.03, None):
        opened = Run.open(folder, learning_rate=rate, options=QUIET)
        with opened as run, record(run) as recorder:
            assert recorder.restore(TREE).step == 10
            recorder.start(10, 20)
            recorder.stepped(11, 1, 0.1, {})
    record_of_run = json.loads((folder / "config.json").read_text())
    assert record_of_run["config"]["learning_rate"] == 0.03
    assert record_of_run["began"] == {"learning_rate": 0.1}


def test_a_run_goes_on_with_the_same_precision_alone(folder):
    with jax.enable_x64(True), pytest.raises(JnnError, match="jax_enable_x64: not in the check"):
        restore(folder)


@pytest.mark.parametrize(
    ("value", "advice", "other"),
    [
        (np.nan, "Begin a new run with the mended data.", "--learning-rate"),
        (1.0, "Add --learning-rate to resume it with a smaller one", "data."),
    ],
)
def test_a_smaller_learning_rate_is_no_remedy_for_data_that_is_not_finite(
    tmp_path, value, advice, other
):
    with (
        pytest.raises(Diverged, match=advice) as raised,
        Run.create("test", Config(), out=tmp_path / "run", options=QUIET) as run,
        record(run) as recorder,
    ):
        recorder.diverged(2, "Step 3 is not finite.", {"x": np.full(4, value)})
    assert other not in str(raised.value)


def test_what_changes_bits_is_said_where_a_run_goes_on_and_in_its_summary(folder, monkeypatch):
    here = conditions()
    elsewhere = here | {"jax": "0.99", "devices": "4", "processor": "Other"}
    monkeypatch.setattr("jnn.train.recorder.conditions", lambda: elsewhere)
    expected = [f'{name}: "{here[name]}" -> "{elsewhere[name]}"' for name in elsewhere]
    expected = [change for change in expected if change.split('"')[1] != change.split('"')[3]]
    assert len(expected) == 3
    with Run.open(folder, options=QUIET) as run, record(run) as recorder:
        recorder.restore(TREE)
        recorder.save(11, TREE, Ledger(best=0.5))
    assert run.resumed_on == [{"step": 10, "changed": expected}]
    said = f"Since step 10 was computed, conditions have changed ({', '.join(expected)})"
    assert said in (folder / "log.txt").read_text()
    with Run.open(folder, options=QUIET) as run:  # again under the same conditions
        with record(run) as recorder:
            recorder.restore(TREE)
        run.finish({"metrics": {"test/loss": 0.5}})
    assert (folder / "log.txt").read_text().count("conditions have changed") == 1
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["resumed_on"] == [{"step": 10, "changed": expected}]


def test_conditions_name_what_this_process_computes_with():
    before = conditions()
    assert before["jax"] == jax.__version__
    assert before["devices"] == str(len(jax.devices()))
    with jax.default_matmul_precision("float32"), jax.threefry_partitionable(False):
        changed = {name for name in before if before[name] != conditions()[name]}
    assert changed == {"jax_default_matmul_precision", "jax_threefry_partitionable"}
