"""Encoder-decoders: streaming over the target, padding of the source, generation, and what they
refuse.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.decoding.beam_search import beam_search
from jnn.decoding.generate import generate
from jnn.decoding.sampling import GREEDY
from jnn.explain.inside.summary import table
from tests.architectures.test_transformer import SAME_TO_ROUNDING, SIZES, distinct

STREAM = 1e-10  # float64: the same sums in another order, element by element
# log-probabilities of generation are float32 at least; the same sums in another order
FLOAT32 = 1e-5
V = 4
TARGET = jnp.array([[3, 1, 0, 1, 2], [2, 0, 1, 3, 3]])
SOURCE = jnp.array([[5, 3, 4, 6, 1, 2], [1, 6, 2, 0, 0, 0]])
REAL = jnp.arange(6)[None] < jnp.array([[6], [3]])
X = {"tokens": TARGET, "source": SOURCE, "source_mask": REAL}
FIRST = {
    "learned": {"target_vocabulary": V, "tied": False},
    "T5": {"positions": "relative", "norm": "rms", "scale_logits": True, "decoder_depth": 1},
}


@pytest.fixture(params=["T5", pytest.param("learned", marks=pytest.mark.slow)])
def model_and_params(request, float64):
    settings = FIRST[request.param]
    model = encoder_decoder(
        EncoderDecoderConfig(source_vocabulary=7, length=12, **SIZES, **settings)
    )
    return model, distinct(model, X)


def test_it_streams_over_the_target(model_and_params):
    model, params = model_and_params
    y = jax.jit(model.apply)(params, {}, X)[0]
    empty = jax.jit(model.carry, static_argnums=2)(params, {**X, "tokens": TARGET[:, 0]}, 5)
    carry, streamed = empty, []
    step = jax.jit(model.step)
    for t in range(5):
        y_t, carry = step(params, {}, carry, {"tokens": TARGET[:, t]})
        streamed.append(y_t)
    np.testing.assert_allclose(jnp.stack(streamed, axis=1), y, rtol=0, atol=STREAM)
    read = jax.jit(model.read)
    y_1, half = read(
        params, {}, empty, {"tokens": TARGET}, mask=(jnp.arange(5) < 2)[None].repeat(2, 0)
    )
    y_2, whole = read(params, {}, half, {"tokens": TARGET[:, 2:]})
    np.testing.assert_allclose(jnp.concatenate([y_1[:, :2], y_2], axis=1), y, rtol=0, atol=STREAM)
    for got, expected in zip(jax.tree.leaves(whole), jax.tree.leaves(carry), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=STREAM)


def test_padding_of_the_source_changes_nothing(model_and_params):
    model, params = model_and_params
    run = jax.jit(model.apply)
    padded = run(params, {}, {**X, "source": jnp.where(REAL, SOURCE, 5)})[0]
    np.testing.assert_array_equal(padded, run(params, {}, X)[0])
    alone = run(params, {}, {"tokens": TARGET[1], "source": SOURCE[1, :3]})[0]
    np.testing.assert_allclose(
        padded[1], alone, rtol=0, atol=SAME_TO_ROUNDING * np.abs(alone).max()
    )


@pytest.mark.slow  # that of transformer and seq2seq is checked in make test
def test_greedy_generation_is_the_most_probable_token_of_apply(model_and_params):
    model, params = model_and_params
    context = {"source": SOURCE, "source_mask": REAL}
    write = jax.jit(functools.partial(generate, model, length=4, sampling=GREEDY))
    found = write(params, {}, TARGET[:, :2], key=jax.random.key(0), context=context)
    whole = jnp.concatenate([TARGET[:, :2], found.tokens], axis=1)
    log_p = jax.nn.log_softmax(jax.jit(model.apply)(params, {}, {"tokens": whole, **context})[0])[
        :, 1:-1
    ]
    np.testing.assert_array_equal(found.tokens, jnp.argmax(log_p, axis=-1))
    np.testing.assert_allclose(found.log_probabilities, log_p.max(axis=-1), rtol=0, atol=FLOAT32)


@pytest.mark.usefixtures("float64")
@pytest.mark.slow  # one as wide as it takes is a test of `jnn.decoding`
def test_a_beam_search_as_wide_as_the_vocabulary_finds_the_best_two_tokens():
    model = encoder_decoder(
        EncoderDecoderConfig(source_vocabulary=7, length=12, **SIZES, **FIRST["learned"])
    )
    params, context = distinct(model, X), {"source": SOURCE, "source_mask": REAL}
    search = functools.partial(beam_search, model, length=2, beams=V, length_penalty=0)
    found = jax.jit(search)(params, {}, TARGET[:, :1], context=context)
    pairs = np.array(list(itertools.product(range(V), repeat=2)))
    run = jax.jit(
        jax.vmap(
            lambda tokens, source, real: model.apply(
                params, {}, {"tokens": tokens, "source": source, "source_mask": real}
            )[0]
        )
    )
    for row in range(2):
        tokens = np.concatenate([np.full((len(pairs), 1), TARGET[row, 0]), pairs], axis=1)
        many = lambda leaf, row=row: jnp.broadcast_to(leaf[row], (len(pairs), *leaf.shape[1:]))
        log_p = jax.nn.log_softmax(run(tokens, many(SOURCE), many(REAL)))
        totals = sum(
            np.take_along_axis(log_p[:, t], pairs[:, t, None], axis=-1)[:, 0] for t in range(2)
        )
        best = np.argsort(-totals)[:V]
        assert found.tokens[row].tolist() == pairs[best].tolist()
        np.testing.assert_allclose(found.scores[row], totals[best], rtol=0, atol=FLOAT32)


@pytest.mark.slow  # that of a transformer is checked in test_transformer.py
def test_its_summary_names_each_part():
    model = encoder_decoder(
        EncoderDecoderConfig(source_vocabulary=7, length=12, **SIZES, **FIRST["learned"])
    )
    rows = [line.split("  ")[0].strip() for line in table(model, X, depth=1).splitlines()]
    assert rows[1:-1] == ["source_embedding", "encoder", "target_embedding", "decoder", "head"]
    assert "encoder/blocks/attention" in table(model, X)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (TARGET, r"encoder_decoder: got an array, expected a dict with tokens and source"),
        (
            {"tokens": TARGET},
            r"encoder_decoder: got a dict of tokens, expected a dict with tokens and source",
        ),
        (
            {**X, "source": SOURCE / 2},
            r"in embedding: embedding: got x of dtype float32, expected an array of integers",
        ),
        (
            {**X, "source": jnp.zeros((2, 13), int)},
            r"in encoder.*learned_positions: got a sequence of 13 elements",
        ),
        (
            {**X, "tokens": jnp.zeros((2, 13), int)},
            r"in decoder.*learned_positions: got a sequence of 13 elements",
        ),
    ],
    ids=["tokens alone", "no source", "float", "long source", "long target"],
)
def test_bad_input(x, message):
    model = encoder_decoder(EncoderDecoderConfig(source_vocabulary=7, length=12, **SIZES))
    with pytest.raises(jnn.JnnError, match=message):
        model.init(jax.random.key(0), x)


def test_a_memory_that_is_full(model_and_params):
    model, params = model_and_params
    begin = functools.partial(model.carry, length=4)
    carry = jax.eval_shape(begin, params, {**X, "tokens": TARGET[:, 0]})
    with pytest.raises(
        jnn.JnnError,
        match=(
            r"in decoder/blocks/attention: attention: got 5 elements after 0, "
            r"expected at most 4 in all"
        ),
    ):
        jax.eval_shape(model.read, params, {}, carry, {"tokens": TARGET})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source_vocabulary": 0}, r"EncoderDecoderConfig: got source_vocabulary=0"),
        ({"heads": 5}, r"EncoderDecoderConfig: got heads=5 for width=8"),
        ({"decoder_depth": -1}, r"EncoderDecoderConfig: got decoder_depth=-1"),
        (
            {"positions": "relativ"},
            r"EncoderDecoderConfig: got positions='relativ', expected one of ",
        ),
    ],
    ids=str,
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match=message):
        EncoderDecoderConfig(**{"source_vocabulary": 7, **SIZES, **settings})
