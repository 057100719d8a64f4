"""Numbers that are made of what was not captured, and those of several members and sequences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.data.tokenizers import character_tokenizer
from jnn.layers.conditional_norm import conditional_norm
from jnn.layers.normalization import group_norm
from jnn.layers.subpixel import depth_to_space, space_to_depth
from jnn.tags import tag
from tests.explain.lab.makings import found, lab_of

FLOAT, SUM = jnp.float32, "Σ w x + b"


def shape(*sizes, dtype=FLOAT):
    return jax.ShapeDtypeStruct(sizes, dtype)


def values_like(example):
    rng = np.random.default_rng(0)
    drawn = lambda leaf: rng.normal(size=leaf.shape) if leaf.dtype == FLOAT else np.ones(leaf.shape)
    return jax.tree.map(lambda leaf: np.asarray(drawn(leaf), leaf.dtype), example)


def texts_of(flow, parts, example):
    model = jnn.wired(flow, parts, streaming=False)
    return found(lab_of(model, example, values_like(example)))


@pytest.mark.slow
def test_layers_that_read_two_values_a_mean_or_a_function():
    parts = {name: jnn.dense(4) for name in ("user", "item", "series", "sum", "mean", "last")}
    parts |= {name: jnn.dense(3) for name in ("both", "times", "act")}

    def flow(run, x):
        user, item, h = (run(name, x[name]) for name in ("user", "item", "series"))
        both = run("both", jnp.concatenate([item, user], axis=-1))
        times, act = run("times", user * item), run("act", jax.nn.silu(user))
        added = run("sum", jnp.tanh(user + item))
        run("mean", jnp.mean(h, axis=-2)), run("last", h[..., -1, :])
        return tag(jnp.concatenate([both, times, act, added], axis=-1), "all")

    example = {"user": shape(3), "item": shape(2), "series": shape(5, 2)}
    texts = texts_of(flow, parts, example)
    assert texts.pop("all") == "4 values side by side"
    assert texts == {f"{name}/output": SUM for name in parts}


@pytest.mark.slow
def test_the_parts_of_a_denoiser():
    parts = {
        "label": jnn.embedding(4, 6),
        "condition": jnn.dense(6),
        "smaller": space_to_depth(2),
        "norm": conditional_norm(group_norm(2, rank=3, use_scale=False, use_bias=False), 4, rank=3),
        "larger": depth_to_space(2),
    }

    def flow(run, x):
        c = run("condition", jax.nn.silu(run("label", x["label"])))
        h = run("smaller", x["image"])
        return run("larger", run("norm", {"x": h, "condition": c}))

    example = {"image": shape(4, 4, 1), "label": shape(dtype=jnp.int32)}
    squares = "the same number, squares of 2 × 2 being channels"
    assert texts_of(flow, parts, example) == {
        "label/output": "the token's row of the table",
        "condition/output": SUM,
        "smaller/output": squares,
        "norm/modulation/output": SUM,
        "norm/norm/output": "(x − mean) / deviation · scale + bias",
        "norm/output": "x (1 + scale) + shift",
        "larger/output": squares,
    }


@pytest.mark.slow
@pytest.mark.parametrize("merged", [False, True])
def test_members_that_read_several_sequences(merged):
    """Whether sequences have an axis of their own or are put into the batch."""
    network = jnn.chain(lstm=jnn.lstm(2), conv=jnn.conv(3, (2,)), out=jnn.dense(1))
    members = jnn.ensemble(network, 2)

    def split(x):  # of each three sequences of two columns
        parts = jnp.moveaxis(x.reshape(*x.shape[:-1], 3, 2), -2, -3)
        return tag(parts.reshape(-1, *parts.shape[-2:]) if merged else parts, "parts")

    def apply(params, state, x, **options):
        y, state = members.apply(params, state, split(x), **options)
        return jnp.mean(y, axis=0), state

    model = jnn.Model(lambda key, x: members.init(key, jnp.ones((3, 5, 2))), apply)
    example = shape(5, 6)
    lab = lab_of(model, example, values_like(example))
    texts = found(lab)
    assert texts.pop("parts") == ""
    assert "" not in texts.values()
    assert texts["conv/output"] == texts["out/output"] == SUM
    value = next(value for value in lab.data["values"] if value["path"] == "conv/output")
    place = dict(zip(value["axes"], (1, 2, 4, 0), strict=True)) | {"unit": 1}
    stack = place.pop("stack", 0)
    at = f"{{ ...{place}, stack: {stack} }}"
    names = f"READER.located({at})"
    made = f"MAKING.of(VALUE, {names})"
    lab.context.eval("const VALUE = LAB.values.find((v) => v.path === 'conv/output');")
    lab.context.eval("const READER = new Reader(VALUE, MODEL.valueOf(VALUE));")
    assert lab.value(f"{made}.number({names})") == pytest.approx(
        lab.value(f"READER.get({names})"), rel=1e-4
    )
    back = lab.value(f"READER.origin({names}).place")
    assert {name: back[name] for name in place} == place
    assert back["stack"] == stack


def test_the_read_out_of_a_tied_embedding_and_the_mean_of_members_are_explained():
    table = jnn.embedding(7, 4)

    def apply(params, state, x, **options):
        h = table.apply(params, state, x)[0]
        return tag(jnp.tanh(h), "hidden") @ params["embedding"].T, state

    tied = jnn.chain(tied=jnn.Model(table.init, apply), double=lambda x: x * 2)
    x = np.array([3, 1, 4], np.int32)
    texts = found(
        lab_of(tied, jax.ShapeDtypeStruct((3,), jnp.int32), x, character_tokenizer("abcdefg"))
    )
    assert texts["tied/output"] == "Σ w x + b"
    members = jnn.ensemble(jnn.dense(1), 3)

    def mean(params, state, x, **options):
        return jnp.mean(tag(members.apply(params, state, x)[0], "members"), axis=(0, -1)), state

    example = shape(4)
    lab = lab_of(jnn.Model(members.init, mean), example, values_like(example))
    assert lab.value("MAKING.of(LAB.answers[0])?.text") == "the mean of all copies"
    parts = lab.value("MAKING.of(LAB.answers[0]).parts({})")
    [y], _ = lab.run("PAGE.inputs")
    np.testing.assert_allclose(np.mean([part["value"] for part in parts]), y, rtol=1e-5)


def test_the_answer_is_explained_as_what_it_is_made_of():
    towers = {name: jnn.chain(hidden=jnn.dense(3)) for name in ("left", "right")}

    def flow(run, x):
        unit = lambda h: h / jnp.linalg.norm(h, axis=-1, keepdims=True)
        a, b = (tag(unit(run(name, x[name])), f"unit {name}") for name in towers)
        return jnp.sum(a * b, axis=-1)

    example = {"left": shape(4), "right": shape(5)}
    model = jnn.wired(flow, towers, streaming=False)
    lab = lab_of(model, example, values_like(example))
    assert lab.value("MAKING.of(LAB.answers[0])?.text") == "Σ a b"
    assert found(lab)["unit left"] == "x / √Σ x²"
