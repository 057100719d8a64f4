"""Batches that are read while the model trains: the order of batches in memory, from any step on,
however slow a read is.
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.data import batches
from jnn.data.streams import load, stream
from jnn.errors import JnnError, MissingExtraError

grain = pytest.importorskip("grain", reason='streams need Grain: pip install -e ".[data]"')

SIZE, BATCH = 11, 4
ARRAYS = {
    "x": np.random.default_rng(0).standard_normal((SIZE, 3)).astype(np.float32),
    "label": np.arange(SIZE, dtype=np.int32),
}
EXAMPLES = [{name: array[i] for name, array in ARRAYS.items()} for i in range(SIZE)]
KEY = jax.random.key(3)


class Slow:
    """A source whose reads take different times, and are counted."""

    def __init__(self):
        self.places = []

    @property
    def reads(self):
        return len(self.places)

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        self.places.append(index)
        time.sleep(0.01 * (index % 3))
        return EXAMPLES[index]


def in_memory(step, key=KEY):
    return batches.take(ARRAYS, batches.batch_indices(key, step, size=SIZE, batch_size=BATCH))


@pytest.mark.parametrize("start", [0, 1, 5])
@pytest.mark.parametrize("key", [KEY, jax.random.key(0, impl="rbg")])
def test_a_stream_gives_the_batches_of_data_in_memory_from_any_step_on(start, key):
    read = stream(Slow(), key, start, batch_size=BATCH, threads=5)
    for step in range(start, start + 6):
        jax.tree.map(np.testing.assert_array_equal, next(read), dict(in_memory(step, key)))


def test_the_parts_of_a_batch_are_read_by_themselves_and_are_the_batch_together():
    sources = [Slow() for _ in range(2)]
    reads = [
        stream(source, KEY, 1, batch_size=BATCH, part=(i, 2), threads=1)
        for i, source in enumerate(sources)
    ]
    for step in range(1, 4):
        parts = [next(read) for read in reads]
        joined = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
        jax.tree.map(np.testing.assert_array_equal, joined, dict(in_memory(step)))
    for i, source in enumerate(sources):
        reads[i].close()
        rows = [in_memory(step)["label"][2 * i : 2 * i + 2] for step in range(1, 4)]
        assert source.places[:6] == np.concatenate(rows).tolist()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ((0, 3), "batch_size=4 in 3 parts, expected a multiple of 3"),
        ((2, 2), r"part=\(2, 2\), expected \(i, n\) with 0 <= i < n"),
        ((-1, 2), r"part=\(-1, 2\)"),
        ((0.0, 2), r"part=\(0.0, 2\)"),
    ],
)
def test_parts_that_there_are_not_are_refused(part, message):
    with pytest.raises(JnnError, match=message):
        next(stream(EXAMPLES, KEY, 0, batch_size=BATCH, part=part))


def test_a_transform_and_a_grain_dataset_are_read_alike():
    doubled = stream(
        EXAMPLES, KEY, 0, batch_size=BATCH, transform=lambda example: {"x": 2 * example["x"]}
    )
    dataset = grain.MapDataset.source(EXAMPLES).map(lambda example: {"x": 2 * example["x"]})
    np.testing.assert_array_equal(
        next(doubled)["x"], next(stream(dataset, KEY, 0, batch_size=BATCH))["x"]
    )


def test_a_closed_stream_reads_no_more():
    source = Slow()
    read = stream(source, KEY, 0, batch_size=BATCH)
    next(read)
    read.close()
    reads = [-1, source.reads]
    for _ in range(50):  # what is being read comes to its end first
        if reads[-1] == reads[-2]:
            break
        time.sleep(0.1)
        reads.append(source.reads)
    assert reads[-1] == reads[-2]


def test_load_gives_all_examples_in_their_order():
    jax.tree.map(np.testing.assert_array_equal, load(Slow(), threads=3), ARRAYS)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (
            lambda example: None,
            r"example \d+ after transform: got a NoneType, expected a dict of arrays",
        ),
        (
            lambda example: {"x": np.zeros(example["label"])},
            r"example \d+: got {'x': 'float64\[(\d+)\]'}, expected the names, shapes and dtypes of "
            r"example \d+, {'x': 'float64\[(?!\1)\d+\]'}. Give a transform that crops, resizes",
        ),
        (
            lambda example: {"x": example["label"] + np.int64(2**40)},
            "got the integer .*, expected integers within int32",
        ),
    ],
)
def test_examples_that_make_no_batch_are_refused(transform, message):
    with pytest.raises(JnnError, match=message):
        next(stream(EXAMPLES, KEY, 0, batch_size=BATCH, transform=transform))


def test_sizes_out_of_range_are_refused():
    with pytest.raises(JnnError, match="batch_size=12 for 11 examples"):
        stream(EXAMPLES, KEY, 0, batch_size=12)
    with pytest.raises(JnnError, match="got threads=0, expected an integer >= 1"):
        stream(EXAMPLES, KEY, 0, batch_size=4, threads=0)
    with pytest.raises(JnnError, match="load: got threads=0, expected an integer >= 1"):
        load(EXAMPLES, threads=0)


@pytest.mark.parametrize("step", [-1, 7.0, None])
def test_a_step_that_there_is_not_is_refused(step):
    with pytest.raises(JnnError, match=f"stream: got step={step}, expected an integer >= 0"):
        stream(EXAMPLES, KEY, step, batch_size=4)


@pytest.mark.parametrize("step", [np.int64(7), jnp.int32(7)])
def test_a_step_is_an_integer_of_any_kind(step):
    batches = [next(stream(EXAMPLES, KEY, at, batch_size=4)) for at in (step, 7)]
    jax.tree.map(np.testing.assert_array_equal, *batches)


def test_without_grain_the_command_that_installs_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(MissingExtraError, match=r'pip install -e "\.\[data\]"'):
        stream(EXAMPLES, KEY, 0, batch_size=BATCH)
