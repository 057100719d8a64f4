"""Between the entries of a ``config.json`` and the settings of an architecture of jnn: a table,
read in both directions.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from jnn.errors import mistake

_MOST = 2**31
_KINDS = {int: "an integer", float: "a number", bool: "true or false", str: "a name"}


class Setting(NamedTuple):
    """One setting of jnn.

    ``name``   of the setting
    ``read``   ``config.json`` -> its value; raises ValueError with what is wrong
    ``write``  the value -> entries of ``config.json``
    """

    name: str
    read: Callable[[Mapping[str, Any]], Any]
    write: Callable[[Any], dict[str, Any]]


def entry(name: str, key: str, kind: type, default: Any = None) -> Setting:
    """A setting that is an entry of ``config.json``.

    ``default`` holds where the entry is absent or null; without one it must be there.

    >>> entry("width", "n_embd", int, 768).read({}), entry("width", "n_embd", int).write(8)
    (768, {'n_embd': 8})
    """

    def read(config):
        value = config.get(key)
        value = default if value is None else value
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            got = f"{key}={value!r}" if key in config else f"no {key}"
            raise ValueError(f"{got} in place of {_KINDS[kind]}")
        if kind is int and not 0 <= value < _MOST:
            raise ValueError(f"{key}={value} in place of a number from 0 to {_MOST - 1}")
        return value

    return Setting(name, read, lambda value: {key: value})


def optional(name: str, key: str) -> Setting:
    """An integer for which jnn has 0 where ``config.json`` has null or nothing."""
    number = entry(name, key, int, 0)
    return Setting(name, number.read, lambda value: {key: value or None})


ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""Names of Hugging Face, and of jnn; of several, the last before ``gelu`` is written."""


def activation(key: str, default: str) -> Setting:
    """The activation function, by its names there and here."""

    def read(config):
        name = config.get(key) or default
        if name not in list(ACTIVATIONS):
            raise ValueError(f"{key}={name!r} in place of one of {', '.join(ACTIVATIONS)}")
        return ACTIVATIONS[name]

    names = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    names |= {"gelu_tanh": "gelu_pytorch_tanh"}
    return Setting("activation", read, lambda value: {key: names[value]})


def tied(default: bool) -> Setting:
    """The read-out: the transposed embedding, or a dense layer."""
    flag = entry("head", "tie_word_embeddings", bool, default)
    return Setting(
        "head",
        lambda config: "tied" if flag.read(config) else "dense",
        lambda head: flag.write(head == "tied"),
    )


def window(default: int = 0) -> Setting:
    """The window of attention, of which all layers have the same or none."""

    def read(config):
        size = config.get("sliding_window", default) or 0
        if type(size) is not int or not 0 <= size < _MOST:
            raise ValueError(f"sliding_window={size!r} in place of an integer below {_MOST}")
        return size

    return Setting("window", read, lambda size: {"sliding_window": size or None})


def windows(default: int) -> Setting:
    """The windows of attention, which some of the layers have, as in Qwen2.

    What it is written as follows from the depth too, see `layers_with_windows`.
    """
    size_of = window(default)

    def read(config):
        if not config.get("use_sliding_window"):
            return 0
        size, depth = size_of.read(config), entry("depth", "num_hidden_layers", int).read(config)
        first = entry("window", "max_window_layers", int, 28).read(config)
        kinds = config.get("layer_types") or [_FULL] * first + [_SLIDING] * (depth - first)
        if other := set(kinds) - {_FULL, _SLIDING}:
            raise ValueError(f"layers of {', '.join(sorted(map(str, other)))}")
        if len(kinds := kinds[:depth]) != depth:
            raise ValueError(f"{len(kinds)} layer_types for {depth} layers")
        return periodic([size if kind == _SLIDING else 0 for kind in kinds])

    return Setting("window", read, lambda size: {})


def layers_with_windows(settings: Any) -> dict[str, Any]:
    """The entries of ``config.json`` for the `windows` of these settings, where there are any.

    >>> from jnn.architectures.transformer import TransformerConfig
    >>> layers_with_windows(TransformerConfig(depth=2, window=(0, 9)))["layer_types"]
    ['full_attention', 'sliding_attention']
    """
    if not any(settings.windows):
        return {}
    kinds = [_SLIDING if size else _FULL for size in settings.windows]
    layers = kinds * (settings.depth // len(kinds))
    size = max(settings.windows)
    return {"use_sliding_window": True, "sliding_window": size, "layer_types": layers}


_FULL, _SLIDING = "full_attention", "sliding_attention"


def periodic(values: list[int]) -> int | tuple[int, ...]:
    """The shortest tuple that the values repeat; of one value, that.

    >>> periodic([0, 4, 0, 4]), periodic([4, 4]), periodic([0, 4, 4])
    ((0, 4), 4, (0, 4, 4))
    """
    n = len(values)
    period = next(p for p in range(1, n + 1) if n % p == 0 and values[:p] * (n // p) == values)
    return tuple(values[:period]) if period > 1 else values[0]


def read_settings(
    settings: Iterable[Setting], fixed: Mapping[str, Any], config: Mapping[str, Any], caller: str
) -> dict[str, Any]:
    """The settings of jnn that a ``config.json`` describes.

    ``fixed`` has the entries that jnn knows one value of: any other is refused, by a `JnnError`, as
    are values that make no sense.
    """
    for key, value in fixed.items():
        if key in config and config[key] not in (value, None):
            raise mistake(
                caller, got=f"{key}={config[key]!r}", expected=f"{value!r}, all that jnn has here"
            )
    values = {}
    for setting in settings:
        try:
            values[setting.name] = setting.read(config)
        except ValueError as error:
            raise mistake(caller, got=str(error), expected="a model that jnn has") from None
        except (AttributeError, TypeError) as error:  # of a value within lists and objects
            got = f"no {setting.name} to read ({error})"
            raise mistake(caller, got=got, expected="values as transformers write them") from None
    return values


def write_settings(settings: Iterable[Setting], values: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of ``config.json`` from which `read_settings` makes these values."""
    entries: dict[str, Any] = {}
    for setting in settings:
        for key, value in setting.write(values[setting.name]).items():
            within = isinstance(value, dict) and key in entries
            entries[key] = entries[key] | value if within else value
    return entries
