"""Plain functions as models, and whether a function treats each element of a sequence alone."""

import contextlib
import inspect
import itertools
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jnn.errors import check_function, mistake
from jnn.masks import axes_of_elements, is_of_pairs
from jnn.model import Model, no_params, pointwise, where

Shape = tuple[int, ...]

GUESSES = [jax.ShapeDtypeStruct((features,), jnp.float32) for features in (60, 4, 1)]
GUESSES += [jax.ShapeDtypeStruct((), jnp.int32)]
"""Elements to try a function on before its input is known: features, and a token."""
LEADING = (2, 3)
"""The leading axes of the values that a function is tried on."""
_verdicts: weakref.WeakKeyDictionary[Callable, dict[int, bool]] = weakref.WeakKeyDictionary()
"""Whether functions that were tried before look across, by the number of their values."""


def function(f: Callable[[Any], Any]) -> Model:
    """The model of a function without params, ``y = f(x)``.

    ``f`` must treat each example alone. If it treats each element of a sequence alone too, as
    ``jax.nn.relu`` does, the model streams, and a mask passes. If it looks across time, as
    ``lambda h: h[..., -1, :]`` does, the model does not stream, and a mask is refused, since f
    would take padding for elements.

    >>> import jax.numpy as jnp
    >>> function(jnp.tanh).apply({}, {}, jnp.zeros(2))[0].tolist()
    [0.0, 0.0]
    """

    def apply(params, state, x, *, key=None, train=False, mask=None):
        if mask is not None:
            pairs = is_of_pairs(mask, x)
            check_keeps_apart("chain", f, x, mask.shape[: mask.ndim - pairs])
        return f(x), state

    model = pointwise(no_params, apply)
    return Model(model.init, model.apply) if looks_across(f) else model


def looks_across(f: Callable, values: int = 1) -> bool:
    """Whether no guess at an element lets f treat it alone, and some tell that it does not.

    f takes so many ``values``, such as the outputs of several parts.
    """
    with contextlib.suppress(TypeError, KeyError):  # not every callable has a hash
        return _verdicts[f][values]
    alike = lambda element: f(*[element] * values)
    kept = {_keeps_leading_axes(alike, element) for element in GUESSES}
    verdict = False in kept and True not in kept
    with contextlib.suppress(TypeError):
        _verdicts.setdefault(f, {})[values] = verdict
    return verdict


def _same(params, state, x, *, key=None, train=False, mask=None):
    return x, state


identity = pointwise(no_params, _same)


_FORMS = {
    "init": "(key, x) -> params, state",
    "carry": "(params, x_t, length) -> carry",
    "step": "(params, state, carry, x_t) -> y_t, carry",
}
"""How the functions of a model are called, but for `apply`, whose options have names."""


def as_model(part: Model | Callable) -> Model:
    """``part`` itself if it is a model, else the model of a function such as ``jax.nn.relu``."""
    if isinstance(part, Model):
        _check_options(part.apply)
        for name, form in _FORMS.items():
            check_function("Model", name, getattr(part, name), form)
        return part
    if callable(part) and not isinstance(part, type):
        _check_function(part)
        return function(part)
    got, remedy = repr(part), ""
    if (shape := getattr(part, "shape", None)) is not None:
        got = f"an array of shape {shape}"
    if isinstance(part, Mapping):
        got, remedy = f"a {type(part).__name__}", "Pass the parts by name: chain(**parts)."
    elif isinstance(part, list | tuple | Iterator):
        got, remedy = f"a {type(part).__name__}", "Pass the parts one by one: chain(*parts)."
    expected = "a Model or a function of one argument"
    raise mistake("jnn", got=f"{got} as a part of a model", expected=expected, remedy=remedy)


