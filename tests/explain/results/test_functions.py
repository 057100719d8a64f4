"""The lines and colours of learned functions are the arrays that were given."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jnn.errors import JnnError
from jnn.explain.results.functions import curve_fit, error_grid, surface

RNG = np.random.default_rng(0)


def test_curves_are_sorted_and_their_errors_are_differences():
    x = np.array([2.0, 0.0, 1.0])
    figure = curve_fit(
        x, x**2, {"narrow": 2 * x, "wide": x**2 + 0.1}, samples=(np.array([0.5]), np.array([0.25]))
    )
    above, below = figure.axes
    lines = {line.get_label().split(" (")[0]: line for line in above.lines}
    assert_array_equal(lines["target"].get_xydata(), [[0, 0], [1, 1], [2, 4]])
    assert_array_equal(lines["narrow"].get_ydata(), [0, 2, 4])
    assert_array_equal(lines["samples"].get_xydata(), [[0.5, 0.25]])
    assert_allclose([line.get_ydata() for line in below.lines[1:]], [[0, 1, 0], [0.1, 0.1, 0.1]])
    assert lines["wide"].get_label() == "wide (RMSE 0.1)"


def test_a_surface_has_target_and_prediction_on_one_scale_and_a_symmetric_error():
    target, prediction = RNG.normal(size=(2, 4, 5))
    figure = surface(np.arange(5.0), np.arange(4.0), target, prediction)
    meshes = [ax.collections[0] for ax in figure.axes[:3]]
    for mesh, values in zip(meshes, (target, prediction, prediction - target), strict=True):
        assert_allclose(np.asarray(mesh.get_array()).reshape(4, 5), values)
    low, high = min(target.min(), prediction.min()), max(target.max(), prediction.max())
    assert meshes[0].get_clim() == meshes[1].get_clim() == (low, high)
    most = np.abs(prediction - target).max()
    assert meshes[2].get_clim() == (-most, most)


def test_the_error_grid_shows_medians_over_seeds_twice():
    errors = np.exp(RNG.normal(size=(3, 4, 2)))
    figure = error_grid(errors, [4, 8, 16, 32], [1, 3])
    table, lines = figure.axes
    median = np.sort(errors, axis=0)[1]
    assert_allclose(table.images[0].get_array(), np.log10(median).T)
    assert_allclose([line.get_ydata() for line in lines.lines], median.T)
    assert [line.get_label() for line in lines.lines] == ["depth 1", "depth 3"]
    assert [label.get_text() for label in table.get_xticklabels()] == ["4", "8", "16", "32"]
    assert lines.get_xscale() == lines.get_yscale() == "log"
    bands = [band.get_paths()[0].vertices for band in lines.collections]
    assert [(band[:, 1].min(), band[:, 1].max()) for band in bands] == [
        (errors[..., j].min(), errors[..., j].max()) for j in range(2)
    ]


def test_diverged_networks_are_labelled_and_count_as_worst():
    errors = np.array([[[0.1], [np.nan]], [[np.inf], [np.nan]], [[0.3], [0.5]]])
    figure = error_grid(errors, [4, 8], [1])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.3", "diverged"]
    assert figure.get_suptitle() == "RMSE by width and depth: lowest 0.3, at width 4 and depth 1"
    named = error_grid(errors, [4, 8], [1], name="test RMSE")
    assert named.get_suptitle().startswith("Test RMSE by width and depth")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: curve_fit(np.zeros(3), np.zeros(3), {"a": np.zeros((3, 1))}),
            "got a of shape (3, 1) for x of shape (3,)",
        ),
        (
            lambda: surface(np.zeros(3), np.zeros(2), np.zeros((3, 2)), np.zeros((3, 2))),
            "expected both (2, 3)",
        ),
        (
            lambda: error_grid(np.ones((2, 3)), [1], [1]),
            "expected (1, 1), with or without seeds in front",
        ),
        (
            lambda: error_grid(np.array([[0.0]]), [1], [1]),
            "got an error of 0, expected positive errors",
        ),
        (lambda: error_grid(np.array([[np.nan]]), [1], [1]), "got no finite error"),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call()
    assert text in str(error.value)
