"""Where the nodes of a box stand, one rank after the other, and which lanes long edges run in."""

from collections.abc import Sequence

from jnn.explain.diagrams.graph import Edge


def ranks_of(names: Sequence[str], edges: Sequence[Edge]) -> list[list[str]]:
    """Names by the length of the longest way to them.

    What nothing feeds stands directly before the first that reads it.

    >>> ranks_of(["x", "a", "b", "+"], [("x", "a"), ("x", "b"), ("a", "+"), ("b", "+")])
    [['x'], ['a', 'b'], ['+']]
    """
    rank = dict.fromkeys(names, 0)
    for _ in names:
        for a, b in edges:
            rank[b] = max(rank[b], rank[a] + 1)
    fed = {b for _, b in edges}
    readers = {a: min(rank[b] for x, b in edges if x == a) for a, _ in edges}
    for name in readers.keys() - fed:
        if not name.startswith("@"):
            rank[name] = readers[name] - 1
    ranks = [[name for name in names if rank[name] == r] for r in range(max(rank.values()) + 1)]
    return [rank for rank in ranks if rank]


def lanes_of(spans: Sequence[tuple[int, int]]) -> list[int]:
    """A lane for each span, those that overlap in different ones, short spans lowest.

    >>> lanes_of([(0, 5), (1, 3), (3, 5)])
    [1, 0, 0]
    """
    lanes = [0] * len(spans)
    taken: list[list[tuple[int, int]]] = []
    for i in sorted(range(len(spans)), key=lambda i: spans[i][1] - spans[i][0]):
        fits = [n for n, lane in enumerate(taken) if not any(_overlap(spans[i], b) for b in lane)]
        lanes[i] = fits[0] if fits else len(taken)
        if not fits:
            taken.append([])
        taken[lanes[i]].append(spans[i])
    return lanes


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]
