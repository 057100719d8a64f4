import gzip
import io
import struct

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import train_test_split

from jnn.data.sets import faces, images
from jnn.errors import JnnError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the loaders find what they would have fetched."""
    for module in (images, faces):
        monkeypatch.setattr(module, "fetch", lambda source, offline: tmp_path)
    return tmp_path


def idx(array):
    return struct.pack(f">BBBB{array.ndim}i", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_digits_are_those_of_scikit_learn_split_as_stated():
    pixels, labels = datasets.load_digits(return_X_y=True)
    rest, test, rest_labels, test_labels = train_test_split(
        pixels, labels, test_size=0.2, random_state=0, stratify=labels
    )
    train, validation = train_test_split(rest, test_size=0.1, random_state=5, stratify=rest_labels)
    splits = images.load_digits(seed=5)
    for part, expected in zip(splits[:3], (train, validation, test), strict=True):
        assert np.array_equal(part["image"].reshape(-1, 64) * 16, expected)
        assert part["image"].dtype == np.float32
        assert part["label"].dtype == np.int32
    assert np.array_equal(splits.test["label"], test_labels)


def test_mnist5k_keeps_pixels_and_labels_together(folder):
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 10
    table = np.concatenate([rng.integers(0, 256, (200, 784)), labels[:, None]], axis=1)
    table[:, 0] = labels
    text = io.StringIO()
    np.savetxt(text, table, fmt="%d", delimiter=",")
    (folder / "mnist_5k.csv.gz").write_bytes(gzip.compress(text.getvalue().encode()))
    splits = images.load_mnist5k(validation=0.25)
    assert [len(part["label"]) for part in splits[:3]] == [120, 40, 40]
    for part in splits[:3]:
        assert part["image"].dtype == np.uint8
        assert np.array_equal(part["image"][:, 0, 0, 0], part["label"])
    assert splits.train["image"].shape[1:] == (28, 28, 1)
    assert {tuple(row) for row in splits.test["image"].reshape(-1, 784)} <= {
        tuple(row) for row in table[:, :-1]
    }


def test_fashion_mnist_keeps_the_published_test_part(folder):
    rng = np.random.default_rng(0)
    written = {}
    for part, size in (("train", 100), ("t10k", 20)):
        written[part] = (
            rng.integers(0, 256, (size, 28, 28), np.uint8),
            np.arange(size, dtype=np.uint8) % 10,
        )
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(written[part][0])))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(written[part][1])))
    splits = images.load_fashion_mnist()
    assert np.array_equal(splits.test["image"][..., 0], written["t10k"][0])
    assert np.array_equal(splits.test["label"], written["t10k"][1])
    train = np.concatenate([splits.train["image"], splits.validation["image"]])
    assert {x.tobytes() for x in train} == {x.tobytes() for x in written["train"][0]}
    assert np.array_equal(np.bincount(splits.validation["label"]), np.ones(10))
    assert len(splits.classes) == 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x0d\x01\0\0\0\1\0",
        idx(np.zeros((2, 3), np.uint8))[:-1],
        b"\0\0\x08\x02\0",
        struct.pack(">BBBBii", 0, 0, 8, 2, -2, -3) + bytes(6),
        b"\0\0\x08\xff" + b"\xff" * 1020,
    ],
)
def test_other_files_than_idx_are_refused(tmp_path, content):
    (tmp_path / "x.gz").write_bytes(gzip.compress(content))
    with pytest.raises(JnnError, match=r"x\.gz: got \d+ bytes.{,80} an IDX file"):
        images.read_idx(tmp_path / "x.gz")


def test_idx_files_are_read_without_gzip_and_refused_with_damage(tmp_path):
    path, array = tmp_path / "x.gz", np.arange(6, dtype=np.uint8).reshape(2, 3)
    path.write_bytes(idx(array))
    assert np.array_equal(images.read_idx(path), array)
    packed = gzip.compress(idx(array))
    for content in (packed[:-9], packed[:12] + b"\xff" + packed[13:]):
        path.write_bytes(content)
        with pytest.raises(JnnError, match=r"x\.gz: got .*expected a whole gzip file"):
            images.read_idx(path)
    with pytest.raises(JnnError, match=r"absent: got no such file"):
        images.read_idx(tmp_path / "absent")


def pgm(pixels):
    return b"P5\n92 112\n255\n" + pixels.tobytes()


def test_faces_are_read_and_a_text_conversion_is_undone(folder):
    pixels = np.random.default_rng(0).integers(0, 256, (400, 112, 92), np.uint8)
    pixels[1, 5, 5:9] = 10, 13, 10, 10
    pixels[2, -1, -2:] = 7
    whole, converted, short = (
        pgm(pixels[0]),
        pgm(pixels[1]).replace(b"\n", b"\r\n"),
        pgm(pixels[2]).replace(b"\n", b"\r\n")[:-1],
    )
    (folder / "orl_faces.pgm").write_bytes(
        whole + converted + short + b"".join(map(pgm, pixels[3:]))
    )
    read = faces.load_faces()
    assert np.array_equal(read["image"][..., 0], pixels)
    assert np.array_equal(read["person"], np.arange(400) // 10)


@pytest.mark.parametrize(
    "content",
    [
        pgm(np.zeros(10000, np.uint8)),
        pgm(np.zeros(10305, np.uint8)),
        bytes(112 * 92),
        b"P5\n2 2\n255\n1234",
    ],
)
def test_other_files_than_these_faces_are_refused(content):
    with pytest.raises(JnnError, match=r"read_faces: got \d+ bytes for image 0"):
        faces.read_faces(content)
