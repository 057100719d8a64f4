"""The operations of a model in the order in which they run, each with the part it belongs to."""

import collections
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend import core

from jnn._jaxprs import CALLS, CUSTOM, REMATS, callee, scan_counts, scope_of
from jnn.model import Model
from jnn.paths import path_name

Location = tuple[str, ...]
"""The calls around an operation, from the outermost: ``("decoder", "dropout#2")`` is in the second
call of the part ``decoder/dropout``."""


class Array(NamedTuple):
    """A value of a traced model."""

    id: int
    """Values with the same number are the same value."""
    shape: tuple[int, ...]
    dtype: str


class Operation(NamedTuple):
    """One equation of a traced model; calls that hold tags are written out."""

    kind: str
    """The primitive, or the name of the function where a whole call is one operation."""
    tag: str
    """The name of the value that it tags, if it does."""
    location: Location
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    path: str = ""
    """That of the value that it tags, as `jnn.capture` has it."""


class Trace(NamedTuple):
    """A model that was traced for an input."""

    operations: list[Operation]
    params: dict[int, str]
    """The path of each param, by the id of the array."""
    inputs: dict[int, str]
    """The path of each input within x."""
    outputs: tuple[Array, ...]
    repeats: dict[Location, int]
    """How many copies of its content a part has, by `jnn.repeat`."""
    sizes: dict[str, tuple[int, ...]]
    """The shape of each param, by its path."""
    arrays: dict[int, Array]


def trace(model: Model, x: Any, variables: tuple[Any, Any] | None = None) -> Trace:
    """What ``model`` computes for an input of the shape of ``x``; nothing is computed.

    ``variables`` are params and state, where they are not such as ``model.init`` makes.
    """
    shapes = lambda tree: jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree
    )
    x = shapes(x)
    variables = shapes(variables) if variables else None
    params, state = variables or jax.eval_shape(model.init, jax.random.key(0), x)
    apply = lambda params, state, x: model.apply(params, state, x)[0]
    jaxpr = jax.make_jaxpr(apply)(params, state, x).jaxpr
    tracer = _Tracer()
    arrays = [tracer.new(variable) for variable in jaxpr.invars]
    trees = [jax.tree.leaves_with_path(tree) for tree in (params, state, x)]
    counts = [len(leaves) for leaves in trees]
    of_params, of_x = arrays[: counts[0]], arrays[sum(counts[:2]) :]
    named = lambda arrays, leaves: {
        array.id: path_name(path) for array, (path, _) in zip(arrays, leaves, strict=True)
    }
    tracer.active |= {array.id for array in of_x}
    outputs = tracer.run(jaxpr, arrays, ())
    return Trace(
        tracer.operations,
        named(of_params, trees[0]),
        named(of_x, trees[2]),
        tuple(outputs),
        tracer.repeats,
        {path_name(path): leaf.shape for path, leaf in trees[0]},
        tracer.arrays,
    )


