"""The pictures of a generator show the arrays that were given, and the way between two noises keeps
their length.
"""

import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.explain.results.generated_images import between, class_coverage, losses_of_players

RNG = np.random.default_rng(0)


def test_each_class_has_a_bar_of_each_kind():
    shares = {"generated": np.array([0.5, 0.0, 0.5]), "real": np.full(3, 1 / 3)}
    figure = class_coverage(shares, ["cat", "dog", "cow"])
    ax = figure.axes[0]
    assert [[bar.get_height() for bar in bars] for bars in ax.containers] == [
        list(values) for values in shares.values()
    ]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "dog", "cow"]
    title = "Class coverage: of generated images, dog is the rarest class (0 %)"
    assert figure.get_suptitle() == title


def test_both_players_have_a_line():
    rows = [{"step": i, "train/a": float(i), "train/b": -float(i)} for i in (1, 2)] + [
        {"step": 2, "validation/loss": 0.0}
    ]
    ax = losses_of_players(rows, {"train/a": "one", "train/b": "other"}).axes[0]
    assert {line.get_label(): line.get_xydata().tolist() for line in ax.lines} == {
        "one": [[1, 1], [2, 2]],
        "other": [[1, -1], [2, -2]],
    }


def test_the_arc_has_equal_angles_and_the_length_between():
    a = RNG.normal(size=(1, 3, 4))
    b = RNG.normal(size=(1, 3, 4))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    path = between(a, b, 7)[0].reshape(7, 12)
    np.testing.assert_allclose(path[[0, -1]], np.concatenate([a, b]).reshape(2, 12), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linalg.norm(a), rtol=1e-12)
    cosines = np.sum(path[1:] * path[:-1], axis=1) / np.linalg.norm(a) ** 2
    np.testing.assert_allclose(cosines, cosines[0], rtol=1e-12)


def test_the_way_between_equal_noises_stays_there():
    a = RNG.normal(size=(2, 5))
    np.testing.assert_allclose(between(a, a, 4), np.repeat(a[:, None], 4, axis=1), atol=1e-12)


def test_mistakes_are_named():
    with pytest.raises(JnnError, match=r"generated of shape \(2,\), expected \(3,\)"):
        class_coverage({"generated": np.ones(2)}, ["a", "b", "c"])
    with pytest.raises(JnnError, match="no row with train/a"):
        losses_of_players([{"step": 1}], {"train/a": "one"})
    with pytest.raises(JnnError, match=r"shapes \(2, 3\) and \(2, 4\), count=5"):
        between(np.ones((2, 3)), np.ones((2, 4)), 5)
