"""The picture of two players on a plane shows their functions: values, slopes, and the grid as it
is bent.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.quiver import Quiver

from jnn.errors import JnnError
from jnn.explain.inside.two_players import CELLS, LINES, LONGEST, REACH, film, manifolds

RNG = np.random.default_rng(0)
REAL, NOISE = (
    RNG.normal(size=(50, 2)).astype(np.float32),
    RNG.normal(size=(9, 2)).astype(np.float32),
)


def generate(z):
    return 0.5 * z + jnp.array([1.0, 0.0]).reshape((1,) * (z.ndim - 1) + (2,))


def score(x):
    return 3 * x[..., 0] - x[..., 1] ** 2


def of(kind, ax):
    return next(drawn for drawn in ax.collections if isinstance(drawn, kind))


def one(generate, score, **options):
    """The panel of a film of one moment."""
    return film(REAL, NOISE, {"now": (generate, score)}, **options).axes[0]


def lengths(arrows):
    """The drawn arrows, (N, 2)."""
    return np.stack([arrows.U, arrows.V], axis=1)


def test_everything_is_where_the_functions_say():
    ax = one(generate, score)
    generated = np.asarray(generate(jnp.asarray(NOISE)))
    assert [line.get_label() for line in ax.lines] == ["real", "generated"]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), REAL)
    np.testing.assert_allclose(ax.lines[1].get_xydata(), generated)
    (low, high), image = ax.get_xlim(), ax.images[0]
    assert tuple(image.get_extent()) == (low, high, low, high)
    centres = low + (np.arange(CELLS) + 0.5) * (high - low) / CELLS
    i, j = 7, 40
    expected = 1 / (1 + np.exp(-(3 * centres[j] - centres[i] ** 2)))
    # row 7 is the height, column 40 the width; float32
    assert image.get_array()[i, j] == pytest.approx(expected, rel=1e-4)


def test_moments_share_a_frame_and_have_their_own_points():
    figure = film(
        REAL,
        NOISE,
        {
            "start": (lambda z: 0 * z, score),
            "end": (generate, score),
            "far": (lambda z: z + 9, score),
        },
        columns=2,
    )
    first, second, third = figure.axes[:3]
    assert [ax.get_title(loc="left") for ax in (first, second, third)] == ["start", "end", "far"]
    assert first.get_xlim() == second.get_ylim() == third.get_xlim()
    np.testing.assert_array_equal(first.lines[1].get_xydata(), np.zeros((9, 2)))
    np.testing.assert_allclose(third.lines[1].get_xydata(), NOISE + 9)
    assert third.get_xlim()[1] > NOISE.max() + 8


def test_arrows_follow_the_slope_of_the_score():
    ax = one(generate, score)
    generated = np.asarray(generate(jnp.asarray(NOISE)))
    slope = np.stack([np.full(9, 3.0), -2 * generated[:, 1]], axis=1)
    longest = LONGEST * np.ptp(ax.get_xlim())
    np.testing.assert_allclose(
        lengths(of(Quiver, ax)), slope / np.linalg.norm(slope, axis=1).max() * longest, rtol=1e-5
    )


def test_arrows_go_down_the_loss_where_one_is_given():
    ax = one(generate, score, loss=lambda s: jnp.square(s - 1))
    x = np.asarray(generate(jnp.asarray(NOISE)), np.float64)
    away = 3 * x[:, 0] - x[:, 1] ** 2 - 1
    slope = -2 * away[:, None] * np.stack([np.full(9, 3.0), -2 * x[:, 1]], axis=1)
    longest = LONGEST * np.ptp(ax.get_xlim())
    expected = slope / np.linalg.norm(slope, axis=1).max() * longest
    # float32, and a difference that cancels
    np.testing.assert_allclose(lengths(of(Quiver, ax)), expected, rtol=1e-4, atol=1e-6)


def test_the_grid_is_bent_by_the_generator():
    figure = manifolds(REAL, {"as it is": lambda z: z, "bent": generate})
    before, after = (of(LineCollection, ax).get_segments() for ax in figure.axes)
    assert len(before) == len(after) == 2 * LINES
    np.testing.assert_allclose(before[0][[0, -1]], [[-REACH, -REACH], [REACH, -REACH]])
    np.testing.assert_allclose(after[0][[0, -1]], [[0, -1], [2, -1]], atol=1e-6)
    np.testing.assert_allclose(after[LINES][[0, -1]], [[0, -1], [0, 1]], atol=1e-6)


def test_a_flat_score_has_no_arrows_and_mistakes_are_named():
    flat = one(generate, lambda x: jnp.zeros(x.shape[:-1]))
    assert not any(isinstance(drawn, Quiver) for drawn in flat.collections)
    with pytest.raises(JnnError, match=r"film: got real of shape \(50, 3\), expected \(N, 2\)"):
        film(np.zeros((50, 3)), NOISE, {"now": (generate, score)})
    with pytest.raises(JnnError, match=r"film: got a generator that makes \(9, 1\) of \(9, 2\)"):
        one(lambda z: z[..., :1], score)
    with pytest.raises(JnnError, match=r"manifolds: got real of shape \(3,\)"):
        manifolds(np.zeros(3), {"now": generate})
    for draw in (lambda: film(REAL, NOISE, {}), lambda: manifolds(REAL, {})):
        with pytest.raises(JnnError, match="expected one moment at least"):
            draw()
