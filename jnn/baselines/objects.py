"""Detectors of objects without a network: what stands out from the background, and what needs no
image at all.

All give `jnn.detection.center_points.Detections` of numpy arrays, for images uint8 and the true
boxes of training images, as `jnn.data.sets.scenes` and `jnn.data.sets.tree_crowns` have them.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jnn.detection.center_points import Detections

SIDE = 28  # of the crops that are classified
LEAST_AREA = 36  # pixels of the box of a component

Objects = Mapping[str, np.ndarray]
"""image ``(N, H, W, C)``, box ``(N, K, 4)``, label ``(N, K)``, mask ``(N, K)``."""


def usual_box(train: Objects, images: np.ndarray) -> Detections:
    """In every image the same: for each class a box of the mean size in the middle, the more
    frequent class with the higher score.
    """
    size, (height, width) = _mean_size(train), images.shape[1:3]
    frequency = np.bincount(train["label"][train["mask"]])
    half, middle = size / 2, np.array([width, height]) / 2
    boxes = np.tile(
        np.concatenate([middle - half, middle + half]), (len(images), len(frequency), 1)
    )
    return Detections(
        boxes, *_for_each(len(images), frequency / frequency.sum(), np.arange(len(frequency)))
    )


def grid_of_boxes(train: Objects, images: np.ndarray) -> Detections:
    """In every image the same: boxes of the mean size side by side, of class 0."""
    (across, down), (height, width) = _mean_size(train), images.shape[1:3]
    left, top = np.meshgrid(
        np.arange(0, width - across + 1, across), np.arange(0, height - down + 1, down)
    )
    boxes = np.stack([left, top, left + across, top + down], axis=-1).reshape(1, -1, 4)
    count = boxes.shape[1]
    return Detections(
        np.tile(boxes, (len(images), 1, 1)),
        *_for_each(len(images), np.full(count, 0.5), np.zeros(count, int)),
    )


def components(train: Objects, *, crops: int = 8000, seed: int = 0) -> Callable[..., Detections]:
    """``detect(images, threshold=20, blur=0)``: the connected parts above a brightness, classified
    by a support vector machine.

    The machine (RBF kernel, C = 10) has 50 principal components of ``crops`` true boxes of
    ``train``, scaled to 28 x 28; a larger part is the surer one. ``blur`` is the deviation of a
    Gaussian over which brightness is averaged before. For grey objects on black, apart from each
    other, this is all it takes to find them.
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    chosen = np.random.default_rng(seed).permutation(np.argwhere(train["mask"]))[:crops]
    seen = np.stack([_crop(train["image"][i, ..., 0], train["box"][i, j]) for i, j in chosen])
    labels = train["label"][chosen[:, 0], chosen[:, 1]]
    principal = PCA(min(50, *seen.shape), random_state=seed, svd_solver="randomized")
    classifier = make_pipeline(principal, SVC(C=10)).fit(seen, labels)

    def detect(images: np.ndarray, *, threshold: float = 20, blur: float = 0) -> Detections:
        found = [_parts(image[..., 0], threshold, blur) for image in images]
        cut = [
            _crop(image[..., 0], box)
            for image, boxes in zip(images, found, strict=True)
            for box in boxes
        ]
        answers = iter(classifier.predict(np.stack(cut)) if cut else ())
        return stacked(
            [
                (
                    boxes,
                    (boxes[:, 2:] - boxes[:, :2]).prod(axis=1),
                    np.array([next(answers) for _ in boxes]),
                )
                for boxes in found
            ]
        )

    return detect


