"""What the page of a run says of its training and of its result."""

import json
from pathlib import Path

import pytest

from jnn.cli.subject import subject_of
from jnn.runs import RunOptions
from jnn.runs.experiments import find, load
from jnn.runs.run import Run
from jnn.train.experiment import main_of

OWN = (Path(__file__).parent / "own.py").read_text(encoding="utf-8")
OF_NUMBERS = """
from jnn import metrics

def task(config, splits):
    measures = {"mae": metrics.mean_absolute_error(), "rmse": metrics.root_mean_squared_error()}
    settings = {"loss": jnn.losses.squared_error, "measures": measures}
    task = supervised(jnn.dense(1), splits, batch_size=16, **settings)
    def validate(params, state):
        logged = task.validate(params, state)
        return {name: value for name, value in logged.items() if name != "validation/loss"}
    return task._replace(validate=validate, best="validation/rmse")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    source = tmp_path_factory.mktemp("subject") / "own.py"
    labels = OWN.replace("(x[:, 0] > 0).astype(np.int32)", "x[:, :1]")
    source.write_text(labels.split("def task")[0] + OF_NUMBERS)
    module, options = load(find(str(source))), RunOptions(quiet=True)
    config, out = module.Config(epochs=1), source.parent / "out"
    with Run.create("own", config, out=out, source=source, options=options) as run:
        metric = {"name": "test/rmse", "direction": "lowest"}
        run.finish(main_of(module)(config, run), metric=metric)
    return out


def test_the_main_metric_is_in_the_head_and_beside_the_loss_of_training(run):
    subject = subject_of(run)
    assert list(subject.facts) == ["test RMSE", "parameters", "steps"]
    assert list(subject.curves) == ["train/loss", "validation/rmse"]


def test_a_run_that_diverged_says_so(run):
    """Its params are those before it did."""
    assert subject_of(run).notes == []
    status = json.loads((run / "status.json").read_text())
    changed = status | {"state": "diverged", "message": "Step 3 is not\nfinite. Try 0.1."}
    try:
        (run / "status.json").write_text(json.dumps(changed))
        (note,) = subject_of(run).notes
    finally:
        (run / "status.json").write_text(json.dumps(status))
    assert note.startswith("The run diverged")
    assert note.endswith(": Step 3 is not finite.")
