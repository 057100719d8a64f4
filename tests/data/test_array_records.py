"""Examples in ArrayRecord files: the same bits back, damage found, and nothing that could carry
code.
"""

import pickle

import numpy as np
import pytest

from jnn.data.array_records import array_records, write_array_records
from jnn.errors import JnnError

pytest.importorskip("grain", reason='array records need Grain: pip install -e ".[data]"')

RNG = np.random.default_rng(0)
EXAMPLES = [
    {
        "image": RNG.integers(0, 256, (4, 3, 1), dtype=np.uint8),
        "weight": np.float32(i / 7),
        "label": i,
    }
    for i in range(20)
]


def assert_same(example, expected):
    assert set(example) == set(expected)
    for name, value in expected.items():
        assert np.asarray(example[name]).dtype == np.asarray(value).dtype
        np.testing.assert_array_equal(example[name], value)


def test_examples_come_back_bit_for_bit(tmp_path):
    assert write_array_records(tmp_path / "some.array_record", iter(EXAMPLES)) == 20
    source = array_records(tmp_path / "some.array_record")
    assert len(source) == 20
    for i in RNG.permutation(20):
        assert_same(source[int(i)], EXAMPLES[i])


def test_records_are_a_sequence(tmp_path):
    write_array_records(tmp_path / "some.array_record", EXAMPLES)
    source = array_records(tmp_path / "some.array_record")
    assert [int(example["label"]) for example in source] == list(range(20))
    assert_same(source[-1], EXAMPLES[19])
    for index in (20, -21):
        with pytest.raises(IndexError):
            source[index]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    write_array_records(tmp_path / "set/b.array_record", EXAMPLES[5:])
    write_array_records(tmp_path / "set/a.array_record", EXAMPLES[:5])
    source = array_records(tmp_path / "set")
    for i, expected in enumerate(EXAMPLES):
        assert_same(source[i], expected)
    assert [file.name for file in (tmp_path / "set").iterdir() if file.name.startswith(".")] == []


def test_records_of_other_tools_are_read_with_their_own_function(tmp_path):
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(tmp_path / "other.array_record"), "group_size:1")
    for i in range(3):
        writer.write(pickle.dumps({"x": i}))
    writer.write(bytes([9]))
    writer.close()
    with pytest.raises(JnnError, match=r"record 1: got .*Written by other tools\? Pass decode="):
        array_records(tmp_path / "other.array_record")[1]
    source = array_records(
        tmp_path / "other.array_record",
        decode=lambda record: {"x": np.frombuffer(record, np.uint8)},
    )
    assert source[3]["x"].tolist() == [9]


def test_memory_that_is_full_is_no_fault_of_the_record(tmp_path):
    def decode(record):
        raise MemoryError

    write_array_records(tmp_path / "some.array_record", EXAMPLES[:1])
    with pytest.raises(MemoryError):
        array_records(tmp_path / "some.array_record", decode=decode)[0]


def test_an_altered_record_is_found(tmp_path):
    path = tmp_path / "some.array_record"
    write_array_records(path, EXAMPLES)
    before = array_records(path)
    content = bytearray(path.read_bytes())
    content[600] ^= 1  # within the records; what follows them is padding
    path.write_bytes(content)
    after = array_records(path)
    assert after.identity != before.identity
    with pytest.raises(JnnError, match=r"record \d+: got .*Corrupted.*Put a copy back."):
        [after[i] for i in range(20)]


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(JnnError, match="got no such file or folder"):
        array_records(tmp_path / "absent")
    with pytest.raises(JnnError, match=r"got no \*.array_record file"):
        array_records(tmp_path)
    (tmp_path / "short.array_record").write_bytes(b"short")
    with pytest.raises(JnnError, match="expected whole ArrayRecord files"):
        array_records(tmp_path)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "got no examples"),
        ([EXAMPLES[0], {"x": object()}], r"example 1\['x'\]: got an array of Python objects"),
        ([{"x": "text"}], r"example 0\['x'\]: got dtype <U4"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing_behind(tmp_path, examples, message):
    with pytest.raises(JnnError, match=message):
        write_array_records(tmp_path / "some.array_record", examples)
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_the_file_is_checked(tmp_path):
    with pytest.raises(JnnError, match=r"expected a name that ends in \.array_record"):
        write_array_records(tmp_path / "some.npz", EXAMPLES)
