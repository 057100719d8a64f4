"""A run whose folder or log is taken away while it trains ends with a message, within the time of a
checkpoint, and keeps its rows.
"""

import json
import shutil

import pytest

from jnn.errors import JnnError
from tests.train.test_loop import start, train

HARMS = {
    "removed": lambda folder: shutil.rmtree(
        folder.rename(folder.with_name("elsewhere")), ignore_errors=True
    ),
    "renamed": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "renamed and made again": lambda folder: shutil.copytree(
        folder.rename(folder.with_name("elsewhere")), folder
    ),
    "log removed": lambda folder: (folder / "metrics.jsonl").unlink(),
    "log emptied": lambda folder: (folder / "metrics.jsonl").write_bytes(b""),
    "log edited": lambda folder: (folder / "metrics.jsonl").open("a").write("{}\n"),
    "checkpoints renamed": lambda folder: (folder / "checkpoints").rename(folder / "others"),
}


MIDWAY, END = 6, 24


@pytest.mark.sampled(9)
@pytest.mark.parametrize("at", [MIDWAY, END])
@pytest.mark.parametrize("harm", HARMS)
def test_what_is_taken_away_is_missed_and_the_rows_are_kept(tmp_path, harm, at):
    folder, steps = tmp_path / "run", []

    def take_away(step, params, state):
        steps.append(step)
        if step == at:
            HARMS[harm](folder)

    with pytest.raises(JnnError) as error, start(folder) as run:
        train(run, on_evaluate=take_away, checkpoint_every=0.0)
    assert steps[-1] <= at + 6
    if harm == "checkpoints renamed":
        assert "checkpoint of step" in str(error.value)
        assert (folder / "metrics.jsonl").is_file()
        return
    rescued = list(tmp_path.glob("run-metrics-*.jsonl"))
    assert len(rescued) == 1
    assert str(rescued[0]) in str(error.value)
    rows = [json.loads(line) for line in rescued[0].read_text().splitlines()]
    logged = sorted({row["step"] for row in rows})
    assert logged[: at // 3] == list(range(3, at + 1, 3))


def test_rows_that_were_kept_are_those_of_the_log(tmp_path):
    folder = tmp_path / "run"
    texts = []

    def take_away(step, params, state):
        if step == 12:
            texts.append((folder / "metrics.jsonl").read_bytes())
            (folder / "metrics.jsonl").unlink()

    with pytest.raises(JnnError, match="got No such file or directory"), start(folder) as run:
        train(run, on_evaluate=take_away, checkpoint_every=0.0)
    (rescued,) = tmp_path.glob("run-metrics-*.jsonl")
    assert rescued.read_bytes().startswith(texts[0])
