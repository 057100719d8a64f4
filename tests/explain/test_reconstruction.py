"""The pictures about codes show the arrays that were given."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jnn.errors import JnnError
from jnn.explain.reconstruction import class_map, error_by_size, image_rows

RNG = np.random.default_rng(0)


def test_each_row_has_its_name_and_its_pictures_on_one_scale():
    images = RNG.uniform(size=(2, 3, 4, 4, 1))
    axes = np.reshape(image_rows({"original": images[0], "decoded": images[1] + 0.5}, high=2.0).axes, (2, 3))
    assert [line[0].get_ylabel() for line in axes] == ["original", "decoded"]
    for (i, j), ax in np.ndenumerate(axes):
        assert_allclose(ax.images[0].get_array(), (images[i, j, ..., 0] + 0.5 * i) / 2)
        assert ax.images[0].get_clim() == (0, 1)


def test_each_method_has_its_line_on_logarithmic_axes():
    errors = {"autoencoder": [0.3, 0.1], "PCA": [0.4, 0.2]}
    ax = error_by_size([2, 8], errors, name="MSE").axes[0]
    assert {line.get_label(): list(line.get_ydata()) for line in ax.lines} == errors
    assert all(list(line.get_xdata()) == [2, 8] for line in ax.lines)
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_ylabel()) == ("log", "log", "MSE")


def test_each_class_has_its_colour_and_its_name_at_its_median():
    codes, labels = RNG.normal(size=(30, 2)), np.arange(30) % 3
    figure = class_map({"autoencoder": codes, "PCA": -codes}, labels, ["a", "b", "c", "absent"])
    for ax, points in zip(figure.axes, (codes, -codes), strict=True):
        for k, (line, text) in enumerate(zip(ax.lines, ax.texts, strict=True)):
            assert_array_equal(line.get_xydata(), points[labels == k])
            assert_allclose(text.get_position(), np.sort(points[labels == k], axis=0)[4:6].mean(axis=0))
        assert len({line.get_color() for line in ax.lines}) == 3
        assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["autoencoder", "PCA"]


def test_mistakes_are_named():
    with pytest.raises(JnnError, match=r"rows of \{'a': 2, 'b': 3\}"):
        image_rows({"a": np.zeros((2, 4, 4)), "b": np.zeros((3, 4, 4))})
    with pytest.raises(JnnError, match="rows of nothing"):
        image_rows({})
    with pytest.raises(JnnError, match="2 positive errors, one for each size"):
        error_by_size([2, 4], {"a": [1.0, 0.0]})
    with pytest.raises(JnnError, match=r"a of shape \(2, 3\), expected \(2, 2\)"):
        class_map({"a": np.zeros((2, 3))}, np.zeros(2, int), ["x"])
    with pytest.raises(JnnError, match="21 classes"):
        class_map({"a": np.zeros((2, 2))}, np.zeros(2, int), [str(k) for k in range(21)])
