"""How values are computed by the equations of a model, as people write it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.product_of_experts import product_of_experts
from jnn.explain.lab.program import formulas_of
from jnn.tags import tag
from tests.explain.lab.makings import found, lab_of


def answer_of(apply, *shape, params=None, dtype=jnp.float32):
    """The formula of an answer, and what it reads."""
    model = jnn.Model(lambda key, x: ({}, {}), lambda p, s, x, mask=None: (apply(p, x), s))
    [formula], _ = formulas_of(model, params or {}, {}, jax.ShapeDtypeStruct(shape, dtype))
    return formula


W = {"w": jax.ShapeDtypeStruct((3, 2), jnp.float32)}


@pytest.mark.parametrize(
    ("apply", "lines"),
    [
        (lambda p, x: (x + 1) / 2, ("(a + 1) / 2",)),
        (lambda p, x: (x - 1) * 2 - (x - 3), ("(a − 1) · 2 − (a − 3)",)),
        (lambda p, x: x - (2 - x), ("a − (2 − a)",)),
        (lambda p, x: -((x + 1) ** 2), ("−(a + 1)²",)),
        (lambda p, x: jnp.mean(x), ("mean(a)",)),
        (lambda p, x: jnp.sum(x) / 2, ("sum(a) / 2",)),
        (lambda p, x: x * jax.lax.rsqrt(jnp.sum(x * x)), ("a / √(sum(a · a))",)),
        (lambda p, x: jax.nn.relu(x) + 0 * 1, ("relu(a)",)),
        (lambda p, x: jax.nn.softmax(2 * x), ("softmax(2 · a)",)),
        (lambda p, x: jax.nn.logsumexp(x) - 1, ("logsumexp(a) − 1",)),
        (lambda p, x: jax.nn.log_softmax(x), ("log_softmax(a)",)),
        (lambda p, x: x[1:] - x[:-1], ("a[1:] − a[:2]",)),
        (lambda p, x: x @ p["w"] + 1, ("a @ b + 1",)),
        (lambda p, x: p["w"][:, 0] @ (x + x), ("a[:, 0] @ (b + b)",)),
        (lambda p, x: jnp.where(x > 1, x, 0.0), ("where(a > 1, a, 0)",)),
        (lambda p, x: jnp.where(x < 0, 0.1 * x, x) * 2, ("where(a < 0, 0.1 · a, a) · 2",)),
        (lambda p, x: jnp.where(x < 0, x + 5, x) * 2, ("where(a < 0, a + 5, a) · 2",)),
        (lambda p, x: jnp.where(x < 1, 1, x) * 2, ("where(a < 1, 1, a) · 2",)),
        (lambda p, x: jnp.where(x == 3, 5, x) * 2, ("where(a = 3, 5, a) · 2",)),
        (lambda p, x: jnp.where(x == 0, x, 5), ("where(a = 0, a, 5)",)),
        (lambda p, x: jnp.where(x != 0, 1 / x, 7), ("where(a ≠ 0, 1 / a, 7)",)),
        (lambda p, x: jnp.where(jnp.isfinite(x), x, 5), ("where(is_finite(a), a, 5)",)),
        (lambda p, x: x / jnp.where(jnp.sum(x) == 0, 1, jnp.sum(x)), ("a / sum(a)",)),
        (lambda p, x: jax.nn.leaky_relu(x), ("leaky_relu(a)",)),
        (lambda p, x: jax.nn.leaky_relu(x, 0.3), ("leaky_relu(a, 0.3)",)),
        (lambda p, x: x[:2] * (x @ p["w"]), ("a[:2] · (a @ b)",)),
        (lambda p, x: x[:2] * ((x @ p["w"]) / x[1:]), ("a[:2] · (a @ b) / a[1:]",)),
        (lambda p, x: x[:2] - x @ p["w"], ("a[:2] − a @ b",)),
        (lambda p, x: x @ (p["w"] * 2), ("a @ (b · 2)",)),
        (lambda p, x: jnp.split(x, 3)[1], ("split(a)[1]",)),
        (lambda p, x: x * jnp.array([1.0, 2, 3]) * jnp.inf, ("a · constants · ∞",)),
        (lambda p, x: jnp.real(jnp.exp(1j * x)), ("real(exp(constants · a))",)),
        (
            lambda p, x: jnp.exp(jnp.tanh(x * 3 + 1)) / jnp.sum(jnp.exp(jnp.tanh(x * 3 + 1))),
            ("p = exp(tanh(a · 3 + 1))", "p / sum(p)"),
        ),
        (
            lambda p, x: jax.lax.scan(lambda c, e: (0.9 * c + e, c), 1.0, x)[0],
            ("last(0.9 · before(1) + a)",),
        ),
    ],
)
def test_formulas_are_written_as_people_do(apply, lines):
    assert answer_of(apply, 3, params=W).lines == lines


def test_parts_of_an_array_that_differ_are_not_taken_for_each_other():
    def top(p, x):
        m = jnp.max(x[:2])
        return jnp.where(x[2] == jnp.inf, 0.0, x[1]) + m - jnp.exp(x[0] - m) / jnp.exp(x[1] - m)

    lines = answer_of(top, 3).lines
    rest = "exp(a[0] − max(a[:2])) / exp(a[1] − max(a[:2]))"
    assert lines == (f"where(a[2] = ∞, 0, a[1]) + max(a[:2]) − {rest}",)


def test_captured_values_are_read_and_what_is_before_them_is_not():
    def apply(p, x):
        return tag(jnp.tanh(x @ p["w"]), "hidden") * 2

    formula = answer_of(apply, 3, params=W)
    assert formula.lines == ("a · 2",)
    assert formula.reads == (("value", "hidden"),)


def test_what_is_long_leads_to_the_values_that_it_is_computed_of():
    def long(p, x):
        x = tag(x * 2, "double")
        for i in range(400):  # each of which reads the one before twice
            x = jnp.sin(x + i) * x
        return x

    assert answer_of(long, 3) == ((), (("value", "double"),))


def test_an_index_that_wraps_and_a_table_are_written_as_one():
    formula = answer_of(lambda p, x: p["w"][x], 5, params=W, dtype=jnp.int32)
    assert formula == (("a[b]",), (("param", "w"), ("input", "input")))


def test_the_bits_of_an_integer_are_no_truth_value():
    for apply, line in ((lambda p, x: x & 1, "a and 1"), (lambda p, x: x & 0, "a and 0")):
        assert answer_of(apply, 3, dtype=jnp.int32).lines == (line,)


def test_a_product_of_experts_leads_to_both():
    logits = jnn.parallel(networks=jnn.ensemble(jnn.dense(3), 2), bag=jnn.dense(3))
    model = product_of_experts(logits, ensemble="networks", other="bag", share=0.25)
    example = jax.ShapeDtypeStruct((4,), jnp.float32)
    lab = lab_of(model, example, np.random.default_rng(0).standard_normal(4).astype(np.float32))
    answer = "MAKING.formula(LAB.answers[0])"
    assert lab.value(f"{answer}.text") == "log_softmax(0.75 · logsumexp(log_softmax(a)) + 0.25 · b)"
    [z], values = lab.run("PAGE.inputs")
    parts = lab.value(f"{answer}.parts({{ unit: 2 }})")
    numbers = {part["name"]: part["value"] for part in parts}
    networks, bag = values["networks/output"], values["bag/output"]
    expected = {f"a = networks/output, copy {i + 1}": networks[i, 2] for i in range(2)}
    assert numbers == pytest.approx(expected | {"b = bag/output": bag[2]})
    mean = jax.nn.logsumexp(jax.nn.log_softmax(jnp.asarray(networks), axis=-1), axis=0)
    np.testing.assert_allclose(jax.nn.log_softmax(0.75 * mean + 0.25 * bag), z, rtol=1e-4)


def test_what_the_formula_of_a_number_reads_elsewhere_is_named():
    cut = lambda x: jnp.sin(50 * x[-1]) * jnp.sum(x[:2])
    model = jnn.chain(series=jnn.dense(2), cut=cut)
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    lab = lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x)
    value = "LAB.values.find((v) => v.path === 'cut/output')"
    assert found(lab)["cut/output"] == ""
    assert lab.value(f"MAKING.formula({value}).text") == "sin(50 · a[3]) · sum(a[:2])"
    [read] = lab.value(f"MAKING.formula({value}).parts({{ unit: 1 }})")
    assert (read["name"], read["text"]) == ("a = series/output", "4 steps × 2 units")
    assert read["place"]["unit"] == 1
    lab.context.eval("MODEL.scale('cut/output', 0, 2);")
    assert lab.value(f"MAKING.formula({value})") is None
