"""A model beside its baselines, on one metric and one split."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import is_finite, lower_is_better, metric_name, number, ranked, sentence


def against_baselines(
    metric: str,
    model: float,
    baselines: Mapping[str, float],
    *,
    name: str = "model",
    lowest: bool | None = None,
) -> Figure:
    """Horizontal bars from zero, the best on top and the model's in colour, each with its number.

    ``metric`` is the metric's name, such as ``"test/accuracy"``; ``lowest`` says whether less is
    better, by default judged by that name. What is no finite number has no bar, and comes last.

    >>> figure = against_baselines("test/rmse", 0.2, {"mean": 0.9, "linear": 0.1})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['linear', 'model', 'mean']
    """
    if name in baselines:
        raise mistake(
            "against_baselines",
            got=f"a baseline called {name!r} as the model is",
            expected="different names",
        )
    lowest = lower_is_better(metric) if lowest is None else lowest
    values = {name: model, **baselines}
    names = ranked(values, lowest)
    title = f"{sentence(metric_name(metric))} ({'less' if lowest else 'more'} is better)"
    figure, axes = style.panels(width=6.4, height=0.75 + 0.36 * len(names), title=title)
    ax = axes[0, 0]
    lengths = [float(values[each]) if is_finite(values[each]) else 0.0 for each in names]
    bars = ax.barh(
        range(len(names)),
        lengths,
        height=0.66,
        color=[style.ORANGE if each == name else "#b8c0cc" for each in names],
    )
    ax.bar_label(
        bars, [number(values[each]) for each in names], padding=4, fontsize=9, color=style.INK
    )
    ax.set_yticks(range(len(names)), names)
    for label in ax.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == name else "normal")
    ax.invert_yaxis()
    ax.set_xticks([])
    ax.margins(x=0.12)
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return figure
