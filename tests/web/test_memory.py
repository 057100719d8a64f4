"""Buffers that are shared, on programs that are run with both names."""

import re

from hypothesis import given
from hypothesis import strategies as st

from jnn.web.memory import Buffer, shared

STEPS = st.recursive(
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    lambda inner: st.lists(inner, min_size=1, max_size=5),
    max_leaves=25,
)


def program(steps, results):
    """Lines in which each step makes a new buffer of two earlier ones.

    A list is a loop that carries one value from iteration to iteration.
    """
    lines, names = ["b0 = x"], ["b0"]

    def write(step, visible):
        name = f"b{len(names)}"
        if isinstance(step, tuple):
            names.append(name)
            a, b = (visible[i % len(visible)] for i in step)
            lines.append(f"{name} = {a} {b}")
            visible.append(name)
            return
        names.append(name)
        lines.extend([f"{name} = {visible[-1]}", "while (true) {"])
        inside = [*visible, name]
        for other in step:
            write(other, inside)
        lines.extend([f"{name} = {inside[-1]} {name}", "}"])
        visible.append(name)

    visible = ["b0"]
    for step in steps:
        write(step, visible)
    lines.append("return " + " ".join(visible[i % len(visible)] for i in results))
    return lines, {name: Buffer("float32", 1 + i % 4) for i, name in enumerate(names)}


def run(lines):
    """What the lines return; loops have three iterations, and fresh buffers hold junk."""
    memory = {}

    def block(start):
        i = start
        while i < len(lines):
            line = lines[i]
            if line == "}":
                return i, None
            if line.endswith("{"):
                for _ in range(3):
                    end, _ = block(i + 1)
                i = end
            else:
                *target, source = re.split(" = |return ", line)
                value = hash(tuple(memory.get(name, "junk") for name in source.split()))
                if not target[0]:
                    return i, [memory[name] for name in source.split()]
                memory[target[0]] = value
            i += 1
        return i, None

    return block(0)[1]


@given(
    st.lists(STEPS, min_size=1, max_size=8), st.lists(st.integers(0, 99), min_size=1, max_size=3)
)
def test_shared_buffers_give_the_same_results(steps, results):
    lines, buffers = program(steps, results)
    renamed, kept = shared(lines, buffers)
    assert run(renamed) == run(lines)
    names = set(re.findall(r"b\d+", " ".join(renamed)))
    assert names == kept.keys()
    assert sum(b.size for b in kept.values()) <= sum(b.size for b in buffers.values())


def test_a_chain_needs_two_buffers_of_its_dtype():
    lines = [f"b{i + 1} = b{i}" for i in range(9)] + ["return b9"]
    floats = {f"b{i}": Buffer("float32", 4) for i in range(10)}
    assert len(shared(lines, floats)[1]) == 2
    mixed = floats | {"b5": Buffer("int32", 9)}
    kept = shared(lines, mixed)[1]
    assert sorted(b.dtype for b in kept.values()) == ["float32", "float32", "int32"]
