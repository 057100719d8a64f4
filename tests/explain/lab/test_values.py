"""What the axes of captured values are."""

import re
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.architectures.vision_transformer import VisionTransformerConfig, vision_transformer
from jnn.explain.lab.program import values_of
from jnn.layers.attention import attention

VECTOR, SERIES = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((4,), (4, 4)))
PICTURE = jax.ShapeDtypeStruct((4, 4, 4), jnp.float32)
TOKENS = jax.ShapeDtypeStruct((4,), jnp.int32)


def kinds(model, example):
    model = jnn.chain(it=model)
    params, state = jax.eval_shape(model.init, jax.random.key(0), example)
    return {
        value.path: (value.kind, value.axes)
        for value in values_of(model, params, state, example)[1]
    }


@pytest.mark.parametrize(
    ("model", "example", "path", "expected"),
    [
        (jnn.dense(4), VECTOR, "output", ("vector", ("unit",))),
        (jnn.ensemble(jnn.dense(4), 4), VECTOR, "output", ("vector", ("stack", "unit"))),
        (jnn.lstm(4), SERIES, "hidden", ("sequence", ("time", "unit"))),
        (jnn.conv(4, (3, 3)), PICTURE, "output", ("maps", ("row", "column", "unit"))),
        (attention(4), SERIES, "weights", ("attention", ("head", "query", "key"))),
        (
            jnn.repeat(jnn.chain(dense=jnn.dense(4)), 4),
            SERIES,
            "dense/output",
            ("sequence", ("stack", "time", "unit")),
        ),
        (
            jnn.chain(words=jnn.embedding(4, 4), mean=lambda x: jnp.mean(x, axis=-2)),
            TOKENS,
            "mean/output",
            ("vector", ("unit",)),
        ),
    ],
)
def test_axes_are_told_apart_though_all_have_one_length(model, example, path, expected):
    found = kinds(model, example)
    named = next(name for name in found if name.endswith(path))
    assert found[named] == expected


def test_a_mask_beside_a_series_is_as_long_as_it():
    gru = jnn.gru(4)

    def apply(params, state, x, **options):
        return gru.apply(params, state, x["signal"], **options | {"mask": x["mask"]})

    model = jnn.Model(lambda key, x: gru.init(key, x["signal"]), apply)
    example = {"signal": SERIES, "mask": jax.ShapeDtypeStruct((4,), jnp.bool_)}
    params, state = jax.eval_shape(model.init, jax.random.key(0), example)
    (hidden,) = (v for v in values_of(model, params, state, example)[1] if v.path == "hidden")
    assert (hidden.kind, hidden.follows) == ("sequence", ("signal", ""))


def test_of_a_model_that_reads_the_end_of_a_series_what_has_its_length_is_over_time():
    gru = jnn.gru(3)
    last = lambda x: jnp.stack([x[..., -6:, :], -x[..., -6:, :]])
    model = jnn.Model(
        lambda key, x: gru.init(key, x),
        lambda params, state, x, **options: gru.apply(params, state, last(x), **options),
    )
    example = jax.ShapeDtypeStruct((6, 2), jnp.float32)
    params, state = jax.eval_shape(model.init, jax.random.key(0), example)
    (hidden,) = (v for v in values_of(model, params, state, example)[1] if v.path == "hidden")
    assert dict(zip(hidden.axes, hidden.shape, strict=True)) == {"time": 6, "stack": 2, "unit": 3}


def test_a_model_that_takes_no_longer_input_has_time_too():
    config = TransformerConfig(vocabulary=4, length=4, width=4, depth=1, heads=1)
    found = kinds(transformer(config), TOKENS)
    weights = next(kind for path, kind in found.items() if path.endswith("attention/weights"))
    assert weights == ("attention", ("stack", "head", "query", "key"))


def test_patches_that_attend_to_each_other_are_a_sequence():
    sizes = {"image_size": (4, 4), "patch_size": 2, "width": 8, "depth": 2, "heads": 2}
    model = vision_transformer(VisionTransformerConfig(outputs=5, **sizes))
    found = kinds(model, PICTURE)
    of = lambda end: next(kind for path, kind in found.items() if path.endswith(end))
    assert of("patches/output") == ("maps", ("row", "column", "unit"))
    assert of("positions/output") == ("sequence", ("time", "unit"))
    assert of("attention/weights") == ("attention", ("stack", "head", "query", "key"))
    for name in ("query", "key", "value"):
        assert of(f"attention/{name}") == ("heads", ("stack", "time", "head", "unit"))
    assert of("attention/output") == ("sequence", ("stack", "time", "unit"))
    assert of("head/output") == ("vector", ("unit",))


def test_a_number_that_all_examples_share_has_no_axes():
    scaled = lambda x: x * jnn.tag(jnp.float32(2), "gain")
    assert kinds(jnn.chain(jnn.dense(3), scaled), VECTOR)["it/1/gain"] == ("number", ())


def test_a_model_that_takes_one_length_alone_has_time_too():
    gru = jnn.gru(3)

    def apply(params, state, x, **options):
        return gru.apply(params, state, x.reshape(*x.shape[:-2], 6, 2), **options)

    model = jnn.Model(lambda key, x: gru.init(key, x), apply)
    found = kinds(model, jax.ShapeDtypeStruct((6, 2), jnp.float32))
    assert found["it/hidden"] == ("sequence", ("time", "unit"))


def test_a_value_with_several_names_is_there_once():
    model = jnn.chain(block=jnn.chain(dense=jnn.dense(2)))
    assert list(kinds(model, VECTOR)) == ["it/block/dense/output"]


def test_sliders_are_as_light_as_the_page():
    """Chromium draws the track for the other scheme where the contrast to its own is below 3."""
    css = resources.files("jnn.explain.lab").joinpath("lab.css").read_text("utf-8")
    name = re.search(r'input\[type="range"\].*accent-color: var\((.+?)\)', css)[1]
    light, dark = re.findall(rf"{name}: #(\w{{6}})", css)
    parts = lambda colour: [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = lambda c: c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
    luminance = lambda colour: np.dot([0.2126, 0.7152, 0.0722], [*map(linear, parts(colour))])
    assert 1.05 / (luminance(light) + 0.05) > 3
    assert (luminance(dark) + 0.05) / (luminance("3b3b3b") + 0.05) > 3
