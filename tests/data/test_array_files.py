import codecs
import gzip
import os
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jnn.data.array_files import features_and_labels, read_arrays, read_columns, write_array
from jnn.data.sets.images import read_idx
from jnn.errors import JnnError


def test_numpy_files_come_back_as_they_were_saved(tmp_path):
    x, y = np.arange(6.0).reshape(2, 3), np.arange(2, dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    np.savez_compressed(tmp_path / "both.npz", x=x, y=y)
    assert np.array_equal(read_arrays(tmp_path / "x.npy")["x"], x)
    both = read_arrays(str(tmp_path / "both.npz"))
    assert list(both) == ["x", "y"]
    assert np.array_equal(both["y"], y)
    assert both["y"].dtype == np.uint8


def test_pickled_objects_are_refused(tmp_path):
    objects = np.array([{}, []], dtype=object)
    np.save(tmp_path / "x.npy", objects)
    np.savez(tmp_path / "x.npz", x=objects)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(JnnError, match=r"got Python objects.*pickles are never loaded"):
            read_arrays(tmp_path / name)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_files_are_refused(tmp_path, name, share):
    (np.save if name.endswith("npy") else np.savez)(tmp_path / name, np.arange(1000.0))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(JnnError, match=r"expected an \.npy or \.npz file of numbers"):
        read_arrays(tmp_path / name)


@pytest.mark.parametrize("position", [0.3, 0.5, 0.7, 0.95])
def test_a_flipped_byte_of_compressed_arrays_is_refused(tmp_path, position):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=300))
    content = bytearray(path.read_bytes())
    content[int(len(content) * position)] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(JnnError, match=r"x\.npz: got .*expected an \.npy or \.npz file of numbers"):
        read_arrays(path)


@pytest.mark.parametrize("compression", range(1, 99, 14))
def test_every_damage_to_a_header_is_a_message(tmp_path, compression):
    """Each class that the decoders raise: the method of compression is one of many fields."""
    path = tmp_path / "x.npz"
    np.savez(path, x=np.arange(5.0))
    content = bytearray(path.read_bytes())
    central = content.rindex(b"PK\x01\x02")
    content[central + 10] = compression
    path.write_bytes(content)
    with pytest.raises(JnnError, match=r"damaged or incomplete: write it again"):
        read_arrays(path)


@pytest.mark.parametrize("of_entry", [28, 30, 32], ids=["name", "extra", "comment"])
def test_one_altered_length_in_a_directory_loses_no_array(tmp_path, of_entry):
    path = tmp_path / "x.npz"
    np.savez(path, x=np.arange(5.0), y=np.arange(5.0))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + of_entry] += 51  # a whole entry
    path.write_bytes(content)
    with pytest.raises(JnnError, match=r"x\.npz: got .*write it again"):
        read_arrays(path)


def test_an_archive_of_nothing_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz")
    with pytest.raises(JnnError, match="got 0 different arrays, expected some"):
        read_arrays(tmp_path / "x.npz")