def colour_blobs(
    train: Objects, *, pixels: int = 100_000, scales: int = 8, seed: int = 0
) -> Callable[[np.ndarray], Detections]:
    """``detect(images)``: round blobs, of class 0, in the map of the log odds that a pixel belongs
    to an object.

    A logistic regression learns that from the colours of single pixels of ``train``, and from their
    means over Gaussians of 2 and 6 pixels. A blob is a peak over place and scale of ``-σ²`` times
    the Laplacian of the map behind a Gaussian of deviation σ (Lindeberg 1998,
    https://doi.org/10.1023/A:1008045108935), and a square of side ``2 √2 σ`` its box; sides are
    ``scales`` sizes from the 5 % smallest to the 5 % greatest of ``train``.
    """
    from scipy.ndimage import gaussian_laplace, maximum_filter

    log_odds = _pixel_classifier(train, pixels, seed)
    boxes = train["box"][train["mask"]]
    least, most = np.quantile(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)), [0.05, 0.95])
    sides = np.geomspace(least, most, scales)

    def detect_one(image: np.ndarray):
        odds, deviations = log_odds(image), sides / 2**1.5
        strength = np.stack(
            [-(deviation**2) * gaussian_laplace(odds, deviation) for deviation in deviations]
        )
        scale, row, column = np.nonzero((strength == maximum_filter(strength, 3)) & (strength > 0))
        middle, half = np.stack([column, row], axis=-1) + 0.5, sides[scale, None] / 2
        return (
            np.concatenate([middle - half, middle + half], axis=-1),
            strength[scale, row, column],
            np.zeros(len(row), int),
        )

    return lambda images: stacked([detect_one(image) for image in images])


def _pixel_classifier(train: Objects, pixels: int, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """The log odds of each pixel of an image to be within a box, learned from so many at random."""
    from scipy.ndimage import gaussian_filter
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    blurred = lambda image, deviation: gaussian_filter(
        image.astype(np.float32), (deviation, deviation, 0)
    )
    features = lambda image: np.concatenate(
        [blurred(image, deviation) for deviation in (0, 2, 6)], axis=-1
    )
    share = max(1, pixels // len(train["image"]))
    rng, x, y = np.random.default_rng(seed), [], []
    for image, boxes, mask in zip(train["image"], train["box"], train["mask"], strict=True):
        rows, columns = (rng.integers(0, length, share) for length in image.shape[:2])
        x.append(features(image)[rows, columns])
        y.append(_inside(boxes[mask], rows, columns))
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        np.concatenate(x), np.concatenate(y)
    )
    return lambda image: classifier.decision_function(
        features(image).reshape(-1, 3 * image.shape[-1])
    ).reshape(image.shape[:2])


def stacked(each: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Detections:
    """Boxes, scores and labels of each image, padded to equal numbers.

    >>> one = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([0.5]), np.array([3])
    >>> stacked([one, tuple(leaf[:0] for leaf in one)]).scores.tolist()
    [[0.5], [-inf]]
    """
    most = max(1, *[len(scores) for _, scores, _ in each])
    boxes, scores, labels = (
        np.zeros((len(each), most, 4)),
        np.full((len(each), most), -np.inf),
        np.zeros((len(each), most), int),
    )
    for i, (own_boxes, own_scores, own_labels) in enumerate(each):
        count = len(own_scores)
        boxes[i, :count], scores[i, :count], labels[i, :count] = (
            own_boxes.reshape(-1, 4),
            own_scores,
            own_labels,
        )
    return Detections(boxes, scores, labels)


def _parts(image: np.ndarray, threshold: float, blur: float) -> np.ndarray:
    """The boxes ``(N, 4)`` of the connected parts of a grey image that are brighter than
    ``threshold``.
    """
    from scipy.ndimage import find_objects, gaussian_filter, label

    bright = (gaussian_filter(image.astype(float), blur) if blur else image) > threshold
    numbered, _ = label(bright, np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    boxes = np.array(
        [[x.start, y.start, x.stop, y.stop] for y, x in find_objects(numbered)], float
    ).reshape(-1, 4)
    return boxes[(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) >= LEAST_AREA]


def _crop(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    from PIL import Image  # comes with matplotlib

    left, top, right, bottom = (int(edge) for edge in box)
    picture = Image.fromarray(image[top:bottom, left:right]).resize(
        (SIDE, SIDE), Image.Resampling.BILINEAR
    )
    return np.asarray(picture, np.float32).ravel() / 255


def _inside(boxes: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether each pixel is in any of the boxes ``(N, 4)``."""
    x, y = columns[:, None] + 0.5, rows[:, None] + 0.5
    return np.any(
        (x > boxes[:, 0]) & (x < boxes[:, 2]) & (y > boxes[:, 1]) & (y < boxes[:, 3]), axis=1
    )


def _mean_size(train: Objects) -> np.ndarray:
    """Width and height."""
    boxes = train["box"][train["mask"]]
    return (boxes[:, 2:] - boxes[:, :2]).mean(axis=0)


def _for_each(number: int, *leaves: np.ndarray) -> list[np.ndarray]:
    return [np.tile(leaf, (number, 1)) for leaf in leaves]
