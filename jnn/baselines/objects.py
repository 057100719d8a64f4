"""Object detectors without a network: image processing, and constant predictions.

All return `jnn.detection.center_points.Detections` of numpy arrays, for images uint8 and the true
boxes of training images, as `jnn.data.sets.scenes` and `jnn.data.sets.tree_crowns` have them.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jnn.detection.center_points import Detections
from jnn.errors import mistake

SIDE = 28  # of the crops that are classified
LEAST_AREA = 36  # of the box of a component, in pixels

Objects = Mapping[str, np.ndarray]
"""image ``(N, H, W, C)``, box ``(N, K, 4)``, label ``(N, K)``, mask ``(N, K)``."""


def mean_box(train: Objects, images: np.ndarray) -> Detections:
    """The same detections in every image: for each class a box of the mean size in the middle.

    The score is the frequency of the class.
    """
    (height, width), half = images.shape[1:3], _mean_size(train) / 2
    counts, middle = np.bincount(train["label"][train["mask"]]), np.array([width, height]) / 2
    box = np.concatenate([middle - half, middle + half])
    boxes = np.tile(box, (len(counts), 1))
    return _in_every_image(len(images), boxes, counts / counts.sum(), np.arange(len(counts)))


def grid_of_boxes(train: Objects, images: np.ndarray) -> Detections:
    """The same detections in every image: boxes of the mean size side by side, of class 0."""
    (across, down), (height, width) = _mean_size(train), images.shape[1:3]
    columns, rows = np.arange(0, width - across + 1, across), np.arange(0, height - down + 1, down)
    left, top = np.meshgrid(columns, rows)
    boxes = np.stack([left, top, left + across, top + down], axis=-1).reshape(-1, 4)
    count = len(boxes)
    return _in_every_image(len(images), boxes, np.full(count, 0.5), np.zeros(count, int))


def components(train: Objects, *, crops: int = 8000, seed: int = 0) -> Callable[..., Detections]:
    """``detect(images, threshold=20, blur=0)``: connected components above a brightness.

    They are classified by a support vector machine (RBF kernel, C = 10) on 50 principal components,
    trained on ``crops`` true boxes of ``train`` scaled to 28 x 28; the score is the area. ``blur``
    is the deviation of a Gaussian filter applied before. For separate grey objects on black this is
    enough to detect them.
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    chosen = np.random.default_rng(seed).permutation(np.argwhere(train["mask"]))[:crops]
    x = np.stack([_crop(train["image"][i, ..., 0], train["box"][i, j]) for i, j in chosen])
    labels = train["label"][chosen[:, 0], chosen[:, 1]]
    principal = PCA(min(50, *x.shape), random_state=seed, svd_solver="randomized")
    classifier = make_pipeline(principal, SVC(C=10)).fit(x, labels)

    def detect_one(image: np.ndarray, threshold: float, blur: float):
        boxes = _component_boxes(image[..., 0], threshold, blur)
        if not len(boxes):
            return boxes, np.zeros(0), np.zeros(0, int)
        labels = classifier.predict(np.stack([_crop(image[..., 0], box) for box in boxes]))
        return boxes, _areas(boxes), labels

    def detect(images: np.ndarray, *, threshold: float = 20, blur: float = 0) -> Detections:
        return stacked([detect_one(image, threshold, blur) for image in images])

    return detect


def colour_blobs(
    train: Objects, *, pixels: int = 100_000, scales: int = 8, seed: int = 0
) -> Callable[[np.ndarray], Detections]:
    """``detect(images)``: round blobs, of class 0, in a map of the log-odds of being in an object.

    The log-odds of a pixel are those of a logistic regression on its colours and on their means
    over Gaussians of 2 and 6 pixels, trained on ``pixels`` random pixels of ``train``.

    A blob is a peak over place and scale of ``-σ²`` times the Laplacian of the map smoothed by a
    Gaussian of deviation σ, and its box a square of side ``2 √2 σ``. Sides are ``scales`` sizes
    from the 5 % to the 95 % quantile of those of ``train``.

    Source: Lindeberg 1998, https://doi.org/10.1023/A:1008045108935.
    """
    from scipy.ndimage import gaussian_laplace, maximum_filter

    log_odds = _pixel_classifier(train, pixels, seed)
    boxes = train["box"][train["mask"]]
    smallest, largest = np.quantile(np.sqrt(_areas(boxes)), [0.05, 0.95])
    sides = np.geomspace(smallest, largest, scales)

    def detect_one(image: np.ndarray):
        odds, deviations = log_odds(image), sides / 2**1.5
        strength = np.stack([-(s**2) * gaussian_laplace(odds, s) for s in deviations])
        peaks = (strength == maximum_filter(strength, 3)) & (strength > 0)
        scale, row, column = np.nonzero(peaks)
        middle, half = np.stack([column, row], axis=-1) + 0.5, sides[scale, None] / 2
        boxes = np.concatenate([middle - half, middle + half], axis=-1)
        return boxes, strength[peaks], np.zeros(len(row), int)

    return lambda images: stacked([detect_one(image) for image in images])


