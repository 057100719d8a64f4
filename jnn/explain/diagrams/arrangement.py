"""The nodes of a box from left to right, and the edges between them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from jnn.explain.diagrams.figures import GAP, PORT, Figure, moved
from jnn.explain.diagrams.graph import Edge

LANE, ROW, APART, SIDE = 14, 40, 18, 20
"""Pixels between edges that pass above nodes, between rows, between nodes in a column, and at the
sides of several rows, where an edge goes from one to the next."""


class _Place(NamedTuple):
    x: float
    y: float
    figure: Figure
    column: tuple[float, float]
    """The left and the right side of its column."""

    @property
    def entry(self) -> tuple[float, float]:
        return self.x, self.y + self.figure.entry

    @property
    def exit(self) -> tuple[float, float]:
        return self.x + self.figure.width, self.y + self.figure.exit


def arranged(figures: Mapping[str, Figure], edges: Sequence[Edge], widest: float) -> Figure:
    """The figures in columns, each after those that it reads, and arrows from one to another.

    An edge that passes by other columns runs above them. A row that would be wider than ``widest``
    goes on in the next where a single value passes.
    """
    rows = _rows(_columns(list(figures), edges), figures, edges, widest)
    if len(rows) == 1:
        return _row(rows[0], figures, edges)
    drawn, values = [], [_value_into(row, edges) for row in rows[1:]]
    for row, value in zip(rows, [None, *values], strict=True):
        names = {name for column in row for name in column}
        start = [[value]] if value else []
        ports = {value: PORT} if value else {}
        inside = [(a, b) for a, b in edges if b in names and (a in names or a == value)]
        goes_on = [(value, "") for value in values if value in names]
        end = [[""]] if goes_on else []
        drawn.append(_row([*start, *row, *end], {**figures, **ports, "": PORT}, inside + goes_on))
    width = max(figure.width for figure in drawn) + 2 * SIDE
    marks, y, turns = [], 0.0, []
    for figure in drawn:
        marks.append(moved(figure.marks, SIDE, y))
        turns.append((figure.width + SIDE, y, figure))
        y += figure.height + ROW
    for (x, top, above), (_, below, figure) in pairwise(turns):
        marks.append(_turn(x, top + above.exit, below - ROW / 2, below + figure.entry))
    last_x, last_y, last = turns[-1]
    if figures[rows[0][0][0]] is PORT:
        marks.append(_line(f"M0 {drawn[0].entry:.1f}H{SIDE}"))
    if figures[rows[-1][-1][-1]] is PORT:
        marks.append(_line(f"M{last_x:.1f} {last_y + last.exit:.1f}H{width:.1f}"))
    return Figure(width, y - ROW, drawn[0].entry, last_y + last.exit, "".join(marks))


def _columns(names: Sequence[str], edges: Sequence[Edge]) -> list[list[str]]:
    """Names by the length of the longest way to them.

    What nothing feeds stands directly before the first that reads it.
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
    columns = [[name for name in names if rank[name] == r] for r in range(max(rank.values()) + 1)]
    return [column for column in columns if column]


def _rows(
    columns: list[list[str]], figures: Mapping[str, Figure], edges: Sequence[Edge], widest: float
) -> list[list[list[str]]]:
    """Columns in rows that are not too wide, cut only where a single value passes."""
    at = {name: i for i, column in enumerate(columns) for name in column}
    wide = lambda column: max(figures[name].width for name in column)
    rows, width = [[columns[0]]], wide(columns[0])
    for i, column in enumerate(columns[1:], start=1):
        width += GAP + wide(column)
        sources = {a for a, b in edges if at[a] < i <= at[b]}
        may_cut = sources <= set(columns[i - 1]) and len(sources) == 1 and wide(column)
        if may_cut and width > widest:
            rows.append([])
            width = wide(column)
        rows[-1].append(column)
    return rows


def _value_into(row: list[list[str]], edges: Sequence[Edge]) -> str:
    """The node of an earlier row whose value this row reads."""
    names = {name for column in row for name in column}
    return next(a for a, b in edges if b in names and a not in names)


