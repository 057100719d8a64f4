"""Pictures as XML: what is in them, and where."""

import itertools
import re
import xml.etree.ElementTree as ET

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.explain import diagram, structure
from jnn.explain.diagrams.simplify import simplified, unnested
from tests.explain.diagrams.test_structure import check_flow
from tests.laws.registry import ARCHITECTURES, CASES

SVG = "{http://www.w3.org/2000/svg}"
FAST = ("resnet", "seq2seq", "transformer")


def parsed(model, x, params=None):
    return ET.fromstring(diagram(model, x, params))


def texts(picture):
    return [element.text for element in picture.iter(f"{SVG}text")]


def rectangles(element, x=0.0, y=0.0):
    """Style, left, top, right and bottom of each rectangle."""
    if moved := re.match(r"translate\((\S+) (\S+)\)", element.get("transform", "")):
        x, y = x + float(moved[1]), y + float(moved[2])
    if element.tag == f"{SVG}rect":
        width, height = float(element.get("width")), float(element.get("height"))
        yield element.get("class"), x, y, x + width, y + height
    for child in element:
        yield from rectangles(child, x, y)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FAST else pytest.mark.slow)
        for name in sorted(ARCHITECTURES)
    ],
)
def test_layers_lie_inside_the_picture_and_not_over_each_other(name):
    picture = parsed(CASES[name].model, CASES[name].x)
    width, height = float(picture.get("width")), float(picture.get("height"))
    found = list(rectangles(picture))
    for style, left, top, right, bottom in found:
        assert 0 <= left < right <= width, style
        assert 0 <= top < bottom <= height, style
    layers = [at for style, *at in found if style.startswith(("part", "identity", "end"))]
    for a, b in itertools.combinations(layers, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_names_are_escaped_and_the_description_says_what_is_shown():
    name = '<script>"&'
    picture = parsed(jnn.chain(**{name: jnn.dense(40), "out": jnn.dense(2)}), jnp.ones(30))
    assert name in texts(picture)
    assert [picture.find(f"{SVG}{tag}").text for tag in ("title", "desc")] == [
        "Diagram of a model",
        "A model of 1,322 parameters. Input: 30. "
        f"{name}, dense: 40 · 1,240 parameters, from input. "
        f"out, dense: 2 · 82 parameters, from {name}. Output: 2.",
    ]
    ids = {element.get("id") for element in picture.iter()}
    assert set(picture.get("aria-labelledby").split()) <= ids


def test_the_lines_of_a_small_perceptron_are_its_weights():
    model = jnn.chain(hidden=jnn.chain(jnn.dense(3), jax.nn.relu), out=jnn.dense(2))
    params, _ = jax.jit(model.init)(jax.random.key(0), jnp.ones(4))
    picture = parsed(model, jnp.ones(4), params)
    weights = np.concatenate(
        [np.ravel(params["hidden"]["0"]["kernel"]), np.ravel(params["out"]["kernel"])]
    )
    lines = list(picture.iter(f"{SVG}line"))
    width = [float(line.get("stroke-width")) for line in lines]
    expected = np.maximum(4 * np.abs(weights) / np.abs(weights).max(), 0.4)
    np.testing.assert_allclose(width, expected, atol=0.006)  # two decimals
    signs = ["positive" in line.get("class") for line in lines]
    assert signs == (weights > 0).tolist()
    assert len(list(picture.iter(f"{SVG}circle"))) == 4 + 3 + 2
    without = parsed(model, jnp.ones(4))
    assert {line.get("class") for line in without.iter(f"{SVG}line")} == {"weight"}


@pytest.mark.parametrize(
    "model",
    [
        jnn.dense(3),
        jnn.chain(jnn.dense(17), jnn.dense(2)),
        jnn.chain(jnn.dense(3), jnn.layer_norm()),
        jnn.chain(jnn.residual(jnn.dense(4)), jnn.dense(2)),
        jnn.chain(deep=jnn.repeat(jnn.dense(4), 2)),
    ],
)
def test_other_models_are_boxes(model):
    assert not list(parsed(model, jnp.ones(4)).iter(f"{SVG}line"))


def test_equal_blocks_are_drawn_once_and_a_shortcut_is_a_line():
    block = lambda: jnn.residual(jnn.chain(jnn.dense(4), jax.nn.relu))
    model = jnn.chain(a=block(), b=block(), c=block(), d=jnn.dense(2))
    box = simplified(structure(model, jnp.ones(4)))
    assert [(node.id, node.repeat, node.parameters) for node in box.nodes[1:3]] == [
        ("a … c", 3, 60),
        ("d", 1, 10),
    ]
    assert set(box.nodes[1].edges) == {
        ("@input", "body"),
        ("@input", "@+"),
        ("body", "@+"),
        ("@+", "@output"),
    }
    assert "a … c × 3" in texts(parsed(model, jnp.ones(4)))


def pyramid(levels):
    """Chains and branches within each other, as in a feature pyramid."""
    stage = lambda: jnn.chain(a=jnn.chain(dense=jnn.dense(4), relu=jax.nn.relu), b=jnn.dense(4))
    if levels == 1:
        return jnn.chain(stage=stage(), lateral=jnn.dense(4))
    coarser = jnn.chain(pyramid=pyramid(levels - 1), larger=jnn.dense(4))
    branches = {"lateral": jnn.dense(4), "coarser": coarser}
    return jnn.chain(stage=stage(), merged=jnn.parallel(**branches, combine=jnp.add))


def test_parts_within_parts_fit_into_a_page():
    model = jnn.chain(pyramid=pyramid(3), out=jnn.dense(2))
    picture = parsed(model, jnp.ones(4))
    assert float(picture.get("width")) <= 1100
    layers = 3 * 2 + 3 + 2 + 1  # of the stages, laterals, larger ones, and the last
    assert sum(text == "dense" for text in texts(picture)) == layers


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "transformer, experts" else pytest.mark.slow)
        for name in CASES
    ],
)
def test_a_page_has_room_for_every_model(name):
    model, x, _ = CASES[name]
    assert float(parsed(model, x).get("width")) <= 1100


def test_chains_without_their_frames_have_the_same_layers_and_ways():
    box = structure(jnn.chain(pyramid=pyramid(3), out=jnn.dense(2)), jnp.ones(4))
    flat = unnested(box)
    layers = lambda box: [leaf for node in box.nodes for leaf in layers(node)] or [box]
    assert {leaf.path for leaf in layers(flat)} == {leaf.path for leaf in layers(box)}
    assert ("@input", "pyramid/stage/a") in flat.edges
    assert ("pyramid/stage/b", "pyramid/merged") in flat.edges
    check_flow(flat)