def _pixel_classifier(train: Objects, pixels: int, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """The log-odds ``(H, W)`` that each pixel of an image is within a box, fitted to ``pixels``."""
    from scipy.ndimage import gaussian_filter
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def features(image: np.ndarray) -> np.ndarray:
        image = image.astype(np.float32)
        return np.concatenate([gaussian_filter(image, (s, s, 0)) for s in (0, 2, 6)], axis=-1)

    share = max(1, pixels // len(train["image"]))
    rng, x, y = np.random.default_rng(seed), [], []
    for image, boxes, mask in zip(train["image"], train["box"], train["mask"], strict=True):
        rows, columns = (rng.integers(0, length, share) for length in image.shape[:2])
        x.append(features(image)[rows, columns])
        y.append(_inside(boxes[mask], rows, columns))
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    classifier.fit(np.concatenate(x), np.concatenate(y))

    def log_odds(image: np.ndarray) -> np.ndarray:
        rows = features(image).reshape(-1, 3 * image.shape[-1])
        return classifier.decision_function(rows).reshape(image.shape[:2])

    return log_odds


def stacked(images: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Detections:
    """The boxes, scores and labels of each image, padded to equal numbers.

    >>> first = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([0.5]), np.array([3])
    >>> stacked([first, tuple(leaf[:0] for leaf in first)]).scores.tolist()
    [[0.5], [-inf]]
    """
    shape = len(images), max(1, *[len(scores) for _, scores, _ in images])
    boxes, scores = np.zeros((*shape, 4)), np.full(shape, -np.inf)
    labels = np.zeros(shape, int)
    for i, (image_boxes, image_scores, image_labels) in enumerate(images):
        count = len(image_scores)
        boxes[i, :count] = image_boxes.reshape(-1, 4)
        scores[i, :count] = image_scores
        labels[i, :count] = image_labels
    return Detections(boxes, scores, labels)


def _component_boxes(image: np.ndarray, threshold: float, blur: float) -> np.ndarray:
    """The boxes ``(N, 4)`` of the connected components brighter than ``threshold``."""
    from scipy.ndimage import find_objects, gaussian_filter, label

    bright = (gaussian_filter(image.astype(float), blur) if blur else image) > threshold
    numbered, _ = label(bright, np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    edges = [[x.start, y.start, x.stop, y.stop] for y, x in find_objects(numbered)]
    boxes = np.array(edges, float).reshape(-1, 4)
    return boxes[_areas(boxes) >= LEAST_AREA]


def _crop(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    from PIL import Image  # comes with matplotlib

    left, top, right, bottom = (int(edge) for edge in box)
    crop = Image.fromarray(image[top:bottom, left:right])
    crop = crop.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(crop, np.float32).ravel() / 255


def _inside(boxes: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether each pixel is in any of the boxes ``(N, 4)``."""
    x, y = columns[:, None] + 0.5, rows[:, None] + 0.5
    left, top, right, bottom = boxes.T
    return np.any((x > left) & (x < right) & (y > top) & (y < bottom), axis=1)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def _mean_size(train: Objects) -> np.ndarray:
    """Width and height of the mean box."""
    boxes = train["box"][train["mask"]]
    if not len(boxes):
        raise mistake("mean box", got="no object in any training image", expected="at least one")
    return (boxes[:, 2:] - boxes[:, :2]).mean(axis=0)


def _in_every_image(count: int, boxes, scores, labels) -> Detections:
    tile = lambda leaf: np.tile(leaf, (count, *[1] * leaf.ndim))
    return Detections(tile(boxes), tile(scores), tile(labels))
