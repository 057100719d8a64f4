"""Permutation importance: which features of a table a model depends on."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.wording import number


def permutation_importance(
    score: Callable[[np.ndarray], float], x: np.ndarray, *, repeats: int = 10, seed: int = 0
) -> np.ndarray:
    """The decrease of a score when one feature is shuffled over the examples.

    ``I_jr = score(x) - score(x with column j permuted)``, ``(D, repeats)`` float64, each repeat
    with its own permutation: near zero for a feature that the model does not use. Redundant
    features share their importance.

    ``score(x)`` takes examples ``(N, D)`` and returns a number of which higher is better, such as
    the accuracy or a negated error. Costs ``D repeats + 1`` scores. Raises `JnnError` for x of
    another rank, and for ``repeats`` below 1.

    Source: Breiman 2001, Random Forests, section 10.

    >>> x = np.arange(8.0).reshape(4, 2)
    >>> score = lambda x: -np.mean((x[:, 0] - [0, 2, 4, 6]) ** 2)
    >>> permutation_importance(score, x, repeats=100).mean(axis=1).round()
    array([10., 0.])
    """
    x = np.asarray(x)
    if x.ndim != 2 or not len(x):
        raise mistake(
            "permutation_importance", got=f"x of shape {x.shape}", expected="(N, D) with N >= 1"
        )
    if repeats < 1:
        raise mistake(
            "permutation_importance", got=f"repeats={repeats}", expected="an integer >= 1"
        )
    rng, whole = np.random.default_rng(seed), float(score(x))

    def fall(j: int) -> float:
        shuffled = x.copy()
        shuffled[:, j] = rng.permutation(x[:, j])
        return whole - float(score(shuffled))

    return np.array([[fall(j) for _ in range(repeats)] for j in range(x.shape[1])])


def importances(
    values: np.ndarray,
    names: Sequence[str],
    *,
    score: str = "score",
    lowest: bool = False,
    most: int = 15,
) -> Figure:
    """Bars of the mean importance of each feature, the largest on top, with every repeat as a dot.

    ``values`` is ``(D, repeats)``, as `permutation_importance` gives it; ``score`` names the score,
    or, with ``lowest``, the error whose negation the score is. At most ``most`` features are shown.

    >>> values, names = np.array([[0.1, 0.3], [0.5, 0.7]]), ["age", "weight"]
    >>> figure = importances(values, names, score="accuracy")
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['weight', 'age']
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or len(values) != len(names):
        raise mistake(
            "importances",
            got=f"values of shape {values.shape} for {len(names)} names",
            expected="(D, repeats) and D names",
        )
    names = [style.cut(name, 32) for name in names]
    means = values.mean(axis=1)
    top = np.argsort(-means, kind="stable")[:most]
    among = f" (the first {len(top)} of {len(names)} features)" if len(top) < len(names) else ""
    largest = float(means[top[0]])
    verb, change = ("raises", "increase") if lowest else ("lowers", "decrease")
    effect = f"shuffling {names[top[0]]} {verb} the {score} by {number(largest)}"
    effect = f"shuffling no feature {verb} the {score}" if largest <= 0 else effect
    title = f"Permutation importance: {effect}{among}"
    figure, axes = style.panels(width=6.4, height=0.95 + 0.3 * len(top), title=title)
    ax = axes[0, 0]
    places = np.arange(len(top))
    ax.barh(places, means[top], height=0.66, color=style.SKY)
    ax.plot(
        values[top].T,
        np.tile(places, (values.shape[1], 1)),
        "o",
        color=style.BLUE,
        markersize=3,
        alpha=0.5,
        markeredgewidth=0,
    )
    ax.axvline(0, color=style.QUIET, linewidth=0.9)
    ax.set_yticks(places, [names[j] for j in top])
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    style.gridded(ax, "x")
    style.caption(ax, x=f"{change} of the {score} when the feature is shuffled")
    return figure
