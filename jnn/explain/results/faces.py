"""Embeddings of faces: nearest neighbours, hardest pairs, similarities, ROC curves."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.scores.verification import Pairs, Roc, equal_error_rate
from jnn.wording import number

SAME, OTHER, PLAIN = style.BLUE, style.ORANGE, "#ffffff"
FRAME, GAP = 1 / 25, 1 / 8
"""Of the height of an image."""
LETTERS = 9
"""Of a name below an image."""
BINS = 60
LEAST_RATE = 1e-3
"""Where the logarithmic axis of false accepts begins."""


def nearest_faces(
    images: np.ndarray,
    cosines: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    probes: np.ndarray,
    *,
    count: int = 5,
) -> Figure:
    """A row for each probe: its image, then its ``count`` nearest neighbours with their cosines.

    A frame is blue where it is the same person, else orange. ``images`` ``(N, H, W, C)``,
    ``cosines`` ``(N, N)`` and ``labels`` ``(N,)`` are of the same examples; ``names`` are those of
    the labels, ``probes`` the numbers of some examples.

    >>> images, z = np.zeros((3, 8, 8)), np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    >>> labels, names = np.array([0, 0, 1]), ["Ann", "Bob"]
    >>> figure = nearest_faces(images, z @ z.T, labels, names, np.array([0]), count=2)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['Ann', 'Ann 0.60', 'Bob 0.00']
    """
    probes, labels, n = np.asarray(probes), np.asarray(labels), len(images)
    if cosines.shape != (n, n) or len(labels) != n or not 1 <= count < n or not len(probes):
        raise mistake(
            "nearest_faces",
            got=f"{n} images, cosines {cosines.shape}, {len(labels)} labels, "
            f"{len(probes)} probes, count={count}",
            expected="N images, cosines (N, N), N labels, a probe, and 1 <= count < N",
        )
    others = np.where(np.eye(n, dtype=bool), -np.inf, cosines)[probes]
    nearest = np.argsort(-others, axis=1, kind="stable")[:, :count]
    indices = np.concatenate([probes[:, None], nearest], axis=1)
    is_same = labels[indices] == labels[probes][:, None]
    colours = np.where(is_same, SAME, OTHER)
    colours[:, 0] = PLAIN
    name = lambda k: style.cut(names[int(labels[k])], LETTERS)
    text = lambda probe, k: f"{name(k)} {cosines[probe, k]:.2f}"
    texts = [[name(row[0]), *(text(row[0], k) for k in row[1:])] for row in indices]
    figure, axes = style.panels(
        width=1.05 * (count + 1),
        height=1.25 * len(probes) + 0.5,
        title=f"Nearest neighbours: {is_same[:, 1:].sum()} of {nearest.size} are the same person",
    )
    _montage(axes[0, 0], images[indices], colours, texts)
    return figure


def hardest_pairs(
    images: np.ndarray,
    scores: np.ndarray,
    pairs: Pairs,
    labels: np.ndarray,
    names: Sequence[str],
    *,
    count: int = 6,
) -> Figure:
    """The least similar pairs of the same person, and the most similar ones of different people.

    At most ``count`` of each are drawn, and the headings say of how many.

    ``scores`` are those of ``pairs``, whose numbers are those of ``images`` ``(N, H, W, C)`` and
    ``labels`` ``(N,)``.

    >>> pairs = Pairs(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([True, False, False]))
    >>> images, labels, names = np.zeros((3, 8, 8)), np.array([0, 0, 1]), ["Ann", "Bob"]
    >>> figure = hardest_pairs(images, np.array([0.5, 0.1, 0.7]), pairs, labels, names, count=1)
    >>> figure.axes[1].get_title(loc="left")
    'Different people, highest similarity: 1 of 2 pairs'
    >>> [[text.get_text() for text in ax.texts] for ax in figure.axes]
    [['Ann', 'Ann 0.50'], ['Ann', 'Bob 0.70']]
    """
    both_kinds = pairs.same.any() and not pairs.same.all()
    fitting = len(scores) == len(pairs.same) and len(labels) == len(images)
    if not fitting or not both_kinds or count < 1:
        raise mistake(
            "hardest_pairs",
            got=f"{len(scores)} scores for {len(pairs.same)} pairs, "
            f"{int(np.sum(pairs.same))} of the same, {len(labels)} labels",
            expected="a score for each pair, pairs of both kinds, and a label for each image",
        )
    same, other = np.flatnonzero(pairs.same), np.flatnonzero(~pairs.same)
    kinds = {
        "Same person, lowest similarity": (same[np.argsort(scores[same], kind="stable")], SAME),
        "Different people, highest similarity": (
            other[np.argsort(-scores[other], kind="stable")],
            OTHER,
        ),
    }
    figure, axes = style.panels(2, 1, width=max(4.0, 1.05 * count), height=6.2)
    for ax, (title, (ordered, colour)) in zip(axes.ravel(), kinds.items(), strict=True):
        hardest = ordered[:count]
        rows = np.stack([pairs.first[hardest], pairs.second[hardest]])
        above, below = ([style.cut(names[int(labels[k])], LETTERS) for k in row] for row in rows)
        cosines = [f"{score:.2f}" for score in scores[hardest]]
        texts = [above, [f"{name} {cosine}" for name, cosine in zip(below, cosines, strict=True)]]
        _montage(ax, images[rows], np.full(rows.shape, colour), texts)
        style.caption(ax, f"{title}: {len(hardest)} of {len(ordered):,} pairs")
    return figure


def similarity_histogram(scores: np.ndarray, same: np.ndarray, *, threshold: float) -> Figure:
    """Densities of the cosines of pairs of the same and of different people, and a threshold.

    >>> scores, same = np.array([0.9, 0.8, 0.1, 0.2]), np.array([True, True, False, False])
    >>> figure = similarity_histogram(scores, same, threshold=0.5)
    >>> [line.get_xdata()[0] for line in figure.axes[0].lines]
    [0.5]
    """
    scores, same = np.asarray(scores), np.asarray(same, bool)
    if scores.shape != same.shape or same.all() or not same.any():
        got = f"scores {scores.shape} and same {same.shape}, of which {int(same.sum())} are"
        raise mistake(
            "similarity_histogram", got=got, expected="(P,) for both, with pairs of both kinds"
        )
    false_rejects = 100 * np.mean(scores[same] < threshold)
    false_accepts = 100 * np.mean(scores[~same] >= threshold)
    title = (
        f"Similarity of pairs: at a threshold of {number(round(threshold, 2))}, "
        f"{false_rejects:.2g} % false rejects and {false_accepts:.2g} % false accepts"
    )
    figure, axes = style.panels(width=7.2, height=3.6, title=title)
    ax, bins = axes[0, 0], np.linspace(scores.min(), scores.max(), BINS + 1)
    for kind, colour, of_kind in (("different people", OTHER, ~same), ("same person", SAME, same)):
        label = f"{kind}: {int(of_kind.sum()):,} pairs"
        ax.hist(scores[of_kind], bins, density=True, color=colour, alpha=0.6, label=label)
    ax.axvline(threshold, color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
    style.gridded(ax)
    style.legend(ax)
    style.caption(ax, x="cosine of two embeddings", y="density")
    return figure


def roc_curves(curves: Mapping[str, Roc]) -> Figure:
    """True accepts against false accepts on a logarithmic axis, a line for each method.

    The dashed line is where both errors are equal, and a dot the equal error rate. A better method
    is farther to the upper left.

    >>> false, true = np.array([0.0, 0.2, 1.0]), np.array([0.0, 0.8, 1.0])
    >>> figure = roc_curves({"model": Roc(false, true, np.array([np.inf, 0.5, 0.1]))})
    >>> figure.get_suptitle()
    'ROC curves: equal error rate of model 20 %'
    """
    errors = {name: equal_error_rate(curve) for name, curve in curves.items()}
    rates_in_words = [f"{name} {100 * error:.3g} %" for name, error in errors.items()]
    title = f"ROC curves: equal error rate of {', '.join(rates_in_words)}"
    figure, axes = style.panels(width=7.2, height=4.4, title=title)
    ax, rates = axes[0, 0], np.geomspace(LEAST_RATE, 1, 200)
    for i, (name, curve) in enumerate(curves.items()):
        line = style.line(i, style.METHODS)
        false_accepts = np.maximum(curve.false_accepts, LEAST_RATE / 10)
        ax.plot(false_accepts, curve.true_accepts, **line, linewidth=1.6, label=name)
        ax.plot([errors[name]], [1 - errors[name]], "o", color=line["color"], markersize=5)
    ax.plot(rates, 1 - rates, color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.set(xscale="log", xlim=(LEAST_RATE, 1), ylim=(0, 1.02))
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    style.gridded(ax, "both")
    style.legend(ax)
    style.caption(
        ax,
        x="false accepts, of pairs of different people",
        y="true accepts, of pairs of the same person",
    )
    return figure


def _montage(
    ax: Axes, images: np.ndarray, colours: np.ndarray, texts: Sequence[Sequence[str]]
) -> None:
    """Images ``(R, N, H, W, ...)`` as one picture, each in a frame of its colour, its text below.

    Axes for each would take Matplotlib seconds.
    """
    rows, count = images.shape[:2]
    flat = style.displayable(images.reshape(rows * count, *images.shape[2:]))
    pictures = np.broadcast_to(flat[..., None], (*flat.shape, 3)) if flat.ndim == 3 else flat
    height, width = pictures.shape[1:3]
    frame, gap = max(1, round(height * FRAME)), max(1, round(height * GAP))
    down, across = height + 2 * frame + 2 * gap, width + 2 * frame + gap
    canvas = np.ones((rows * down, count * across, 3))
    in_order = [text for row in texts for text in row]
    for k, (picture, colour, text) in enumerate(
        zip(pictures, colours.ravel(), in_order, strict=True)
    ):
        top, left = k // count * down, k % count * across
        bottom, right = top + height + 2 * frame, left + width + 2 * frame
        canvas[top:bottom, left:right] = to_rgb(str(colour))
        canvas[top + frame : bottom - frame, left + frame : right - frame] = picture
        middle = left + frame + (width - 1) / 2
        ax.text(middle, bottom, text, ha="center", va="top", fontsize=8, color=style.INK)
    style.bare(ax)
    ax.imshow(canvas, interpolation="nearest")
