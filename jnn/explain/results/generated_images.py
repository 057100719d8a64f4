"""Generated images: coverage of the classes, and losses of a GAN."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.explain.results.curves import series


def class_coverage(shares: Mapping[str, np.ndarray], classes: Sequence[str]) -> Figure:
    """The share of each class among generated examples, by a classifier, beside real ones.

    ``shares`` holds, for each kind of examples such as ``"generated"`` and ``"real"``, one fraction
    for each class. A missing mode has no bar.

    >>> shares = {"generated": np.array([0.9, 0.1]), "real": np.array([0.5, 0.5])}
    >>> class_coverage(shares, ["cat", "dog"]).get_suptitle()
    'Class coverage: of generated images, dog is the rarest class (10 %)'
    """
    for name, values in shares.items():
        if np.shape(values) != (len(classes),):
            raise mistake(
                "class_coverage",
                got=f"{name} of shape {np.shape(values)}",
                expected=f"({len(classes)},), a share for each class",
            )
    classes = [style.cut(label) for label in classes]
    name, first = next(iter(shares.items()))
    least = np.min(first)
    rarest = [label for label, share in zip(classes, first, strict=True) if share == least]
    in_words = f"{rarest[0]} is the rarest class ({100 * least:.2g} %)"
    if len(rarest) > 1:
        in_words = f"{len(rarest)} classes are the rarest ({100 * least:.2g} % each)"
    title = f"Class coverage: of {name} images, {in_words}"
    figure, axes = style.panels(width=7.6, height=3.4, title=title)
    ax, width = axes[0, 0], 0.8 / len(shares)
    colours = (style.ORANGE, style.GREY, *style.SERIES[2:])
    for i, (kind, values) in enumerate(shares.items()):
        ax.bar(
            np.arange(len(classes)) + (i - (len(shares) - 1) / 2) * width,
            values,
            width=width,
            color=colours[i % len(colours)],
            label=kind,
        )
    named = style.spread(len(classes), 20)
    ax.set_xticks(named, [classes[i] for i in named], rotation=30, ha="right")
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    ax.set_ylim(0, 1.3 * max(np.max(values) for values in shares.values()))  # room for the legend
    style.gridded(ax)
    style.legend(ax)
    return figure


def losses_of_players(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Figure:
    """The losses of a generator and a discriminator against the step, in one panel.

    Neither falls for long, because each makes the other's task harder. ``rows`` are the lines of
    ``metrics.jsonl``, ``names`` the metrics and their labels. Raises `JnnError` where one was never
    logged.

    >>> rows = [{"step": 1, "train/g": 0.5, "train/d": 1.9}, {"step": 2, "train/g": 0.7}]
    >>> figure = losses_of_players(rows, {"train/g": "generator", "train/d": "discriminator"})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['generator', 'discriminator']
    """
    figure, axes = style.panels(width=7.0, height=3.4)
    ax = axes[0, 0]
    for i, (metric, name) in enumerate(names.items()):
        steps, values = series(rows, metric)
        if not len(steps):
            raise mistake(
                "losses_of_players",
                got=f"no row with {metric}",
                expected="metrics that were logged",
            )
        ax.plot(steps, values, **style.line(i, style.METHODS), linewidth=1.6, label=name)
    style.gridded(ax)
    style.legend(ax)
    style.caption(ax, x="step", y="loss")
    style.whole(ax.xaxis)
    ax.margins(x=0.02)
    return figure
