"""What a recurrent network remembers: its memory and its gates over time, and the units that are
worth a look.

`remembered` runs a model on one sequence and returns what its recurrent layers tag; all else takes
plain arrays ``(T, features)``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
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


def remembered(model: Model, params: Any, state: Any, x: Any) -> Layers:
    """``{layer: {tag: (T, features)}}`` of every recurrent layer for one sequence x, tokens
    ``(T,)`` or features ``(T, D)``.

    The tags are those of `elman`, `lstm` and `gru`: ``hidden``, ``cell``, and the gates. What reads
    backward is turned, so that row t is always at element t. Raises `JnnError` where the model has
    no such layer.

    >>> import jax, jax.numpy as jnp, jnn
    >>> from jnn.layers.gru import gru
    >>> model = jnn.chain(memory=gru(4), out=jnn.dense(2))
    >>> params, state = model.init(jax.random.key(0), jnp.ones((7, 3)))
    >>> {layer: sorted(found) for layer, found in remembered(model, params, state, jnp.ones((7, 3))).items()}
    {'memory': ['candidate', 'hidden', 'reset_gate', 'update_gate']}
    """
    run = jax.jit(
        lambda params, state, x: {
            path: numerics(v)
            for path, v in capture(model.apply)(params, state, x)[1].items()
            if _tagged(path)
        }
    )
    layers: Layers = {}
    for path, value in jax.device_get(run(params, state, x)).items():
        layer, _, tag = path.rpartition("/")
        layers.setdefault(layer, {})[tag] = value[::-1] if "backward" in layer.split("/") else value
    if not layers:
        remedy = "Give a model with jnn.elman, jnn.lstm or jnn.gru in it."
        raise mistake(
            "remembered",
            got="a model that tags no memory",
            expected=f"one that tags {', '.join(TAGS)}",
            remedy=remedy,
        )
    if any(value.ndim != 2 for found in layers.values() for value in found.values()):
        raise mistake(
            "remembered", got="several sequences", expected="one: tokens (T,) or features (T, D)"
        )
    return layers


def _tagged(path: str) -> bool:
    return path.rpartition("/")[2] in TAGS


def units_to_look_at(
    states: ArrayLike, count: int = MOST_UNITS, *, lag: int = 3, alike: float = 0.8
) -> np.ndarray:
    """The units that swing widest and longest, the most telling first: ``(count,)`` or fewer.

    Units are ranked by their autocovariance ``c = mean_t (h_t - m) (h_{t+lag} - m)`` over
    ``states`` ``(T, units)``: it is large for one that is either on or off, and stays so for longer
    than ``lag`` steps. One whose correlation with a unit already chosen is above ``alike``, in
    absolute value, tells nothing new, and is passed over while there are others.

    >>> t = np.arange(40)
    >>> slow, fast, still = np.sign(np.sin(t / 5)), np.sign(np.sin(3 * t)), 0 * t
    >>> units_to_look_at(np.stack([still, fast, slow, -slow], axis=1), 2).tolist()
    [2, 0]
    """
    h = _states("units_to_look_at", states)
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
    """The memory over a text, a row for each unit: orange above zero, blue below.

    ``states`` ``(T, units)``, such as ``remembered(...)[layer]["hidden"]``; without ``units``,
    those of `units_to_look_at`. The first ``most`` tokens are shown, and it is said.

    >>> figure = hidden_states(np.ones((3, 2)), "abc")
    >>> figure.axes[0].images[0].get_array().shape
    (2, 3)
    """
    h = _states("hidden_states", states, tokens)
    rows = units_to_look_at(h) if units is None else np.asarray(units)
    title = (
        f"What {len(rows)} of the {h.shape[1]} units{f' of {layer}' if layer else ''} remember"
        + _first(len(tokens), most)
    )
    shown = h[:most, rows].T
    figure, axes = style.panels(
        width=_width(shown.shape[1]), height=1.3 + 0.17 * len(rows), title=title
    )
    cmap, low, high = style.colour_range(shown)
    image = axes[0, 0].imshow(
        shown, cmap=cmap, vmin=low, vmax=high, aspect="auto", interpolation="nearest"
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
    """How far each gate is open over a text, one panel a gate and one row a unit; above it, how
    often it is open or shut.

    ``values`` is ``{tag: (T, units)}``, such as ``remembered(...)[layer]``, of which the gates are
    taken; without ``units``, those whose ``hidden`` is worth a look, else the first. Open is above
    0.9 and shut below 0.1, over all units and tokens. Raises `JnnError` where there is no gate.

    >>> figure = gates({"update_gate": np.ones((3, 2)), "reset_gate": np.zeros((3, 2))}, "abc")
    >>> [ax.get_title(loc="left") for ax in figure.axes[:2]]
    ['update gate: open 100 %, shut 0 %', 'reset gate: open 0 %, shut 100 %']
    """
    found = {name: _states("gates", values[name], tokens) for name in GATES if name in values}
    if not found:
        remedy = "An Elman network has none."
        raise mistake(
            "gates",
            got=f"{', '.join(values) or 'nothing'}",
            expected=f"some of {', '.join(GATES)}",
            remedy=remedy,
        )
    total = next(iter(found.values())).shape[1]
    rows = np.asarray(_of_hidden(values, len(tokens), total) if units is None else units)
    title = (
        f"The gates of {len(rows)} of the {total} units{f' of {layer}' if layer else ''}"
        + _first(len(tokens), most)
    )
    height = 0.9 + len(found) * (0.45 + 0.15 * len(rows))
    figure, axes = style.panels(
        len(found), 1, width=_width(min(most, len(tokens))), height=height, title=title
    )
    for ax, (name, value) in zip(axes[:, 0], found.items(), strict=True):
        image = ax.imshow(
            value[:most, rows].T,
            cmap=style.MAGNITUDE,
            vmin=0,
            vmax=1,
            aspect="auto",
            interpolation="nearest",
        )
        _frame(ax, rows, tokens[:most] if ax is axes[-1, 0] else [])
        often = f"open {100 * np.mean(value > 0.9):.0f} %, shut {100 * np.mean(value < 0.1):.0f} %"
        style.caption(ax, f"{name.replace('_', ' ')}: {often}", y="unit")
    style.colour_bar(figure, image, axes[:, 0], "from shut to open")
    return figure


def _of_hidden(
    values: Mapping[str, ArrayLike], length: int, total: int, count: int = 12
) -> np.ndarray:
    """Units by what they remember; the first ones where that is not known, or of other units, as
    with a projection.
    """
    h = np.asarray(values.get("hidden", ()))
    return (
        units_to_look_at(h, count) if h.shape == (length, total) else np.arange(min(count, total))
    )


def _frame(ax, units: np.ndarray, tokens: Sequence[str]) -> None:
    ax.spines[:].set_visible(False)
    ticks(ax, "x", tokens, size=8 if len(tokens) <= 60 else 7)
    ax.set_yticks(range(len(units)), [str(unit) for unit in units])
    ax.tick_params(axis="y", length=0, labelsize=7)


def _width(columns: int) -> float:
    return min(11.0, max(5.5, 1.6 + 0.12 * columns))


def _first(found: int, most: int) -> str:
    return f"; the first {most} of {found:,} tokens" if found > most else ""


def _states(where: str, states: ArrayLike, tokens: Sequence[str] | None = None) -> np.ndarray:
    h = np.asarray(states, np.float64)
    if h.ndim != 2 or not h.size or (tokens is not None and len(h) != len(tokens)):
        wanted = "(T, units)" if tokens is None else f"({len(tokens)}, units), a row for each token"
        raise mistake(
            where,
            got=f"values of shape {h.shape}",
            expected=wanted,
            remedy="Give one sequence, without a batch.",
        )
    return h
