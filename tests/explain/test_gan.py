"""The picture of two players on a plane shows their functions: values, slopes, and the grid as it is bent."""

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.quiver import Quiver

from jnn.errors import JnnError
from jnn.explain.gan import CELLS, LINES, LONGEST, plane

RNG = np.random.default_rng(0)
REAL, NOISE = RNG.normal(size=(50, 2)).astype(np.float32), RNG.normal(size=(9, 2)).astype(np.float32)


def generate(z):
    return 0.5 * z + jnp.array([1.0, 0.0]).reshape((1,) * (z.ndim - 1) + (2,))


def score(x):
    return 3 * x[..., 0] - x[..., 1] ** 2


def of(kind, ax):
    return next(each for each in ax.collections if isinstance(each, kind))


def test_everything_is_where_the_functions_say():
    ax = plane(REAL, NOISE, generate, score).axes[0]
    made = np.asarray(generate(jnp.asarray(NOISE)))
    assert [line.get_label() for line in ax.lines] == ["real", "generated"]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), REAL)
    np.testing.assert_allclose(ax.lines[1].get_xydata(), made)
    (low, high), image = ax.get_xlim(), ax.images[0]
    assert tuple(image.get_extent()) == (low, high, low, high)
    centres = low + (np.arange(CELLS) + 0.5) * (high - low) / CELLS
    i, j = 7, 60
    expected = 1 / (1 + np.exp(-(3 * centres[j] - centres[i] ** 2)))
    assert image.get_array()[i, j] == pytest.approx(expected, rel=1e-4)  # row 7 is the height, column 60 the width; float32


def test_arrows_follow_the_slope_of_the_score():
    ax = plane(REAL, NOISE, generate, score).axes[0]
    arrows, made = of(Quiver, ax), np.asarray(generate(jnp.asarray(NOISE)))
    slope = np.stack([np.full(9, 3.0), -2 * made[:, 1]], axis=1)
    longest = LONGEST * np.ptp(ax.get_xlim())
    drawn = np.stack([arrows.U, arrows.V], axis=1)
    np.testing.assert_allclose(drawn, slope / np.linalg.norm(slope, axis=1).max() * longest, rtol=1e-5)


def test_the_grid_is_bent_by_the_generator():
    lines = of(LineCollection, plane(REAL, NOISE, generate, score).axes[0]).get_segments()
    assert len(lines) == 2 * LINES
    np.testing.assert_allclose(lines[0][[0, -1]], [[0, -1], [2, -1]], atol=1e-6)
    np.testing.assert_allclose(lines[LINES][[0, -1]], [[0, -1], [0, 1]], atol=1e-6)


def test_a_flat_score_has_no_arrows_and_mistakes_are_named():
    flat = plane(REAL, NOISE, generate, lambda x: jnp.zeros(x.shape[:-1])).axes[0]
    assert not any(isinstance(each, Quiver) for each in flat.collections)
    with pytest.raises(JnnError, match=r"plane: got real of shape \(50, 3\), expected \(N, 2\)"):
        plane(np.zeros((50, 3)), NOISE, generate, score)
    with pytest.raises(JnnError, match=r"a generator that makes \(9, 1\) of \(9, 2\)"):
        plane(REAL, NOISE, lambda z: z[..., :1], score)
