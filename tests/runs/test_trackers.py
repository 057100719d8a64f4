"""Trackers are told the log, by the functions that they have."""

import contextlib
import importlib.util
import math
import sys
from types import SimpleNamespace

import pytest

from jnn.errors import Diverged, JnnError, MissingExtraError
from jnn.runs import Run, RunOptions
from jnn.runs.trackers import FILE, TRACKERS, check_tracker

CONFIG = {"seed": 0, "rate": 0.5}


class Told:
    """What a tracker was told: its runs by id, each a name, a config, and rows."""

    def __init__(self):
        self.runs, self.failures = {}, []

    def begin(self, id, name, config):
        id = id or f"id of {name}"
        self.active = self.runs.setdefault(id, SimpleNamespace(name=name, config=config, rows=[]))
        return id

    def log(self, values, step):
        self.active.rows.append((step, values))

    def end(self, is_failure=False):
        self.failures.append(is_failure)


def fake_mlflow(told):
    @contextlib.contextmanager
    def start_run(run_id=None, run_name=None):
        try:
            yield SimpleNamespace(info=SimpleNamespace(run_id=told.begin(run_id, run_name, {})))
        except BaseException:
            told.end(is_failure=True)
            raise
        told.end()

    return SimpleNamespace(
        set_experiment=lambda name: None,
        start_run=start_run,
        log_params=lambda config: told.active.config.update(config),
        log_metrics=lambda values, step: told.log(values, step),
    )


def fake_trackio(told):
    def init(project, name, config, resume):
        assert resume == ("must" if name in told.runs else "never")
        told.begin(name, name, config)

    return SimpleNamespace(
        init=init, log=lambda values, step: told.log(values, step), finish=told.end
    )


def fake_wandb(told):
    def init(project, name, config, dir, mode, id, resume):
        assert mode == "offline"
        assert resume == ("allow" if id else None)
        return SimpleNamespace(
            id=told.begin(id, name, config),
            log=lambda values, step: told.log(values, step),
            finish=lambda exit_code: told.end(is_failure=exit_code != 0),
        )

    return SimpleNamespace(init=init)


FAKES = {"mlflow": fake_mlflow, "trackio": fake_trackio, "wandb": fake_wandb}


def test_there_is_a_fake_of_each():
    assert set(FAKES) == set(TRACKERS)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_is_told_the_finite_numbers_of_the_log_and_of_the_result(
    name, tmp_path, monkeypatch
):
    told = Told()
    monkeypatch.setitem(sys.modules, name, FAKES[name](told))
    options = RunOptions(quiet=True, track=name)
    with Run.create("toy", CONFIG, out=tmp_path / "run", options=options) as run:
        run.metrics.write(1, {"loss": 0.5, "note": "text"})
        run.metrics.write(2, {"loss": math.nan, "accuracy": 1.0})
    with Run.open(tmp_path / "run", options=RunOptions(quiet=True)) as run:
        run.metrics.write(3, {"loss": 0.25})
        run.finish({"metrics": {"test/loss": 2.0}, "steps": 3})
    (one,) = told.runs.values()
    assert one.name == "run"
    assert one.config == CONFIG
    rows = [
        (1, {"loss": 0.5}),
        (2, {"accuracy": 1.0}),
        (3, {"loss": 0.25}),
        (3, {"test/loss": 2.0}),
    ]
    assert one.rows == rows
    assert told.failures == [False, False]


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
@pytest.mark.parametrize("error", [Diverged("the loss is nan"), JnnError("no"), OSError("a bug")])
def test_a_tracker_is_told_the_error_that_ended_a_run(name, error, tmp_path, monkeypatch, capsys):
    told = Told()
    monkeypatch.setitem(sys.modules, name, FAKES[name](told))
    options = RunOptions(track=name)
    with (
        pytest.raises(type(error)) as raised,
        Run.create("toy", CONFIG, out=tmp_path / "run", options=options) as run,
    ):
        run.metrics.write(1, {"loss": 0.5})
        raise error
    assert told.failures == [True]
    assert raised.traceback[-1].name == "test_a_tracker_is_told_the_error_that_ended_a_run"
    assert "is told no more" not in capsys.readouterr().err


def test_a_done_run_whose_resume_takes_no_step_has_not_failed(tmp_path, monkeypatch):
    told = Told()
    monkeypatch.setitem(sys.modules, "mlflow", fake_mlflow(told))
    options = RunOptions(quiet=True, track="mlflow")
    with Run.create("toy", CONFIG, out=tmp_path / "run", options=options) as run:
        run.metrics.write(1, {"loss": 0.5})
    with pytest.raises(JnnError), Run.open(tmp_path / "run", options=RunOptions(quiet=True)):
        raise JnnError("no data")
    assert told.failures == [False, False]


def test_a_run_that_cannot_record_its_end_has_failed(tmp_path, monkeypatch):
    told = Told()
    monkeypatch.setitem(sys.modules, "mlflow", fake_mlflow(told))
    options = RunOptions(quiet=True, track="mlflow")
    with (
        pytest.raises(JnnError, match="No space"),
        Run.create("toy", CONFIG, out=tmp_path / "run", options=options) as run,
    ):

        def status(state, **more):
            raise JnnError("No space")

        monkeypatch.setattr(run, "status", status)
    assert told.failures == [True]


def test_a_tracker_that_fails_is_told_no_more_and_the_run_goes_on(tmp_path, monkeypatch, capsys):
    told = Told()
    module = fake_wandb(told)
    told.log = lambda values, step: 1 / 0
    monkeypatch.setitem(sys.modules, "wandb", module)
    with Run.create("toy", {}, out=tmp_path / "run", options=RunOptions(track="wandb")) as run:
        for step in (1, 2):
            run.metrics.write(step, {"loss": 0.5})
    assert capsys.readouterr().err.count("wandb is told no more of this run, but the log has") == 1
    assert len(run.metrics.rows()) == 2
    assert told.failures == [False]


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_not_installed_is_named_with_its_extra(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf'pip install -e "\.\[{name}\]"'):
        Run.create("toy", {}, out=tmp_path / "run", options=RunOptions(track=name))
    assert not (tmp_path / "run").exists()


def test_an_unknown_one_is_refused():
    with pytest.raises(JnnError, match="got 'neptune', expected one of mlflow, trackio, wandb"):
        check_tracker("neptune")


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACKERS)
def test_the_package_itself_takes_what_it_is_told(name, tmp_path, monkeypatch, capsys):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.chdir(tmp_path)
    with Run.create("toy", CONFIG, out=tmp_path / "run", options=RunOptions(track=name)) as run:
        run.metrics.write(1, {"loss": 0.5})
    with Run.open(tmp_path / "run") as run:
        run.metrics.write(2, {"loss": 0.25})
    assert "is told no more" not in capsys.readouterr().err
    assert (run.folder / FILE).is_file()
    if name == "mlflow":
        import mlflow

        (found,) = mlflow.search_runs(experiment_names=["toy"], output_format="list")
        points = mlflow.MlflowClient().get_metric_history(found.info.run_id, "loss")
        assert [(point.step, point.value) for point in points] == [(1, 0.5), (2, 0.25)]
        assert found.data.params == {"seed": "0", "rate": "0.5"}
