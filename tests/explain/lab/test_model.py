"""The law of the lab: the page's numbers are jnn's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.explain.lab import page
from jnn.explain.lab.inputs import Example, Examples
from jnn.explain.lab.page import lab_page, write_lab
from jnn.explain.lab.subject import Subject
from tests.explain.lab.engine import Lab
from tests.explain.lab.subjects import classifier, drawn

TOLERANCE = 1e-4  # relative to the largest value, which the page shows with four digits


def near(a, b):
    scale = max(1.0, float(np.abs(b).max()))
    np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE * scale)


@pytest.fixture(scope="module")
def subject():
    return classifier()


@pytest.fixture(scope="module")
def lab(subject):
    return Lab(subject)


@pytest.fixture(scope="module")
def expected(subject):
    predict = jax.jit(jnn.capture(lambda p, s, x: subject.model.apply(p, s, x)[0]))
    return lambda params, x: predict(params, subject.state, x)


def test_the_page_computes_the_answer_and_every_value(subject, lab, expected):
    (logits,), values = lab.run()
    y, captured = expected(subject.params, subject.examples.inputs[0].x)
    near(logits, y)
    assert {"conv/output", "relu/output", "out/output"} <= set(values)
    for path, value in values.items():
        near(value, captured[path])
    kinds = {value["path"]: value["kind"] for value in lab.data["values"]}
    assert (kinds["conv/output"], kinds["out/output"]) == ("maps", "vector")


def test_pictures_of_other_levels_than_bytes_are_as_they_are(subject, expected):
    grey = np.arange(36, dtype=np.float32).reshape(6, 6, 1) % 17 / 16
    lab = Lab(subject._replace(examples=Examples("test", [Example(grey)])), has_gradients=False)
    assert lab.value("[...inputsOf(LAB, LAB.input.examples[0])[0]]") == grey.ravel().tolist()
    near(lab.run()[0][0], expected(subject.params, grey)[0])
    assert "256 levels" not in lab_page(subject)
    many = Examples("test", [Example(grey)] * 4000)
    assert "256 levels" in lab_page(subject._replace(examples=many))


def test_a_factor_scales_a_channel_and_all_behind_it(subject, lab):
    lab.context.eval('MODEL.scale("conv/output", 2, 0.5)')
    (logits,), values = lab.run()
    assert lab.value("MODEL.changes()") == [{"path": "conv/output", "part": 2, "factor": 0.5}]
    lab.context.eval("MODEL.restore()")
    half = lambda conv: conv * jnp.array([1, 1, 0.5, 1])
    predict = lambda x: subject.model.apply(subject.params, subject.state, x)[0]
    changed = jnn.intervene(predict, {"conv/output": half})
    y, captured = jax.jit(jnn.capture(changed))(subject.examples.inputs[0].x)
    near(logits, y)
    near(values["relu/output"], captured["relu/output"])
    near(lab.run()[0][0], predict(subject.examples.inputs[0].x))


def running_sums():
    """A layer of one's own, whose output is made in a scan and tagged outside of it."""

    def apply(params, state, x, *, key=None, train=False, mask=None):
        return jax.lax.scan(lambda c, x_t: (c + x_t, c + x_t), jnp.zeros_like(x[0]), x)[1], state

    return jnn.Model(lambda key, x: ({}, {}), apply)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("model", "shape", "path", "change"),
    [
        (
            jnn.chain(blocks=jnn.repeat(jnn.chain(dense=jnn.dense(4), tanh=jnp.tanh), 3)),
            (4,),
            "blocks/tanh/output",
            lambda half: jnn.at_iteration(1, half),
        ),
        (
            jnn.chain(blocks=jnn.repeat(jnn.chain(lstm=jnn.lstm(4)), 2)),
            (5, 4),
            "blocks/lstm/hidden",
            lambda half: jnn.at_iteration(1, half),
        ),
        (
            jnn.chain(blocks=jnn.repeat(jnn.chain(sums=running_sums(), out=jnn.dense(4)), 2)),
            (5, 4),
            "blocks/sums/output",
            lambda half: jnn.at_iteration(1, half),
        ),
        (
            jnn.chain(members=jnn.ensemble(jnn.chain(hidden=jnn.dense(4), tanh=jnp.tanh), 3)),
            (4,),
            "members/hidden/output",
            lambda half: lambda old: old.at[1].set(half(old[1])),
        ),
    ],
)
def test_a_factor_is_of_one_layer_or_member_alone(model, shape, path, change):
    example = jax.ShapeDtypeStruct(shape, jnp.float32)
    params, state = drawn(model, example)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    subject = Subject("", model, params, state, example, examples=Examples("", [Example(x)]))
    lab = Lab(subject)
    lab.context.eval(f"MODEL.scale({path!r}, {1 * 4 + 2}, 0.5)")
    (y,), values = lab.run()
    half = lambda old: old * jnp.array([1, 1, 0.5, 1])
    predict = lambda x: model.apply(params, state, x)[0]
    changed = jnn.intervene(predict, {path: change(half)})
    expected, captured = jax.jit(jnn.capture(changed))(x)
    near(y, expected)
    near(values[path], captured[path])
    assert np.abs(expected - jax.jit(predict)(x)).max() > 10 * TOLERANCE


