"""The parts of a model on the page: rows of nodes, each value in the part that makes it."""

import math

import jax
import jax.numpy as jnp
import pytest

import jnn
from jnn.explain.lab.program import values_of
from jnn.explain.lab.walk import walk
from tests.explain.lab.engine import Engine
from tests.laws.registry import ARCHITECTURES, CASES

FAST = ("resnet", "transformer")
SERIES = jax.ShapeDtypeStruct((5, 4), jnp.float32)


@pytest.fixture(scope="module")
def engine():
    return Engine("lab.js")


def walk_of(model, example):
    params, state = jax.eval_shape(model.init, jax.random.key(0), example)
    _, values = values_of(model, params, state, example)
    paths = [value.path for value in values]
    return walk(model, params, state, example, paths), paths


def parts(part):
    return [part, *(inner for row in part["rows"] for node in row for inner in parts(node))]


def names(part):
    return [[node["name"] for node in row] for row in part["rows"]]


def test_branches_are_beside_one_another_and_a_skip_connection_is_an_edge():
    block = jnn.residual(
        jnn.parallel(a=jnn.dense(4), b=jnn.chain(jnn.dense(4), jnp.tanh), combine=jnp.add)
    )
    model = jnn.chain(first=jnn.dense(4), block=block, out=jnn.dense(2))
    whole, _ = walk_of(model, SERIES)
    assert names(whole) == [["input"], ["first"], ["block"], ["out"]]
    block = whole["rows"][2][0]
    assert names(block) == [["body"], ["+"]]
    assert {(a, b): lane for a, b, lane in block["edges"]} == {
        ("@input", "body"): -1,
        ("body", "@+"): -1,
        ("@input", "@+"): 0,
        ("@+", "@output"): -1,
    }
    assert ["a", "b"] in names(block["rows"][0][0])
    assert ["0", "1"] not in names(block)


def test_copies_of_a_repeated_part_are_one_part_with_their_number():
    block = jnn.residual(jnn.chain(norm=jnn.layer_norm(), dense=jnn.dense(4)))
    whole, _ = walk_of(jnn.chain(blocks=jnn.repeat(block, 3), out=jnn.dense(2)), SERIES)
    (blocks,) = (part for part in parts(whole) if part["repeat"] > 1)
    assert (blocks["name"], blocks["repeat"]) == ("blocks", 3)
    assert {"norm", "dense"} <= {part["name"] for part in parts(blocks)}


def test_chains_have_no_frames_within_chains_and_branches_have_them():
    tower = lambda: jnn.chain(
        stage=jnn.chain(a=jnn.chain(x=jnn.dense(4), y=jnp.tanh), b=jnn.dense(4))
    )
    whole, _ = walk_of(jnn.chain(deep=tower(), both=jnn.parallel(l=tower(), r=tower())), SERIES)
    assert names(whole) == [["input"], ["deep/stage/a"], ["deep/stage/b"], ["both"]]
    both = whole["rows"][-1][0]
    assert names(both) == [["l", "r"]]
    assert names(both["rows"][0][0]) == [["stage/a"], ["stage/b"]]


def test_a_part_that_holds_one_part_alone_is_one_with_it():
    whole, _ = walk_of(jnn.chain(head=jnn.chain(out=jnn.dense(2))), SERIES)
    assert names(whole) == [["input"], ["head/out"]]
    assert whole["rows"][1][0]["values"] == ["head/out/output"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FAST else pytest.mark.slow)
        for name in sorted(ARCHITECTURES)
    ],
)
def test_every_value_is_in_one_part_and_edges_are_between_what_is_there(name):
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), CASES[name].x)
    whole, paths = walk_of(CASES[name].model, shapes)
    found = [path for part in parts(whole) for path in part["values"]]
    assert sorted(found) == sorted(paths)
    for part in parts(whole):
        ids = {node["id"] for row in part["rows"] for node in row}
        ends = {end for a, b, _ in part["edges"] for end in (a, b)}
        assert all(end in ids or end.startswith(("@input", "@output")) for end in ends)
        assert len(ids) == sum(map(len, part["rows"]))


def test_a_node_says_what_it_reads_where_it_is_not_the_one_above(engine):
    part = {
        "rows": [
            [{"id": "a", "name": "a"}, {"id": "b", "name": "b"}],
            [{"id": "@+"}],
            [{"id": "c"}],
        ],
        "edges": [["a", "@+", -1], ["b", "@+", -1], ["@+", "c", -1], ["@input/x", "a", -1]],
    }
    read = lambda node: engine.value(f"reads({node!r}, {part!r})")
    assert [read("@+"), read("c"), read("a")] == ["a and b", "", ""]


