"""Attention weights: every head of every layer, one head large, the alignment of a translation, and
where a transformer looks in an image.

`attention_weights` runs a model and returns what it tags; all else takes plain weights
``(..., T, S)``, whose rows, one for each query, sum to one.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from jnn.errors import mistake
from jnn.explain import style
from jnn.explain.tokens import ticks
from jnn.model import Model
from jnn.precision import numerics
from jnn.tags import capture, intervene

MOST_TOKENS, MOST_LAYERS, MOST_HEADS = 24, 6, 8
MOST_LARGE = 40
"""Tokens of a single map."""

SUM = 0.02
"""Tolerance of the sum of a row, which is one: weights of bfloat16 have two digits."""


def attention_weights(model: Model, params: Any, state: Any, x: Any) -> dict[str, np.ndarray]:
    """The weights of every attention for one example x: ``{path: (layers, heads, T, S)}``.

    A path is such as ``"blocks/attention"``; x is the input of the model, without a batch. The
    layers of a `repeat` are one entry; any other attention has one layer. Raises `JnnError` where
    no weights are tagged, as with ``fused=True``.

    >>> import jax, jax.numpy as jnp, jnn
    >>> from jnn.layers.attention import attention
    >>> model, x = jnn.chain(mix=attention(2, causal=True), out=jnn.dense(2)), jnp.ones((5, 4))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), x)
    >>> {path: w.shape for path, w in attention_weights(model, params, state, x).items()}
    {'mix': (1, 2, 5, 5)}
    """
    weights = jax.device_get(_weights(model, params, state, x))
    if not weights:
        raise mistake(
            "attention_weights",
            got="a model that tags no weights",
            expected="one with attention",
            remedy="Fused attention keeps none: build the model with fused=False, "
            "its params are the same.",
        )
    for shape in _shapes(weights, model, params, state, x):
        if len(shape) != 3:
            got = f"weights of shape {shape} in one layer"
            expected = "(heads, T, S): one example, without a batch"
            raise mistake("attention_weights", got=got, expected=expected, remedy="Pass x[0].")
    return weights_among(weights)


def weights_among(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The attention weights among captured ``values`` of one example, as `attention_weights` has
    them; {} where no attention is.
    """
    return {
        _without_name(path): np.asarray(numerics(value)).reshape(-1, *value.shape[-3:])
        for path, value in values.items()
        if tag_of(path) == "weights" and value.ndim >= 3
    }


@functools.partial(jax.jit, static_argnames="model")
def _weights(model: Model, params: Any, state: Any, x: Any) -> dict[str, jax.Array]:
    _, values = capture(model.apply)(params, state, x)
    return {path: numerics(value) for path, value in values.items() if tag_of(path) == "weights"}


def tag_of(path: str) -> str:
    """The name of a captured value within its layer.

    >>> tag_of("blocks/attention/weights#2")
    'weights'
    """
    return path.rpartition("/")[2].partition("#")[0]


def _shapes(paths, model: Model, params: Any, state: Any, x: Any) -> list[tuple[int, ...]]:
    """The shape at each path as the layer makes it, not stacked over the layers of a `repeat`."""
    shapes = []

    def look(value):
        shapes.append(value.shape)
        return value

    jax.eval_shape(intervene(model.apply, dict.fromkeys(paths, look)), params, state, x)
    return shapes


def _without_name(path: str) -> str:
    layer, _, name = path.rpartition("/")
    return layer + name.removeprefix("weights")


