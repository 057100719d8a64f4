"""What a training step needs on each device of a mesh, found without the devices.

The step is compiled for as many devices of a CPU as the mesh has, from shapes alone: nothing is
allocated, however large the model is. What the compiler says of memory, and the collectives that it
put in, are then those of one device of the mesh. Temporaries are those of XLA's compiler for CPUs,
which fuses less than others do and computes bfloat16 in float32: an upper estimate. It sends
bfloat16 as float32 too; that is counted as it is before the compiler widens it, in bfloat16.

The compiler of a TPU runs without one, where the extra ``tpu`` is installed: it is then what says
the temporaries, and whether the step fits. Collectives stay those that the partitioner put in,
which is the same for all: what a TPU makes of them is in pieces, to overlap with products.
"""

import contextlib
import importlib.metadata
import importlib.util
import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jnn.errors import mistake
from jnn.explain.inside.operations import operations
from jnn.sharding import BATCH, RULES, Rule, make_mesh, sharded, shardings
from jnn.wording import size_in_words

GIGA = 1e9


class Chip(NamedTuple):
    """A device's memory in bytes, its dense bfloat16 peak in operations a second, and the bytes a
    second of its memory and of its links to others, one way.
    """

    memory: float
    peak: float
    memory_rate: float
    link_rate: float


CHIPS = {
    "a100": Chip(80e9, 312e12, 2.04e12, 300e9),
    "h100": Chip(80e9, 989e12, 3.35e12, 450e9),
    "h200": Chip(141e9, 989e12, 4.8e12, 450e9),
    "v5e": Chip(16e9, 197e12, 0.819e12, 200e9),
    "v5p": Chip(95e9, 459e12, 2.765e12, 600e9),
    "v6e": Chip(32e9, 918e12, 1.64e12, 448e9),
}
"""As NVIDIA and Google state them in their data sheets."""


def topology(text: str) -> tuple[str, int]:
    """A kind of device of `CHIPS` and a number of them, as ``--topology`` takes them.

    >>> topology("v5e:16x16"), topology("h100:64")
    (('v5e', 256), ('h100', 64))

    Raises `JnnError` for another chip, and for what is no number.
    """
    chip, _, sides = text.partition(":")
    numbers = sides.split("x")
    if chip not in CHIPS or not all(n.isascii() and n.isdecimal() and int(n) for n in numbers):
        expected = (
            f"a chip and a number of them, as h100:64 or v5e:16x16; one of {', '.join(CHIPS)}"
        )
        raise mistake("--topology", got=repr(text), expected=expected)
    return chip, math.prod(map(int, numbers))


FOR_CPUS = "XLA for CPUs, an upper estimate"
_TPUS = ("v5e", "v5p", "v6e")
_ALONE = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}
"""Without these, libtpu asks the hosts of Google's cloud which TPU there is here."""


def tpu_devices(text: str) -> tuple[Any, ...]:
    """The devices of a topology such as v5e:4x4, for which the compiler of a TPU compiles.

    None of them for a GPU, for a number without sides, and where libtpu is not installed.

    >>> tpu_devices("h100:8")
    ()

    Raises `JnnError` for sides that no TPU of the kind has.
    """
    chip, _, sides = text.partition(":")
    if chip not in _TPUS or not importlib.util.find_spec("libtpu"):
        return ()
    if "x" not in sides and sides != "1":
        return ()
    from jax.experimental.topologies import get_topology_desc

    for name, value in _ALONE.items():
        os.environ.setdefault(name, value)
    alone = {"topology_name": f"{chip}:1x1", "chips_per_host_bounds": (1, 1, 1)}
    is_one = set(sides.split("x")) == {"1"}
    options = alone if is_one else {"topology_name": text}
    try:
        return tuple(get_topology_desc(platform="tpu", **options).devices)
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0]
        expected = "sides of a TPU of this kind, as v5e:4x4 or v5p:2x2x4"
        raise mistake("--topology", got=f"{text!r} ({reason})", expected=expected) from error


KINDS = ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter")


