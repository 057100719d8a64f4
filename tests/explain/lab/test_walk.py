"""The boxes of the page, without a page."""

import math

import pytest

from tests.explain.lab.engine import Engine


@pytest.fixture(scope="module")
def engine():
    return Engine("lab.js")


def test_values_are_in_the_boxes_of_their_scopes_and_repeated_ones_apart(engine):
    paths = '["a/x", "b/y/output", "z", "a/x#2", "a/v"].map((path) => ({ path }))'
    found = engine.value(
        f"scopes({paths}).map(([name, group]) => [name, group.map((v) => v.path)])"
    )
    assert found == [["a", ["a/x", "a/v"]], ["b", ["b/y/output"]], ["", ["z"]], ["a#2", ["a/x#2"]]]


@pytest.mark.parametrize(
    ("kind", "axes", "shape"),
    [
        ("maps", ["stack", "row", "column", "unit"], [2, 3, 4, 5]),
        ("attention", ["head", "query", "key"], [2, 3, 4]),
        ("heads", ["stack", "time", "head", "unit"], [2, 3, 4, 5]),
        ("sequence", ["time", "unit"], [3, 4]),
        ("grid", ["time", "axis", "axis2", "unit"], [2, 3, 2, 4]),
        ("vector", ["stack", "unit"], [3, 4]),
    ],
)
def test_a_picture_has_each_number_of_its_stack_once_and_where_readers_find_it(
    engine, kind, axes, shape
):
    """Cells, places and elements name the same number."""
    value = {"path": "v", "kind": kind, "axes": axes, "shape": shape, "follows": [""] * len(axes)}
    engine.context.eval(f"""
      var value = {value!r};
      var numbers = Float32Array.from({{length: product(value.shape)}}, (_, i) => i);
      var reader = new Reader(value, numbers);
      var stack = stacks(value) - 1;
      var picture = layout(value, stack);
      var found = [];
      for (let tile = 0; tile < picture.tiles; tile++)
        for (let row = 0; row < picture.rows; row++)
          for (let column = 0; column < picture.columns; column++) {{
            const place = placeOf(value, {{ tile, row, column }}, stack);
            const back = cellOf(value, place);
            found.push([picture.at(tile, row, column), reader.get(place), back.tile === tile &&
              back.row === row && back.column === column]);
          }}
    """)
    found = engine.value("found")
    assert all(at == read for at, read, _ in found)
    assert all(same for _, _, same in found)
    own = [n for n, axis in zip(shape, axes, strict=True) if axis != "stack"]
    assert len(found) == len({at for at, _, _ in found}) == math.prod(own)


def test_padding_of_a_sequence_is_not_drawn(engine):
    value = """{ kind: "attention", axes: ["head", "query", "key"], shape: [2, 8, 8],
      follows: ["", "tokens", "source"] }"""
    picture = f"layout({value}, 0, {{ tokens: 3, source: 5 }})"
    assert engine.value(f"[{picture}.rows, {picture}.columns]") == [3, 5]
