"""Data sets of other libraries as sources of batches."""

import jax
import numpy as np
import pytest

from jnn.data import batches
from jnn.data.named_rows import named_rows
from jnn.data.streams import load
from jnn.errors import JnnError
from jnn.train.feed import streamed

pytest.importorskip("grain", reason='streams need Grain: pip install -e ".[data]"')

X = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
LABEL = np.arange(10, dtype=np.int32) % 3


class Rows:
    """Anything with a length and rows."""

    def __init__(self, row):
        self.row = row

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return self.row(index)


def check_batches(source):
    """Batches in the order that depends on key and step alone, from any step on."""
    feed, key = streamed(source, batch_size=4), jax.random.key(7)
    steps = feed.read(key, 0)
    read = [next(steps) for _ in range(4)]
    for step, batch in enumerate(read):
        chosen = batches.batch_indices(key, step, size=10, batch_size=4)
        np.testing.assert_array_equal(batch["x"], X[chosen])
        np.testing.assert_array_equal(batch["label"], LABEL[chosen])
    resumed = next(feed.read(key, 3))
    jax.tree.map(np.testing.assert_array_equal, resumed, read[3])


def test_tuples_have_names_and_of_dicts_only_these_are_taken():
    check_batches(named_rows(Rows(lambda i: (X[i], LABEL[i])), "x", "label"))
    row = lambda i: {"text": "text", "x": X[i], "label": int(LABEL[i])}
    found = load(named_rows(Rows(row), "x", "label"))
    jax.tree.map(np.testing.assert_array_equal, found, {"x": X, "label": LABEL})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (lambda i: {"x": X[i]}, "row 0: got no 'label' among x, expected x, label"),
        (lambda i: (X[i],), "row 0: got 1 values, expected one for each of x, label"),
        (
            lambda i: (X[i][: 2 if i == 5 else 3], 0),
            r"example 5: got {'label': .*, 'x': 'float32\[2\]'}, expected .* of example 0, .*\[3\]",
        ),
        (lambda i: {"x": X[i], "label": "a"}, "label"),
    ],
)
def test_a_row_that_does_not_fit_is_named(row, message):
    with pytest.raises(JnnError, match=message):
        streamed(named_rows(Rows(row), "x", "label"), batch_size=4)


def test_names_are_words_given_each_once():
    for names in ((), ("x", "x"), ("x", ""), (0, 1)):
        with pytest.raises(JnnError, match="expected one or more, each once"):
            named_rows(Rows(lambda i: ()), *names)


@pytest.mark.torch
def test_a_data_set_of_pytorch():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(LABEL))
    check_batches(named_rows(data, "x", "label"))


@pytest.mark.torch
def test_a_data_set_of_hugging_face():
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"x": X, "label": LABEL, "text": ["text"] * 10})
    check_batches(named_rows(data.with_format("numpy"), "x", "label"))


@pytest.mark.parametrize("source", [iter([(1, 2)]), None, 5, "text", {"x": X, "label": LABEL}])
def test_what_has_no_rows_is_refused_at_once(source):
    with pytest.raises(JnnError, match=r"got \w+, expected a sequence of rows, with len and \[\]"):
        named_rows(source, "x", "label")
