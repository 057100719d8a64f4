"""The pictures of a generator show the arrays that were given."""

import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.explain.results.generated_images import class_coverage, losses_of_players


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


def test_no_class_is_called_the_rarest_where_others_are_as_rare():
    figure = class_coverage({"generated": np.array([0.5, 0.0, 0.0, 0.5])}, list("abcd"))
    title = "Class coverage: of generated images, 2 classes are the rarest (0 % each)"
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


def test_mistakes_are_named():
    with pytest.raises(JnnError, match=r"generated of shape \(2,\), expected \(3,\)"):
        class_coverage({"generated": np.ones(2)}, ["a", "b", "c"])
    with pytest.raises(JnnError, match="no row with train/a"):
        losses_of_players([{"step": 1}], {"train/a": "one"})
