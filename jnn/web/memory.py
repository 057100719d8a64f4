"""Buffers that are used again after their last use.

Each value that is stored has a buffer of its own while a function is written. Here buffers that are
never needed at the same time become one, as registers are allocated: a buffer is needed from the
first line that names it to the last one. For the logits of a transformer of 4 blocks of width 128
over 64 characters that is 9 buffers in place of 50, of 0.43 MB in place of 1.44; where all values
are captured, which must all stay, 3.6 MB in place of 4.4.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_NAME = re.compile(r"\bb\d+\b")


class Buffer(NamedTuple):
    """A typed array of ``size`` elements."""

    dtype: str
    size: int


class _Need(NamedTuple):
    """The lines from and to which a buffer is needed."""

    first: int
    last: int
    name: str


def shared(
    lines: Sequence[str], buffers: Mapping[str, Buffer]
) -> tuple[list[str], dict[str, Buffer]]:
    """The lines with fewer buffers, and these.

    >>> lines = ["f(x, b1);", "g(b1, b2);", "h(b2, b3);", "return b3;"]
    >>> shared(lines, {"b1": Buffer("float32", 2), "b2": Buffer("float32", 3),
    ...                "b3": Buffer("float32", 4)})[0]
    ['f(x, b1);', 'g(b1, b2);', 'h(b2, b1);', 'return b1;']
    """
    names: dict[str, str] = {}
    kept: dict[str, Buffer] = {}
    free: list[str] = []
    ends: list[tuple[int, str]] = []
    for need in sorted(_needs(lines)):
        free += [name for last, name in ends if last < need.first]
        ends = [end for end in ends if end[0] >= need.first]
        buffer = buffers[need.name]
        slot = _fitting([name for name in free if kept[name].dtype == buffer.dtype], kept, buffer)
        if slot is None:
            slot = need.name
        else:
            free.remove(slot)
        kept[slot] = Buffer(buffer.dtype, max(buffer.size, kept.get(slot, buffer).size))
        names[need.name] = slot
        ends.append((need.last, slot))
    renamed = [_NAME.sub(lambda match: names[match[0]], line) for line in lines]
    return renamed, kept


def _fitting(free: list[str], kept: Mapping[str, Buffer], buffer: Buffer) -> str | None:
    """The smallest free buffer that is large enough, else the largest, which grows."""
    enough = [name for name in free if kept[name].size >= buffer.size]
    if enough:
        return min(enough, key=lambda name: kept[name].size)
    return max(free, key=lambda name: kept[name].size, default=None)


def _needs(lines: Sequence[str]) -> list[_Need]:
    """When each buffer that the lines name is needed.

    What is made before a loop and read in it is needed in each iteration, to the end of the loop;
    what is made in a loop and read after it, from the start of the loop.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for i, line in enumerate(lines):
        for name in _NAME.findall(line):
            first.setdefault(name, i)
            last[name] = i
    for start, end in _loops(lines):  # inner ones first
        for name in first:
            if first[name] < start <= last[name] <= end:
                last[name] = end
            elif start <= first[name] <= end < last[name]:
                first[name] = start
    return [_Need(first[name], last[name], name) for name in first]


def _loops(lines: Sequence[str]) -> list[tuple[int, int]]:
    """The first and the last line of each loop, inner loops before those around them."""
    loops: list[tuple[int, int]] = []
    blocks: list[tuple[int, bool]] = []
    for i, line in enumerate(lines):
        text = line.strip()
        if text.endswith("{"):
            blocks.append((i, text.startswith(("for (", "while ("))))
        elif text == "}":
            start, is_loop = blocks.pop()
            if is_loop:
                loops.append((start, i))
    return loops
