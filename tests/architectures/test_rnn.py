"""Recurrent networks: their numbers of parameters, that they remember, and that they stream and
write.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.decoding.generate import generate
from jnn.decoding.sampling import GREEDY
from jnn.losses import cross_entropy
from tests.architectures import loss_after_training
from tests.compiled import apply

LEARNED = 0.05  # nats, of 2.1 at first
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
ONE_OF_GATES = ["lstm", *(pytest.param(cell, marks=pytest.mark.slow) for cell in ("rnn", "gru"))]
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, 8, (8, 6)))


def network(cell, **settings):
    return rnn(RNNConfig(outputs=8, vocabulary=8, embedding=5, cell=cell, width=12, **settings))


@pytest.mark.parametrize("cell", GATES)
def test_number_of_parameters(cell):
    params, _ = jax.eval_shape(network(cell).init, jax.random.key(0), TOKENS)
    layer = lambda inputs: GATES[cell] * (inputs * 12 + 12 * 12 + 12)
    # the bias of the candidate's recurrent part, in each layer
    extra = 2 * 12 if cell == "gru" else 0
    assert (
        sum(leaf.size for leaf in jax.tree.leaves(params))
        == 8 * 5 + layer(5) + layer(12) + extra + 12 * 8 + 8
    )


@pytest.mark.parametrize("cell", ONE_OF_GATES)
def test_it_learns_to_say_again_what_came_before(cell):
    """The target is the token before the last one: without a memory the loss stays at log 8."""
    earlier = jnp.pad(TOKENS, ((0, 0), (2, 0)))[:, :6]
    model = network(cell, depth=1)
    before, after = loss_after_training(
        model, TOKENS, lambda logits: cross_entropy(logits, earlier)[:, 2:], 2e-2, enough=LEARNED
    )
    assert before > 1.5
    assert after < LEARNED


@pytest.mark.slow  # tests of `jnn.decoding` write with a recurrent network in make test
@pytest.mark.parametrize("cell", GATES)
def test_it_writes_what_its_logits_say(cell):
    model = network(cell)
    params, state = jax.jit(model.init)(jax.random.key(0), TOKENS)
    write = functools.partial(generate, model, length=4, key=jax.random.key(0), sampling=GREEDY)
    found = jax.jit(write)(params, state, TOKENS).tokens
    text = np.concatenate([TOKENS, found], axis=1)
    logits, _ = jax.jit(model.apply)(params, state, text[:, :-1])
    np.testing.assert_array_equal(found, np.argmax(logits[:, 5:], axis=-1))


def test_in_both_directions_the_first_output_depends_on_the_last_token_and_it_does_not_stream():
    model = network("gru", bidirectional=True)
    params, state = jax.jit(model.init)(jax.random.key(0), TOKENS)
    first = lambda tokens: apply(model, params, state, tokens)[0][:, 0]
    assert (first(TOKENS) != first(TOKENS.at[:, -1].set(0))).any()
    assert not jnn.streams(model)


def test_an_unknown_cell_is_refused():
    with pytest.raises(jnn.JnnError, match="cell='lstn', expected one of rnn, lstm, gru"):
        network("lstn")
