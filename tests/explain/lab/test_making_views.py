"""How numbers are made of a picture that is prepared within the model, and of its mirror image."""

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.data.image_scaling import block_means, standardize_images
from tests.explain.lab.makings import found, lab_of

SUM = "Σ w x + b"


def test_a_part_is_applied_by_itself_to_a_smaller_standardized_picture_and_its_mirror_image():
    inner = jnn.chain(conv=jnn.conv(2, (3, 2)), norm=jnn.batch_norm())

    def init(key, x):
        params, state = inner.init(key, block_means(x, 2))
        return {"inner": params}, {"inner": state}

    def apply(params, state, x, **options):
        x = standardize_images(block_means(x, 2))
        one = lambda x: inner.apply(params["inner"], state["inner"], x)[0]  # in no named scope
        return one(x) + one(jnp.flip(x, axis=-2)), state

    x = np.random.default_rng(0).standard_normal((8, 6, 1)).astype(np.float32)
    lab = lab_of(jnn.Model(init, apply), jax.ShapeDtypeStruct(x.shape, jnp.float32), x)
    norm = "(x − mean) / deviation · scale + bias"
    assert found(lab) == {
        f"{name}/output{again}": text
        for again in ("", "#2")
        for name, text in (("conv", SUM), ("norm", norm))
    }
    _, values = lab.run("PAGE.inputs")
    made = "MAKING.of(LAB.values.find((v) => v.path === 'conv/output#2'))"
    at = "{ row: 2, column: 2, unit: 1 }"
    terms, bias = lab.value(f"[{made}.terms({at}), {made}.bias({at})]")
    total = bias + sum(term["value"] * term["weight"] for term in terms)
    np.testing.assert_allclose(total, values["conv/output#2"][2, 2, 1], rtol=1e-4)


def test_cells_that_read_twice_are_explained_both_times():
    cell = jnn.gru(1)

    def apply(params, state, x, **options):
        once, _ = cell.apply(params, state, x)
        return once + cell.apply(params, state, jnp.tanh(x))[0], state

    x = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    texts = found(lab_of(jnn.Model(cell.init, apply), jax.ShapeDtypeStruct(x.shape, "float32"), x))
    assert texts["hidden#2"] == texts["hidden"] == "u h + (1 − u) n"
    assert texts["reset_gate#2"] == texts["reset_gate"] == "sigmoid(Σ w x + Σ u h + b)"


def test_what_has_no_explanation_is_said_in_a_sentence():
    model = jnn.chain(hash=lambda x: jnp.sin(1e4 * x), large=lambda x: x > 0)
    x = np.random.default_rng(0).standard_normal(5).astype(np.float32)
    lab = lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x)
    assert found(lab) == {"hash/output": "", "large/output": ""}
    missing = lab.value("LAB.values.map((v) => MAKING.missing(v))")
    assert missing[0].startswith("The model computes this number in more operations")
    assert lab.value("MAKING.formula(LAB.values[0])?.text") == "sin(10,000 · a)"
    assert lab.value("MAKING.formula(LAB.values[1])") is None
    assert missing[1].startswith("This is no number that a layer computes")
    lab.context.eval("MODEL.scale('hash/output', 0, 2);")
    assert lab.value("MAKING.missing(LAB.values[0])").startswith("This value is changed")


def test_what_is_in_reverse_order_is_explained():
    model = jnn.chain(sequence=jnn.dense(2), back=lambda x: jnp.flip(x, axis=-2))
    x = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    texts = found(lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x))
    assert texts["back/output"] == "the same number, in reverse order"