class _Tracer:
    """The operations of a jaxpr, as they are walked through."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.arrays: dict[int, Array] = {}
        self.active: set[int] = set()
        """The values that depend on x."""
        self.repeats: dict[Location, int] = {}
        self._calls: dict[tuple[Location, str], int] = {}
        self._tagged: collections.Counter[str] = collections.Counter()
        """How often each path was tagged."""
        self._ended: set[Location] = set()
        self._ending: Operation | None = None

    def new(self, variable: Any) -> Array:
        """A value of its own for a variable of a jaxpr."""
        aval = variable.aval
        array = Array(len(self.arrays), tuple(aval.shape), str(aval.dtype))
        self.arrays[array.id] = array
        return array

    def run(self, jaxpr: Any, inputs: Sequence[Array], scope: tuple[str, ...]) -> list[Array]:
        """Walk through a jaxpr in ``scope``; returns its outputs."""
        arrays = dict(zip(jaxpr.invars, inputs, strict=True))
        arrays |= {variable: self.new(variable) for variable in jaxpr.constvars}
        read = lambda atom: self.new(atom) if isinstance(atom, core.Literal) else arrays[atom]
        for equation in jaxpr.eqns:
            inner = (*scope, *filter(None, scope_of(equation).split("/")))
            outputs = self._equation(equation, [read(atom) for atom in equation.invars], inner)
            arrays.update(zip(equation.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _equation(self, equation: Any, inputs: list[Array], scope: tuple[str, ...]) -> list[Array]:
        kind, parameters = equation.primitive.name, equation.params
        if not _holds_tags(parameters):
            return self._operation(equation, inputs, scope)
        if kind in (*CALLS, *CUSTOM, *REMATS):
            return self.run(callee(equation)[0], inputs, scope)
        if kind == "scan":
            return self._scan(parameters, inputs, scope)
        if kind == "while":
            rest = inputs[parameters["cond_nconsts"] :]
            return self.run(parameters["body_jaxpr"].jaxpr, rest, scope)
        if kind == "cond":
            return self.run(parameters["branches"][-1].jaxpr, inputs[1:], scope)
        return self._operation(equation, inputs, scope)

    def _scan(self, parameters: Any, inputs: list[Array], scope: tuple[str, ...]) -> list[Array]:
        """One iteration. A scan over params alone is a `jnn.repeat`."""
        self._end_of_call("", inputs, scope)
        body, before = parameters["jaxpr"].jaxpr, sum(scan_counts(parameters))
        elements = [self.new(variable) for variable in body.invars[before:]]
        for outside, inside in zip(inputs[before:], elements, strict=True):
            self.operations.append(Operation("slice", "", self._at(scope), (outside,), (inside,)))
            if outside.id in self.active:
                self.active.add(inside.id)
        if elements and not any(element.id in self.active for element in elements):
            location = self._at(scope)
            self.repeats[location] = self.repeats.get(location, 1) * parameters["length"]
        return self.run(body, [*inputs[:before], *elements], scope)

    def _operation(self, equation: Any, inputs: list[Array], scope: tuple[str, ...]) -> list[Array]:
        primitive, parameters = equation.primitive.name, equation.params
        tag = parameters["name"] if primitive == "name" else ""
        kind = _function_name(equation) if primitive in (*CALLS, *CUSTOM) else primitive
        outputs = [self.new(variable) for variable in equation.outvars]
        self._end_of_call(tag, inputs, scope)
        path = self._path_of(tag, scope) if tag else ""
        operation = Operation(kind, tag, self._at(scope), tuple(inputs), tuple(outputs), path)
        self.operations.append(operation)
        if tag == "output":
            self._ending = operation
        if any(array.id in self.active for array in inputs):
            self.active |= {array.id for array in outputs}
        return outputs

    def _path_of(self, tag: str, scope: tuple[str, ...]) -> str:
        """The path of a tagged value: the second one with a path is ``path#2``."""
        path = "/".join((*scope, tag))
        self._tagged[path] += 1
        return _numbered(path, self._tagged[path])

    def _end_of_call(self, tag: str, inputs: list[Array], scope: tuple[str, ...]) -> None:
        """A call ends with its output, all leaves of which are tagged one after the other."""
        ending = self._ending
        if ending is None:
            return
        goes_on = tag == "output" and self._at(scope) == ending.location
        if goes_on and ending.outputs[0] not in inputs:
            return
        self._ended.add(ending.location)
        self._ending = None

    def _at(self, scope: tuple[str, ...]) -> Location:
        """The calls that are running in ``scope``; a part whose call has ended is called again."""
        location: Location = ()
        for name in scope:
            calls = self._calls.setdefault((location, name), 1)
            if (*location, _numbered(name, calls)) in self._ended:
                calls += 1
                self._calls[location, name] = calls
            location = (*location, _numbered(name, calls))
        return location


def _numbered(name: str, calls: int) -> str:
    return name if calls == 1 else f"{name}#{calls}"


def without_numbers(location: Location) -> str:
    """The path of the part that is called.

    >>> without_numbers(("decoder", "dropout#2"))
    'decoder/dropout'
    """
    return "/".join(name.partition("#")[0] for name in location)


def _function_name(equation: Any) -> str:
    """The name of the function that a call is of, the innermost where it does nothing but call."""
    if "name" in equation.params:
        return equation.params["name"]
    inner = callee(equation)[0].eqns
    if len(inner) == 1 and inner[0].primitive.name in (*CALLS, *CUSTOM):
        return _function_name(inner[0])
    return equation.primitive.name


def _holds_tags(parameters: Any) -> bool:
    return any(equation.primitive.name == "name" for equation in _equations(parameters))


def _equations(parameters: Any) -> Iterator[Any]:
    for jaxpr in core.jaxprs_in_params(parameters):
        for equation in jaxpr.eqns:
            yield equation
            yield from _equations(equation.params)
