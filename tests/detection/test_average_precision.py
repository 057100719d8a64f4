"""Average precision against numbers worked out by hand."""

import builtins

import numpy as np
import pytest

from jnn.detection.average_precision import OVERLAPS, RECALLS, average_precision
from jnn.detection.center_points import Detections
from jnn.errors import JnnError, MissingExtraError

SAME = 1e-12  # float64: means of 101 numbers


def truth(*images, most=3):
    """The true boxes of images, each a list of (label, box)."""
    box, label, mask = (
        np.zeros((len(images), most, 4)),
        np.zeros((len(images), most), int),
        np.zeros((len(images), most), bool),
    )
    for i, objects in enumerate(images):
        for j, (class_label, edges) in enumerate(objects):
            box[i, j], label[i, j], mask[i, j] = edges, class_label, True
    return {"box": box, "label": label, "mask": mask}


def detected(*images, most=4):
    """Detections in images, each a list of (score, label, box)."""
    true = truth(*([(label, box) for _, label, box in objects] for objects in images), most=most)
    scores = np.array(
        [
            [score for score, _, _ in objects] + [-np.inf] * (most - len(objects))
            for objects in images
        ]
    )
    return Detections(true["box"], scores, true["label"])


A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (0, 20, 10, 30)
HALF = (0, 0, 10, 6)  # overlaps A by 0.6
FAR = (40, 40, 50, 50)


def test_worked_out_by_hand():
    """Right, wrong, right, of three objects: precision 1 up to a recall of 1/3, then 2/3 up to 2/3,
    then nothing.
    """
    result = average_precision(
        detected([(0.9, 0, A), (0.8, 0, FAR)], [(0.7, 0, B)]), truth([(0, A), (0, C)], [(0, B)]), 1
    )
    expected = np.where(RECALLS <= 1 / 3, 1, np.where(RECALLS <= 2 / 3, 2 / 3, 0))
    np.testing.assert_allclose(result.precision[0, :, 0], expected, atol=SAME)
    np.testing.assert_allclose(result.at_half, expected.mean(), atol=SAME)


def test_a_box_is_right_up_to_its_overlap():
    result = average_precision(detected([(0.9, 0, HALF)]), truth([(0, A)]), 1)
    np.testing.assert_allclose(result.per_class[:, 0], OVERLAPS <= 0.6 + SAME, atol=SAME)
    np.testing.assert_allclose(result.mean, 0.3, atol=SAME)


def test_an_object_is_found_once_and_by_its_class_alone():
    twice = average_precision(
        detected([(0.9, 0, A), (0.8, 0, HALF)], [(0.7, 0, B)]), truth([(0, A)], [(0, B)]), 1
    )
    np.testing.assert_allclose(
        twice.precision[0, :, 0], np.where(RECALLS <= 0.5, 1, 2 / 3), atol=SAME
    )
    other = average_precision(detected([(0.9, 1, A), (0.8, 0, B)]), truth([(0, A), (1, B)]), 2)
    np.testing.assert_array_equal(other.per_class, 0)


def test_classes_without_an_object_are_left_out():
    result = average_precision(detected([(0.9, 0, A), (0.8, 2, B)]), truth([(0, A)]), 3)
    np.testing.assert_array_equal(np.isnan(result.per_class[0]), [False, True, True])
    np.testing.assert_allclose([result.at_half, result.mean], 1, atol=SAME)


def test_nothing_found_is_zero(capfd):
    result = average_precision(detected([], []), truth([(0, A)], []), 1)
    assert result.at_half == result.mean == 0
    assert capfd.readouterr().out == ""


def test_the_order_of_images_and_finds_does_not_matter():
    rng = np.random.default_rng(0)
    boxes = lambda: np.concatenate(
        [low := rng.uniform(0, 20, (6, 4, 2)), low + rng.uniform(5, 15, (6, 4, 2))], axis=-1
    )
    label, mask = rng.integers(0, 2, (6, 4)), rng.random((6, 4)) < 0.8
    true = {"box": boxes(), "label": label, "mask": mask}
    answer = Detections(
        true["box"] + rng.normal(0, 1, (6, 4, 4)),
        rng.random((6, 4)),
        rng.integers(0, 2, (6, 4)),
    )
    images, finds = rng.permutation(6), rng.permutation(4)
    moved = Detections(*(leaf[images][:, finds] for leaf in answer))
    first = average_precision(answer, true, 2)
    second = average_precision(moved, {name: array[images] for name, array in true.items()}, 2)
    np.testing.assert_allclose(second.precision, first.precision, atol=SAME)
    assert 0 < first.mean < 1


def test_mistakes_are_named(monkeypatch):
    with pytest.raises(JnnError, match=r"boxes \(1, 4, 4\), scores \(1, 4\), labels \(1, 4\)"):
        average_precision(detected([]), truth([], []), 1)
    with pytest.raises(JnnError, match="no object in any image"):
        average_precision(detected([]), truth([]), 1)
    with pytest.raises(
        JnnError, match=r"labels of objects: got label 2 in row 1.* from 1 to 2: sub"
    ):
        average_precision(detected([]), truth([(1, A), (2, B)]), 2)
    with pytest.raises(JnnError, match="labels of detections: got label -1 in row 0"):
        average_precision(detected([(0.9, -1, A)]), truth([(0, A)]), 2)
    for score in (np.nan, np.inf):
        with pytest.raises(JnnError, match="got scores that are NaN or inf"):
            average_precision(detected([(score, 0, A)]), truth([(0, A)]), 1)
    real = builtins.__import__

    def absent(name, *arguments, **settings):
        if name.startswith("pycocotools"):
            raise ImportError(name)
        return real(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError, match=r'pip install -e "\.\[detection\]"'):
        average_precision(detected([]), truth([(0, A)]), 1)
