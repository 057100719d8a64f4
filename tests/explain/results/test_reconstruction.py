"""The pictures about codes show the arrays that were given."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jnn.errors import JnnError
from jnn.explain.results.reconstruction import class_map, error_by_size, image_rows

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("colours", [(), (1,), (3,)])
def test_each_row_has_its_name_and_its_pictures_on_one_scale_with_white_between(colours):
    images = RNG.uniform(size=(2, 3, 16, 8, *colours))
    ax = image_rows(
        {"original": images[0], "decoded": images[1] + 0.5}, columns=["a", "b", "c"], high=2.0
    ).axes[0]
    canvas = np.array(ax.images[0].get_array())
    assert ax.images[0].get_clim() == (0, 1)
    for (name, i), (column, j) in itertools.product(named(ax.yaxis), named(ax.xaxis)):
        top, left = round(i - 7.5), round(j - 3.5)
        row = ["original", "decoded"].index(name)
        expected = (images[row, "abc".index(column)] + 0.5 * row) / 2
        tile = canvas[top : top + 16, left : left + 8]
        assert_allclose(tile, expected.reshape(tile.shape))
        tile[...] = 1
    assert np.all(canvas == 1)
    assert canvas.shape[:2] == (2 * 16 + 2, 3 * 8 + 2 * 2)


def named(axis):
    return [
        (label.get_text(), place)
        for label, place in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)
    ]


def test_each_method_has_its_line_on_logarithmic_axes():
    errors = {"autoencoder": [0.3, 0.1], "PCA": [0.4, 0.2]}
    ax = error_by_size([2, 8], errors, name="MSE").axes[0]
    assert {line.get_label(): list(line.get_ydata()) for line in ax.lines} == errors
    assert all(list(line.get_xdata()) == [2, 8] for line in ax.lines)
    assert {text.get_text() for text in ax.get_yticklabels()} >= {"0.1", "0.2", "0.5"}
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_ylabel()) == ("log", "log", "MSE")


def test_each_class_has_its_colour_and_its_name_above_it():
    codes, labels = RNG.normal(size=(30, 2)), np.arange(30) % 3
    figure = class_map({"autoencoder": codes, "PCA": -codes}, labels, ["a", "b", "c", "absent"])
    for ax, points in zip(figure.axes, (codes, -codes), strict=True):
        for k, (line, text) in enumerate(zip(ax.lines, ax.texts, strict=True)):
            assert_array_equal(line.get_xydata(), points[labels == k])
            low, high = points[labels == k].min(0), points[labels == k].max(0)
            assert np.all((low <= text.xy) & (text.xy <= high))
        assert len({line.get_color() for line in ax.lines}) == 3
        assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["autoencoder", "PCA"]


def test_the_name_of_a_class_in_two_clusters_is_above_one_of_them():
    right, left = np.array([10, 0]) + RNG.uniform(size=(6, 2)), RNG.uniform(size=(5, 2))
    codes = np.concatenate([left, right])
    text = class_map({"autoencoder": codes}, np.zeros(11, int), ["a"]).axes[0].texts[0]
    assert_allclose(text.xy, (np.median(right[:, 0]), np.quantile(right[:, 1], 0.9)))


def test_codes_far_off_do_not_push_the_others_together():
    codes = np.concatenate([RNG.uniform(size=(198, 2)), [[1e6, 0.5], [0.5, -1e6]]])
    ax = class_map({"autoencoder": codes}, np.zeros(200, int), ["a"]).axes[0]
    for i, (low, high) in enumerate((ax.get_xlim(), ax.get_ylim())):
        assert high - low < 1.5
        assert np.sum((codes[:, i] > low) & (codes[:, i] < high)) == 199


def test_mistakes_are_named():
    with pytest.raises(JnnError, match=r"rows of \{'a': \(2, 4, 4\), 'b': \(3, 4, 4\)\}"):
        image_rows({"a": np.zeros((2, 4, 4)), "b": np.zeros((3, 4, 4))})
    with pytest.raises(JnnError, match="rows of nothing"):
        image_rows({})
    with pytest.raises(JnnError, match="1 names of columns for 2 images"):
        image_rows({"a": np.zeros((2, 4, 4))}, columns=["x"])
    with pytest.raises(JnnError, match="2 positive errors, one for each size"):
        error_by_size([2, 4], {"a": [1.0, 0.0]})
    with pytest.raises(JnnError, match=r"a of shape \(2, 3\), expected \(2, 2\)"):
        class_map({"a": np.zeros((2, 3))}, np.zeros(2, int), ["x"])
    with pytest.raises(JnnError, match="21 classes"):
        class_map({"a": np.zeros((2, 2))}, np.zeros(2, int), [str(k) for k in range(21)])
