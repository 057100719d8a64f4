"""Training on data that streams: the same bits as in memory, a run that is cut and resumed, other
data refused.
"""

import dataclasses
import functools
import json
import shutil
import signal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

import jnn
from jnn.data import streams
from jnn.data.array_records import array_records, write_array_records
from jnn.data.image_folder import image_folder
from jnn.data.image_scaling import to_float
from jnn.errors import Interrupted, JnnError
from jnn.runs import Run, RunOptions
from jnn.train import fit, in_memory, init_train_state, make_step, seed_key
from jnn.train.feed import streamed
from tests.train.same import assert_same_bits

pytest.importorskip("grain", reason='streams need Grain: pip install -e ".[data]"')

MODEL = jnn.chain(jnn.dropout(0.2), jnn.dense(2))
SIZE, BATCH, EPOCHS = 18, 4, 3  # 4 steps an epoch, which leaves 2 examples over


@dataclasses.dataclass(frozen=True)
class Config:
    """What a run needs of a config."""

    seed: int = 0
    epochs: int = EPOCHS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of pictures, each file of the same length."""
    path, rng = tmp_path_factory.mktemp("data") / "pictures", np.random.default_rng(0)
    for i in range(SIZE):
        file = path / ("dark" if i % 2 else "light") / f"{i}.ppm"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 128 if i % 2 else 256, (4, 4, 3), dtype=np.uint8)).save(
            file
        )
    return path


def pictures(path, **options):
    return image_folder(path, size=(4, 4), **options)


def flat(example):
    return {"x": to_float(example["image"]).reshape(-1), "label": example["label"]}


def objective(params, state, batch, key):
    y, state = MODEL.apply(params, state, batch["x"], key=key, train=True)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(y, batch["label"])), (state, {})


@functools.cache
def started(loss=objective):
    """The first train state and the step, which is traced once for all runs."""
    optimizer = optax.adam(1e-2)
    train_state = init_train_state(seed_key(0), MODEL, optimizer, jnp.ones(48))
    return train_state, jax.jit(make_step(loss, optimizer))


def train(feed, run=None, *, loss=objective, **options):
    train_state, step = started(loss)
    return fit(
        step,
        train_state,
        feed,
        epochs=EPOCHS,
        log_every=3,
        run=run,
        **options,
    )


def start(folder):
    return Run.create("test", Config(), out=folder, options=RunOptions(quiet=True))


def go_on(folder):
    return Run.open(folder, options=RunOptions(quiet=True))


@pytest.fixture(scope="module")
def whole(folder):
    """A streamed run that nothing disturbed."""
    return train(streamed(pictures(folder), BATCH, transform=flat))


def test_data_that_streams_trains_to_the_same_bits_as_in_memory(folder, whole):
    arrays = streams.load(pictures(folder), transform=flat)
    assert_same_bits(train(in_memory(arrays, BATCH)).train_state, whole.train_state)


def test_array_records_of_the_same_examples_train_to_the_same_bits(folder, whole, tmp_path):
    source = pictures(folder)
    write_array_records(tmp_path / "set.array_record", (flat(source[i]) for i in range(SIZE)))
    fitted = train(streamed(array_records(tmp_path / "set.array_record"), BATCH, threads=2))
    assert_same_bits(fitted.train_state, whole.train_state)
    assert fitted.history == whole.history


@pytest.mark.slow
@pytest.mark.parametrize(("cut", "kind"), [(6, KeyError), (9, Interrupted)])
def test_a_run_that_was_cut_ends_in_the_same_bits(folder, whole, tmp_path, cut, kind):
    with pytest.raises(kind), start(tmp_path / "run") as run:
        write = run.metrics.write

        def cutting(step, values):
            write(step, values)
            if step == cut:
                if kind is KeyError:
                    raise KeyError("whatever ends a process between two checkpoints")
                signal.raise_signal(signal.SIGTERM)

        run.metrics.write = cutting
        train(streamed(pictures(folder), BATCH, transform=flat), run, checkpoint_every=0.0)
    with go_on(tmp_path / "run") as run:
        resumed = train(streamed(pictures(folder), BATCH, transform=flat), run)
    assert_same_bits(resumed.train_state, whole.train_state)
    assert resumed.history == whole.history


@pytest.mark.slow
def test_a_step_that_is_left_out_takes_its_batch_with_it(folder):
    """The loss is made NaN where a batch holds at least 3 pictures of class 0."""

    def spoiled(params, state, batch, key):
        loss, aux = objective(params, state, batch, key)
        return jnp.where(jnp.sum(batch["label"] == 0) >= 3, jnp.nan, loss), aux

    source = pictures(folder)
    stream = train(streamed(source, BATCH, transform=flat), loss=spoiled, skip_bad=100)
    memory = train(
        in_memory(streams.load(source, transform=flat), BATCH), loss=spoiled, skip_bad=100
    )
    assert stream.ledger == memory.ledger
    assert 0 < stream.ledger.skipped < EPOCHS * 4
    assert_same_bits(stream.train_state, memory.train_state)


def copied(folder, target):
    return Path(shutil.copytree(folder, target))


def half(example):
    return {**flat(example), "x": flat(example)["x"] / 2}


@pytest.mark.slow
def test_other_data_is_refused_where_a_run_is_resumed(folder, tmp_path):
    feeds = {
        "data.batch_size: 4 in the checkpoint, 2 here": streamed(
            pictures(folder), 2, transform=flat
        ),
        "data.transform: 'flat' in the checkpoint, 'half' here": streamed(
            pictures(folder), BATCH, transform=half
        ),
        "data.source.contents: True in the checkpoint, False here": streamed(
            pictures(folder, contents=False), BATCH, transform=flat
        ),
    }
    copy = copied(folder, tmp_path / "pictures")
    with start(tmp_path / "run") as run:
        train(streamed(pictures(copy), BATCH, transform=flat), run)
    content = bytearray((copy / "dark/5.ppm").read_bytes())
    content[-1] ^= 1
    (copy / "dark/5.ppm").write_bytes(content)
    feeds["data.source.sha256: '"] = streamed(pictures(copy), BATCH, transform=flat)
    for message, feed in feeds.items():
        with pytest.raises(JnnError, match=message), go_on(tmp_path / "run") as run:
            train(feed, run)


def test_a_file_that_breaks_meanwhile_ends_the_run_with_its_name(folder, tmp_path):
    feed = streamed(pictures(copied(folder, tmp_path / "pictures")), BATCH, transform=flat)
    (tmp_path / "pictures/dark/5.ppm").write_bytes(b"P6")
    with (
        pytest.raises(JnnError, match=r"dark/5\.ppm: got .*Repair or remove the file"),
        start(tmp_path / "run") as run,
    ):
        train(feed, run)
    assert json.loads((tmp_path / "run/status.json").read_text())["state"] == "failed"


def test_what_has_no_length_is_no_source():
    with pytest.raises(JnnError, match="streamed: got a source of type generator, expected one wi"):
        streamed(({"x": np.zeros(2)} for _ in range(9)), BATCH)


def test_a_transform_that_draws_is_refused(folder):
    rng = np.random.default_rng(0)
    with pytest.raises(
        JnnError,
        match="got an example that differs when it is read again, expected a pure transform",
    ):
        streamed(pictures(folder), BATCH, transform=lambda example: {"x": rng.standard_normal(48)})
