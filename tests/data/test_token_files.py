"""Tokens in files: the sequence that was written, in any windows, and whatever is wrong with it."""

import contextlib
import hashlib
import json
import resource
from pathlib import Path

import numpy as np
import pytest

from jnn.data.token_files import file_windows, token_files, tokens_of_texts, write_token_files
from jnn.data.tokenizers import character_tokenizer, write_tokenizer
from jnn.errors import JnnError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("vocabulary", "dtype"), [(300, np.uint16), (2**16, np.uint16), (2**16 + 1, np.uint32)]
)
def test_what_is_written_in_pieces_is_read_as_one_sequence(tmp_path, vocabulary, dtype):
    tokens = RNG.integers(vocabulary, size=103)
    tokens[7] = vocabulary - 1
    pieces = np.split(tokens, [0, 1, 1, 40, 90])
    assert write_token_files(tmp_path, pieces, vocabulary=vocabulary, file_tokens=25) == 103
    files = token_files(tmp_path)
    assert len(files) == 103
    assert [len(part) for part in files.maps] == [25, 25, 25, 25, 3]
    on_disk = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("*.bin")))
    assert on_disk == tokens.astype(np.dtype(dtype).newbyteorder("<")).tobytes()
    for start, stop in ((0, 103), (24, 26), (25, 50), (99, 103), (60, 60), (10, 95)):
        assert files.read(start, stop).dtype == np.int32
        np.testing.assert_array_equal(files.read(start, stop), tokens[start:stop])


def test_each_token_but_the_first_is_a_target_of_one_window(tmp_path):
    write_token_files(tmp_path, [np.arange(50)], vocabulary=50, file_tokens=7)
    windows = file_windows(token_files(tmp_path), 6)
    examples = [windows[i] for i in range(len(windows))]
    assert [example["targets"].tolist() for example in examples] == [
        list(range(1 + 6 * i, 7 + 6 * i)) for i in range(8)
    ]
    for example in examples:
        np.testing.assert_array_equal(example["tokens"], example["targets"] - 1)


def test_the_identity_is_that_of_the_tokens_wherever_they_lie(tmp_path):
    sets = {"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 4]}
    for name, tokens in sets.items():
        write_token_files(tmp_path / name, [tokens], vocabulary=5)
    a, b, c = (token_files(tmp_path / name).identity for name in sets)
    assert a == b != c
    assert token_files(tmp_path / "a", contents=False).identity == a


def test_without_texts_for_them_validation_and_test_are_the_end(tmp_path):
    write_token_files(tmp_path, np.split(np.arange(100), 4), vocabulary=100, file_tokens=30)
    files = token_files(tmp_path)
    parts = [files.part(name).read(0, len(files.part(name))).tolist() for name in files.parts]
    assert list(files.parts) == ["train", "validation", "test"]
    assert parts == [[*range(90)], [*range(90, 95)], [*range(95, 100)]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"validation": [[7]]}, {"train": 38, "test": 2, "validation": 1}),
        ({"test": [[7], [8]]}, {"train": 38, "validation": 2, "test": 2}),
        ({"validation": [[7]], "test": [[8]]}, {"train": 40, "validation": 1, "test": 1}),
    ],
)
def test_a_text_of_its_own_takes_nothing_from_training(tmp_path, given, expected):
    """The parts follow each other in the order of ``expected``, in whichever files they lie."""
    count = write_token_files(tmp_path, [np.arange(40)], vocabulary=40, file_tokens=39, **given)
    files = token_files(tmp_path)
    assert {name: len(files.part(name)) for name in expected} == expected
    joined = np.concatenate([files.part(name).read(0, expected[name]) for name in expected])
    np.testing.assert_array_equal(joined, files.read(0, count))
    assert files.part("test").identity != files.part("train").identity


def test_a_range_is_a_sequence_of_its_own(tmp_path):
    write_token_files(tmp_path, [np.arange(50)], vocabulary=50, file_tokens=7)
    files = token_files(tmp_path)
    inner = files.cut(10, 40).cut(5, 20)
    assert inner.read(0, len(inner)).tolist() == [*range(15, 30)]
    assert inner.identity == {**files.identity, "range": [15, 30]}
    assert file_windows(inner, 6)[1]["tokens"].tolist() == [*range(21, 27)]
    with pytest.raises(JnnError, match="got 0 to 16, expected a part of 0 to 15"):
        inner.read(0, 16)
    shorter = files.shortened({"train": 3, "test": 99})
    assert [len(shorter.part(name)) for name in shorter.parts] == [3, 2, 2]


def test_a_set_without_ranges_has_those_of_its_length(tmp_path):
    written(tmp_path)
    header = json.loads((tmp_path / "tokens.json").read_text())
    expected = header.pop("parts")
    del header["sha256"]
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
    (tmp_path / "tokens.json").write_text(json.dumps({**header, "sha256": digest}))
    assert (
        token_files(tmp_path).parts
        == expected
        == {
            "train": [0, 90],
            "validation": [90, 95],
            "test": [95, 100],
        }
    )


