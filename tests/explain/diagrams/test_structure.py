"""Structures beside what the models are made of."""

import json

import jax
import jax.numpy as jnp
import pytest

import jnn
from jnn.explain import structure
from jnn.explain.inside.summary import parameter_count
from tests.laws.registry import ARCHITECTURES, CASES

FAST = ("cnn", "resnet", "seq2seq", "transformer")
X = jnp.ones((6, 4))


def named(box, name):
    return next(node for node in box.nodes if node.id == name)


def highway():
    def flow(run, x):
        gate = jax.nn.sigmoid(run("gate", x))
        return gate * run("value", x) + (1 - gate) * x

    return jnn.wired(flow, {"gate": jnn.dense(4), "value": jnn.dense(4)})


def tied():
    def flow(run, tokens):
        h = run("twice", run("twice", run("embedding", tokens)))
        return jnn.unembed(run.params["embedding"], h)

    return jnn.wired(flow, {"embedding": jnn.embedding(9, 4), "twice": jnn.dense(4)})


def test_a_chain_is_a_line_and_a_residual_connection_a_branch():
    box = structure(jnn.chain(jnn.residual(jnn.dense(4)), out=jnn.dense(2)), X)
    assert box.edges == (("@input", "0"), ("0", "out"), ("out", "@output"))
    assert set(named(box, "0").edges) == {
        ("@input", "body"),
        ("@input", "shortcut"),
        ("body", "@+"),
        ("shortcut", "@+"),
        ("@+", "@output"),
    }
    assert named(named(box, "0"), "shortcut").kind == "identity"
    assert (named(box, "out").kind, named(box, "out").shapes) == ("dense", ((6, 2),))


def test_the_flow_of_a_plain_function_is_seen():
    edges = set(structure(highway(), X).edges)
    sources = lambda name: {a for a, b in edges if b == name}
    (end,) = sources("@output")
    first, second = sorted(sources(end))
    assert end == "@+"
    assert sources(first) | sources(second) == {"@input", "gate", "value"}


def test_a_part_that_is_called_twice_is_two_nodes_and_a_tied_weight_is_named():
    box = structure(tied(), jnp.zeros(6, int))
    assert box.edges == (
        ("@input", "embedding"),
        ("embedding", "twice"),
        ("twice", "twice#2"),
        ("twice#2", "@matmul embedding"),
        ("@matmul embedding", "@output"),
    )
    assert (named(box, "twice").parameters, named(box, "twice#2").parameters) == (20, 0)
    assert (named(box, "twice#2").path, named(box, "twice#2").kind) == ("twice", "dense")


def test_copies_are_counted_and_have_the_shape_of_one():
    block = jnn.residual(jnn.chain(jnn.dense(4), jnp.tanh))
    box = structure(jnn.chain(deep=jnn.repeat(block, 3), lstm=jnn.lstm(5)), X)
    assert [node.repeat for node in box.nodes] == [1, 3, 1, 1]  # time is no copy
    assert named(named(box, "deep"), "body").shapes == ((6, 4),)
    assert (box.parameters, named(box, "lstm").kind) == (3 * 20 + 4 * 5 * (4 + 5 + 1), "LSTM")


def test_copies_that_are_called_twice_are_counted_in_each_call():
    parts = {"copies": jnn.repeat(jnn.chain(jnn.dense(4), jnp.tanh), 3), "out": jnn.dense(2)}

    def flow(run, x):
        return run("out", run("copies", run("copies", x)))

    box = structure(jnn.wired(flow, parts, streaming=False), jnp.ones((6, 4)))
    assert [(node.id, node.repeat) for node in box.nodes if node.role == "box"] == [
        ("copies", 3),
        ("copies#2", 3),
        ("out", 1),
    ]


def test_values_belong_to_the_call_that_tags_them():
    box = structure(tied(), jnp.zeros(6, int))
    assert {node.id: node.values for node in box.nodes if node.values} == {
        "embedding": ("embedding/output",),
        "twice": ("twice/output",),
        "twice#2": ("twice/output#2",),
    }


def test_two_inputs_have_their_names_and_masks_are_no_edges():
    def flow(run, x):
        return run("a", x["left"]) + run("b", x["right"]) * x["seen"]

    model = jnn.wired(flow, {"a": jnn.dense(2), "b": jnn.dense(2)})
    box = structure(model, {"left": X, "right": X, "seen": jnp.ones((6, 1), bool)})
    inputs = {(node.id, node.path) for node in box.nodes if node.role == "input"}
    assert inputs == {("@input/left", "left"), ("@input/right", "right")}
    assert ("@input/left", "a") in box.edges


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (jnn.conv(3, (2,)), "convolution over 2"),
        (jnn.batch_norm(), "normalization"),
        (jnn.rms_norm(), "normalization"),
        (jnn.gru(3), "GRU"),
        (jnn.attention(2), "attention"),
        (jax.nn.relu, "ReLU"),
        (jax.nn.gelu, "GELU"),
        (jax.nn.silu, "SiLU"),
        (jax.nn.softmax, "softmax"),
        (jax.nn.sigmoid, "sigmoid"),
        (jnp.tanh, "tanh"),
        (jnn.max_pool((2,)), "pooling"),
        (jnn.flatten(2), "flatten"),
        (jnn.dropout(0.5), "identity"),
    ],
)
def test_kinds(layer, kind):
    assert named(structure(jnn.chain(layer=layer), X), "layer").kind == kind


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FAST else pytest.mark.slow)
        for name in sorted(ARCHITECTURES)
    ],
)
def test_the_structure_of_every_architecture_is_whole(name):
    case = CASES[name]
    box = structure(case.model, case.x)
    assert box.parameters == parameter_count(case.model, case.x)
    check_flow(box)
    assert sorted(values_in(box)) == sorted(captured(case.model, case.x))
    assert json.loads(json.dumps(box.record()))["parameters"] == box.parameters


def values_in(box):
    return [*box.values, *(path for node in box.nodes for path in values_in(node))]


def captured(model, x):
    """The paths of captured values."""
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    predict = lambda variables, x: model.apply(*variables, x)[0]
    return jax.eval_shape(jnn.capture(predict), variables, x)[1]


def check_flow(box):
    """Edges are between nodes, without a circle, and every way leads to the output."""
    if not box.nodes:
        return
    names = {node.id for node in box.nodes}
    assert {name for edge in box.edges for name in edge} <= names
    assert len(names) == len(box.nodes)
    reached = {"@output"}
    for _ in names:
        reached |= {a for a, b in box.edges if b in reached}
    assert {a for a, _ in box.edges} <= reached
    remaining = set(box.edges)
    while remaining:
        fed = {b for _, b in remaining}
        before, remaining = remaining, {edge for edge in remaining if edge[0] in fed}
        assert before != remaining, "a circle"
    for node in box.nodes:
        check_flow(node)
