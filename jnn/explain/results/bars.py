"""A model beside its baselines, on one metric and one split."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import better, is_finite, metric_name, number, ranked, sentence


def against_baselines(
    metric: str,
    model: float,
    baselines: Mapping[str, float],
    *,
    lowest: bool | None,
    name: str = "model",
) -> Figure:
    """Horizontal bars from zero, the best on top and the model's in colour, each with its number.

    ``metric``  its name, such as ``"test/accuracy"``.
    ``lowest``  whether the lowest value is the best; None leaves the bars in their order.
    ``name``    of the model. Raises `JnnError` where a baseline has the same.

    A value that is no finite number has no bar, and comes last.

    >>> figure = against_baselines("test/rmse", 0.2, {"mean": 0.9, "linear": 0.1}, lowest=True)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['linear', 'model', 'mean']
    """
    if name in baselines:
        raise mistake(
            "against_baselines",
            got=f"a baseline called {name!r} as the model is",
            expected="different names",
        )
    values = {name: model, **baselines}
    names = ranked(values, lowest)
    direction = f" ({better(lowest)})" if lowest is not None else ""
    title = sentence(metric_name(metric)) + direction
    figure, axes = style.panels(width=6.4, height=0.75 + 0.36 * len(names), title=title)
    ax = axes[0, 0]
    bars = ax.barh(
        range(len(names)),
        [float(values[label]) if is_finite(values[label]) else 0.0 for label in names],
        height=0.66,
        color=[style.ORANGE if label == name else style.GREY for label in names],
    )
    numbers = [number(values[label]) for label in names]
    ax.bar_label(bars, numbers, padding=4, fontsize=9, color=style.INK)
    ax.set_yticks(range(len(names)), [style.cut(label, 32) for label in names])
    for label, text in zip(names, ax.get_yticklabels(), strict=True):
        text.set_fontweight("bold" if label == name else "normal")
    ax.invert_yaxis()
    ax.set_xticks([])
    ax.margins(x=0.25 if any(is_finite(value) and value < 0 for value in values.values()) else 0.12)
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return figure