def _check_function(f: Callable) -> None:
    """Refuse a function that is no layer: one that makes a model, or takes no single argument."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # not every callable tells
        return
    name, remedy = getattr(f, "__name__", type(f).__name__), ""
    if signature.return_annotation in (Model, "Model", "jnn.Model"):
        got, remedy = f"{name}, which makes a model,", f"Call it with its settings: {name}(...)."
    else:
        try:
            signature.bind(None)
        except TypeError:
            got = f"{name}{signature}"
        else:
            return
    expected = "a Model or a function of one argument"
    raise mistake("jnn", got=f"{got} as a part of a model", expected=expected, remedy=remedy)


def _check_options(apply: Callable) -> None:
    """Check that the ``apply`` of a layer takes what every apply is given."""
    try:
        parameters = inspect.signature(apply).parameters
    except (TypeError, ValueError):  # not every callable tells
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    if missing := [name for name in ("key", "train", "mask") if name not in parameters]:
        raise mistake(
            "Model",
            got=f"an apply without {', '.join(missing)}",
            expected="apply(params, state, x, *, key=None, train=False, mask=None)",
        )


def per_element(model: Model | Callable) -> Model:
    """The model applied to each element of a sequence alone, as to examples of a batch.

    x ``(..., T, *element)`` -> y ``(..., T, *output)``, for elements of any rank: frames of a film,
    or the characters of each word. It streams, one element at a time. A mask ``(..., T)`` of
    elements passes.

    >>> import jax, jax.numpy as jnp, jnn
    >>> frame = jnn.chain(jnn.conv(4, (3, 3)), jax.nn.relu, jnn.global_average_pool())
    >>> film = jnn.chain(jnn.per_element(frame), jnn.lstm(6))
    >>> x = jnp.ones((9, 8, 8, 3))
    >>> params, state = jax.jit(film.init)(jax.random.key(0), x)
    >>> jax.jit(film.apply)(params, state, x)[0].shape
    (9, 6)
    """
    model = as_model(model)
    return pointwise(model.init, model.apply)


def treats_alone(f: Callable[[Any], Any], element: Any) -> bool | None:
    """Whether ``f`` of a batch of elements is f of each; None where f cannot take such an element.

    ``element`` gives the shape and dtype of one. Functions that only look at shapes are tried on
    shapes, the others on random values.

    >>> element = jax.ShapeDtypeStruct((4,), jnp.float32)
    >>> treats_alone(jnp.tanh, element), treats_alone(lambda h: h[..., ::-1, :], element)
    (True, False)
    >>> treats_alone(lambda h: h - h.mean(), element)
    False
    """
    verdict = _keeps_leading_axes(f, element)
    if not verdict:
        return verdict
    batch = _batch(element)
    mapped = jax.vmap(jax.vmap(f))
    if str(jax.make_jaxpr(f)(batch)) == str(jax.make_jaxpr(mapped)(batch)):
        return True
    rng = np.random.default_rng(0)
    draw = lambda leaf: jnp.asarray(4 * rng.random(leaf.shape), leaf.dtype)
    with jax.ensure_compile_time_eval():  # inside of jax.jit too
        values = jax.tree.map(draw, batch)
        pairs = list(zip(*map(jax.tree.leaves, (f(values), mapped(values))), strict=True))
    if any(isinstance(leaf, Tracer) for pair in pairs for leaf in pair):
        return True  # f has traced values of its own: its shapes are all that is known
    return all(itertools.starmap(_alike, pairs))


def _alike(a: Any, b: Any) -> bool:
    return np.allclose(a, b, rtol=1e-3, atol=1e-3, equal_nan=True)


def _keeps_leading_axes(f: Callable, element: Any) -> bool | None:
    """Whether f of elements with leading axes has them in front of f of one element."""
    one, batch = (_shape_of_output(f, x) for x in (element, _batch(element)))
    if one is None and batch is None:
        return None
    return one is not None and batch == _batch(one)


def _shape_of_output(f: Callable, x: Any) -> Any:
    """The output of f as shapes and dtypes, None where f fails on such an x.

    What f warns of is about a guess, which its user never gave it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return jax.eval_shape(f, x)
        except Exception:  # of a user's function: any
            return None


def _batch(element: Any) -> Any:
    more = lambda leaf: jax.ShapeDtypeStruct((*LEADING, *leaf.shape), leaf.dtype)
    return jax.tree.map(more, element)


def check_keeps_apart(caller: str, f: Callable[[Any], Any], x: Any, leading: Shape) -> None:
    """Refuse a function of x that looks across the elements of a padded sequence.

    x is an array or a pytree of them, such as the outputs of several parts. Those with the leading
    axes ``(..., T)`` are sequences, the others belong to all elements alike.
    """
    n = len(leading)
    leaves, structure = jax.tree.flatten(x)
    along = [axes_of_elements(leaf) >= n and leaf.shape[:n] == leading for leaf in leaves]
    if not any(along):
        return

    def with_leading(axes: Shape) -> Any:
        first = [(axes, n) if sequence else (axes[:-1], n - 1) for sequence in along]
        shapes = [(*axes, *leaf.shape[k:]) for leaf, (axes, k) in zip(leaves, first, strict=True)]
        pairs = zip(shapes, leaves, strict=True)
        return structure.unflatten(jax.ShapeDtypeStruct(a, leaf.dtype) for a, leaf in pairs)

    verdict = treats_alone(f, with_leading(())) if all(along) else None
    for axes in ((2,) * (n - 1) + (3,), leading):  # f may know the sizes of x
        verdict = _keeps_apart(f, with_leading(axes), axes, along) if verdict is None else verdict
    if verdict is False:
        name = getattr(f, "__name__", repr(f))
        raise mistake(
            caller,
            got=f"a mask, and the function {name}, which looks across time",
            expected="a layer that knows which elements are real",
            remedy=(
                "Use jnn.last_element(), jnn.global_average_pool(1), or a Model of your own, whose "
                "apply takes the mask."
            ),
        )


def _keeps_apart(f: Callable, x: Any, leading: Shape, along: list[bool]) -> bool | None:
    """Whether no element of f(x) depends on another element; None where f cannot take such an x.

    Every second element is replaced: only these may change.
    """
    if _shape_of_output(f, x) is None:
        return None
    rng = np.random.default_rng(0)
    leaves, structure = jax.tree.flatten(x)
    draw = lambda leaf: jnp.asarray(4 * rng.random(leaf.shape), leaf.dtype)
    n, is_odd = len(leading), np.arange(leading[-1]) % 2 == 1
    for is_new in (is_odd, ~is_odd):
        with jax.ensure_compile_time_eval():  # inside of jax.jit too
            places, before = jnp.broadcast_to(is_new, leading), list(map(draw, leaves))
            pairs = zip(before, along, strict=True)
            after = [
                where(places, draw(leaf), leaf) if sequence else leaf for leaf, sequence in pairs
            ]
            y = [jax.tree.leaves(f(structure.unflatten(leaves))) for leaves in (before, after)]
        for a, b in zip(*y, strict=True):
            if isinstance(a, Tracer) or isinstance(b, Tracer):
                continue  # f has traced values of its own: its shapes are all that is known
            if a.shape[:n] == leading:
                a, b = (np.compress(~is_new, leaf, axis=n - 1) for leaf in (a, b))
            if not _alike(a, b):
                return False
    return True
