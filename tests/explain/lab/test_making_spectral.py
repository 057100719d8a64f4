"""How numbers are made with kernels that are divided by their largest singular value."""

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from tests.explain.lab.makings import found, lab_of

DIVIDED = ", w divided by its largest singular value"


def test_kernels_of_a_spectral_norm_are_divided_in_members_too():
    body = jnn.chain(conv=jnn.conv(3, (2, 2)), norm=jnn.batch_norm(), flat=jnn.flatten(3))
    members = jnn.ensemble(jnn.spectral_norm(jnn.dense(2)), 2)
    model = jnn.chain(body=jnn.spectral_norm(body), members=members)
    x = np.random.default_rng(0).standard_normal((3, 3, 2)).astype(np.float32)
    lab = lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x)
    texts = found(lab)
    assert texts.pop("body/norm/output") == "(x − mean) / deviation · scale + bias"
    assert texts == {
        "body/conv/output": f"Σ w x + b{DIVIDED}",
        "body/flat/output": "the same number, in a row",
        "members/output": f"Σ w x + b{DIVIDED}",
    }
    _, values = lab.run("PAGE.inputs")
    made = "MAKING.of(LAB.values.find((v) => v.path === 'members/output'))"
    for stack in range(2):
        at = f"{{ stack: {stack}, unit: 1 }}"
        terms, bias = lab.value(f"[{made}.terms({at}), {made}.bias({at})]")
        total = bias + sum(term["value"] * term["weight"] for term in terms)
        np.testing.assert_allclose(total, values["members/output"][stack, 1], rtol=1e-4)


def test_the_judgement_of_a_projection_discriminator():
    parts = {"embedding": jnn.embedding(3, 4), "body": jnn.dense(4), "out": jnn.dense(1)}

    def flow(run, x):
        h = run("body", x["image"])
        return run("out", h)[..., 0] + jnp.sum(h * run("embedding", x["label"]), axis=-1)

    model = jnn.spectral_norm(jnn.wired(flow, parts, streaming=False), ".*/(kernel|embedding)")
    example = {
        "image": jax.ShapeDtypeStruct((5,), jnp.float32),
        "label": jax.ShapeDtypeStruct((), jnp.int32),
    }
    x = {"image": np.arange(5, dtype=np.float32) / 5, "label": np.int32(1)}
    lab = lab_of(model, example, x)
    row = f"the token's row of the table{DIVIDED.replace('w', 'which is', 1)}"
    assert found(lab)["embedding/output"] == row
    parts = "MAKING.of(LAB.answers[0]).parts({})"
    assert lab.value("MAKING.of(LAB.answers[0]).text") == "Σ a b + c"
    answers, _ = lab.run("PAGE.inputs")
    total = sum(part["value"] for part in lab.value(parts))
    np.testing.assert_allclose(total, answers[0], rtol=1e-5)
