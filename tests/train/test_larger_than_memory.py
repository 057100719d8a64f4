"""Training on sets that are larger than the memory that the process may have."""

import resource
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

import jnn
from jnn.data import streams
from jnn.data.array_records import array_records, write_array_records
from jnn.data.image_folder import image_folder
from jnn.data.token_files import file_windows, token_files, write_token_files
from jnn.train import fit, init_train_state, make_step, seed_key
from jnn.train.feed import streamed
from tests.forks import forks

pytest.importorskip("grain", reason='streams need Grain: pip install -e ".[data]"')

SIDE, COUNT, BATCH = 256, 1600, 8
"""A set has 315 MB, of pictures of three bytes a pixel or as many 16-bit tokens."""
ALLOWED = 160 * 2**20
"""Bytes beyond those of a process that has trained on a set of one batch."""


def picture(i: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), i % 256, np.uint8)


def write_pictures(folder: Path, count: int) -> None:
    (folder / "grey").mkdir(parents=True)
    for i in range(count):
        Image.fromarray(picture(i)).save(folder / "grey" / f"{i:04d}.ppm")


def write_records(folder: Path, count: int) -> None:
    examples = ({"image": picture(i)} for i in range(count))
    write_array_records(folder / "set.array_record", examples)


def write_tokens(folder: Path, count: int) -> None:
    window = np.arange(SIDE * SIDE * 3 // 2, dtype=np.int32) % 1000
    write_token_files(folder, [window] * count + [[0]], vocabulary=1000)


def read_tokens(folder: Path):
    return file_windows(token_files(folder), SIDE * SIDE * 3 // 2)


SETS = {
    "image folder": (write_pictures, lambda folder: image_folder(folder, size=(SIDE, SIDE))),
    "array records": (write_records, array_records),
    "token files": (write_tokens, read_tokens),
}


def trained(source) -> float:
    """Learn the mean of an epoch, and return the number of steps and the last mean loss."""
    model, optimizer = jnn.dense(1), optax.sgd(1e-2)

    def objective(params, state, batch, key):
        leaf = next(batch[name] for name in ("image", "tokens") if name in batch)
        x = leaf.reshape(len(leaf), -1)[:, :1].astype(jnp.float32) / 256
        y, state = model.apply(params, state, x)
        return jnp.mean(y**2), (state, {})

    train_state = init_train_state(seed_key(0), model, optimizer, jnp.ones(1))
    feed = streamed(source, BATCH, threads=2)
    fitted = fit(make_step(objective, optimizer), train_state, feed, epochs=1, quiet=True)
    return fitted.counts["steps"]


def train_within(kind: str, small: Path, large: Path, send) -> None:
    """Train on a small set, then, with little memory left, on a large one."""
    _, read = SETS[kind]
    trained(read(small))
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmData" in x)
    most = int(line.split()[1]) * 1024 + ALLOWED
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    steps = trained(read(large))
    try:
        streams.load(read(large), threads=2)
        send.send("all of it fits")
    except MemoryError:
        send.send(steps)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("kind", SETS)
def test_an_epoch_of_a_set_that_does_not_fit_into_memory(kind, tmp_path):
    write, _ = SETS[kind]
    small, large = tmp_path / "small", tmp_path / "large"
    write(small, BATCH)
    write(large, COUNT)
    here, there = forks.Pipe(duplex=False)
    process = forks.Process(target=train_within, args=(kind, small, large, there))
    process.start()
    there.close()
    steps = here.recv()
    process.join()
    assert steps == COUNT // BATCH
    assert process.exitcode == 0
