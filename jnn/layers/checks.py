"""What layers ask of their settings and inputs, said before anything is traced."""

from collections.abc import Mapping

import jax.numpy as jnp

from jnn.errors import mistake


def check_positive(caller: str, **settings) -> None:
    """Each setting is an integer of at least 1, or several such."""
    is_many = lambda value: isinstance(value, tuple | list)
    each = {
        f"{name}[{i}]": value
        for name, values in settings.items()
        if is_many(values)
        for i, value in enumerate(values)
    }
    alone = {name: value for name, value in settings.items() if not is_many(value)}
    for name, value in (alone | each).items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise mistake(caller, got=f"{name}={value!r}", expected="an integer >= 1")


def check_fraction(caller: str, **settings) -> None:
    """Each setting is in [0, 1)."""
    for name, value in settings.items():
        if not isinstance(value, int | float) or not 0 <= value < 1:
            raise mistake(caller, got=f"{name}={value!r}", expected="a fraction in [0, 1)")


def check_float(caller: str, x, *, min_rank: int = 0, axes: str = "(..., features)") -> None:
    """``x`` is an array of floating-point numbers with at least the axes of one example."""
    if not hasattr(x, "shape") or not hasattr(x, "dtype"):
        raise mistake(
            caller,
            got=f"x of type {type(x).__name__}",
            expected="an array",
            remedy="Pass one array, such as jnp.asarray(x).",
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise mistake(
            caller,
            got=f"x of dtype {x.dtype}",
            expected="floating-point numbers",
            remedy="Convert first: x.astype(jnp.float32), images also / 255.",
        )
    if len(x.shape) < min_rank:
        raise mistake(
            caller, got=f"x of shape {tuple(x.shape)}", expected=f"at least {min_rank} axes, {axes}"
        )


def check_names(caller: str, x, *names: str) -> None:
    """``x`` is a dict that has these names."""
    if not isinstance(x, Mapping) or any(name not in x for name in names):
        kind = "an array" if hasattr(x, "dtype") else f"x of type {type(x).__name__}"
        got = f"a dict of {', '.join(map(str, x)) or 'nothing'}" if isinstance(x, Mapping) else kind
        raise mistake(caller, got=got, expected=f"a dict with {' and '.join(names)}")


def check_features(caller: str, x, features: int) -> None:
    """The last axis of ``x`` is the one that the params were made for."""
    if x.shape[-1] != features:
        remedy = (
            "Channels come last."
            if x.ndim > 2 and features in x.shape[:-1]
            else "Use the params that this model's init made for x."
        )
        raise mistake(
            caller,
            got=f"x of shape {tuple(x.shape)}",
            expected=f"{features} features in its last axis, as in params",
            remedy=remedy,
        )
