import hashlib

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jnn.data.batches import to_device
from jnn.data.checks import check_arrays, check_finite, fingerprint
from jnn.errors import JnnError

X = np.zeros((3, 2), np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "got no arrays"),
        ([X, X], r"got type list, expected a dict of arrays, as \{"),
        ({"x": X, "y": np.zeros(4)}, r"unequal lengths \{'x': 3, 'y': 4\}"),
        ({"x": np.zeros((0, 2))}, "got empty arrays"),
        ({"x": np.array(1.0)}, r"\['x'\]: got a scalar"),
        ({"x": [1, 2]}, r"\['x'\]: got a list"),
        (
            {"x": np.array([[1], [1, 2]], dtype=object)},
            r"\['x'\]: got an array of Python objects.*Ragged",
        ),
        ({"x": np.array(["a"])}, "got dtype <U1.*Encode"),
        ({"x": np.zeros(3, complex)}, "got dtype complex128.*as two arrays"),
        ({"x": np.zeros(3, jnp.bfloat16)}, r"got dtype bfloat16.*x\.astype\(numpy\.float32\)"),
        ({"x": np.zeros(3, [("a", float)])}, r"Give each field as an array of its own: x\['a'\]"),
        ({"x": np.zeros(3, "m8[s]")}, r"got dtype timedelta64\[s\], expected booleans, integers"),
        pytest.param(
            {"x": np.zeros(3, np.longdouble)},
            "got dtype float128, expected at most 64 bits",
            marks=pytest.mark.skipif(np.longdouble(0).itemsize == 8, reason="none here"),
        ),
        ({"x": np.zeros(3, ">f4")}, "got dtype >f4, expected the byte order of this machine"),
        ({"x": np.zeros(3, ">i2")}, "got dtype >i2, expected the byte order of this machine"),
        ({"x": np.array([0, 2**31])}, "got the integer 2147483648, expected integers within int32"),
        ({"x": np.array([0, -(2**31) - 1])}, "got the integer -2147483649"),
        ({"x": np.array([2**32 - 1], np.uint32)}, "got the integer 4294967295"),
    ],
)
def test_arrays_that_cannot_be_a_data_set_are_refused(arrays, message):
    with pytest.raises(JnnError, match=message):
        check_arrays(arrays)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int32", "int64", "uint32", "float16", "float32", "float64", "bool"]
)
def test_numbers_are_accepted(dtype):
    assert check_arrays({"x": np.zeros((5, 2), dtype)}) == 5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_named_by_row_and_column(value):
    x = np.zeros((5, 3))
    x[2, 1] = x[4, 0] = value
    with pytest.raises(JnnError, match=rf"features: got {value} at row 2, column 1, .*the 2 rows"):
        check_finite(x, "features")


def test_integers_are_finite():
    check_finite(np.array([2**31 - 1]))


def test_the_fingerprint_is_the_sha256_of_what_it_says():
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    assert (
        fingerprint({"x": x})
        == hashlib.sha256(b"('x', 'int32', (2, 3))" + x.astype("<i4").tobytes()).hexdigest()
    )


@given(st.permutations(["a", "b", "c"]))
def test_the_fingerprint_knows_no_order_of_names_memory_or_bytes(names):
    arrays = {name: np.arange(12, dtype=np.float32).reshape(3, 4) + ord(name) for name in "abc"}
    other = {name: np.asfortranarray(arrays[name]).astype(">f4") for name in names}
    assert fingerprint(other) == fingerprint(arrays)


def test_the_fingerprint_tells_names_dtypes_shapes_and_values_apart():
    x = np.arange(4, dtype=np.int32)
    changed = x.copy()
    changed[3] = 4
    sets = [
        {"x": x},
        {"y": x},
        {"x": x.view(np.uint32)},
        {"x": x.reshape(2, 2)},
        {"x": changed},
        {"x": x, "y": x},
    ]
    assert len({fingerprint(arrays) for arrays in sets}) == len(sets)


def test_a_number_that_float32_has_not_is_named_before_it_is_infinite():
    x = np.array([[0.0, 3.4e38], [1.0, -1e39]])
    with pytest.raises(JnnError, match=r"\['x'\]: got -1e\+39 at row 1, column 1, .*float32"):
        to_device({"x": x})
    assert np.isfinite(to_device({"x": x[:1]})["x"]).all()
    assert np.isinf(to_device({"x": np.array([np.inf])})["x"]).all()
