"""Named values inside a model: `tag` names, `capture` returns and `intervene` replaces them.

``tag(x, "name")`` is JAX's own ``checkpoint_name``: it costs nothing, survives ``jit``, ``vmap``,
``grad`` and ``scan``, and is also what ``remat(model, save=...)`` keeps. No model is edited for it:
both functions trace ``f`` to a jaxpr and evaluate that, equation by equation, inside of the calls
that contain a tag too (``jit``, ``scan``, ``remat``, custom derivatives). A call without a tag is
bound as a whole, so that custom gradient rules are kept.

The path of a value is the ``jax.named_scope`` in which it was tagged, then its name, as in
``block/attention/weights``. The second value with one path is ``path#2``. Values inside a ``scan``
are stacked along a new first axis. Those of a ``cond`` or ``switch`` are of the branch taken, those
of a ``while`` loop of its last iteration; a value that was not computed is NaN, or zero where it is
no floating-point number. Tags in the condition of a loop are not seen, nor those of a function that
``jax.shard_map`` splits: capture within it.
"""

import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.extend import core

from jnn._jaxprs import CALLS, CUSTOM, REMATS, bind, callee, scan_counts, scope_of
from jnn.errors import mistake


def tag(x: Any, name: str) -> Any:
    """Mark ``x``, an array or a pytree of arrays, as the value called ``name``.

    >>> import jax.numpy as jnp
    >>> capture(lambda x: jnp.sum(tag(x * 2, "double")))(jnp.arange(3.0))[1]["double"].tolist()
    [0.0, 2.0, 4.0]
    """
    if not isinstance(name, str):
        raise mistake("tag", got=f"name of type {type(name).__name__}", expected="tag(x, name)")
    return jax.tree.map(lambda leaf: checkpoint_name(leaf, name), x)


def capture(f: Callable) -> Callable:
    """``capture(f)(*args)`` is ``f(*args), {path: value}`` with every tagged value of ``f``.

    Values are in the order in which they are computed: an ``OrderedDict`` keeps it under
    transformations, where JAX sorts the keys of a dict. Compose it with ``jit``, ``vmap`` and
    ``grad``. Unused values cost nothing under ``jax.jit``.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(hidden=jnn.dense(4), relu=jax.nn.relu, out=jnn.dense(2))
    >>> params, state = model.init(jax.random.key(0), jnp.ones(3))
    >>> (y, _), values = capture(model.apply)(params, state, jnp.ones((5, 3)))
    >>> {path: value.shape for path, value in values.items()}
    {'hidden/output': (5, 4), 'relu/output': (5, 4), 'out/output': (5, 2)}
    """

    _check_callable("capture", f)

    def captured(*args, **kwargs):
        return _evaluate(f, args, kwargs, {})

    return captured


def intervene(f: Callable, changes: dict[str, Any]) -> Callable:
    """``f`` with tagged values replaced.

    ``changes`` maps a path that `capture` returns, or its last parts (``"weights"`` changes every
    ``.../weights``), to a new value, or to a function from the old value to the new one. A whole
    path names that value alone, and of several names for one value the longest counts. A new value
    is cast to the dtype of the old one.

    Inside a ``scan`` a value is stacked, as `capture` returns it; a function gets the value of one
    iteration at a time, and `at_iteration` changes a single iteration. Inside a ``while`` loop a
    change applies to every iteration.

    Raises `JnnError` for a name that ``f`` does not tag, a value of another shape, and an iteration
    outside of the scan.

    >>> import jax.numpy as jnp
    >>> f = lambda x: tag(x * 2, "double") + 1
    >>> intervene(f, {"double": lambda old: old * 0})(jnp.arange(2.0)).tolist()
    [1.0, 1.0]
    """

    _check_callable("intervene", f)

    def changed(*args, **kwargs):
        tagged = jax.eval_shape(lambda: _evaluate(f, args, kwargs, {})[1])
        return _evaluate(f, args, kwargs, _by_path(changes, list(tagged)))[0]

    return changed


class at_iteration(NamedTuple):  # noqa: N801, as it is called like a function
    """For `intervene`: the ``change`` of a value in one iteration of a ``scan``.

    The scan may be that of a `jnn.repeat`; later iterations compute with the change. In nested
    scans, the iteration is one of the outermost; one of the next is chosen by
    ``at_iteration(layer, at_iteration(time, change))``.

    >>> import jax, jax.numpy as jnp
    >>> f = lambda x: jax.lax.scan(lambda c, _: (tag(c + 1, "sum"), None), x, length=3)[0]
    >>> f(0.0).item(), intervene(f, {"sum": at_iteration(1, lambda sum: 10 * sum)})(0.0).item()
    (3.0, 21.0)
    """

    iteration: int
    change: Any
    chosen: Any = True
    """Whether the enclosing scans are at the chosen iterations."""

    def within(self, iteration: jax.Array) -> Any:
        """The change to apply inside the scan, in this iteration of it."""
        chosen, change = self.chosen & (iteration == self.iteration), self.change
        if isinstance(change, at_iteration):
            return change._replace(chosen=chosen)
        return _Conditional(chosen, change)