def test_texts_end_with_a_token_and_keep_the_name_of_their_tokenizer(tmp_path):
    tokenizer = character_tokenizer("abc", special=("end",))
    pieces = tokens_of_texts(["cab", "", "b"], tokenizer)
    count = write_token_files(
        tmp_path, pieces, vocabulary=tokenizer.vocabulary, tokenizer=tokenizer
    )
    files = token_files(tmp_path)
    assert tokenizer.decode(files.read(0, count)) == "cabb"
    assert (files.read(0, count) == tokenizer.end).sum() == 3
    assert files.tokenizer == tokenizer.fingerprint == files.read_tokenizer().fingerprint
    write_tokenizer(tmp_path / "tokenizer.json", character_tokenizer("abd", special=("end",)))
    with pytest.raises(JnnError, match=r"tokenizer.json: got a tokenizer .* that of the tokens"):
        files.read_tokenizer()


def test_tokens_without_a_tokenizer_are_said_to_be_so(tmp_path):
    with pytest.raises(JnnError, match=r"got tokens without a tokenizer, expected tokenizer.json"):
        token_files(written(tmp_path)).read_tokenizer()


@pytest.mark.parametrize(
    ("pieces", "options", "message"),
    [
        ([[0, 1], [5, 9]], {}, "got the token 9 at position 3, expected integers from 0 to 8"),
        ([[0, -1]], {}, "got the token -1 at position 1"),
        ([[0.5]], {}, r"piece 0: got float64 of shape \(1,\), expected integers of shape \(T,\)"),
        ([[[1]]], {}, r"piece 0: got int64 of shape \(1, 1\)"),
        ([[], []], {}, "got no tokens, expected at least one"),
        ([[1]], {"vocabulary": 2**32}, "vocabulary=4294967296, expected at most 2147483648"),
        ([[1]], {"file_tokens": 0}, "file_tokens=0, expected an integer >= 1"),
    ],
)
def test_what_is_no_text_is_refused_and_no_set(tmp_path, pieces, options, message):
    with pytest.raises(JnnError, match=message):
        write_token_files(tmp_path, pieces, **{"vocabulary": 9, **options})
    with pytest.raises(JnnError, match=r"got no tokens.json, expected a set .* written whole"):
        token_files(tmp_path)


def written(folder, count=100):
    write_token_files(folder, [np.arange(count) % 9], vocabulary=9, file_tokens=60)
    return folder


def test_a_set_is_not_written_twice(tmp_path):
    with pytest.raises(JnnError, match="has a set of tokens, expected a new folder"):
        written(written(tmp_path))


def change(folder: Path, **values):
    """The header with other values, and a checksum that agrees with them if asked for."""
    path = folder / "tokens.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def flip(path: Path):
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda at: (at / "tokens-00001.bin").write_bytes(bytes(79)), "got 79 bytes, expected 80"),
        (lambda at: (at / "tokens-00001.bin").unlink(), "got No such file or directory"),
        (lambda at: flip(at / "tokens-00000.bin"), r"tokens-00000.bin: got sha256 \w{12}\.\.\."),
        (lambda at: change(at, vocabulary=10), "got an altered header"),
        (lambda at: change(at, dtype="uint32"), "got an altered header"),
        (lambda at: change(at, files=[]), "got an altered header"),
        (lambda at: change(at, sha256="0"), "got an altered header"),
        (lambda at: (at / "tokens.json").write_text("{"), "got no JSON"),
        (lambda at: (at / "tokens.json").unlink(), "got no tokens.json"),
    ],
)
def test_damage_is_found_and_where_it_is(tmp_path, damage, message):
    damage(written(tmp_path))
    with pytest.raises(JnnError, match=message):
        token_files(tmp_path)


def test_without_a_look_at_contents_a_token_outside_the_vocabulary_is_found_when_read(tmp_path):
    written(tmp_path)
    path = tmp_path / "tokens-00001.bin"
    path.write_bytes(path.read_bytes()[:-2] + b"\x09\x00")
    files = token_files(tmp_path, contents=False)
    files.read(0, 99)
    with pytest.raises(JnnError, match=r"got the token 9 at position 99, expected .* 0 to 8"):
        files.read(90, 100)


def test_windows_longer_than_the_text_and_places_outside_are_refused(tmp_path):
    files = token_files(written(tmp_path, count=16))
    assert len(file_windows(files, 15)) == 1
    windows = file_windows(files, 7)
    found = [window["targets"] for window in windows]  # which ends after the last one
    np.testing.assert_array_equal(np.concatenate(found), files.read(1, 15))
    np.testing.assert_array_equal(windows[-1]["tokens"], windows[1]["tokens"])
    with pytest.raises(JnnError, match="got 16 tokens, expected at least 17, a window and its"):
        file_windows(files, 16)
    with pytest.raises(JnnError, match="got 10 to 17, expected a part of 0 to 16"):
        files.read(10, 17)


@contextlib.contextmanager
def memory(more: int):
    """Let this process have so many bytes more than it has, and no others."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmData" in x)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(line.split()[1]) * 1024 + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.slow
def test_a_set_larger_than_the_memory_that_is_allowed_is_read_whole(tmp_path):
    """80 MB of tokens where the process may have 32 MB more, and cannot read the file at once."""
    piece = np.arange(2**21, dtype=np.int32) % 1000
    write_token_files(tmp_path, [piece] * 20, vocabulary=1000)
    with memory(2**25):
        with pytest.raises(MemoryError):
            np.fromfile(tmp_path / "tokens-00000.bin", np.uint16)
        windows = file_windows(token_files(tmp_path), 2**20)
        sums = {int(windows[i]["tokens"].sum(dtype=np.int64)) for i in range(len(windows))}
    assert len(windows) == 39
    assert sums == {int(half.sum(dtype=np.int64)) for half in np.split(piece, 2)}
