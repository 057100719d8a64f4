"""How numbers are made that depend on what enters a repeated part, and those of groups of units."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from tests.explain.lab.makings import found, lab_of

NORM = "(x − mean) / deviation · scale + bias"


def explained(model, *shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return found(lab_of(model, jax.ShapeDtypeStruct(shape, jnp.float32), x))


def test_what_enters_and_leaves_repeated_parts_is_known():
    block = jnn.residual(jnn.chain(norm=jnn.layer_norm(), act=jnp.tanh, dense=jnn.dense(4)))
    model = jnn.chain(inner=jnn.dense(4), blocks=jnn.repeat(block, 3), out=jnn.dense(2))
    texts = explained(model, 6, 2)
    ends = lambda end: next(text for path, text in texts.items() if path.endswith(end))
    assert ends("norm/output") == NORM
    assert ends("shortcut/output") == "the same number"
    assert texts["blocks/output"] == "a + b"
    assert texts["out/output"] == "Σ w x + b"


def test_the_first_of_repeated_parts_may_read_the_input():
    block = jnn.chain(norm=jnn.layer_norm(), dense=jnn.dense(4))
    texts = explained(jnn.chain(blocks=jnn.repeat(block, 2)), 5, 4)
    assert texts == {
        "blocks/norm/output": NORM,
        "blocks/dense/output": "Σ w x + b",
        "blocks/output": "the same number",
    }


@pytest.mark.slow
@pytest.mark.parametrize("depth", [2, 3])
def test_copies_within_members(depth):
    body = jnn.chain(norm=jnn.layer_norm(), dense=jnn.dense(4))
    network = jnn.chain(inner=jnn.dense(4), blocks=jnn.repeat(jnn.residual(body), depth))
    texts = explained(jnn.chain(members=jnn.ensemble(network, 2)), 5, 3)
    assert "" not in texts.values()
    assert [text for path, text in texts.items() if path.endswith("norm/output")] == [NORM]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("norm", [jnn.group_norm(2, rank=3), jnn.group_norm(3, rank=2)])
def test_norms_of_groups_of_channels(norm):
    texts = explained(jnn.chain(conv=jnn.conv(6, (3, 3)), norm=norm), 5, 4, 2)
    assert texts["norm/output"] == NORM


def test_layers_that_copies_apply_twice_are_known():
    def flow(run, x):
        return x + run("dense", jnp.tanh(run("dense", run("norm", x))))

    body = jnn.wired(flow, {"norm": jnn.layer_norm(), "dense": jnn.dense(4)}, streaming=False)
    texts = explained(jnn.chain(inner=jnn.dense(4), blocks=jnn.repeat(body, 3)), 6, 2)
    assert texts["blocks/norm/output"] == NORM
    assert texts["blocks/dense/output"] == texts["blocks/dense/output#2"] == "Σ w x + b"
    assert texts["blocks/output"] == "the same number"


def test_copies_that_are_applied_twice_are_known_both_times():
    block = jnn.residual(jnn.chain(norm=jnn.layer_norm(), act=jnp.tanh, dense=jnn.dense(4)))

    def flow(run, x):
        return run("copies", run("copies", run("inner", x)))

    parts = {"inner": jnn.dense(4), "copies": jnn.repeat(block, 3)}
    texts = explained(jnn.wired(flow, parts, streaming=False), 6, 2)
    for again in ("", "#2"):
        assert texts[f"copies/body/norm/output{again}"] == NORM
        assert texts[f"copies/shortcut/output{again}"] == "the same number"
        assert texts[f"copies/output{again}"] == "a + b"