class Collectives(NamedTuple):
    """The collectives of one kind that a device takes part in, in one step."""

    count: int
    bytes: int
    """Of what they give, on one device."""


class Plan(NamedTuple):
    """What one step needs, on each device."""

    devices: int
    parameters: int
    """Of the model, over all devices."""
    params: int
    """Bytes of params, like all that follow on one device."""
    optimizer_state: int
    rest: int
    """Bytes of state, moving average, key and counters."""
    batch: int
    temporaries: int
    operations: int
    """In products and convolutions, the device's part of all."""
    collectives: dict[str, Collectives]
    compiler: str = FOR_CPUS
    """Whose the temporaries are."""
    refused: str = ""
    """Why the compiler of the device has refused the step for its memory; then they are not its."""

    @property
    def peak(self) -> int:
        """Bytes in use at most; the new train state takes the place of the old one."""
        return self.params + self.optimizer_state + self.rest + self.batch + self.temporaries

    def fits(self, chip: Chip) -> bool:
        """Whether a device of this kind has the memory."""
        return not self.refused and self.peak <= chip.memory

    def seconds(self, chip: Chip) -> dict[str, float]:
        """The least time of a step by operations, by memory and by links, each alone."""
        touched = self.params + self.optimizer_state  # read, and written
        sent = sum(total.bytes for total in self.collectives.values())
        return {
            "operations": self.operations / chip.peak,
            "memory": 2 * touched / chip.memory_rate,
            "links": sent / chip.link_rate,
        }


def plan(
    step: Callable,
    train_state: Any,
    batch: Any,
    mesh: Mesh,
    rules: tuple[Rule, ...] = RULES,
    *,
    tpu: Sequence[Any] = (),
) -> Plan:
    """The plan of ``step`` for a train state and a batch of these shapes.

    ``step``         ``(train_state, batch) -> train_state, metrics``, as `jnn.train.make_step`
                     makes it
    ``train_state``  arrays or their shapes, as ``jax.eval_shape`` gives them
    ``batch``        likewise, with the size of the whole batch in front
    ``tpu``          devices of `tpu_devices`, as many as the mesh has, whose compiler is asked

    >>> import jnn, optax, jax.numpy as jnp
    >>> from jnn.sharding import make_mesh
    >>> from jnn.train import init_train_state, make_step, seed_key
    >>> model, optimizer = jnn.dense(4), optax.sgd(0.1)
    >>> def objective(params, state, x, key):
    ...     return jnp.mean(model.apply(params, state, x)[0] ** 2), (state, {})
    >>> x = jax.ShapeDtypeStruct((8, 3), jnp.float32)
    >>> start = jax.eval_shape(lambda: init_train_state(seed_key(0), model, optimizer, x))
    >>> estimate = plan(make_step(objective, optimizer), start, x, make_mesh("data=1"))
    >>> estimate.parameters, estimate.params
    (16, 64)
    >>> estimate.operations  # twice 2 · 8 · 3 · 4, and 2 · 16 for the norm of the gradient
    416
    """
    counted = operations(jax.make_jaxpr(step)(train_state, batch).jaxpr)
    lowered, start, data = _lowered(step, train_state, batch, mesh, rules)
    compiled, half = _compiled(lowered)
    rest = start._replace(params=(), optimizer_state=())
    estimate = Plan(
        devices=mesh.size,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(train_state.params)),
        params=_bytes(start.params),
        optimizer_state=_bytes(start.optimizer_state),
        rest=_bytes(rest),
        batch=_bytes(data),
        temporaries=_temporaries(compiled),
        operations=counted // mesh.size,
        collectives=collectives(compiled.as_text() or "", half),
    )
    if not tpu:
        return estimate
    on_tpu = make_mesh(dict(mesh.shape), tpu)
    return _by_tpu(estimate, _lowered(step, train_state, batch, on_tpu, rules)[0])


