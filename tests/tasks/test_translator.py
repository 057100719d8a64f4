"""Sentences as arrays, and what is left of padding in the loss of their translations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.data.sets.synthetic_texts import synthetic_translations
from jnn.data.sets.translations import pairs_of
from jnn.tasks.translation_task import translation_task
from jnn.tasks.translator import Translator, shared_byte_pairs

SINGLE = 1e-5  # float32: sums of some hundred numbers
SPLITS = synthetic_translations()
pytest.importorskip("tokenizers", reason='byte pairs need pip install -e ".[text]"')
TOKENIZER = shared_byte_pairs(SPLITS.train, vocabulary=300)
TABLE = np.random.default_rng(0).normal(size=(TOKENIZER.vocabulary,) * 2).astype(np.float32)


def of_last(params, state, x, **options):
    """Logits that depend on the last token of the translation alone."""
    return jnp.asarray(TABLE)[x["tokens"]], state


TRANSLATOR = Translator(jnn.Model(lambda key, x: ({}, {}), of_last), TOKENIZER)


def test_each_target_follows_the_tokens_before_it():
    pairs = pairs_of(SPLITS.train)
    arrays = TRANSLATOR.encode(pairs)
    assert (arrays["tokens"][:, 0] == TOKENIZER.start).all()
    later = arrays["target_mask"][:, 1:]
    np.testing.assert_array_equal(arrays["tokens"][:, 1:][later], arrays["targets"][:, :-1][later])
    last = arrays["target_mask"].sum(axis=1) - 1
    assert (arrays["targets"][np.arange(len(pairs)), last] == TOKENIZER.end).all()
    sources, targets = (
        [TOKENIZER.decode(row).strip() for row in arrays[name]] for name in ("source", "targets")
    )
    assert list(zip(sources, targets, strict=True)) == pairs


def test_pairs_that_are_too_long_are_omitted():
    pairs = [
        ("tom eats now .", "tom come ahora ."),
        ("mary sings here again and again and again .", "mary canta ."),
    ]
    alone = TRANSLATOR.encode(pairs[:1])
    both = TRANSLATOR.encode(pairs, longest=alone["tokens"].shape[1])
    assert all(np.array_equal(alone[name], both[name]) for name in alone)


def test_the_loss_is_that_of_each_real_token():
    task = translation_task(TRANSLATOR, SPLITS, batch_size=4, alignment="none")
    arrays = TRANSLATOR.encode(pairs_of(SPLITS.validation))
    log_p = jax.nn.log_softmax(TABLE.astype(np.float64))[arrays["tokens"], arrays["targets"]]
    expected = -log_p[arrays["target_mask"]].mean()
    assert task.validate
    np.testing.assert_allclose(task.validate({}, {})["validation/loss"], expected, rtol=SINGLE)
    batch = {name: array[:5] for name, array in arrays.items()}
    loss, (_, logged) = jax.jit(task.objective)({}, {}, batch, jax.random.key(0))
    mask = batch["target_mask"]
    np.testing.assert_allclose(loss, -log_p[:5][mask].mean(), rtol=SINGLE)
    assert int(logged["weight"]) == mask.sum()


def test_the_objective_returns_the_state_of_the_model():
    def counting(params, state, x, *, train=False, **options):
        return of_last(params, {"calls": state["calls"] + train}, x)

    model = jnn.Model(lambda key, x: ({}, {"calls": jnp.zeros((), jnp.int32)}), counting)
    task = translation_task(TRANSLATOR._replace(model=model), SPLITS, batch_size=4, alignment="")
    batch = TRANSLATOR.encode(pairs_of(SPLITS.validation))
    _, (state, _) = jax.jit(task.objective)({}, {"calls": 0}, batch, jax.random.key(0))
    assert int(state["calls"]) == 1