class _Conditional(NamedTuple):
    """A change that applies if ``chosen``, a traced boolean, is true."""

    chosen: Any
    change: Any


def _by_path(changes: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """The change of each path that one of the names is of.

    >>> _by_path({"output": 1, "0/output": 2}, ["0/output", "blocks/0/output", "1/output"])
    {'0/output': 2, 'blocks/0/output': 1, '1/output': 1}
    """
    by_path: dict[str, Any] = {}
    for name in sorted(changes, key=len):
        named = [name] if name in paths else [path for path in paths if path.endswith("/" + name)]
        if not named:
            raise mistake(
                "intervene",
                got=f"a change of {name!r}",
                expected=f"a tagged value: {', '.join(paths) or 'there is none'}",
            )
        by_path |= dict.fromkeys(named, changes[name])
    return {path: by_path[path] for path in paths if path in by_path}


def _check_callable(caller: str, f: Any) -> None:
    if not callable(f):
        remedy = "Of a model, pass model.apply."
        raise mistake(caller, got=repr(f)[:80], expected="a function", remedy=remedy)


def _evaluate(f, args, kwargs, changes):
    """``f(*args, **kwargs)`` and all its tagged values, with ``changes`` applied.

    Arguments that are not arrays, such as ``train=True``, are not traced.
    """
    leaves, structure = jax.tree.flatten((args, kwargs))
    is_array = lambda leaf: hasattr(leaf, "shape")

    def on_arrays(arrays):
        remaining = iter(arrays)
        restored = [next(remaining) if is_array(leaf) else leaf for leaf in leaves]
        args, kwargs = structure.unflatten(restored)
        return f(*args, **kwargs)

    arrays = [leaf for leaf in leaves if is_array(leaf)]
    closed, shape = jax.make_jaxpr(on_arrays, return_shape=True)(arrays)
    outputs, values = _run(closed.jaxpr, closed.consts, arrays, "", changes, frozenset())
    shapes, structure = jax.tree.flatten(shape)
    return structure.unflatten(map(_as_array, outputs, shapes)), values


def _as_array(value: Any, like: Any) -> jax.Array:
    """The value; of a constant, which a jaxpr may hold as a number, an array of the same dtype."""
    return value if isinstance(value, jax.Array) else jnp.asarray(value, like.dtype)


def _run(jaxpr, consts, args, scope, changes, seen):
    """Evaluate a jaxpr in ``scope``: its outputs, and its tagged values, ``{path: value}``.

    The values are an ``OrderedDict``: JAX sorts a dict that a traced function returns. ``seen``
    holds the paths of earlier values, which are not used again.
    """
    values = OrderedDict()
    environment = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    read = lambda atom: atom.val if isinstance(atom, core.Literal) else environment[atom]
    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        inner = scope_of(equation)
        path = "/".join(filter(None, [scope, inner]))
        # relative to the scope of the call whose jaxpr this is
        with jax.named_scope(inner) if inner else contextlib.nullcontext():
            outputs, new = _run_equation(equation, inputs, path, changes, seen | values.keys())
        values |= new
        environment.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars], values


def _run_equation(equation, inputs, path, changes, seen):
    kind, parameters = equation.primitive.name, equation.params
    if kind == "name":
        value = _as_array(inputs[0], equation.outvars[0].aval)
        return _run_tag(parameters["name"], value, path, changes, seen)
    if kind not in (*CALLS, *CUSTOM, *REMATS, *_CONTROL) or not _holds_tags(parameters):
        return bind(equation, inputs), {}
    if kind in _CONTROL:
        return _CONTROL[kind](parameters, inputs, path, changes, seen)
    inner, consts = callee(equation)
    run = lambda *args: _run(inner, consts, args, path, changes, seen)
    if kind not in REMATS:
        return run(*inputs)
    settings = {name: parameters[name] for name in ("policy", "prevent_cse")}
    return jax.checkpoint(run, **settings)(*inputs)


def _holds_tags(parameters) -> bool:
    equations = [equation for jaxpr in core.jaxprs_in_params(parameters) for equation in jaxpr.eqns]
    return any(
        equation.primitive.name == "name" or _holds_tags(equation.params) for equation in equations
    )


def _run_tag(name, value, path, changes, seen):
    path = f"{path}/{name}" if path else name
    if path in seen:
        path = next(f"{path}#{i}" for i in itertools.count(2) if f"{path}#{i}" not in seen)
    if path in changes:
        change = changes[path]
        if isinstance(change, at_iteration):
            raise mistake(
                "intervene",
                got=f"an iteration for {path!r}",
                expected="a value inside a scan, or inside so many scans",
            )
        chosen, change = change if isinstance(change, _Conditional) else (True, change)
        new = jnp.asarray(change(value) if callable(change) else change)
        if new.shape != value.shape:
            raise mistake(
                "intervene",
                got=f"shape {new.shape} for {path!r}",
                expected=f"its shape {value.shape}",
            )
        new = new.astype(value.dtype)
        # If chosen is True the old value has no gradient at all, not even one of zeros.
        value = new if chosen is True else jnp.where(chosen, new, value)
    value = checkpoint_name(value, name)
    return [value], {path: value}