def attention_maps(
    weights: ArrayLike,
    queries: Sequence[str],
    keys: Sequence[str] | None = None,
    *,
    most: int = MOST_TOKENS,
) -> Figure:
    """A map for each layer (row) and head (column): queries down, keys across.

    Masked positions are white. ``weights`` ``(layers, heads, T, S)``; ``keys`` are the queries
    unless given. The first ``most`` tokens, ``MOST_LAYERS`` layers and ``MOST_HEADS`` heads are
    shown, and the title says so; tokens are named where there is room.

    Raises `JnnError` where shapes do not fit, and where a row sums to neither one nor zero.

    >>> figure = attention_maps(np.full((2, 3, 4, 4), 0.25), "abcd")
    >>> [ax.get_title(loc="left") for ax in figure.axes[:3]]
    ['head 0', 'head 1', 'head 2']
    """
    w = _checked("attention_maps", weights, 4, queries, keys)
    drawn = w[:MOST_LAYERS, :MOST_HEADS, :most, :most]
    layers, heads, T, S = drawn.shape
    cuts = _cuts(("layers", "heads", "queries", "keys"), drawn.shape, w.shape)
    title = "; ".join(["Attention weights", *cuts])
    side = min(3.2, 10.5 / heads)
    figure, axes = style.panels(
        layers,
        heads,
        width=0.9 + side * heads,
        height=0.8 + side * layers * T / max(S, 1),
        title=title,
    )
    for layer, row in enumerate(axes):
        for head, ax in enumerate(row):
            image = _map(ax, drawn[layer, head])
            style.caption(
                ax, f"head {head}" if layer == 0 else "", y=f"block {layer}" if head == 0 else ""
            )
    if side / max(T, S) > 0.085:
        for ax in axes[:, 0]:
            ticks(ax, "y", queries[:most], size=6)
        for ax in axes[-1]:
            ticks(ax, "x", (queries if keys is None else keys)[:most], size=6)
    style.colour_bar(figure, image, axes, "weight")
    return figure


def attention_map(
    weights: ArrayLike,
    queries: Sequence[str],
    keys: Sequence[str] | None = None,
    *,
    title: str = "",
    most: int = MOST_LARGE,
) -> Figure:
    """One head, or a mean of several, large: a row for each query, a column for each key.

    ``weights`` ``(T, S)``; ``title`` says whose they are; otherwise as `attention_maps`.

    >>> attention_map(np.eye(3), "abc").axes[0].get_ylabel()
    'query'
    """
    return _large(
        "attention_map",
        weights,
        queries,
        queries if keys is None else keys,
        title or "Attention weights",
        ("key", "query"),
        most,
    )


def alignment(
    weights: ArrayLike, source: Sequence[str], target: Sequence[str], *, most: int = MOST_LARGE
) -> Figure:
    """The alignment of a translation: cross-attention, the mean over the heads of a layer.

    ``weights`` ``(T, S)`` or ``(heads, T, S)``: row t has those by which the decoder predicted
    ``target[t]``, with the token before as its input. Source across, target down.

    Source: Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473, figure 3.

    >>> figure = alignment(np.eye(2)[None], ["good", "day"], ["buen", "día"])
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['good', 'day']
    """
    w = np.asarray(weights, np.float64)
    w = w.mean(axis=0) if w.ndim == 3 else w
    return _large(
        "alignment",
        w,
        target,
        source,
        "Alignment: cross-attention from target to source",
        ("source", "target"),
        most,
    )


def rollout(weights: ArrayLike) -> np.ndarray:
    """How much each output of a stack depends on each input, by its attention and its residuals.

        R = Π_l (W_l + 1) / 2,   W_l the mean over the heads of layer l

    ``weights`` ``(layers, heads, T, T)`` -> ``(T, T)``, whose rows sum to one.

    Source: Abnar & Zuidema 2020, https://arxiv.org/abs/2005.00928, section 3.

    >>> rollout(np.full((1, 2, 2, 2), 0.5)).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    """
    mixed = [(w + np.eye(len(w))) / 2 for w in np.asarray(weights, np.float64).mean(axis=1)]
    return functools.reduce(lambda total, w: w @ total, mixed)


