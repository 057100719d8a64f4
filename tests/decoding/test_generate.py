"""Generation is checked on models whose continuations can be enumerated."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import jnn
from jnn.decoding.beam_search import beam_search
from jnn.decoding.generate import generate, stream
from jnn.decoding.sampling import (
    GREEDY,
    Sampling,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
    sample,
)
from tests.compiled import init

compiled_generate = jax.jit(
    generate, static_argnums=0, static_argnames=("length", "sampling", "stop")
)
KEY = jax.random.key(1)
FLOAT32 = 1e-5  # float32: the same sums in another order
V = 5
MODEL = jnn.chain(jnn.embedding(V, 8), jnn.conv(8, (3,), padding="CAUSAL"), jnp.tanh, jnn.dense(V))
APPLY = jax.jit(MODEL.apply)
LONGEST = 16
PROMPT = np.array([[1, 2, 3, 0], [4, 4, 1, 2]])


@pytest.fixture(scope="module")
def trained():
    """Params that make distributions far from uniform."""
    params, state = init(MODEL, PROMPT)
    return jax.tree.map(lambda leaf: 2 * np.asarray(leaf), params), state


def logits_after(trained, tokens):
    """The model is causal: one program, for texts of one length, is enough."""
    text = np.zeros(LONGEST, int)
    text[: len(tokens)] = tokens
    return np.asarray(APPLY(*trained, text)[0], np.float64)[len(tokens) - 1]


def log_softmax(z):
    return z - z.max() - np.log(np.sum(np.exp(z - z.max())))


def greedy(trained, tokens, length, stop=()):
    written, total = [], []
    for _ in range(length):
        log_p = log_softmax(logits_after(trained, [*tokens, *written]))
        written.append(int(np.argmax(log_p)))
        total.append(log_p[written[-1]])
        if written[-1] in stop:
            break
    return written, total


@pytest.mark.parametrize("length", [1, 7, 130])
def test_greedy_is_the_most_probable_token_each_time(trained, length):
    found = compiled_generate(MODEL, *trained, PROMPT, length=length, key=KEY, sampling=GREEDY)
    text = np.concatenate([PROMPT, found.tokens], axis=1)
    z = np.asarray(APPLY(*trained, text[:, :-1])[0], np.float64)[:, PROMPT.shape[1] - 1 :]
    log_p = scipy.special.log_softmax(z, axis=-1)
    np.testing.assert_array_equal(found.tokens, np.argmax(log_p, axis=-1))
    np.testing.assert_allclose(found.log_probabilities, np.max(log_p, axis=-1), atol=FLOAT32)
    assert found.lengths.tolist() == [length, length]


def test_prompts_of_unequal_length_go_on_as_each_alone(trained):
    mask = np.array([[True, True, False, False], [True] * 4])
    junk = np.where(mask, PROMPT, 4)
    found = jax.device_get(
        compiled_generate(MODEL, *trained, junk, length=6, key=KEY, sampling=GREEDY, mask=mask)
    )
    assert found.tokens[0].tolist() == greedy(trained, [1, 2], 6)[0]
    assert found.tokens[1].tolist() == greedy(trained, PROMPT[1].tolist(), 6)[0]


def test_a_continuation_ends_at_a_stop_token(trained):
    whole, _ = greedy(trained, PROMPT[0].tolist(), 8)
    stop = (whole[3],)
    expected, _ = greedy(trained, PROMPT[0].tolist(), 8, stop)
    found = jax.device_get(
        compiled_generate(MODEL, *trained, PROMPT[0], length=8, key=KEY, sampling=GREEDY, stop=stop)
    )
    assert int(found.lengths) == len(expected)
    assert found.tokens.tolist() == expected + [0] * (8 - len(expected))
    assert not found.log_probabilities[len(expected) :].any()


def test_stream_yields_the_tokens_of_generate(trained):
    sampling = Sampling(temperature=0.8, top_k=4, repetition_penalty=1.3)
    options = {"length": 9, "key": jax.random.key(3), "sampling": sampling, "stop": (2,)}
    found = jax.device_get(compiled_generate(MODEL, *trained, PROMPT, **options))
    tokens = np.stack(list(stream(MODEL, *trained, PROMPT, **options)), axis=-1)
    np.testing.assert_array_equal(tokens, found.tokens[:, : tokens.shape[1]])
    assert tokens.shape[1] == int(found.lengths.max())


@pytest.mark.parametrize("write", [generate, lambda *x, **options: list(stream(*x, **options))])
def test_a_second_call_compiles_nothing(trained, write):
    traces = []

    def step(*inputs):
        traces.append(1)
        return MODEL.step(*inputs)

    model = MODEL._replace(step=step)
    write(model, *trained, PROMPT, length=4, key=jax.random.key(0))
    first = len(traces)
    write(model, *trained, PROMPT, length=4, key=jax.random.key(1))
    assert len(traces) == first


def test_tokens_are_drawn_with_the_probabilities_of_the_model(trained):
    many, z = 4000, logits_after(trained, PROMPT[0]) / 1.5
    prompts = np.broadcast_to(PROMPT[:1], (many, 4))
    sampling = Sampling(temperature=1.5)
    found = compiled_generate(
        MODEL, *trained, prompts, length=1, key=jax.random.key(5), sampling=sampling
    )
    first = np.asarray(found.tokens)[:, 0]
    p = np.exp(log_softmax(z))
    deviation = np.sqrt(p * (1 - p) / many)
    assert (np.abs(np.bincount(first, minlength=V) / many - p) < 4 * deviation).all()


@jax.jit
def filtered(z):
    return keep_top_k(z, 4), keep_top_p(z, 0.7), keep_min_p(z, 0.2)


@pytest.mark.parametrize("seed", range(5))
def test_filters_keep_what_their_definitions_say(seed):
    z = np.random.default_rng(seed).normal(size=(3, 11)) * 2
    top_k, top_p, min_p = jax.device_get(filtered(z))
    for row, found in zip(z, top_k, strict=True):
        assert set(np.flatnonzero(np.isfinite(found))) == set(np.argsort(-row)[:4])
    for row, found in zip(z, top_p, strict=True):
        p, order = np.exp(log_softmax(row)), np.argsort(-row)
        count = next(n for n in range(1, 12) if p[order[:n]].sum() >= 0.7)
        assert set(np.flatnonzero(np.isfinite(found))) == set(order[:count])
    for row, found in zip(z, min_p, strict=True):
        p = np.exp(log_softmax(row))
        assert set(np.flatnonzero(np.isfinite(found))) == set(np.flatnonzero(p >= 0.2 * p.max()))


def test_a_penalty_makes_a_token_that_occurred_less_likely():
    z, seen = np.array([1.5, -0.5, 2.0], np.float32), np.array([True, True, False])
    np.testing.assert_allclose(jax.jit(penalize_repetition)(z, seen, 2.0), [0.75, -1.0, 2.0])


def test_a_penalty_counts_what_was_read_and_what_was_written():
    flat = jnn.chain(
        jnn.embedding(
            V,
            V,
            embedding_init=lambda key, shape, dtype: (
                1 + 0.01 * jnp.arange(V, dtype=dtype)[None].repeat(V, 0)
            ),
        )
    )
    prompt = np.array([3])
    sampling = Sampling(temperature=0.0, repetition_penalty=2.0)
    found = jax.device_get(
        compiled_generate(flat, *init(flat, prompt), prompt, length=V, key=KEY, sampling=sampling)
    )
    assert found.tokens.tolist() == [4, 2, 1, 0, 4]


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("stop", [(), (0,), (0, 3)])
def test_a_wide_beam_search_finds_the_best_continuation_of_all(trained, penalty, stop):
    length = 3
    prompt = PROMPT[0].tolist()
    scores = {}
    for size in range(1, length + 1):
        for tokens in itertools.product(range(V), repeat=size):
            inner_stops = any(token in stop for token in tokens[:-1])
            if inner_stops or (size < length and tokens[-1] not in stop):
                continue
            log_p = sum(
                log_softmax(logits_after(trained, [*prompt, *tokens[:i]]))[token]
                for i, token in enumerate(tokens)
            )
            scores[tokens] = log_p / ((5 + size) / 6) ** penalty
    best = sorted(scores, key=scores.get, reverse=True)
    search = jax.jit(
        lambda prompt: beam_search(
            MODEL,
            *trained,
            prompt,
            length=length,
            beams=V**length,
            stop=stop,
            length_penalty=penalty,
        )
    )
    found = jax.device_get(search(PROMPT))
    for i, tokens in enumerate(best[:10]):
        assert found.tokens[0, i, : found.lengths[0, i]].tolist() == list(tokens)
        np.testing.assert_allclose(found.scores[0, i], scores[tokens], atol=FLOAT32)


def test_one_beam_is_the_greedy_choice(trained):
    search = functools.partial(beam_search, MODEL, length=6, beams=1, length_penalty=0.0)
    found = jax.device_get(jax.jit(search)(*trained, PROMPT))
    for row, prompt in enumerate(PROMPT.tolist()):
        assert found.tokens[row, 0].tolist() == greedy(trained, prompt, 6)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": np.zeros((2, 0), np.int32)}, r"a prompt of shape \(2, 0\).*T >= 1"),
        ({"prompt": np.ones((2, 3), np.float32)}, "dtype float32, expected integers"),
        ({"length": 0}, "length=0"),
        ({"mask": np.ones((2, 3), bool)}, r"mask of shape \(2, 3\)"),
        (
            {"model": jnn.chain(jnn.embedding(V, 2), jnn.flatten(2))},
            "a model without carry and step",
        ),
    ],
)
def test_what_cannot_be_continued_is_refused(trained, change, message):
    options = {"model": MODEL, "prompt": PROMPT, "length": 2} | change
    model, prompt = options.pop("model"), options.pop("prompt")
    with pytest.raises(jnn.JnnError, match=message):
        generate(model, *trained, prompt, key=jax.random.key(0), **options)
    with pytest.raises(jnn.JnnError, match=message):
        beam_search(model, *trained, prompt, **options)


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"min_p": 1}, {"repetition_penalty": 0}],
)
def test_wrong_settings_of_sampling_are_refused(wrong):
    with pytest.raises(jnn.JnnError, match=next(iter(wrong))):
        Sampling(**wrong)


RECURRENT = jnn.chain(jnn.embedding(V, 8), jnn.gru(8), jnn.dense(V))


@pytest.mark.parametrize(
    ("prompt", "mask"),
    [([0, 0, 3, 1, 2], "FFTTT"), ([3, 0, 1, 0, 2], "TFTFT"), ([3, 1, 2, 0, 0], "TTTFF")],
)
def test_the_last_real_token_is_followed_wherever_padding_is(prompt, mask):
    params, state = init(RECURRENT, PROMPT)
    params = jax.tree.map(lambda leaf: 3 * np.asarray(leaf), params)
    run = functools.partial(
        compiled_generate, RECURRENT, params, state, length=5, key=KEY, sampling=GREEDY
    )
    alone = run(np.array([3, 1, 2]))
    padded = run(np.array(prompt), mask=np.array([letter == "T" for letter in mask]))
    np.testing.assert_array_equal(padded.tokens, alone.tokens)
    np.testing.assert_allclose(padded.log_probabilities, alone.log_probabilities, atol=FLOAT32)


def test_a_prompt_without_a_real_token_is_named(trained):
    mask = np.array([[True] * 4, [False] * 4])
    with pytest.raises(jnn.JnnError, match=r"no real token in prompt \(1,\)"):
        generate(MODEL, *trained, PROMPT, length=2, key=jax.random.key(0), mask=mask)


@pytest.mark.parametrize("temperature", [1e-3, 1e-38, 1e-45, 1e-300])
def test_a_low_temperature_tends_to_the_greedy_choice(temperature):
    logits = np.array([[0, 3, 1, -np.inf], [1e30, -1e30, 0, 2e30]], np.float32)
    filters = ({}, {"top_k": 2}, {"top_p": 0.9}, {"min_p": 0.1})
    settings = [Sampling(temperature=temperature, **options) for options in filters]
    samples = jax.jit(lambda logits: [sample(KEY, logits, sampling) for sampling in settings])
    assert [tokens.tolist() for tokens in samples(logits)] == [[1, 3]] * len(filters)