def test_a_header_that_asks_for_more_than_memory_is_refused(tmp_path):
    header = {"descr": "<f8", "fortran_order": False, "shape": (100_000_000_000_000,)}
    with (tmp_path / "x.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(bytes(80))
    with pytest.raises(JnnError, match=r"x\.npy: got .*728. TiB.*damaged or incomplete"):
        read_arrays(tmp_path / "x.npy")


def test_a_zip_file_of_other_members_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("sheet.xml", "<sheet/>")
    with pytest.raises(JnnError, match=r"got a member 'sheet.xml' that is no array"):
        read_arrays(tmp_path / "x.npz")


def test_the_name_of_a_folder_is_no_evidence_of_pickles(tmp_path):
    path = tmp_path / "objects" / "pickle.npy"
    path.parent.mkdir()
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(JnnError, match="It is damaged or incomplete"):
        read_arrays(path)


@pytest.mark.parametrize(
    "dtype", [">f4", "<f4", ">i2", ">u4", np.longdouble, np.clongdouble, ">M8[s]"]
)
def test_arrays_come_in_types_that_devices_have(tmp_path, dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    np.savez(tmp_path / "x.npz", x=x)
    np.save(tmp_path / "x.npy", x)
    for name in ("x.npz", "x.npy"):
        read = read_arrays(tmp_path / name)["x"]
        assert read.dtype.isnative
        assert read.dtype.itemsize <= (16 if read.dtype.kind == "c" else 8)
        np.testing.assert_array_equal(read, x)


def test_columns_are_read_by_their_names(tmp_path):
    (tmp_path / "x.csv").write_text('"a","b c"\n1,2.5\n\n-3e2, \n')
    columns = read_columns(tmp_path / "x.csv", missing=np.nan)
    assert list(columns) == ["a", "b c"]
    np.testing.assert_array_equal(columns["a"], [1.0, -300.0])
    np.testing.assert_array_equal(columns["b c"], [2.5, np.nan])


def test_some_columns_alone_are_read_in_the_order_of_their_names(tmp_path):
    (tmp_path / "x.csv").write_text("kind,a,b\nred,1,2\nblue,3,4\n")
    columns = read_columns(tmp_path / "x.csv", only=["b", "a"])
    assert [(name, column.tolist()) for name, column in columns.items()] == [
        ("b", [2.0, 4.0]),
        ("a", [1.0, 3.0]),
    ]
    with pytest.raises(JnnError, match=r"got columns kind, a, b, expected 'A' .*mean 'a'"):
        read_columns(tmp_path / "x.csv", only=["A"])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_blanks_around_fields_do_not_count(tmp_path, delimiter):
    lines = [["a", ' "b;c"', " kind "], ["1", "2.5 ", "red"], [" 3", ' "4"', ' " blue "']]
    (tmp_path / "x.csv").write_text("\n".join(map(delimiter.join, lines)))
    columns = read_columns(tmp_path / "x.csv", words=["kind"])
    columns = {name: column.tolist() for name, column in columns.items()}
    assert columns == {"a": [1.0, 3.0], "b;c": [2.5, 4.0], "kind": ["red", "blue"]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_line_that_tells_excel_the_delimiter_is_no_line_of_names(tmp_path, delimiter):
    lines = [f"sep={delimiter}", f"a{delimiter}b", f"1{delimiter}2"]
    (tmp_path / "x.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    columns = {name: column.tolist() for name, column in read_columns(tmp_path / "x.csv").items()}
    assert columns == {"a": [1.0], "b": [2.0]}


@pytest.mark.parametrize("name", ["b\nin cm", "b\u2028c", "b\x85c"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_where_a_name_has_several_lines(tmp_path, delimiter, name):
    lines = [[f'"{name}"', "a", "c"], ["1", "2", "3"]]
    (tmp_path / "x.csv").write_bytes("\n".join(map(delimiter.join, lines)).encode())
    columns = {name: column.tolist() for name, column in read_columns(tmp_path / "x.csv").items()}
    assert columns == {name: [1.0], "a": [2.0], "c": [3.0]}


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF8 * 2, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path, mark, encoding, end):
    text = end.join(["", "âge,b", "", "1,2", "  ", "3,4"])
    (tmp_path / "x.csv").write_bytes(mark + text.encode(encoding))
    columns = {name: column.tolist() for name, column in read_columns(tmp_path / "x.csv").items()}
    assert columns == {"âge": [1.0, 3.0], "b": [2.0, 4.0]}


def test_a_blank_line_is_no_value_of_a_single_column(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n \n\n2\n")
    assert read_columns(tmp_path / "x.csv")["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,é\n1,2\n".encode("latin-1"), "line 1: got the byte 0xe9, which is not UTF-8.*Latin-1"),
        ("a\n1\nü\n".encode("latin-1"), "line 3: got the byte 0xfc, which is not UTF-8.*Latin-1"),
        ("a\n1\n".encode("utf-16-le"), "got a zero byte, at character 1.*UTF-16 without a byte"),
        (codecs.BOM_UTF16_LE + b"a", "line 1: got the byte 0x61, which is not UTF-16-LE"),
        (gzip.compress(b"a\n1\n", mtime=0), "got a gzip file, expected text. Unpack it first."),
        (b"PK\x03\x04", "got a zip file, such as a spreadsheet, expected text"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, message):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(JnnError, match=message):
        read_columns(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,red\n", r"line 3: got 'red' in column 'b', expected a number"),
        ("a,b\n1,2,3\n", r"line 2: got 3 fields, expected 2"),
        ("a,a\n1,2\n", r"the column 'a' twice, expected a line of different names"),
        ("a,b\n1,1_000\n", r"line 2: got '1_000' in column 'b', expected a number"),
        ("a,b\n1,2\n" + "1" * 131_073 + ",2\n", r"line 3: got field larger than field limit"),
        ("a" * 131_073 + ",b\n1,2\n", r"line 1: got field larger than field limit"),
        ("a,b\n1," + "1" * 5000, r"line 2: got '1{56} \.\.\.' in column 'b', .* float32's range"),
        ('a,b\n1,"2\n3,4\n', r"line 3: got unexpected end of data.*Is a quote not closed"),
        ('a,b\n1,"2"3\n', r"line 2: got .*expected after '\"'"),
        ("a,b\n\n1,\n", r"line 3: got no value in column 'b', expected a number.*drop the line"),
        ("a,b\n1,nan\n", r"line 2: got 'nan' in column 'b', expected a number"),
        (
            "a,b\n1,1e39\n",
            r"line 2: got '1e39' in column 'b', .* in float32's range",
        ),
        (
            "a,b\n1,-inf\n",
            r"line 2: got '-inf' in column 'b', .* in float32's range",
        ),
        ("a;b\n1;2,5\n", r"line 2: got '2,5' in column 'b'.*Write decimal points"),
        ("a;b\n1,2\n", r"line 2: got 1 fields, expected 2"),
        ("a, a\n1,2\n", r"the column 'a' twice, expected a line of different names"),
        (
            "a,b\n1,17'990.5\n",
            r"line 2: got \"17'990.5\" .*no separators of thousands",
        ),
        (",a\n0,5\n", "no name of column 1 of 2, .*pandas table.* index=False"),
        ("a,b,\n1,2,\n", "no name of column 3 of 3, .*end in a delimiter"),
        ("a,,b\n1,2,3\n", "no name of column 2 of 3, expected a name for each. Name it"),
        ("a;b\n1;1.000,5\n", r"got '1.000,5' in column 'b', .*Write numbers as in -1234.5"),
        ("a,b\n1,5%\n", r"got '5%' in column 'b', .*Write numbers as in -1234.5"),
        ('a,b\n1,"17,990"\n', r"line 2: got '17,990' in column 'b'.*Write decimal points"),
        ("a,b\n", "got no rows"),
        ("", "got no rows"),
    ],
)
def test_other_text_is_refused_by_line_and_column(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(JnnError, match=message):
        read_columns(tmp_path / "x.csv")


def test_labels_are_numbered_by_the_classes_that_occur():
    columns = {"a": np.array([0.5, 0.6, 0.7]), "kind": np.array([0.0, 5.0, 2.0])}
    features, labels, classes = features_and_labels(columns, "kind")
    assert (features.tolist(), labels.tolist()) == ([[0.5], [0.6], [0.7]], [0, 2, 1])
    assert classes == ("0", "2", "5")
    words = {**columns, "kind": np.array(["b", "a", "b"])}
    assert features_and_labels(words, "kind")[2] == ("a", "b")
    with pytest.raises(JnnError, match="column 'kind': got dtype <U1, expected numbers"):
        features_and_labels({**words, "a": np.arange(3)}, "a")
    with pytest.raises(JnnError, match=r"column 'kind': got 0\.5 at row 1, expected classes"):
        features_and_labels({**columns, "kind": np.array([0.0, 0.5, 1.0])}, "kind")
    with pytest.raises(JnnError, match="got columns a, kind, expected 'label' and at least one"):
        features_and_labels(columns, "label")
    with pytest.raises(JnnError, match="got columns kind, expected 'kind' and at least one other"):
        features_and_labels({"kind": columns["kind"]}, "kind")


def test_columns_that_are_missing_are_listed_and_those_that_are_not_read_may_be_doubled(tmp_path):
    path, names = tmp_path / "x.csv", list("abcdefghijkl")
    path.write_text("z,z,a\n1,2,3\n")
    assert read_columns(path, only=("a",))["a"].tolist() == [3]
    message = (
        "got columns z, z, a, expected 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i' and 3 more among"
    )
    with pytest.raises(JnnError, match=message):
        read_columns(path, only=names)
    with pytest.raises(JnnError, match="the column 'z' twice"):
        read_columns(path, only=("z", "a"))


@pytest.mark.parametrize(("name", "near"), [("LABEL", "Label"), ("lable", "Label"), ("A", "a")])
def test_a_column_of_another_case_is_suggested(tmp_path, name, near):
    (tmp_path / "x.csv").write_text(" a,Label \n1,red\n")
    with pytest.raises(JnnError, match=rf"x\.csv: got columns a, Label.*Did you mean '{near}'\?"):
        read_columns(tmp_path / "x.csv", words=(name,))
    with pytest.raises(JnnError, match=rf"got columns a, Label.*Did you mean '{near}'\?"):
        features_and_labels(read_columns(tmp_path / "x.csv", words=("Label",)), name)


@pytest.mark.parametrize("read", [read_arrays, read_columns])
def test_a_missing_file_says_where_was_looked(tmp_path, read):
    with pytest.raises(JnnError, match=rf"no such file.*Looked in {tmp_path}"):
        read(tmp_path / "x.npy")


@pytest.mark.parametrize("read", [read_arrays, read_columns, read_idx])
def test_a_file_without_permission_to_read_is_not_called_damaged(read, tmp_path, monkeypatch):
    path = tmp_path / "x.npy"
    path.touch()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    name = r"x\.npy: got Permission denied, expected a file that can"
    if read is not read_arrays:  # of which numpy opens the file
        with monkeypatch.context() as patched, pytest.raises(JnnError, match=name):
            patched.setattr(Path, "read_bytes", refuse)  # as on a damaged disk
            read(path)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(JnnError, match=name):
        read(path)


@pytest.mark.parametrize("read", [read_arrays, read_columns, read_idx])
def test_a_path_that_is_no_file_is_named(read, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    paths = {"": "a folder", "link": "a link that", "file/a": "no such file", "pipe": "a device or"}
    for name, got in paths.items():
        with pytest.raises(JnnError, match=f"got {got}"):
            read(tmp_path / name)


def test_what_the_system_says_of_a_file_that_cannot_be_written_is_said(tmp_path):
    path, array = tmp_path / "a.npy", np.arange(9000)
    write_array(path, array)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(JnnError, match=r"a\.npy: got File too large, .* Raise the limit"):
            write_array(path, 2 * array)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    np.testing.assert_array_equal(read_arrays(path)["a"], array)
    assert list(tmp_path.iterdir()) == [path]