def _run_scan(parameters, inputs, path, changes, seen):
    """A scan whose body also returns its tagged values, stacked.

    Changes that are stacked values are scanned over, and for those of single iterations the number
    of the iteration too.
    """
    body, length = parameters["jaxpr"], parameters["length"]
    constants, carries = scan_counts(parameters)
    consts, rest = inputs[:constants], inputs[constants:]
    init, xs = rest[:carries], rest[carries:]

    def run(carry, x, changes):
        return _run(body.jaxpr, body.consts, [*consts, *carry, *x], path, changes, seen)

    single, functions, arrays = {}, {}, {}
    for name, change in changes.items():
        if isinstance(change, at_iteration):
            single[name] = change
        elif callable(change) or isinstance(change, _Conditional):
            functions[name] = change
        else:
            arrays[name] = jnp.asarray(change)
    if arrays:
        inside = jax.eval_shape(lambda: run(init, [x[0] for x in xs], {}))[1] if length else {}
        arrays = {name: value for name, value in arrays.items() if name in inside}
    for name, value in arrays.items():
        if value.shape[:1] != (length,):
            raise mistake(
                "intervene",
                got=f"shape {value.shape} for {name!r}",
                expected=f"one value for each of the {length} iterations, stacked",
            )

    def step(carry, element):
        x, arrays, iteration = element
        within = {name: change.within(iteration) for name, change in single.items()}
        outputs, values = run(carry, x, functions | arrays | within)
        return outputs[:carries], (outputs[carries:], values)

    iterations = jnp.arange(length) if single else None
    last, (ys, values) = jax.lax.scan(
        step, init, (xs, arrays, iterations), length, parameters["reverse"], parameters["unroll"]
    )
    for name, change in single.items():
        if not 0 <= change.iteration < length and name in values:
            raise mistake(
                "intervene",
                got=f"iteration {change.iteration} for {name!r}",
                expected=f"one of 0 to {length - 1}",
            )
    return [*last, *ys], values


def _run_cond(parameters, inputs, path, changes, seen):
    """A ``cond`` or ``switch`` whose branches also return the tagged values of all of them.

    A path that two branches share is one value if it has the same shape and dtype in both.
    """
    index, *operands = inputs
    branches, shapes = [], {}
    for closed in parameters["branches"]:
        others, clashes = frozenset(), True
        while clashes:  # values that differ in shape get paths of their own
            run = _of_branch(closed, path, changes, seen | others)
            tagged = jax.eval_shape(run, *operands)[1]
            clashes = {name for name, shape in tagged.items() if shapes.get(name, shape) != shape}
            others |= clashes
        branches.append(run)
        shapes |= tagged

    def with_all(run):
        def branch(*operands):
            outputs, values = run(*operands)
            return outputs, OrderedDict(
                (name, values[name] if name in values else _absent(shape))
                for name, shape in shapes.items()
            )

        return branch

    return jax.lax.switch(index, [with_all(run) for run in branches], *operands)


def _of_branch(closed, path, changes, seen):
    return lambda *operands: _run(closed.jaxpr, closed.consts, operands, path, changes, seen)


def _run_while(parameters, inputs, path, changes, seen):
    """A ``while`` loop that carries the tagged values of its last iteration along."""
    condition, body = parameters["cond_jaxpr"], parameters["body_jaxpr"]
    of_condition, of_body = parameters["cond_nconsts"], parameters["body_nconsts"]
    consts, rest = inputs[:of_condition], inputs[of_condition:]
    body_consts, start = rest[:of_body], rest[of_body:]

    def run(*carry):
        return _run(body.jaxpr, body.consts, [*body_consts, *carry], path, changes, seen)

    absent = jax.tree.map(_absent, jax.eval_shape(run, *start)[1])

    def goes_on(carry):
        start = [*consts, *carry[0]]
        return _run(condition.jaxpr, condition.consts, start, path, {}, frozenset())[0][0]

    def step(carry):
        new, active = run(*carry[0]), goes_on(carry)
        if not active.ndim:
            return new
        return jax.tree.map(lambda new, old: _where(active, new, old), new, carry)

    # under `jax.vmap` each element has its condition: the loop ends with the last of them
    last, values = jax.lax.while_loop(lambda carry: goes_on(carry).any(), step, (start, absent))
    return last, values


def _where(active: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """The new value of the elements that go on, which are on the first axes; else the old one."""
    if new.shape[: active.ndim] != active.shape:  # a value that is the same for all
        return new
    active = jax.lax.expand_dims(active, range(active.ndim, new.ndim))
    return jax.lax.select(jnp.broadcast_to(active, new.shape), new, old)


def _absent(shape: Any) -> jax.Array:
    """What stands for a value that was not computed."""
    is_float = jnp.issubdtype(shape.dtype, jnp.inexact)
    return jnp.full(shape.shape, jnp.nan if is_float else 0, shape.dtype)


_CONTROL = {"scan": _run_scan, "cond": _run_cond, "while": _run_while}
