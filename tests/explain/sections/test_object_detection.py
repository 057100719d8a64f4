"""The report of an object detector: what counts as an error, and how many images are drawn."""

import numpy as np

from jnn.detection.center_points import Detections
from jnn.explain.sections import object_detection


def test_misses_and_false_positives_are_counted():
    square = lambda i: [10 * i, 0, 10 * i + 8, 8]
    truth = {
        "box": np.array([[square(0), square(1)]] * 4, np.float32),
        "label": np.array([[1, 2]] * 4),
        "mask": np.array([[True, True], [True, True], [True, False], [False, False]]),
    }
    detections = Detections(
        np.array([[square(0), square(1), square(5)]] * 4, np.float32),
        np.array([[0.9, 0.8, 0.2], [0.9, 0.8, 0.7], [0.9, 0.2, -np.inf], [0.6, 0.2, -np.inf]]),
        np.array([[1, 2, 1], [1, 1, 1], [1, 2, 0], [1, 2, 0]]),
    )
    # Nothing wrong; a wrong class, which is a miss and a false positive, and another false
    # positive; nothing; a detection where nothing is.
    np.testing.assert_array_equal(
        object_detection.errors_per_image(detections, truth, least=0.3), [0, 3, 0, 1]
    )


def test_sections_say_how_many_images_of_all_they_show():
    truth = {
        "box": np.array([[[0, 0, 4, 4]]] * 9, float),
        "label": np.zeros((9, 1), int),
        "mask": np.ones((9, 1), bool),
    }
    detections = Detections(truth["box"], np.full((9, 1), 0.9), truth["label"])
    first, worst = object_detection.boxes(np.zeros((9, 8, 8, 1)), detections, truth, ["cat"])
    assert first.text.startswith("The first 8 of 9 test images.")
    assert worst.text.startswith("The 8 of 9 test images with the most misses")
    assert [len(section.figure.axes) for section in (first, worst)] == [8, 8]
