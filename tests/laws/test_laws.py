"""The conformance suite: every law on every registered model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.testing import LAWS, check_model
from tests.laws.registry import ARCHITECTURES, CASES

OF_COMBINATORS = ("ensemble", "depth", "sharding", "capture")
"""Laws that combinators break rather than layers: checked on a few models by `make test`, and on
all by `make test-all`.
"""
FEW = ("dense", "chain", "repeat", "conv, image", "batch_norm", "dropout", "embedding")
OF_PARTS = ("purity", "gradient", "precision", *OF_COMBINATORS)
"""Laws that an architecture keeps if its layers do: checked on architectures by `make test-all`."""
ALIKE = (
    "alpha_dropout",
    "gaussian_noise",
    "spatial_dropout",
    "stacked with dropout",
    "wired, in a chain",
)
"""Models that are made as others are, which `make test` checks: on these it leaves those laws to
`make test-all` too.
"""
SETTINGS = (
    "attention",
    "bidirectional",
    "block",
    "encoder_decoder",
    "feed_forward",
    "gru",
    "lstm",
    "mixture_of_experts",
    "transformer",
)
"""Models of sequences that are registered with many settings, as "lstm, peephole": `make test`
checks how those of layers treat padding, and how those stream whose setting changes that;
`make test-all` checks the rest."""
WHOLE = ("encoder_decoder", "transformer")
STREAM_ANEW = (
    "attention, causal",
    "attention, relative causal",
    "attention, rotary",
    "gru, reset before",
    "transformer, sinusoidal",
)


@pytest.fixture(autouse=True)
def forgotten():
    """Each model has programs of its own, too many to keep them all in memory."""
    yield
    jax.clear_caches()


def marks(name, law):
    model, _, setting = name.partition(", ")
    is_slow = (law in OF_COMBINATORS and name not in FEW) or (
        law in OF_PARTS and name in (*ARCHITECTURES, *ALIKE)
    )
    if setting and model in SETTINGS:
        is_slow = not (
            (law == "padding" and model not in WHOLE) or (law == "stream" and name in STREAM_ANEW)
        )
    return [pytest.mark.slow] if is_slow else []


@pytest.mark.parametrize(
    ("name", "law"),
    [pytest.param(name, law, marks=marks(name, law)) for name in CASES for law in LAWS],
)
def test_law(name, law):
    case = CASES[name]
    check_model(case.model, case.x, sequence=case.sequence, laws=[law])


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_promoted_on_the_way(name):
    case = CASES[name]
    x = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), case.x)
    lower = lambda leaf: (
        jnp.asarray(leaf, jnp.bfloat16)
        if np.issubdtype(leaf.dtype, np.floating)
        else jnp.asarray(leaf)
    )
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        params, state = jax.eval_shape(case.model.init, jax.random.key(0), x)
        jax.eval_shape(
            lambda params, state, key: case.model.apply(params, state, x, key=key, train=True),
            params,
            state,
            jax.random.key(1),
        )
        y, _ = jax.eval_shape(
            jnn.cast(case.model, output=jnp.bfloat16).apply, params, state, jax.tree.map(lower, x)
        )
    assert {leaf.dtype.name for leaf in jax.tree.leaves(y)} == {"bfloat16"}
