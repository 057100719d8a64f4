"""The nodes of a box from left to right, and the edges between them."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jnn.explain.diagrams.figures import GAP, PORT, Figure, moved
from jnn.explain.diagrams.graph import Edge
from jnn.explain.diagrams.ranks import lanes_of, ranks_of

LANE, ROW, APART, SIDE = 14, 44, 18, 26
"""Pixels between edges that pass above nodes, between rows, between nodes in a column, and at the
sides of several rows, where edges go from one to the next."""
MOST_VALUES, TOO_SHORT = 3, 160
"""So many values may go from one row to the next, and what is shorter is no row of its own."""


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


class _Row(NamedTuple):
    figure: Figure
    places: dict[str, _Place]
    columns: list[list[str]]

    def column(self, i: int) -> list[_Place]:
        """The places of a column, from the top."""
        return sorted((self.places[name] for name in self.columns[i]), key=lambda place: place.y)


def arranged(figures: Mapping[str, Figure], edges: Sequence[Edge], widest: float) -> Figure:
    """The figures in columns, each after those that it reads, and arrows from one to another.

    An edge that passes by other columns runs above them. A row that would be wider than ``widest``
    goes on in the next, where few values pass.
    """
    rows = _rows(ranks_of(list(figures), edges), figures, edges, widest)
    row_of = {name: i for i, row in enumerate(rows) for column in row for name in column}
    drawn: list[_Row] = []
    entering: list[str] = []
    for i, row in enumerate(rows):
        leaving = dict.fromkeys(a for a, b in edges if row_of[a] <= i < row_of[b])
        ends = {name: f"{name} goes on" for name in leaving}
        inside = [(a, b) for a, b in edges if row_of[b] == i and (row_of[a] == i or a in entering)]
        columns = [column for column in (entering, *row, list(ends.values())) if column]
        ports = dict.fromkeys([*entering, *ends.values()], PORT)
        drawn.append(_row(columns, {**figures, **ports}, [*inside, *ends.items()]))
        entering = sorted(leaving, key=lambda name: drawn[-1].places[ends[name]].y)
    return drawn[0].figure if len(rows) == 1 else _stacked(drawn, figures, rows)


def _stacked(
    drawn: list[_Row], figures: Mapping[str, Figure], rows: list[list[list[str]]]
) -> Figure:
    """Rows under each other, and what goes on from one to the next."""
    width = max(row.figure.width for row in drawn) + 2 * SIDE
    tops = list(itertools.accumulate((row.figure.height + ROW for row in drawn), initial=0.0))
    marks = [moved(row.figure.marks, SIDE, top) for row, top in zip(drawn, tops, strict=False)]
    for i, (above, below) in enumerate(itertools.pairwise(drawn)):
        pairs = list(zip(above.column(-1), below.column(0), strict=True))
        for k, (a, b) in enumerate(pairs):
            nested = len(pairs) - 1 - k  # an edge that leaves higher runs outside of the others
            right, left = above.figure.width + SIDE + 6 * nested, SIDE - 6 * k
            between = tops[i + 1] - ROW / 2 + 6 * nested - 3 * len(pairs)
            marks.append(_turn((above.figure.width + SIDE, tops[i] + a.y), right, between, left,
                               (SIDE, tops[i + 1] + b.y)))  # fmt: skip
    first, last, top = drawn[0].figure, drawn[-1].figure, tops[len(drawn) - 1]
    if figures[rows[0][0][0]] is PORT:
        marks.append(_line(f"M0 {first.entry:.1f}H{SIDE}"))
    if figures[rows[-1][-1][-1]] is PORT:
        marks.append(_line(f"M{last.width + SIDE:.1f} {top + last.exit:.1f}H{width:.1f}"))
    return Figure(width, top + last.height, first.entry, top + last.exit, "".join(marks))


def _rows(
    columns: list[list[str]], figures: Mapping[str, Figure], edges: Sequence[Edge], widest: float
) -> list[list[list[str]]]:
    """Columns in rows that are not too wide, cut where the fewest values pass, and late."""
    at = {name: i for i, column in enumerate(columns) for name in column}
    wide = [max(figures[name].width for name in column) for column in columns]
    passing = lambda i: len({a for a, b in edges if at[a] < i <= at[b]})
    width = lambda start, end: sum(wide[start:end]) + GAP * (end - start - 1)
    cuts = [0]
    if width(0, len(columns)) > widest:
        widest -= 2 * (SIDE + GAP)  # for what goes on from row to row
    while width(cuts[-1], len(columns)) > widest:
        start = cuts[-1]
        possible = [
            i
            for i in range(start + 1, len(columns))
            if wide[i]
            and min(width(start, i), width(i, len(columns))) > TOO_SHORT
            and passing(i) <= MOST_VALUES
        ]
        fitting = [i for i in possible if width(start, i) <= widest] or possible[:1]
        if not fitting:
            break
        full = [i for i in fitting if width(start, i) > widest / 2] or fitting
        cuts.append(min(full, key=lambda i: (passing(i), -i)))
    return [columns[a:b] for a, b in itertools.pairwise([*cuts, len(columns)])]


def _row(columns: list[list[str]], figures: Mapping[str, Figure], edges: Sequence[Edge]) -> _Row:
    """One row of columns."""
    at = {name: i for i, column in enumerate(columns) for name in column}
    long = [(a, b) for a, b in edges if at[b] - at[a] > 1]
    lanes = lanes_of([(at[a], at[b]) for a, b in long])
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
    figure = Figure(
        x,
        bottom - lanes_top,
        entry - lanes_top,
        last.exit[1] - lanes_top,
        moved("".join(marks), 0, -lanes_top),
    )
    down = {name: place._replace(y=place.y - lanes_top) for name, place in places.items()}
    return _Row(figure, down, columns)


def _mean_of_sources(name: str, edges: Sequence[Edge], places: Mapping[str, _Place]) -> float:
    heights = [places[a].exit[1] for a, b in edges if b == name and a in places]
    return sum(heights) / len(heights) if heights else 0.0


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
    start = f"M{x0:.1f} {y0:.1f}H{a.column[1] + 4:.1f}q6 0 6 -6V{y + 6:.1f}q0 -6 6 -6"
    if b.figure.is_round:
        middle = b.x + b.figure.width / 2
        return _line(f"{start}H{middle - 6:.1f}q6 0 6 6V{b.y - 1:.1f}", b)
    end = x1 - 1 if b.figure.width else x1
    return _line(f"{start}H{b.column[0] - 20:.1f}q6 0 6 6V{y1 - 6:.1f}q0 6 6 6H{end:.1f}", b)


def _turn(
    start: tuple[float, float], right: float, between: float, left: float, end: tuple[float, float]
) -> str:
    """The edge from the end of a row to the start of the next."""
    down = f"M{start[0]:.1f} {start[1]:.1f}H{right:.1f}q6 0 6 6V{between - 6:.1f}q0 6 -6 6"
    back = f"H{left:.1f}q-6 0 -6 6V{end[1] - 6:.1f}q0 6 6 6H{end[0]:.1f}"
    return _line(down + back)


def _line(path: str, target: _Place | None = None) -> str:
    """A line, with the head of an arrow where it ends at a node."""
    head = ' marker-end="url(#arrow)"' if target and target.figure.width else ""
    return f'<path class="edge" d="{path}"{head}/>'
