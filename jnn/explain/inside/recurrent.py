"""Hidden states and gates of a recurrent network over time, and its most active units.

`activations` runs a model on one sequence and returns what its recurrent layers tag; all else takes
plain arrays ``(T, features)``.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jnn.errors import mistake
from jnn.explain import style
from jnn.explain.tokens import ticks
from jnn.model import Model
from jnn.precision import numerics
from jnn.tags import capture

GATES = ("input_gate", "forget_gate", "output_gate", "update_gate", "reset_gate")
TAGS = (*GATES, "candidate", "cell", "hidden")

MOST_TOKENS, MOST_UNITS = 90, 24

Layers = dict[str, dict[str, np.ndarray]]


def activations(model: Model, params: Any, state: Any, x: Any) -> Layers:
    """What every recurrent layer tags for one sequence x: ``{layer: {tag: (T, features)}}``.

    x is tokens ``(T,)`` or features ``(T, D)``. The tags are those of `elman`, `lstm` and `gru`:
    ``hidden``, ``cell``, and the gates. Those of a backward layer are reversed, so that row t is
    always at element t. Copy i of a layer in a `repeat` is the layer ``path/i``. Raises `JnnError`
    where the model has no such layer, and for several sequences.

    >>> import jax, jax.numpy as jnp, jnn
    >>> from jnn.layers.gru import gru
    >>> model, x = jnn.chain(memory=gru(4), out=jnn.dense(2)), jnp.ones((7, 3))
    >>> params, state = jax.jit(model.init)(jax.random.key(0), x)
    >>> sorted(activations(model, params, state, x)["memory"])
    ['candidate', 'hidden', 'reset_gate', 'update_gate']
    """
    layers: Layers = {}
    for path, value in jax.device_get(_tagged(model, params, state, x)).items():
        layer, _, tag = path.rpartition("/")
        value = value[..., ::-1, :] if "backward" in layer.split("/") else value
        for copy in _copies(value, x):
            name = "/".join(filter(None, [layer, *map(str, copy)]))
            layers.setdefault(name, {})[tag] = value[copy]
    if not layers:
        remedy = "Give a model with jnn.elman, jnn.lstm or jnn.gru in it."
        raise mistake(
            "activations",
            got="a model without a recurrent layer",
            expected=f"one that tags {', '.join(TAGS)}",
            remedy=remedy,
        )
    if any(value.ndim != 2 for tags in layers.values() for value in tags.values()):
        raise mistake(
            "activations", got="several sequences", expected="one: tokens (T,) or features (T, D)"
        )
    return layers


def _copies(value: np.ndarray, x: Any) -> Iterable[tuple[int, ...]]:
    """The indices of the layers that a `repeat` stacked: of values ``(n, T, F)`` for one x.

    Those of a batch are ``(T, N, F)``, and are left as they are.
    """
    if value.ndim <= 2:
        return [()]
    *copies, length, _ = value.shape
    is_one = np.ndim(x) == (1 if jnp.issubdtype(jnp.result_type(x), jnp.integer) else 2)
    is_stack = is_one and length == len(x) and length not in copies
    return np.ndindex(*copies) if is_stack else [()]


@functools.partial(jax.jit, static_argnames="model")
def _tagged(model: Model, params: Any, state: Any, x: Any) -> dict[str, jax.Array]:
    _, values = capture(model.apply)(params, state, x)
    return {
        path: numerics(value) for path, value in values.items() if path.rpartition("/")[2] in TAGS
    }


def units_by_autocovariance(
    states: ArrayLike, count: int = MOST_UNITS, *, lag: int = 3, alike: float = 0.8
) -> np.ndarray:
    """The units with the largest autocovariance, by decreasing size: ``(count,)`` or fewer.

    Over ``states`` ``(T, units)`` it is ``c = mean_t (h_t - m) (h_{t+lag} - m)``: large for a unit
    that is either on or off, and stays so for longer than ``lag`` steps. A unit whose correlation
    with a chosen one is above ``alike``, in absolute value, adds nothing, and comes after all
    others.

    >>> t = np.arange(40)
    >>> slow, fast, still = np.sign(np.sin(t / 5)), np.sign(np.sin(3 * t)), 0 * t
    >>> units_by_autocovariance(np.stack([still, fast, slow, -slow], axis=1), 2).tolist()
    [2, 0]
    """
    h = _states("units_by_autocovariance", states)
    h = h - h.mean(axis=0)
    lag = min(lag, len(h) - 1)
    rank = np.argsort(-np.mean(h[: len(h) - lag] * h[lag:], axis=0), kind="stable")
    unit = h / np.maximum(np.linalg.norm(h, axis=0), np.finfo(np.float32).tiny)
    chosen: list[int] = []
    for i in rank:
        if len(chosen) < count and not np.any(np.abs(unit[:, chosen].T @ unit[:, i]) > alike):
            chosen.append(int(i))
    others = [int(i) for i in rank if i not in chosen]
    return np.array([*chosen, *others][:count])


def hidden_states(
    states: ArrayLike,
    tokens: Sequence[str],
    *,
    units: Sequence[int] | None = None,
    layer: str = "",
    most: int = MOST_TOKENS,
) -> Figure:
    """The hidden state over a text, a row for each unit: orange above zero, blue below.

    ``states`` ``(T, units)``, such as ``activations(...)[layer]["hidden"]``. Without
    ``units``, those of `units_by_autocovariance` are drawn. The first ``most`` tokens are shown,
    and the title says so.

    >>> figure = hidden_states(np.ones((3, 2)), "abc")
    >>> figure.axes[0].images[0].get_array().shape
    (2, 3)
    """
    h = _states("hidden_states", states, tokens)
    rows = units_by_autocovariance(h) if units is None else np.asarray(units)
    title = f"Hidden states: {_of_units(len(rows), h.shape[1], layer)}{_cut(len(tokens), most)}"
    values = h[:most, rows].T
    figure, axes = style.panels(
        width=_width(values.shape[1]), height=1.3 + 0.17 * len(rows), title=title
    )
    cmap, low, high = style.colour_range(values)
    image = axes[0, 0].imshow(
        values, cmap=cmap, vmin=low, vmax=high, aspect="auto", interpolation="nearest"
    )
    _frame(axes[0, 0], rows, tokens[:most])
    style.caption(axes[0, 0], y="unit")
    style.colour_bar(figure, image, axes[0, 0], "activity")
    return figure


def gates(
    values: Mapping[str, ArrayLike],
    tokens: Sequence[str],
    *,
    units: Sequence[int] | None = None,
    layer: str = "",
    most: int = MOST_TOKENS,
) -> Figure:
    """The gates over a text, a panel for each gate and a row for each unit.

    The heading of a panel says how often its gate is open (above 0.9) and closed (below 0.1), over
    all units and tokens.

    ``values`` is ``{tag: (T, units)}``, such as ``activations(...)[layer]``, of which the
    gates are drawn. Without ``units``, those of `units_by_autocovariance` of ``hidden`` are drawn,
    else the first. Raises `JnnError` where there is no gate.

    >>> figure = gates({"update_gate": np.ones((3, 2)), "reset_gate": np.zeros((3, 2))}, "abc")
    >>> [ax.get_title(loc="left") for ax in figure.axes[:2]]
    ['update gate: open 100 %, closed 0 %', 'reset gate: open 0 %, closed 100 %']
    """
    by_gate = {name: _states("gates", values[name], tokens) for name in GATES if name in values}
    if not by_gate:
        raise mistake(
            "gates",
            got=f"{', '.join(values) or 'nothing'}",
            expected=f"some of {', '.join(GATES)}",
            remedy="An Elman network has none.",
        )
    total = next(iter(by_gate.values())).shape[1]
    rows = np.asarray(_of_hidden(values, len(tokens), total) if units is None else units)
    title = f"Gates: {_of_units(len(rows), total, layer)}{_cut(len(tokens), most)}"
    height = 0.9 + len(by_gate) * (0.45 + 0.15 * len(rows))
    figure, axes = style.panels(
        len(by_gate), 1, width=_width(min(most, len(tokens))), height=height, title=title
    )
    for ax, (name, value) in zip(axes[:, 0], by_gate.items(), strict=True):
        image = ax.imshow(
            value[:most, rows].T,
            cmap=style.MAGNITUDE,
            vmin=0,
            vmax=1,
            aspect="auto",
            interpolation="nearest",
        )
        _frame(ax, rows, tokens[:most] if ax is axes[-1, 0] else [])
        opened, closed = 100 * np.mean(value > 0.9), 100 * np.mean(value < 0.1)
        often = f"open {opened:.0f} %, closed {closed:.0f} %"
        style.caption(ax, f"{name.replace('_', ' ')}: {often}", y="unit")
    style.colour_bar(figure, image, axes[:, 0], "0 closed, 1 open")
    return figure


def _of_hidden(
    values: Mapping[str, ArrayLike], length: int, total: int, count: int = 12
) -> np.ndarray:
    """Units by the autocovariance of ``hidden``; without it, or with a projection, the first."""
    h = np.asarray(values.get("hidden", ()))
    if h.shape != (length, total):
        return np.arange(min(count, total))
    return units_by_autocovariance(h, count)


def _frame(ax, units: np.ndarray, tokens: Sequence[str]) -> None:
    ax.spines[:].set_visible(False)
    ticks(ax, "x", tokens, size=8 if len(tokens) <= 60 else 7)
    ax.set_yticks(range(len(units)), [str(unit) for unit in units])
    ax.tick_params(axis="y", length=0, labelsize=7)


def _width(columns: int) -> float:
    return min(11.0, max(5.5, 1.6 + 0.12 * columns))


def _of_units(count: int, total: int, layer: str) -> str:
    return f"{count} of {total} units{f' of {layer}' if layer else ''}"


def _cut(total: int, most: int) -> str:
    return f"; the first {most} of {total:,} tokens" if total > most else ""


def _states(caller: str, states: ArrayLike, tokens: Sequence[str] | None = None) -> np.ndarray:
    h = np.asarray(states, np.float64)
    if h.ndim != 2 or not h.size or (tokens is not None and len(h) != len(tokens)):
        shape = "(T, units)" if tokens is None else f"({len(tokens)}, units), a row for each token"
        raise mistake(
            caller,
            got=f"values of shape {h.shape}",
            expected=shape,
            remedy="Give one sequence, without a batch.",
        )
    return h
