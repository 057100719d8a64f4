"""The pictures of detections show the boxes, the curves and the maps that were given."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jnn.detection.center_points import Detections
from jnn.errors import JnnError
from jnn.explain import style
from jnn.explain.results import detection

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(5, 16, 20, 3))
TRUTH = {
    "box": np.array([[[1, 2, 9, 12], [4, 0, 16, 16]]] * 5, float),
    "label": np.array([[0, 1]] * 5),
    "mask": np.array([[True, False], [True, True]] + [[False, False]] * 3),
}
FOUND = Detections(
    TRUTH["box"] + 1,
    np.array([[0.9, 0.4], [0.5, -np.inf]] + [[-np.inf, -np.inf]] * 3),
    1 - TRUTH["label"],
)


def corners(patch):
    """Edges of a rectangle in pixels, whose middles are at whole numbers."""
    x, y = patch.get_xy()
    return [x + 0.5, y + 0.5, x + 0.5 + patch.get_width(), y + 0.5 + patch.get_height()]


def test_true_and_found_boxes_are_drawn_where_they_are():
    axes = detection.drawn_boxes(IMAGES, FOUND, TRUTH, ["cat", "dog"]).axes
    for i, ax in enumerate(axes[:5]):
        dashed = [patch for patch in ax.patches if patch.get_linestyle() != "-"]
        solid = [patch for patch in ax.patches if patch.get_linestyle() == "-"]
        assert_allclose(
            np.reshape([corners(patch) for patch in dashed], (-1, 4)),
            TRUTH["box"][i, TRUTH["mask"][i]],
        )
        assert_allclose(
            np.reshape([corners(patch) for patch in solid], (-1, 4)),
            FOUND.boxes[i, FOUND.scores[i] >= 0.5],
        )
        assert_allclose(ax.images[0].get_array(), IMAGES[i])
    assert [text.get_text() for text in axes[0].texts] == ["cat", "dog 0.90"]
    assert (
        not detection.drawn_boxes(IMAGES, FOUND, TRUTH, ["cat", "dog"], names=False).axes[0].texts
    )


def test_lines_are_those_given():
    x, curves = np.linspace(0, 1, 11), {"clean": RNG.random(11), "noisy": RNG.random(11)}
    for draw in (detection.precision_recall, detection.precision_by_overlap):
        ax = draw(x, curves).axes[0]
        for line, (name, y) in zip(ax.lines, curves.items(), strict=True):
            assert line.get_label() == name
            assert_array_equal(line.get_xydata(), np.stack([x, y], axis=1))
        assert len({line.get_color() for line in ax.lines}) == 2


def test_bars_are_in_the_order_of_the_first():
    first, second = np.array([0.2, 0.9, np.nan]), np.array([0.3, 0.1, 0.5])
    ax = detection.precision_by_class(["a", "b", "c"], {"clean": first, "noisy": second}).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a", "c"]
    bars = {
        container.get_label(): [bar.get_width() for bar in container] for container in ax.containers
    }
    assert bars == {"clean": [0.9, 0.2, 0.0], "noisy": [0.1, 0.3, 0.5]}
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["0.90", "0.20", "no object", "0.10", "0.30", "0.50"]


def test_of_many_classes_those_with_the_lowest_precision_are_drawn():
    precision = np.arange(200) / 200
    precision[3] = np.nan  # without an object
    names = [f"class {k}" for k in range(200)]
    figure = detection.precision_by_class(names, {"clean": precision, "noisy": precision})
    drawn = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    lowest = [k for k in range(200) if k != 3][: detection.MOST_CLASSES]
    assert drawn == [f"class {k}" for k in reversed(lowest)]
    count = f"{detection.MOST_CLASSES} of 200"
    assert figure.get_suptitle() == f"The {count} classes with the lowest average precision"
    assert figure.get_figheight() < 20


def test_many_classes_without_an_object_have_a_title_that_says_so():
    names, precision = [f"class {k}" for k in range(200)], np.full(200, np.nan)
    figure = detection.precision_by_class(names, {"clean": precision})
    assert figure.get_suptitle() == "Average precision: none of 200 classes has an object"
    figure.draw_without_rendering()


def test_the_hottest_maps_lie_over_the_image():
    heat = RNG.random((4, 5, 3)) * np.array([0.5, 1.0, 0.1])
    figure = detection.center_map(IMAGES[0], heat, ["a", "b", "c"], most=2)
    assert figure.get_suptitle() == "The 2 of 3 classes with the highest peaks"
    _, *maps, _ = figure.axes
    assert [ax.get_title(loc="left") for ax in maps] == ["b", "a"]
    for ax, k in zip(maps, (1, 0), strict=True):
        under, over = ax.images
        assert_array_equal(over.get_array(), heat[..., k])
        assert over.get_extent() == under.get_extent()
        assert over.get_clim() == (0, 1)
        assert over.get_cmap().name == style.MAGNITUDE


def test_mistakes_are_named():
    with pytest.raises(JnnError, match="4 images, 5 with detections, 5 with true boxes"):
        detection.drawn_boxes(IMAGES[:4], FOUND, TRUTH, ["cat", "dog"])
    with pytest.raises(
        JnnError, match=r"precision_recall: got clean of shape \(3,\), expected \(4,\)"
    ):
        detection.precision_recall(np.zeros(4), {"clean": np.zeros(3)})
    with pytest.raises(JnnError, match=r"precision_by_class: got \[\(3,\)\], expected \(2,\)"):
        detection.precision_by_class(["a", "b"], {"clean": np.zeros(3)})
