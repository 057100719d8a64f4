"""The pictures about embeddings of faces show the arrays that were given."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose

from jnn.errors import JnnError
from jnn.explain.results.faces import (
    OTHER,
    SAME,
    hardest_pairs,
    nearest_faces,
    roc_curves,
    similarity_histogram,
)
from jnn.scores import verification
from jnn.scores.verification import Pairs

RNG = np.random.default_rng(0)
NAMES = ["Ann", "Bob", "Cid"]
LABELS = np.arange(12) // 4
Z = RNG.normal(size=(12, 6)) + RNG.normal(size=(3, 6))[LABELS]
PAIRS = verification.all_pairs(LABELS)
SCORES = verification.similarities(Z, PAIRS)
COSINES = np.eye(12)
COSINES[PAIRS.first, PAIRS.second] = COSINES[PAIRS.second, PAIRS.first] = SCORES
IMAGES = RNG.uniform(size=(12, 20, 10, 1))


def tiles(ax, count):
    """Image and colour of the frame of each tile of a row: 20 + 2 pixels high, 10 + 2 wide, 2
    apart, and 4 below.
    """
    canvas = np.asarray(ax.images[0].get_array())
    rows, columns = canvas.shape[0] // 26, canvas.shape[1] // 14
    assert (canvas.shape[0] % 26, canvas.shape[1] % 14, columns) == (0, 0, count)
    for i in range(rows):
        for j in range(columns):
            tile = canvas[26 * i : 26 * i + 22, 14 * j : 14 * j + 12]
            yield tile[1:-1, 1:-1, 0], tile[0, 0]


def test_each_row_is_a_probe_and_its_nearest_in_order():
    probes, count = np.array([0, 5]), 4
    figure = nearest_faces(IMAGES, COSINES, LABELS, NAMES, probes, count=count)
    (ax,) = figure.axes
    pictures, texts, right = list(tiles(ax, count + 1)), [text.get_text() for text in ax.texts], 0
    for row, probe in enumerate(probes):
        order = sorted((k for k in range(12) if k != probe), key=lambda k: -COSINES[probe, k])[
            :count
        ]
        for column, k in enumerate([probe, *order]):
            picture, frame = pictures[row * (count + 1) + column]
            assert_allclose(picture, IMAGES[k, ..., 0])
            if column:
                is_same = LABELS[k] == LABELS[probe]
                right += is_same
                assert_allclose(frame, to_rgb(SAME if is_same else OTHER))
            assert texts[row * (count + 1) + column].split()[0] == NAMES[LABELS[k]]
    title = f"Nearest neighbours: {right} of 8 are the same person"
    assert figure.get_suptitle().replace("\n", " ") == title


def test_the_hardest_pairs_are_the_ends_of_both_kinds():
    same, other = hardest_pairs(IMAGES, SCORES, PAIRS, LABELS, NAMES, count=3).axes
    headings = [ax.get_title(loc="left").split(": ")[1] for ax in (same, other)]
    assert headings == ["3 of 18 pairs", "3 of 48 pairs"]
    for ax, chosen, colour in ((same, PAIRS.same, SAME), (other, ~PAIRS.same, OTHER)):
        hardest = sorted(
            np.flatnonzero(chosen), key=lambda k: SCORES[k] if colour == SAME else -SCORES[k]
        )[:3]
        pictures = list(tiles(ax, 3))
        for column, k in enumerate(hardest):
            pair = (pictures[column], pictures[3 + column])
            for (picture, frame), i in zip(pair, (PAIRS.first[k], PAIRS.second[k]), strict=True):
                assert_allclose(picture, IMAGES[i, ..., 0])
                assert_allclose(frame, to_rgb(colour))
            text = f"{NAMES[LABELS[PAIRS.second[k]]]} {SCORES[k]:.2g}".replace("-", "−")
            assert ax.texts[3 + column].get_text() == text


def test_the_title_counts_errors_at_the_threshold_and_bars_are_densities():
    figure = similarity_histogram(SCORES, PAIRS.same, threshold=0.25)
    rejected, accepted = np.mean(SCORES[PAIRS.same] < 0.25), np.mean(SCORES[~PAIRS.same] >= 0.25)
    title = (
        "Similarity of pairs: at a threshold of 0.25, "
        f"{100 * rejected:.2g} % false rejects and {100 * accepted:.2g} % false accepts"
    )
    assert " ".join(figure.get_suptitle().split()) == title
    for bars in figure.axes[0].containers:
        assert_allclose(sum(bar.get_height() * bar.get_width() for bar in bars), 1)


def test_each_method_has_its_curve_and_a_dot_on_the_diagonal():
    curves = {
        "model": verification.roc(SCORES, PAIRS.same),
        "noise": verification.roc(RNG.random(len(SCORES)), PAIRS.same),
    }
    ax = roc_curves(curves).axes[0]
    for i, (name, curve) in enumerate(curves.items()):
        line, dot = ax.lines[2 * i : 2 * i + 2]
        assert line.get_label() == name
        assert_allclose(line.get_ydata(), curve.true_accepts)
        assert_allclose(
            line.get_xdata()[curve.false_accepts > 0], curve.false_accepts[curve.false_accepts > 0]
        )
        error = verification.equal_error_rate(curve)
        assert_allclose(dot.get_xydata(), [[error, 1 - error]])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: nearest_faces(IMAGES, COSINES[:3], LABELS, NAMES, np.array([0])),
            r"12 images, cosines \(3, 12\)",
        ),
        (
            lambda: nearest_faces(IMAGES, COSINES, LABELS, NAMES, np.array([0]), count=12),
            "count=12",
        ),
        (lambda: hardest_pairs(IMAGES, SCORES[:5], PAIRS, LABELS, NAMES), "5 scores for 66 pairs"),
        (
            lambda: hardest_pairs(
                IMAGES, SCORES[:1], Pairs(*(part[:1] for part in PAIRS)), LABELS, NAMES
            ),
            "1 of the same",
        ),
        (
            lambda: similarity_histogram(SCORES, PAIRS.same[:3], threshold=0.0),
            r"scores \(66,\) and same \(3,\)",
        ),
    ],
)
def test_mistakes_are_named(draw, message):
    with pytest.raises(JnnError, match=message):
        draw()
