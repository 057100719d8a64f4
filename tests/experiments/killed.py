"""Runs in processes that are killed, at random, whatever they are doing."""

import itertools
import json
import os
import random
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.checkpoints import Checkpoints
from jnn.cli import main
from jnn.errors import JnnError
from jnn.runs import Run, RunOptions
from jnn.runs.folders import is_run, read_status
from jnn.train import Task, TrainingConfig, in_memory, seed_key, train
from jnn.train.loop import fit
from tests.forks import forks

# of files in the run's folder by one process; a smoke run, its checkpoints included, makes 400 to
# 900
MOST_TOUCHES = 250
# seconds from a touch to the kill: so a kill also falls between them, where the run computes
LONGEST_DELAY = 0.3
OF_THE_MACHINE = ("seconds", "folder", "conditions", "resumed_on", "sha256")
"""What two equal runs may differ in: a commit in the meantime is another condition, and ``sha256``
is of the whole summary.
"""


class Kill(NamedTuple):
    """When a process dies: some seconds after its so-manyth touch of a file in the run's folder."""

    touches: int
    delay: float


def draw(rng: random.Random) -> Kill:
    """Half of the kills are in the middle of a touch, as of a file that is being opened or
    renamed.
    """
    return Kill(rng.randint(1, MOST_TOUCHES), rng.choice([0.0, rng.uniform(0, LONGEST_DELAY)]))


def everything(words: list[str], folder: Path) -> None:
    """A run of a small model with all that remembers or draws something: batch normalization,
    dropout, augmentation, accumulation, a moving average, and early stopping that never comes."""
    config = TrainingConfig(
        epochs=25, batch_size=8, learning_rate=1e-2, accumulate=2, average_decay=0.9, patience=1000
    )
    x = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    model = jnn.chain(jnn.dense(8), jnn.batch_norm(), jnp.tanh, jnn.dropout(0.2), jnn.dense(1))
    error = lambda y, x: jnp.mean((y - jnp.sin(x[:, :1])) ** 2)

    def objective(params, state, batch, key):
        augmented = batch["x"] + 0.1 * jax.random.normal(
            jnn.child_key(key, "augmentation"), batch["x"].shape
        )
        y, state = model.apply(
            params, state, augmented, key=jnn.child_key(key, "model"), train=True
        )
        return error(y, batch["x"]), (state, {})

    loss = jax.jit(lambda params, state: error(model.apply(params, state, x)[0], x))
    validate = lambda params, state: {"validation/loss": loss(params, state)}
    task = Task(
        model,
        objective,
        in_memory({"x": x}, config.batch_size),
        x[0],
        validate,
        best="validation/loss",
        lowest=True,
    )
    options = RunOptions(quiet=True)
    begun = is_run(folder)
    with (
        Run.open(folder, options=options)
        if begun
        else Run.create("small", config, out=folder, overwrite=True, options=options) as run
    ):
        train(task, config, seed_key(config.seed), run)


def on_a_full_disk(words: list[str], folder: Path) -> None:
    """The same where no file may be longer than that of the run's settings: a checkpoint's manifest
    is.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    try:
        everything(words, folder)
    except JnnError as error:
        sys.exit(error.exit_code)


def command(words: list[str], folder: Path) -> None:
    """``jnn run``, or where the run is begun ``jnn resume``."""
    options = ["--quiet", "--offline"]
    words = (
        ["resume", str(folder), *options]
        if is_run(folder)
        else ["run", *words, *options, "--out", str(folder), "--overwrite"]
    )
    if code := main(words):
        sys.exit(code)


Work = Callable[[list[str], Path], None]


def in_a_process(
    work: Work, words: list[str], folder: Path, programs: Path, kill: Kill | None
) -> None:
    """Do the work with programs compiled before, until it is done or killed; in a process of its
    own, which it changes.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for option, value in {
        "dir": str(programs),
        "min_compile_time_secs": 0,
        "min_entry_size_bytes": -1,
    }.items():
        jax.config.update(
            f"jax_{'compilation' if option == 'dir' else 'persistent'}_cache_{option}", value
        )
    # one after the other, so that most kills fall on one
    fit.__kwdefaults__["checkpoint_every"] = 0.0
    if kill:
        _await_touches(str(folder), kill)
    work(words, folder)


def _await_touches(folder: str, kill: Kill) -> None:
    count = itertools.count(1)
    die = lambda: os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, arguments):
        touches = (
            arguments
            and isinstance(arguments[0], str | os.PathLike)
            and str(arguments[0]).startswith(folder)
        )
        if touches and next(count) == kill.touches:
            threading.Timer(kill.delay, die).start() if kill.delay else die()

    sys.addaudithook(hook)


def run(
    work: Work,
    words: list[str],
    folder: Path,
    programs: Path,
    *,
    kills: int = 0,
    rng: random.Random | None = None,
) -> int:
    """Begin a run, and go on with it in new processes until it ends, after at most ``kills`` kills;
    returns how many there were.

    ``programs`` is a folder where compiled programs are kept from one process to the next, as
    compiling them is most of what each does.
    """
    killed = 0
    while read_status(folder).get("state") != "done":
        kill = draw(rng) if rng and killed < kills else None
        process = forks.Process(target=in_a_process, args=(work, words, folder, programs, kill))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), f"exit code {process.exitcode}"
        killed += process.exitcode != 0
    return killed


def result(folder: Path) -> dict:
    """All that must be the same bits in two runs of one config: log, params, state and optimizer
    state, ledger, and the summary.
    """
    with Checkpoints(folder / "checkpoints", read_only=True) as checkpoints:
        newest = checkpoints.steps()[-1]
    manifest = json.loads((folder / "checkpoints" / str(newest) / "manifest.json").read_text())[
        "manifest"
    ]
    summary = (
        json.loads((folder / "summary.json").read_text())
        if (folder / "summary.json").exists()
        else {}
    )
    return {
        "log": (folder / "metrics.jsonl").read_bytes(),
        "step": newest,
        "leaves": [(leaf["path"], leaf["crc32"]) for leaf in manifest["leaves"]],
        "host": without(manifest["host"]),
        "summary": without(summary),
    }


def without(record: dict) -> dict:
    """The record without what depends on the machine."""
    return {name: value for name, value in record.items() if name not in OF_THE_MACHINE}
