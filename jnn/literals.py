"""The types of settings, and those that are one of a few values."""

import dataclasses
import typing
from typing import Any

from jnn.errors import mistake
from jnn.wording import suggestion


def types_of(config: type, *, extras: bool = False) -> dict[str, Any]:
    """The type of each setting of a dataclass, with ``extras`` as ``Annotated`` where it is so.

    Raises `JnnError` where an annotation names what does not exist when the program runs.

    >>> types_of(type("Config", (), {"__annotations__": {"widths": "tuple[int, ...]"}}))
    {'widths': tuple[int, ...]}
    """
    try:
        return typing.get_type_hints(config, include_extras=extras)
    except (AttributeError, NameError, SyntaxError, TypeError) as error:
        raise mistake(
            config.__qualname__,
            got=f"an annotation that cannot be read ({error})",
            expected="the type of each setting",
            remedy="Define or import it at the top of the module, not under TYPE_CHECKING.",
        ) from None


def check_literals(caller: str, config: Any) -> None:
    """Check that each setting of a dataclass whose type is a ``Literal`` has one of its values.

    Or None, which a setting has that does not apply beside others.

    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Config:
    ...     cell: typing.Literal["rnn", "lstm", "gru"] = "lstm"
    >>> check_literals("rnn", Config(cell="ltsm"))
    Traceback (most recent call last):
    jnn.errors.JnnError: rnn: got cell='ltsm', expected one of rnn, lstm, gru. Did you mean 'lstm'?
    """
    hints = types_of(type(config))
    for field in dataclasses.fields(config):
        value, values = getattr(config, field.name), typing.get_args(hints[field.name])
        is_literal = typing.get_origin(hints[field.name]) is typing.Literal
        if is_literal and value is not None and value not in values:
            got, expected = f"{field.name}={value!r}", f"one of {', '.join(map(str, values))}"
            remedy = suggestion(str(value), map(str, values))
            raise mistake(caller, got=got, expected=expected, remedy=remedy)
