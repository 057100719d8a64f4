"""Buffers that are shared, on programs that are run with both names."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from jnn.web.memory import Buffer, shared

STEPS = st.recursive(
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    lambda inner: st.lists(inner, min_size=1, max_size=5),
    max_leaves=25,
)


def program(steps, results):
    """Lines in which each step makes a new buffer of two earlier ones.

    A list is a loop that carries one value from iteration to iteration, and has a result with a row
    of each.
    """
    lines, names = ["b0 = x"], ["b0"]

    def new():
        names.append(f"b{len(names)}")
        return names[-1]

    def write(step, visible):
        if isinstance(step, tuple):
            a, b = (visible[i % len(visible)] for i in step)
            name = new()
            lines.append(f"{name} = {a} {b}")
            visible.append(name)
            return
        carry, rows = new(), new()
        lines.extend([f"{carry} = {visible[-1]}", "while (true) {"])
        inside = [*visible, carry]
        for other in step:
            write(other, inside)
        lines.append(f"{rows} row {inside[-1]}")
        lines.extend([f"{carry} = {inside[-1]} {carry}", "}"])
        visible.extend([carry, rows])

    visible = ["b0"]
    for step in steps:
        write(step, visible)
    lines.append("return " + " ".join(visible[i % len(visible)] for i in results))
    return lines, {name: Buffer("float32", 1 + i % 4) for i, name in enumerate(names)}


def run(lines):
    """What the lines return; loops have three iterations, and new buffers hold junk."""
    memory = {}

    def read(text):
        found = (memory.get(name, "junk") for name in text.split())
        return tuple(tuple(sorted(x.items())) if isinstance(x, dict) else x for x in found)

    def block(i, iteration):
        while i < len(lines) and lines[i] != "}":
            line = lines[i]
            if line.endswith("{"):
                for t in range(3):
                    end = block(i + 1, t)
                i = end
            elif " row " in line:
                target, source = line.split(" row ")
                old = memory.get(target)
                rows = old if isinstance(old, dict) else {}
                memory[target] = rows | {iteration: hash(read(source))}
            elif " = " in line:
                target, source = line.split(" = ")
                memory[target] = hash(read(source))
            i += 1
        return i

    block(0, 0)
    return read(lines[-1].removeprefix("return "))


@settings(max_examples=60)
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