def test_layers_that_follow_one_another_are_a_chain_and_wide_parts_stand_alone(engine):
    leaf = lambda name: {"id": name, "values": [name], "rows": []}
    wide, mark = {"id": "wide", "values": [], "rows": [[leaf("x")]]}, {"values": [], "rows": []}
    rows = [[leaf("a")], [leaf("b")], [wide], [leaf("c")], [leaf("d"), leaf("e")]]
    rows += [[mark | {"id": "+"}, mark | {"id": "×"}]]
    edges = [["a", "b", -1], ["b", "wide", -1], ["wide", "c", -1], ["c", "d", -1], ["c", "e", -1]]
    found = engine.value(f"groupedRows({{rows: {rows!r}, edges: {edges!r}}})")
    assert [(row["kind"], [node["id"] for node in row["nodes"]]) for row in found] == [
        ("chain", ["a", "b"]),
        ("single", ["wide"]),
        ("single", ["c"]),
        ("branches", ["d", "e"]),
        ("marks", ["+", "×"]),
    ]


def test_long_edges_pass_in_their_lane(engine):
    box = lambda x, top: (
        f"{{group: {top}, left: {x - 5}, right: {x + 5}, x: {x}, top: {top}, "
        f"bottom: {top + 10}, rowBottom: {top + 12}}}"
    )
    ends = "{top: {x: 50, y: 0}, bottom: {x: 50, y: 99}}"
    short = engine.value(f"pathOf({box(40, 0)}, {box(60, 30)}, -1, {ends})")
    assert short.startswith("M40 10V12C")
    assert "60 30" in short
    long = engine.value(f"pathOf(null, {box(60, 30)}, 1, {ends})")
    assert long.startswith("M18 0V20H60V30")
    assert engine.value(f"pathOf(null, null, 0, {ends})") == "M6 0V99"
    beside = engine.value(f"pathOf({box(20, 0)}, {box(90, 0)}, -1, {ends})")
    assert beside.startswith("M25 24H85m")


@pytest.mark.parametrize(
    ("kind", "axes", "shape"),
    [
        ("maps", ["stack", "row", "column", "unit"], [2, 3, 4, 5]),
        ("attention", ["head", "query", "key"], [2, 3, 4]),
        ("heads", ["stack", "time", "head", "unit"], [2, 3, 4, 5]),
        ("sequence", ["time", "unit"], [3, 4]),
        ("grid", ["time", "axis", "axis2", "unit"], [2, 3, 2, 4]),
        ("grid", ["axis", "axis2", "time"], [2, 3, 4]),
        ("grid", ["axis", "axis2", "axis3"], [2, 3, 4]),
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
            const there = reader.located(place);
            const back = cellOf(value, reader.origin(there).place);
            found.push([picture.at(tile, row, column), reader.get(there), back.tile === tile &&
              back.row === row && back.column === column]);
          }}
    """)
    found = engine.value("found")
    assert all(at == read for at, read, _ in found)
    assert all(same for _, _, same in found)
    own = [n for n, axis in zip(shape, axes, strict=True) if axis != "stack"]
    assert len(found) == len({at for at, _, _ in found}) == math.prod(own)


def test_several_sequences_are_tiles_over_time(engine):
    value = """{ kind: "grid", axes: ["axis", "time", "axis2", "unit"], shape: [2, 5, 3, 4],
      follows: ["", "", "", ""], factors: 4 }"""
    picture = f"layout({value})"
    sizes = f"[{picture}.tiles, {picture}.rows, {picture}.columns, {picture}.bars]"
    assert engine.value(sizes) == [6, 4, 5, False]
    assert engine.value(f"partOf({value}, {{ tile: 5, row: 3, column: 1 }})") == 3


def test_padding_of_a_sequence_is_not_drawn(engine):
    value = """{ kind: "attention", axes: ["head", "query", "key"], shape: [2, 8, 8],
      follows: ["", "tokens", "source"] }"""
    picture = f"layout({value}, 0, {{ tokens: 3, source: 5 }})"
    assert engine.value(f"[{picture}.rows, {picture}.columns]") == [3, 5]