def _row(columns: list[list[str]], figures: Mapping[str, Figure], edges: Sequence[Edge]) -> Figure:
    """One row of columns."""
    at = {name: i for i, column in enumerate(columns) for name in column}
    long = [(a, b) for a, b in edges if at[b] - at[a] > 1]
    lanes = _lanes([(at[a], at[b]) for a, b in long])
    places: dict[str, _Place] = {}
    x = 0.0
    for i, column in enumerate(columns):
        width = max(figures[name].width for name in column)
        order = sorted(column, key=lambda name: _mean_of_sources(name, edges, places))
        height = sum(figures[name].height for name in order) + APART * (len(order) - 1)
        y = -figures[order[0]].entry if len(order) == 1 else -height / 2
        for name in order:
            figure = figures[name]
            places[name] = _Place(x + (width - figure.width) / 2, y, figure, (x, x + width))
            y += figure.height + APART
        x += width + (0 if i == len(columns) - 1 else GAP if width else GAP / 2)
    top = min(place.y for place in places.values())
    lanes_top = top - LANE * (max(lanes) + 1) - 4 if lanes else top
    bottom = max(place.y + place.figure.height for place in places.values())
    marks = [moved(place.figure.marks, place.x, place.y) for place in places.values()]
    marks += [_edge(places[a], places[b]) for a, b in edges if (a, b) not in long]
    marks += [
        _over(places[a], places[b], top - LANE * (lane + 1))
        for (a, b), lane in zip(long, lanes, strict=True)
    ]
    first, last = places[columns[0][0]], places[columns[-1][-1]]
    entry = first.entry[1] if len(columns[0]) == 1 else 0.0
    return Figure(
        x, bottom - lanes_top, entry - lanes_top, last.exit[1] - lanes_top,
        moved("".join(marks), 0, -lanes_top),
    )  # fmt: skip


def _mean_of_sources(name: str, edges: Sequence[Edge], places: Mapping[str, _Place]) -> float:
    heights = [places[a].exit[1] for a, b in edges if b == name and a in places]
    return sum(heights) / len(heights) if heights else 0.0


def _lanes(spans: Sequence[tuple[int, int]]) -> list[int]:
    """A lane for each span, those that overlap in different ones, short spans lowest.

    >>> _lanes([(0, 5), (1, 3), (3, 5)])
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


def _edge(a: _Place, b: _Place) -> str:
    """An edge to the next column."""
    (x0, y0), (x1, y1) = a.exit, b.entry
    end = x1 - 1 if b.figure.width else x1
    if abs(y0 - y1) < 1:
        return _line(f"M{x0:.1f} {y0:.1f}H{end:.1f}", b)
    start, stop = a.column[1], b.column[0]  # a curve between columns, and straight within them
    bend = (stop - start) / 2
    curve = f"{start + bend:.1f} {y0:.1f} {stop - bend:.1f} {y1:.1f} {stop - 4:.1f} {y1:.1f}"
    return _line(f"M{x0:.1f} {y0:.1f}H{start:.1f}C{curve}H{end:.1f}", b)


def _over(a: _Place, b: _Place, y: float) -> str:
    """An edge above what lies between."""
    (x0, y0), (x1, y1) = a.exit, b.entry
    start = f"M{x0:.1f} {y0:.1f}h4q6 0 6 -6V{y + 6:.1f}q0 -6 6 -6"
    if b.figure.is_round:
        middle = b.x + b.figure.width / 2
        return _line(f"{start}H{middle - 6:.1f}q6 0 6 6V{b.y - 1:.1f}", b)
    end = x1 - 1 if b.figure.width else x1
    return _line(f"{start}H{x1 - 20:.1f}q6 0 6 6V{y1 - 6:.1f}q0 6 6 6H{end:.1f}", b)


def _turn(x: float, start: float, between: float, end: float) -> str:
    """The edge from the end of a row to the start of the next."""
    down = f"M{x:.1f} {start:.1f}h4q6 0 6 6V{between - 6:.1f}q0 6 -6 6"
    return _line(f"{down}H{SIDE - 4:.1f}q-6 0 -6 6V{end - 6:.1f}q0 6 6 6H{SIDE:.1f}")


def _line(path: str, target: _Place | None = None) -> str:
    """A line, with the head of an arrow where it ends at a node."""
    head = ' marker-end="url(#arrow)"' if target and target.figure.width else ""
    return f'<path class="edge" d="{path}"{head}/>'
