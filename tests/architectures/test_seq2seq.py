"""Recurrent encoder-decoders: PyTorch's values, streaming over the target, padding, generation, and
what they refuse.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

import jnn
from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
from jnn.decoding.beam_search import beam_search
from jnn.decoding.generate import generate
from jnn.decoding.sampling import GREEDY
from tests.layers.test_recurrent import below
from tests.references.cases_seq2seq import HEADS, SOURCE_VOCABULARY, TARGET_VOCABULARY, WIDTH

FORWARD, GRADIENT = 1e-10, 1e-9  # float64: the same sums in another order, through five recurrences
STREAM = 1e-12  # float64: the same sums, element by element
TARGET = jnp.array([[3, 1, 0, 1, 2], [2, 0, 1, 3, 3]])
SOURCE = jnp.array([[5, 3, 4, 6, 1, 2], [1, 6, 2, 0, 0, 0]])
REAL = jnp.arange(6)[None] < jnp.array([[6], [3]])
CONTEXT = {"source": SOURCE, "source_mask": REAL}
X = {"tokens": TARGET, **CONTEXT}


def made(**settings):
    """A small model, and params of which none is 0 or 1 throughout."""
    model = seq2seq(Seq2SeqConfig(source_vocabulary=7, width=4, **settings))
    shapes, rng = jax.eval_shape(model.init, jax.random.key(0), X)[0], np.random.default_rng(0)
    return model, jax.tree.map(
        lambda leaf: jnp.asarray(0.5 * rng.standard_normal(leaf.shape), leaf.dtype), shapes
    )


@pytest.fixture(
    params=[
        {"cell": "lstm"},
        {"cell": "gru", "depth": 1, "target_vocabulary": 5},
        pytest.param({"cell": "rnn", "depth": 3, "dropout": 0.3}, marks=pytest.mark.slow),
    ]
)
def model_and_params(request, float64):
    return made(**request.param)


@pytest.mark.usefixtures("float64")
def test_it_is_what_pytorchs_layers_make(reference):
    case = reference("seq2seq", "translator")
    sizes = {
        "source_vocabulary": SOURCE_VOCABULARY,
        "target_vocabulary": TARGET_VOCABULARY,
        "width": WIDTH,
        "heads": HEADS,
    }
    model, params = seq2seq(Seq2SeqConfig(**sizes)), below(case, "params")
    x = {
        "tokens": jnp.asarray(case["tokens"]),
        "source": jnp.asarray(case["source"]),
        "source_mask": jnp.asarray(case["real"]),
    }
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)[0]
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)

    def total(params):
        (y, _), values = jnn.capture(model.apply)(params, {}, x)
        return jnp.sum(case["weights"] * y), (y, values["decoder/attention/weights"])

    gradient, (y, looked) = jax.jit(jax.grad(total, has_aux=True))(params)
    np.testing.assert_allclose(y, case["y"], rtol=0, atol=FORWARD)
    np.testing.assert_allclose(looked, case["attention"], rtol=0, atol=FORWARD)
    expected = flatten_dict(below(case, "gradient"), sep="/")
    for path, found in flatten_dict(gradient, sep="/").items():
        np.testing.assert_allclose(found, expected.pop(path), rtol=0, atol=GRADIENT, err_msg=path)
    assert not expected


@pytest.mark.sampled(2)
def test_it_streams_over_the_target(model_and_params):
    model, params = model_and_params
    y = jax.jit(model.apply)(params, {}, X)[0]
    empty = jax.jit(functools.partial(model.carry, length=5))(params, {**X, "tokens": TARGET[:, 0]})
    carry, streamed, step = empty, [], jax.jit(model.step)
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


@pytest.mark.sampled(2)
def test_padding_changes_nothing(model_and_params):
    model, params = model_and_params
    run = jax.jit(model.apply)
    padded = run(params, {}, {**X, "source": jnp.where(REAL, SOURCE, 5)})[0]
    np.testing.assert_array_equal(padded, run(params, {}, X)[0])
    alone = run(params, {}, {"tokens": TARGET[1], "source": SOURCE[1, :3]})[0]
    np.testing.assert_allclose(padded[1], alone, rtol=0, atol=STREAM)
    short = run(params, {}, X, mask=jnp.arange(5)[None] < jnp.array([[5], [2]]))[0]
    np.testing.assert_allclose(short[1, :2], alone[:2], rtol=0, atol=STREAM)


@pytest.mark.sampled(2)
def test_a_sentence_of_padding_alone_gives_finite_logits(model_and_params):
    model, params = model_and_params
    assert np.isfinite(
        jax.jit(model.apply)(params, {}, {**X, "source_mask": jnp.zeros_like(REAL)})[0]
    ).all()


@pytest.mark.slow  # that of a transformer is checked in make test
def test_greedy_generation_and_a_beam_of_one_are_the_most_probable_tokens_of_apply():
    model, params = made(target_vocabulary=5)
    write = jax.jit(functools.partial(generate, model, length=4, sampling=GREEDY))
    found = write(params, {}, TARGET[:, :1], key=jax.random.key(0), context=CONTEXT).tokens
    whole = jnp.concatenate([TARGET[:, :1], found], axis=1)
    logits = jax.jit(model.apply)(params, {}, {"tokens": whole, **CONTEXT})[0]
    np.testing.assert_array_equal(found, jnp.argmax(logits[:, :-1], axis=-1))
    search = jax.jit(functools.partial(beam_search, model, length=4, beams=1))
    np.testing.assert_array_equal(
        search(params, {}, TARGET[:, :1], context=CONTEXT).tokens[:, 0], found
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "qrnn"}, "Seq2SeqConfig: got cell='qrnn', expected one of rnn, lstm, gru"),
        (
            {"width": 5},
            "Seq2SeqConfig: got width=5, heads=1, expected an even width, which the heads divide",
        ),
        (
            {"heads": 3},
            "Seq2SeqConfig: got width=4, heads=3, expected an even width, which the heads divide",
        ),
        ({"depth": 0}, "Seq2SeqConfig: got depth=0"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match=message):
        Seq2SeqConfig(**{"source_vocabulary": 7, "width": 4, **settings})


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (TARGET, r"seq2seq: got an array, expected a dict with tokens and source"),
        (
            {"tokens": TARGET},
            r"seq2seq: got a dict of tokens, expected a dict with tokens and source",
        ),
        (
            {**X, "source": SOURCE / 2},
            r"in embedding: embedding: got x of dtype float32, expected an array of integers",
        ),
    ],
    ids=["tokens alone", "no source", "float"],
)
def test_bad_input(x, message):
    with pytest.raises(jnn.JnnError, match=message):
        seq2seq(Seq2SeqConfig(source_vocabulary=7, width=4)).init(jax.random.key(0), x)