def _lowered(
    step: Callable, train_state: Any, batch: Any, mesh: Mesh, rules: tuple[Rule, ...]
) -> tuple[Any, Any, Any]:
    """The step for a mesh, and the shapes of its train state and batch with their places."""
    places = shardings(train_state, mesh, rules)
    with_place = lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)
    start = jax.tree.map(with_place, train_state, places)
    split = NamedSharding(mesh, PartitionSpec(BATCH))
    data = jax.tree.map(lambda leaf: with_place(leaf, split), batch)
    placed_step = jax.jit(sharded(step, mesh, rules), donate_argnums=0)
    return placed_step.lower(start, data), start, data


def _by_tpu(estimate: Plan, lowered: Any) -> Plan:
    """A plan with the temporaries of the compiler of a TPU, or why it refuses the step."""
    name = f"libtpu {importlib.metadata.version('libtpu')}"
    try:
        with _compiled_anew():
            compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0]
        if not reason.startswith("RESOURCE_EXHAUSTED"):
            raise
        return estimate._replace(refused=f"{name}: {reason.partition(': ')[2]}")
    return estimate._replace(temporaries=_temporaries(compiled), compiler=name)


def _temporaries(compiled: Any) -> int:
    memory = compiled.memory_analysis()
    return memory.temp_size_in_bytes if memory else 0


@contextlib.contextmanager
def _compiled_anew() -> Iterator[None]:
    """Within the block no program is read from the folder in which JAX keeps them."""
    from jax.experimental.compilation_cache import compilation_cache

    name = "jax_enable_compilation_cache"
    before = getattr(jax.config, name)
    try:
        jax.config.update(name, False)
        compilation_cache.reset_cache()  # it looks at this setting once
        yield
    finally:
        jax.config.update(name, before)
        compilation_cache.reset_cache()


_WIDENING = "float-normalization-bf16"
"""The pass of the compiler for CPUs that makes float32 of bfloat16."""


def _compiled(lowered: Any) -> tuple[Any, frozenset[str]]:
    """A program compiled, and the channels of its collectives that are in bfloat16 elsewhere."""
    if "bf16" not in lowered.as_text():
        return lowered.compile(), frozenset()
    with tempfile.TemporaryDirectory() as folder:
        dump = {"xla_dump_to": folder, "xla_dump_hlo_pass_re": _WIDENING}
        with _compiled_anew():
            compiled = lowered.compile(compiler_options=dump)
        before = [path.read_text() for path in Path(folder).glob(f"*.before_{_WIDENING}.txt")]
    lines = (line for text in before for line in text.splitlines())
    matches = (_CHANNEL.search(line) for line in lines if _HALF.search(line))
    return compiled, frozenset(match[1] for match in matches if match)


def _bytes(tree: Any) -> int:
    """Of arrays with their shardings, on one device."""

    def of_leaf(leaf):
        shape = leaf.sharding.shard_shape(leaf.shape)
        if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return 8 * math.prod(shape)
        return np.dtype(leaf.dtype).itemsize * math.prod(shape)

    return sum(map(of_leaf, jax.tree.leaves(tree)))


_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_CALL = re.compile(
    r"(?:to_apply|calls|body|condition|branch_computations)=\{?(%[^,}\s]+(?:, %[^,}\s]+)*)"
)
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_COLLECTIVE = re.compile(rf"= (.*?) ({'|'.join(KINDS)})(?:-start)?\(")
_HALF = re.compile(rf"= \(?bf16\[[^=]*? ({'|'.join(KINDS)})(?:-start)?\(")
_CHANNEL = re.compile(r"channel_id=(\d+)")
_PROMOTED = re.compile(r"to_apply=%[\w.\-]*_promoted\b")  # a sum of bfloat16 as one of float32
_ARRAY = re.compile(r"\b([a-z]+\d+(?:e\d+m\d+\w*)?|pred)\[([\d,]*)\]")


