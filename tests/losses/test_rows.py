"""Losses a few rows at a time: the same values and gradients, in less memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnn.errors import JnnError
from jnn.losses import by_rows, cross_entropy

FLOAT64 = 1e-12  # the gradient to the embedding is summed in another order
B, T, D, V = 2, 5, 4, 7


def operands():
    rng = np.random.default_rng(0)
    labels = jnp.asarray(rng.integers(V, size=(B, T)))
    return (
        jnp.asarray(rng.standard_normal((V, D))),
        jnp.asarray(rng.standard_normal((B, T, D))),
        labels,
    )


def loss_of(rows):
    """The mean loss of a tied read-out, whole or so many rows at a time."""

    def loss(embedding, h, labels):
        of_rows = lambda h, labels: cross_entropy(h @ embedding.T, labels)
        if rows is None:
            return jnp.mean(of_rows(h, labels))
        losses = by_rows(of_rows, h, labels, rows=rows, axes=2)
        assert losses.shape == (B, T)
        return jnp.mean(losses)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("rows", [1, 3, 5, 10, 64])
def test_values_and_gradients_are_those_of_all_rows(float64, rows):
    (loss, slopes), (expected, expected_slopes) = (
        loss_of(each)(*operands()) for each in (rows, None)
    )
    np.testing.assert_allclose(loss, expected, rtol=FLOAT64)
    for a, b in zip(slopes, expected_slopes, strict=True):
        np.testing.assert_allclose(a, b, atol=FLOAT64)


def test_rows_of_padding_have_no_gradient(float64):
    """The derivative of a norm is infinite at zero, which padding must not be."""
    rng = np.random.default_rng(0)
    w, h = rng.standard_normal((D, D)), rng.standard_normal((5, D))
    of_rows = lambda w: lambda h: jnp.linalg.norm(h @ w, axis=-1)
    gradient = jax.jit(jax.grad(lambda w: by_rows(of_rows(w), h, rows=4).sum()))(w)
    expected = h.T @ (h @ w / np.linalg.norm(h @ w, axis=-1, keepdims=True))
    np.testing.assert_allclose(gradient, expected, atol=FLOAT64)


def test_logits_of_all_rows_are_never_in_memory():
    embedding, h = jnp.ones((1000, 8)), jnp.ones((512, 8))
    labels = jnp.zeros(512, jnp.int32)
    of_rows = lambda embedding, h, labels: cross_entropy(h @ embedding.T, labels)

    def memory(f):
        gradient = jax.jit(jax.grad(lambda *operands: jnp.mean(f(*operands)), argnums=(0, 1)))
        compiled = gradient.lower(embedding, h, labels).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    chunked = lambda embedding, h, labels: by_rows(
        lambda h, labels: of_rows(embedding, h, labels), h, labels, rows=32
    )
    assert memory(of_rows) > 512 * 1000 * 4
    assert memory(chunked) < memory(of_rows) / 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: by_rows(f, rows=2), "by_rows: got no arrays, expected arrays with the same 1"),
        (
            lambda f: by_rows(f, jnp.ones((3, 2)), jnp.ones(4), rows=2),
            r"got \(3, 2\), \(4,\), expected arrays with the same 1 leading axes",
        ),
        (lambda f: by_rows(f, jnp.ones(3), rows=2, axes=2), r"got \(3,\), expected .* 2 leading"),
        (lambda f: by_rows(f, jnp.ones(3), rows=0), "rows"),
    ],
)
def test_what_has_no_rows_is_refused(call, message):
    with pytest.raises(JnnError, match=message):
        call(jnp.square)
