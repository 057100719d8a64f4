"""The report of learned functions: a grid of two variables is laid out as it was made."""

import numpy as np

from jnn.explain.sections import function_approximation as report


def test_a_surface_has_the_first_variable_across_and_the_second_upwards():
    x0, x1 = np.linspace(-1, 1, 3), np.linspace(-1, 1, 5)
    x = np.stack(np.meshgrid(x0, x1), axis=-1).reshape(-1, 2)
    first, second = report.surfaces(x, x[:, 0], {"small": x[:, 1], "large": x[:, 0]})
    assert (first.title, second.title) == ("Learned surface, small", "Learned surface, large")
    target, prediction, error = (ax.collections[0] for ax in first.figure.axes[:3])
    np.testing.assert_array_equal(target.get_array(), np.tile(x0, (5, 1)))
    np.testing.assert_array_equal(prediction.get_array(), np.tile(x1[:, None], (1, 3)))
    np.testing.assert_array_equal(error.get_array(), x1[:, None] - x0)