def test_the_gradient_of_any_number_to_the_input(subject, lab):
    x = "inputsOf(LAB, LAB.input.examples[0])"
    value = "LAB.values.find((v) => v.path === 'conv/output')"
    found = lab.value(f"MODEL.gradient({x}, {value}, {4 * (6 * 2 + 3) + 1}).map((a) => [...a])")
    predict = jnn.capture(lambda x: subject.model.apply(subject.params, subject.state, x)[0])
    number = lambda x: predict(x)[1]["conv/output"][2, 3, 1]
    expected = jax.jit(jax.grad(number))(subject.examples.inputs[0].x)
    assert np.abs(expected).max() > 0
    near(np.reshape(found[0], (6, 6, 1)), expected)
    logit = lab.value(f"MODEL.gradient({x}, LAB.answers[0], 2).map((a) => [...a])")
    score = lambda x: subject.model.apply(subject.params, subject.state, x)[0][2]
    near(np.reshape(logit[0], (6, 6, 1)), jax.jit(jax.grad(score))(subject.examples.inputs[0].x))


def test_a_moment_has_other_params(subject, lab, expected):
    lab.context.eval("MODEL.at(0)")
    (logits,), _ = lab.run()
    lab.context.eval("MODEL.at(-1)")
    half = lambda leaf: (leaf / 2).astype(np.float16).astype(np.float32)
    near(logits, expected(jax.tree.map(half, subject.params), subject.examples.inputs[0].x)[0])


def test_texts_of_the_data_cannot_become_code(subject):
    text = lab_page(subject)
    assert "<title>A &lt;b&gt;</title>" in text
    assert text.count("</script>") == 1
    assert "\\u003c/script>" in text


def test_a_model_that_is_too_large_or_has_no_rule_says_so_in_its_page(
    subject, tmp_path, monkeypatch
):
    model = jnn.chain(fft=lambda x: jnp.abs(jnp.fft.fft(x)))
    vector = jax.ShapeDtypeStruct((4,), jnp.float32)
    spectrum = write_lab(tmp_path / "fft.html", Subject("", model, {}, {}, vector))
    assert "does not run in a page. javascript: got complex64" in spectrum.read_text()
    monkeypatch.setattr(page, "MOST_FLOAT32", 100)
    monkeypatch.setattr(page, "MOST_FLOAT16", 200)
    text = write_lab(tmp_path / "large.html", subject).read_text()
    assert "params, expected at most 100, so that the page stays small" in text
    assert "<script>" not in text
