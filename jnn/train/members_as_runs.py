"""A member of a sweep as a run of its own."""

from typing import Any

import jax

from jnn.runs.run import Run
from jnn.train.experiment import data_of
from jnn.train.loop import Ledger
from jnn.train.preparation import FILE as PREPARATION
from jnn.train.preparation import keep_preparation
from jnn.train.recorder import Recorder
from jnn.train.sweep import Trained


def keep_as_run(trained: Trained, run: Run, **about: Any) -> dict[str, Any]:
    """Write a member of a sweep into the folder of a run, and return the run's summary.

    Its log, checkpoint and summary are those of a run that has ended, which can be loaded, compared
    and resumed with more epochs; ``about`` goes to `Run.finish`.
    """
    task, config, member, result, _ = trained
    if task.preparation:
        run.own(PREPARATION, keep_preparation(run.folder, task.preparation))
    if task.save:
        task.save(run.folder)
    train_state, kept = member.train_state, result["kept"]
    steps = int(train_state.step)
    ledger = Ledger(planned=steps)
    if kept:
        ledger = Ledger(best=kept["value"], best_step=kept["step"], planned=steps)
    with Recorder(run, task.feed, quiet=True) as recorder:
        recorder.start(steps, steps)
        for row in result["history"]:
            values = {name: value for name, value in row.items() if name != "step"}
            recorder.row(row["step"], values)
        recorder.save(steps, (train_state, member.kept if task.best else ()), ledger)
    run.kept = kept
    written = {
        "metrics": result["metrics"],
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(member.kept[0])),
        "steps": steps,
        "data": data_of(task, config),
    }
    return run.finish(written, **about)
