"""The encoding of columns in pieces is the interpolated empirical quantile, cut into its parts."""

import numpy as np
import pytest

from jnn.data.piecewise_linear import encode_pieces, fit_pieces
from jnn.errors import JnnError

SINGLE = 1e-5  # float32: a division by the width of a piece, and a sum over the pieces


def test_the_pieces_sum_to_the_interpolated_quantile():
    rng = np.random.default_rng(0)
    ends = np.sort(rng.normal(size=(6, 2)), axis=0).astype(np.float32)
    x = rng.normal(size=(50, 2)).astype(np.float32)
    encoded = encode_pieces(ends, x).reshape(50, 5, 2)
    expected = np.stack([np.interp(x[:, i], ends[:, i], np.arange(6)) for i in range(2)], axis=-1)
    np.testing.assert_allclose(encoded.sum(axis=1), expected, rtol=SINGLE, atol=SINGLE)


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**40])
def test_the_unit_of_a_column_does_not_matter(unit):
    x = np.array([[0.0], [0.0], [0.0], [1.0], [5.0], [7.0]], np.float32)
    expected = encode_pieces(fit_pieces(x, 4), x)
    scaled = x * np.float32(unit)
    np.testing.assert_array_equal(encode_pieces(fit_pieces(scaled, 4), scaled), expected)


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [(bool, 0, 1), (np.int8, -128, 127), (np.uint8, 0, 255), (np.float16, -65504, 65504)],
)
def test_the_pieces_do_not_depend_on_the_type_of_the_numbers(dtype, least, most):
    x = np.array([[least], [most], [most], [least], [most]], dtype)
    expected = np.quantile(x.astype(np.float64), np.linspace(0, 1, 8), axis=0)
    np.testing.assert_array_equal(fit_pieces(x, 7), expected.astype(np.float32))


def test_a_column_of_zeros_has_a_finite_encoding():
    zeros = np.zeros((4, 1), np.float32)
    assert np.asarray(encode_pieces(fit_pieces(zeros, 2), zeros)).tolist() == [[0.0, 0.0]] * 4


def test_a_column_of_few_values_has_a_finite_encoding():
    grades = np.array([[0.0], [0.0], [0.0], [1.0]], np.float32)
    encoded = np.asarray(encode_pieces(fit_pieces(grades, 8), grades))
    assert np.isfinite(encoded).all()
    assert (encoded[3] == 1).all()


def test_another_number_of_columns_is_refused():
    with pytest.raises(JnnError, match="2 columns"):
        encode_pieces(np.zeros((3, 2), np.float32), np.zeros((5, 1), np.float32))
    with pytest.raises(JnnError, match="pieces=0"):
        fit_pieces(np.zeros((5, 2)), 0)
