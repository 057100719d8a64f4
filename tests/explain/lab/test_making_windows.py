"""How numbers of transposed convolutions are made: of what spreads to them."""

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from tests.explain.lab.makings import found, lab_of

SUM = "Σ w x + b"


def test_what_spreads_to_a_number_of_a_transposed_convolution():
    model = jnn.chain(
        same=jnn.conv_transpose(3, (4, 4), strides=2),
        cropped=jnn.conv_transpose(2, (5, 3), strides=2, padding=1, output_padding=1),
    )
    x = np.random.default_rng(0).standard_normal((3, 2, 2)).astype(np.float32)
    lab = lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x)
    assert found(lab) == {f"{name}/output": SUM for name in ("same", "cropped")}
    value = "LAB.values.find((v) => v.path === 'same/output')"
    made = f"(at => [MAKING.of({value}).terms(at), MAKING.of({value}).bias(at)])"
    _, values = lab.run("PAGE.inputs")
    for row, column, read in ((0, 0, 4), (3, 2, 4), (5, 1, 4)):  # 2 of 4 rows reach each number
        terms, bias = lab.value(f"{made}({{ row: {row}, column: {column}, unit: 2 }})")
        assert len(terms) == read * 2
        total = bias + sum(term["value"] * term["weight"] for term in terms)
        np.testing.assert_allclose(total, values["same/output"][row, column, 2], atol=1e-5)


def test_what_spreads_to_a_number_of_a_sequence():
    model = jnn.chain(wide=jnn.conv_transpose(3, (3,), strides=2, padding="VALID", dilation=2))
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    texts = found(lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x))
    assert texts == {"wide/output": SUM}
