"""Embedding against PyTorch, with tied weights too, and tokens out of range."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn.layers.embedding import check_tokens, embedding, unembed
from tests.compiled import apply

FORWARD = 1e-10  # float64: the same sums in another order
GRADIENT = 1e-9


def test_values_and_gradient_are_those_of_pytorch(reference, float64):
    case, layer = reference("embedding", "embedding"), embedding(7, 3)
    run = lambda params: apply(layer, params, {}, jnp.asarray(case["tokens"]))[0]
    params = {"embedding": jnp.asarray(case["embedding"])}
    np.testing.assert_array_equal(run(params), case["y"])
    gradient = jax.grad(lambda params: jnp.sum(case["weights"] * run(params)))(params)
    np.testing.assert_allclose(gradient["embedding"], case["gradient"], atol=GRADIENT)


def test_tied_weights_are_those_of_pytorch(reference, float64):
    case, embed, trunk = (
        reference("embedding", "tied"),
        embedding(7, 3),
        jnn.chain(jnn.dense(3), jnp.tanh),
    )
    params = {
        "embedding": {"embedding": jnp.asarray(case["embedding"])},
        "trunk": {"0": {"kernel": jnp.asarray(case["kernel"]), "bias": jnp.asarray(case["bias"])}},
    }
    tokens = jnp.asarray(case["tokens"])

    def loss(params):
        h, _ = apply(embed, params["embedding"], {}, tokens[:, :-1])
        h, _ = apply(trunk, params["trunk"], {}, h)
        logits = unembed(params["embedding"], h)
        return optax.losses.softmax_cross_entropy_with_integer_labels(
            logits, tokens[:, 1:]
        ).mean(), logits

    gradient, logits = jax.grad(loss, has_aux=True)(params)
    np.testing.assert_allclose(logits, case["logits"], atol=FORWARD)
    np.testing.assert_allclose(
        gradient["embedding"]["embedding"], case["gradient/embedding"], atol=GRADIENT
    )
    for name in ("kernel", "bias"):
        np.testing.assert_allclose(
            gradient["trunk"]["0"][name], case[f"gradient/{name}"], atol=GRADIENT
        )


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int16, jnp.int32, jnp.uint32])
def test_tokens_of_any_integer_type_and_a_vocabulary_beyond_it(dtype):
    tokens = np.array([[0, 5], [100, 127]])
    params, _ = embedding(1000, 2).init(jax.random.key(0), tokens)
    y, _ = jax.jit(embedding(1000, 2).apply)(params, {}, jnp.asarray(tokens, dtype))
    np.testing.assert_array_equal(y, np.asarray(params["embedding"])[tokens])


def test_tokens_out_of_range_show_as_nan_and_change_no_other_vector():
    tokens = jnp.array([4, 5, -1, 0])
    params, _ = embedding(5, 2).init(jax.random.key(0), tokens)
    run = jax.jit(lambda params: embedding(5, 2).apply(params, {}, tokens)[0])
    np.testing.assert_array_equal(
        run(params),
        np.asarray(params["embedding"])[[4, 0, 0, 0]] * np.array([[1], [np.nan], [np.nan], [1]]),
    )
    gradient = jax.grad(lambda params: jnp.nansum(run(params)))(params)["embedding"]
    np.testing.assert_array_equal(gradient, np.array([1.0, 0, 0, 0, 1])[:, None].repeat(2, 1))


def test_vectors_are_standard_normal_float32():
    vectors = embedding(400, 50).init(jax.random.key(0), jnp.zeros(3, jnp.uint8))[0]["embedding"]
    assert vectors.dtype == jnp.float32
    # four standard deviations of the mean of 20 000 draws
    assert abs(float(vectors.mean())) < 4 / np.sqrt(vectors.size)
    assert abs(float(vectors.var()) - 1) < 4 * np.sqrt(2 / vectors.size)


def test_right_tokens_pass():
    check_tokens(np.array([[0, 8]], np.uint8), vocabulary=9)
    check_tokens(np.zeros((0, 3), int), vocabulary=1)


MISTAKES = {
    "too large": (
        lambda: check_tokens([[1, 2], [9, 12]], 9),
        r"tokens: got 9 at position \(1, 0\), expected integers from 0 to 8",
    ),
    "negative": (
        lambda: check_tokens(np.array([1, -100]), 9, "labels"),
        r"labels: got -100 at position \(1,\)",
    ),
    "float tokens": (
        lambda: check_tokens([0.0, 1.0], 9),
        r"tokens: got tokens of dtype float64, expected integers",
    ),
    "float input": (
        lambda: embedding(9, 2).init(jax.random.key(0), jnp.ones(3)),
        r"embedding: got x of dtype float32, expected an array of integers.*x.astype\(jnp.int32\)",
    ),
    "a list": (
        lambda: embedding(9, 2).init(jax.random.key(0), [1, 2]),
        r"embedding: got x of type list",
    ),
    "no vocabulary": (lambda: embedding(0, 2), r"embedding: got vocabulary=0"),
    "another width": (
        lambda: unembed({"embedding": jnp.ones((9, 2))}, jnp.ones((4, 3))),
        r"unembed: got x of shape \(4, 3\), expected 2 features",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said(name):
    make, message = MISTAKES[name]
    with pytest.raises(jnn.JnnError, match=message):
        make()