def collectives(hlo: str, half: Collection[str] = ()) -> dict[str, Collectives]:
    """The collectives of a compiled program, by kind, those in a loop as often as it iterates.

    ``hlo`` is ``jax.jit(f).lower(...).compile().as_text()``; of the channels ``half``, and of sums
    that were promoted from bfloat16, half of the bytes count.
    """

    def size_of(line: str, types: str) -> int:
        channel = _CHANNEL.search(line)
        is_half = _PROMOTED.search(line) or (channel and channel[1] in half)
        return _size(types) // (2 if is_half else 1)

    direct: dict[str, list[tuple[str, int]]] = {}
    inside: dict[str, list[tuple[str, int]]] = {}
    entry, name = "", ""
    for line in hlo.splitlines():
        if head := _COMPUTATION.match(line):
            name = head.group(2)
            direct[name], inside[name] = [], []
            entry = name if head.group(1) else entry
        elif name:
            if match := _COLLECTIVE.search(line):
                direct[name].append((match.group(2), size_of(line, match.group(1))))
            trips = _TRIPS.search(line)
            for called in _CALL.findall(line):
                times = int(trips.group(1)) if trips else 1
                inside[name] += [(callee.strip(" %"), times) for callee in called.split(",")]
    counts, sizes = Counter(), Counter()

    def visit(name: str, times: int) -> None:
        for kind, size in direct.get(name, ()):
            counts[kind] += times
            sizes[kind] += times * size
        for called, trips in inside.get(name, ()):
            visit(called, times * trips)

    visit(entry, 1)
    return {kind: Collectives(counts[kind], sizes[kind]) for kind in KINDS if counts[kind]}


def _size(types: str) -> int:
    """The bytes of an array or of a tuple of them, as HLO writes their type."""

    def of_array(kind: str, shape: str) -> int:
        bits = re.findall(r"\d+", kind)
        width = int(bits[0]) // 8 if bits else 1  # pred
        return width * math.prod(int(n) for n in shape.split(",") if n)

    return sum(of_array(*array) for array in _ARRAY.findall(types))


def lines(estimate: Plan, chip: str) -> list[str]:
    """A plan as text, with the verdict for a device of `CHIPS`."""
    if chip not in CHIPS:
        raise mistake("--chip", got=repr(chip), expected=f"one of {', '.join(CHIPS)}")
    device = CHIPS[chip]
    parts = {
        "params": estimate.params,
        "optimizer state": estimate.optimizer_state,
        "state and counters": estimate.rest,
        "batch": estimate.batch,
        "temporaries": estimate.temporaries,
    }
    said = [f"{estimate.parameters:,} parameters on {estimate.devices:,} x {chip}, on each:"]
    said += [f"  {name:<20}{_bytes_in_words(n)}" for name, n in parts.items()]
    most = _bytes_in_words(device.memory).strip()
    said.append(f"  {'at most':<20}{_bytes_in_words(estimate.peak)} of {most}")
    said.append(f"  {'operations':<20}{estimate.operations / GIGA:10,.3f} billion")
    said += [
        f"  {kind:<20}{_bytes_in_words(total.bytes)} in {total.count:,}"
        for kind, total in estimate.collectives.items()
    ]
    said.append(f"Temporaries are those of {estimate.compiler}.")
    times = estimate.seconds(device)
    bound = max(times, key=lambda name: times[name])
    said.append(f"A step takes at least {1e3 * times[bound]:.3g} ms: its {bound}.")
    return [*said, verdict(estimate, device)]


def _bytes_in_words(n: float) -> str:
    """A number of bytes, in a column."""
    number, unit = size_in_words(n, digits=4).split()
    return f"{number:>10} {unit}"


def verdict(estimate: Plan, chip: Chip) -> str:
    """Whether it fits, and else what would help most."""
    if estimate.refused:
        return f"It does not fit: {estimate.refused}"
    if estimate.fits(chip):
        return f"It fits: {100 * estimate.peak / chip.memory:.0f} % of the memory."
    kept = estimate.params + estimate.optimizer_state + estimate.rest
    if kept > chip.memory / 2:
        return "It does not fit: params and optimizer state need more devices in fsdp or tensor."
    return (
        "It does not fit: temporaries need remat, more parts (accumulate), or more devices in data "
        "or fsdp."
    )


def as_json(estimate: Plan) -> Mapping[str, Any]:
    """A plan as JSON values."""
    named = {kind: total._asdict() for kind, total in estimate.collectives.items()}
    return {**estimate._asdict(), "collectives": named, "peak": estimate.peak}