def attention_to_image(weights: ArrayLike, image: ArrayLike, grid: tuple[int, int]) -> Figure:
    """Which patches the class token of a vision transformer attends to: a map for each layer (row)
    and head (column), and beside them the image and the `rollout` of all layers.

    ``weights``  ``(layers, heads, T, T)``, as `attention_weights` gives them: the class token first
                 and the patches last, row by row
    ``image``    ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``
    ``grid``     patches down and across

    Each map has a scale of its own, from 0 to its largest weight. Raises `JnnError` for fewer
    tokens than patches. The first ``MOST_LAYERS`` layers and ``MOST_HEADS`` heads are shown, and
    the title says so.

    >>> figure = attention_to_image(np.full((2, 3, 5, 5), 0.2), np.ones((8, 8)), (2, 2))
    >>> len(figure.axes), figure.axes[3].get_title(loc="left")
    (8, 'head 2')
    """
    tokens = range(np.shape(weights)[-1])
    w = _checked("attention_to_image", weights, 4, tokens)
    patches = grid[0] * grid[1]
    if not 1 <= patches <= len(tokens):
        got = f"{len(tokens)} tokens for {grid[0]} x {grid[1]} patches"
        raise mistake("attention_to_image", got=got, expected="a token for each patch at least")
    looks = lambda weights: weights[..., 0, -patches:].reshape(*weights.shape[:-2], *grid)
    drawn, overall = looks(w)[:MOST_LAYERS, :MOST_HEADS], looks(rollout(w))
    layers, heads = drawn.shape[:2]
    side = min(1.6, 9.0 / (heads + 1))
    tall, wide = (max(0.7, side * patches / max(grid)) for patches in grid)  # there are names
    cuts = _cuts(("blocks", "heads"), drawn.shape, w.shape)
    figure, axes = style.panels(
        max(layers, 2),
        1 + heads,
        width=0.9 + wide * (1 + heads),
        height=0.9 + (tall + 0.15) * max(layers, 2),
        title="; ".join(["Attention of the class token to the patches", *cuts]),
    )
    for ax in axes.ravel():
        style.bare(ax)
    style.picture(axes[0, 0], np.asarray(image))
    style.caption(axes[0, 0], "image")
    _patches(axes[1, 0], overall)
    style.caption(axes[1, 0], "all blocks")
    for layer, row in enumerate(drawn):
        for head, values in enumerate(row):
            ax = axes[layer, 1 + head]
            _patches(ax, values)
            name = f"block {layer}" if head == 0 else ""
            style.caption(ax, f"head {head}" if layer == 0 else "", y=name)
    return figure


def _cuts(names: Sequence[str], drawn: Sequence[int], sizes: Sequence[int]) -> list[str]:
    """For each axis that is not drawn as a whole, how much of it is."""
    return [
        f"the first {count} of {total} {name}"
        for name, count, total in zip(names, drawn, sizes, strict=False)
        if count < total
    ]


def _patches(ax: Axes, values: np.ndarray) -> None:
    ax.imshow(values, cmap=style.MAGNITUDE, vmin=0, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=style.FAINT)


def _large(caller, weights, rows, columns, title: str, names: tuple[str, str], most: int) -> Figure:
    w = _checked(caller, weights, 2, rows, columns)
    cut = f"; the first {most} tokens" if max(w.shape) > most else ""
    w, rows, columns = w[:most, :most], rows[:most], columns[:most]
    cell = 0.34 if max(w.shape) <= 16 else 0.22
    longest = lambda tokens: 0.09 * min(14, max(map(len, tokens), default=1))
    width = max(4.6, 1.7 + cell * len(columns) + longest(rows))
    figure, axes = style.panels(
        width=width, height=max(2.4, 1.2 + cell * len(rows) + longest(columns)), title=title + cut
    )
    image = _map(axes[0, 0], w)
    ticks(axes[0, 0], "x", columns, top=True)
    ticks(axes[0, 0], "y", rows)
    axes[0, 0].xaxis.set_label_position("top")
    style.caption(axes[0, 0], x=names[0], y=names[1])
    style.colour_bar(figure, image, axes[0, 0], "weight")
    return figure


def _map(ax: Axes, weights: np.ndarray) -> AxesImage:
    """The colour follows the square root, which separates small weights; 0 is masked, and white."""
    image = ax.imshow(
        np.ma.masked_equal(weights, 0),
        cmap=style.MAGNITUDE,
        norm=PowerNorm(0.5, 0, 1),
        interpolation="nearest",
        aspect="equal",
    )
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=style.FAINT)
    return image


def _checked(
    caller: str, weights: ArrayLike, rank: int, queries: Sequence, keys: Sequence | None = None
) -> np.ndarray:
    w = np.asarray(weights, np.float64)
    expected = (len(queries), len(queries if keys is None else keys))
    if w.ndim != rank or w.shape[-2:] != expected or not w.size:
        axes = "(layers, heads, queries, keys)" if rank == 4 else "(queries, keys)"
        raise mistake(
            caller,
            got=f"weights {w.shape} for {expected[0]} queries and {expected[1]} keys",
            expected=axes,
        )
    sums = w.sum(axis=-1)
    # a query whose keys are all masked has 0
    wrong = sums[(np.abs(sums - 1) > SUM) & (sums != 0)]
    if len(wrong) or w.min() < 0:
        got = f"a row that sums to {wrong[0]:.3g}" if len(wrong) else f"a weight of {w.min():.3g}"
        raise mistake(caller, got=got, expected="weights after the softmax, whose rows sum to one")
    return w
