"""The parts of a traced model: which operations, params and values belong to each."""

import collections

from jnn.explain.diagrams.tracing import Array, Location, Operation, Trace, without_numbers


class Parts:
    """The calls of the parts of a model, by location; ``()`` is the whole model."""

    def __init__(self, traced: Trace) -> None:
        self.trace = traced
        self.locations = dict.fromkeys(_calls(traced))
        """In the order in which they begin."""
        self.operations = [(self.owner(one.location), one) for one in traced.operations]
        """Each with the innermost part that it is in."""
        self.repeats = {self.owner(at): n for at, n in traced.repeats.items()}
        self.maker = {array.id: at for at, one in self.operations for array in one.outputs}
        """The part that makes a value."""
        self.of_params = self._from_params()
        """The values that are made of params alone, each with the path of one of these."""
        self._readers = collections.defaultdict(set)
        for at, operation in self.operations:
            for array in operation.inputs:
                self._readers[array.id].add(at)
        self._params = self._owners_of_params()

    def owner(self, location: Location) -> Location:
        """The innermost part around a location."""
        around = (location[:n] for n in range(len(location), 0, -1))
        return next((at for at in around if at in self.locations), ())

    def parent(self, location: Location) -> Location:
        """The part directly around a part."""
        return self.owner(location[:-1])

    def children(self, location: Location) -> list[Location]:
        """The parts directly within a part."""
        return [at for at in self.locations if self.parent(at) == location]

    def name(self, location: Location) -> str:
        """The name of a part within the part around it."""
        return "/".join(location[len(self.parent(location)) :])

    def own(self, location: Location) -> list[Operation]:
        """The operations of a part that are in no part within it."""
        return [operation for at, operation in self.operations if at == location]

    def outputs(self, location: Location) -> list[Array]:
        """What a part makes: its tagged output, or what others read of it."""
        if not location:
            return list(self.trace.outputs)
        operations = self.own(location)
        tagged = [array for one in operations if one.tag == "output" for array in one.outputs]
        outside = lambda at: at[: len(location)] != location
        arrays = (array for one in operations for array in one.outputs)
        return tagged or [array for array in arrays if any(map(outside, self._readers[array.id]))]

    def params(self, location: Location) -> dict[str, tuple[int, ...]]:
        """The shapes of the params that a part holds itself, by their names within it."""
        start = len(without_numbers(location))
        paths = self._params.get(location, [])
        return {path[start:].lstrip("/"): self.trace.sizes[path] for path in paths}

    def params_below(self, location: Location) -> dict[str, tuple[int, ...]]:
        """The shapes of all params under the path of a part, whichever call holds them."""
        start = f"{without_numbers(location)}/" if location else ""
        sizes = self.trace.sizes.items()
        return {path: shape for path, shape in sizes if path.startswith(start)}

    def _owners_of_params(self) -> dict[Location, list[str]]:
        """The paths of the params that each part holds itself: those of its first call."""
        first: dict[str, Location] = {}
        for location in self.locations:
            first.setdefault(without_numbers(location), location)
        owners = collections.defaultdict(list)
        for path in self.trace.sizes:
            parts = path.split("/")
            around = ("/".join(parts[:n]) for n in range(len(parts) - 1, 0, -1))
            owners[next((first[path] for path in around if path in first), ())].append(path)
        return owners

    def _from_params(self) -> dict[int, str]:
        path_of = dict(self.trace.params)
        constant = lambda array: array.id not in self.maker and array.id not in self.trace.inputs
        for _, operation in self.operations:
            paths = [path_of[array.id] for array in operation.inputs if array.id in path_of]
            if paths and all(array.id in path_of or constant(array) for array in operation.inputs):
                path_of |= {array.id: paths[0] for array in operation.outputs}
        return path_of


def _calls(traced: Trace) -> list[Location]:
    """The scopes that are calls of parts: those that tag a value, or compute with own params."""
    tagged = {operation.location for operation in traced.operations if operation.tag}
    holders = {path.rpartition("/")[0] for path in traced.sizes}
    at_work = {
        operation.location
        for operation in traced.operations
        if any(array.id in traced.params for array in operation.inputs)
    }
    scopes = dict.fromkeys(
        operation.location[:n]
        for operation in traced.operations
        for n in range(1, len(operation.location) + 1)
    )
    return [
        at for at in scopes if at in tagged or (at in at_work and without_numbers(at) in holders)
    ]
