import numpy as np
import pytest

from jnn.data.array_files import read_arrays, read_columns
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


def test_columns_are_read_by_their_names(tmp_path):
    (tmp_path / "x.csv").write_text('"a","b c"\n1,2.5\n\n-3e2, \n')
    columns = read_columns(tmp_path / "x.csv")
    assert list(columns) == ["a", "b c"]
    np.testing.assert_array_equal(columns["a"], [1.0, -300.0])
    np.testing.assert_array_equal(columns["b c"], [2.5, np.nan])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,red\n", r"line 3: got 'red' in column 'b', expected a number"),
        ("a,b\n1,2,3\n", r"line 2: got 3 fields, expected 2"),
        ("a,a\n1,2\n", r"columns \['a', 'a'\], expected a line of different names"),
        ("a,b\n", "got 0 rows"),
        ("", "got 0 rows"),
    ],
)
def test_other_text_is_refused_by_line_and_column(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(JnnError, match=message):
        read_columns(tmp_path / "x.csv")


@pytest.mark.parametrize("read", [read_arrays, read_columns])
def test_a_missing_file_says_where_was_looked(tmp_path, read):
    with pytest.raises(JnnError, match=rf"no such file.*Looked in {tmp_path}"):
        read(tmp_path / "x.npy")
