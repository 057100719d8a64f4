"""A model that computes in bfloat16 inside, though its run is not of half precision."""

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.explain.lab.inputs import Example, Examples
from jnn.explain.lab.page import lab_page
from jnn.explain.lab.subject import Subject
from tests.explain.lab.makings import found, lab_of
from tests.explain.lab.subjects import drawn

X = np.random.default_rng(0).standard_normal(4).astype(np.float32)
SHAPE = jax.ShapeDtypeStruct(X.shape, jnp.float32)


def model():
    """A hidden layer in bfloat16 between layers in float32."""
    lower = jnn.cast(jnn.chain(hidden=jnn.dense(5), tanh=jnp.tanh), compute="bfloat16")
    return jnn.chain(lower=lower, out=jnn.dense(3))


def test_its_page_computes_changes_and_explains_it_in_bfloat16():
    lab = lab_of(model(), SHAPE, X)
    hidden = next(value for value in lab.data["values"] if value["path"].endswith("tanh/output"))
    assert (hidden["dtype"], hidden["factors"]) == ("bfloat16", 5)
    (answer,), values = lab.run("PAGE.inputs")
    inner = values[hidden["path"]]
    np.testing.assert_array_equal(inner, inner.astype(jnp.bfloat16).astype(np.float64))
    lab.context.eval(f"MODEL.scale({hidden['path']!r}, 2, 0)")
    (changed,), values = lab.run("PAGE.inputs")
    assert values[hidden["path"]][2] == 0
    assert not np.allclose(changed, answer)
    lab.context.eval("MODEL.restore()")
    lab.run("PAGE.inputs")
    texts = found(lab)
    assert texts["lower/hidden/output"] == texts["out/output"] == "Σ w x + b"
    assert texts["lower/tanh/output"] == "tanh(x)"


def test_the_page_says_so_and_has_its_gradient():
    params, state = drawn(model(), SHAPE)
    examples = Examples("test", [Example(X)])
    page = lab_page(Subject("Half", model(), params, state, SHAPE, examples=examples))
    assert "Parts of this model compute in bfloat16" in page
    assert "const BACKWARD = null" not in page
