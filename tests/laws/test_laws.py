"""The conformance suite: every law on every registered model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.testing import LAWS, check_model
from tests.laws.registry import ARCHITECTURES, CASES

OF_COMBINATORS = ("ensemble", "depth", "sharding", "capture")
"""Laws that combinators break rather than layers."""
OF_PARTS = ("batch", "precision", "purity", "gradient", *OF_COMBINATORS)
"""Laws that an architecture keeps if its layers do: `make test` checks them on no architecture."""
ONE_IN = {"purity": 40, "gradient": 12} | dict.fromkeys(OF_COMBINATORS, 25)
"""Of how many models `make test` checks these laws on one, which run a model one operation at a
time, differentiate it twice or make several of it: of the others, one in 6.
"""
ALIKE = (
    "alpha_dropout",
    "gaussian_noise",
    "spatial_dropout",
    "stacked with dropout",
    "wired, in a chain",
)
"""Models made as others are, which `make test` checks."""
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
"""Models of sequences that are registered with many settings, as "lstm, peephole": of those of
layers `make test` checks how they treat padding.
"""
WHOLE = ("encoder_decoder", "transformer")


def is_variant(name):
    """Whether a model is another one of the registry with other settings."""
    model, _, setting = name.partition(", ")
    return bool(setting and model in SETTINGS) or name in ALIKE


def with_variants_slow(names):
    return [pytest.param(name, marks=[pytest.mark.slow] * is_variant(name)) for name in names]


def is_slow(name, law):
    """Whether `make test` leaves this law of this model to `make test-all`, which checks every law
    on every model.
    """
    if is_variant(name):
        return law != "padding" or name.startswith(WHOLE)
    return name in ARCHITECTURES and law in OF_PARTS


@pytest.mark.parametrize(
    ("name", "law"),
    [
        pytest.param(
            name,
            law,
            marks=pytest.mark.slow
            if is_slow(name, law)
            else pytest.mark.sampled(law, ONE_IN.get(law, 6)),
        )
        for name in CASES
        for law in LAWS
    ],
)
def test_law(name, law):
    case = CASES[name]
    check_model(case.model, case.x, sequence=case.sequence, laws=[law])


def test_what_make_test_leaves_out_is_named_as_it_is_registered():
    assert set(ALIKE) <= set(CASES)
    assert set(SETTINGS) <= {name.partition(", ")[0] for name in CASES}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", with_variants_slow(CASES))
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


STREAMS = [
    name
    for name, case in CASES.items()
    if case.sequence and jnn.streams(case.model) and len(jax.tree.leaves(case.x)) == 1
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", with_variants_slow(STREAMS))
def test_nothing_is_promoted_in_a_stream_with_x64(name):
    """Integers of a stream have one type, where the default one is int64 too."""
    model, (leaf,) = CASES[name].model, jax.tree.leaves(CASES[name].x)
    with (
        jax.enable_x64(True),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
    ):
        x = jax.ShapeDtypeStruct((2, *leaf.shape), leaf.dtype)
        x_t = jnp.zeros((2, *leaf.shape[1:]), leaf.dtype)
        mask = jax.ShapeDtypeStruct(x.shape[:2], bool)
        params, state = jax.eval_shape(model.init, jax.random.key(0), x)
        carry = jax.eval_shape(lambda params: model.carry(params, x_t, x.shape[1]), params)
        jax.eval_shape(model.step, params, state, carry, x_t)
        read = jnn.reader(model)
        jax.eval_shape(read, params, state, carry, x)
        jax.eval_shape(
            lambda *trees, mask: read(*trees, mask=mask), params, state, carry, x, mask=mask
        )
