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
from jnn.decoding.generate import LONGEST_STAGE, generate, stream
from jnn.decoding.sampling import (
    GREEDY,
    Sampling,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
    sample,
)
from jnn.layers.positions import LongScaling, rotary
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
ONE_HOT = {
    "model": jnn.chain(lambda tokens: jax.nn.one_hot(tokens.astype(int), V)),
    "params": {},
}


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


@pytest.mark.sampled(2)
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


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_a_prompt_of_bytes_is_one_of_integers(dtype):
    """256 tokens are none in uint8, and its 300 would be 44."""
    for vocabulary in (256, 300):
        model = jnn.chain(jnn.embedding(vocabulary, 8), jnn.dense(vocabulary))
        params, state = init(model, PROMPT)
        options = {"length": 4, "key": KEY, "sampling": Sampling(repetition_penalty=2.0)}
        expected = generate(model, params, state, PROMPT, **options).tokens
        found = generate(model, params, state, np.asarray(PROMPT, dtype), **options).tokens
        np.testing.assert_array_equal(found, expected)


def test_positions_that_depend_on_the_length_are_those_of_the_whole_continuation():
    short, long = (1.0, 1.0), (9.0, 4.0)
    positions = rotary(scaling=LongScaling(short, long, LONGEST_STAGE + PROMPT.shape[-1]))
    attend = jnn.residual(jnn.attention(2, causal=True, positions=positions))
    model = jnn.chain(jnn.embedding(V, 8), jnn.repeat(attend, 2), jnn.dense(V))
    params, state = init(model, PROMPT)
    written = generate(model, params, state, PROMPT, length=2 * LONGEST_STAGE, key=KEY)
    text = np.concatenate([PROMPT, written.tokens], axis=-1)
    log_p = jax.nn.log_softmax(model.apply(params, state, text)[0][:, PROMPT.shape[-1] - 1 : -1])
    expected = np.take_along_axis(np.asarray(log_p), np.asarray(written.tokens)[..., None], -1)
    np.testing.assert_allclose(written.log_probabilities, expected[..., 0], atol=FLOAT32)


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


ROWS = {
    "normal": np.random.default_rng(1).normal(size=(4, 1000)) * 3,
    "equal": np.repeat([[2.0, -1.0, 0.5], [0.0, 0.0, 1.0]], 5, axis=1),
    "zeros of both signs": [[0.0, -0.0, -1.0, 1e-30, -1e-30], [-0.0, 0.0, 0.0, -0.0, -2.0]],
    "infinite": [[-np.inf, 1.0, -np.inf, 0.0], [-np.inf] * 4, [np.inf, 0.0, 1.0, 3e38]],
    "one": [[3.0]],
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("k", [1, 2, 3, 50, 5000])
@pytest.mark.parametrize("rows", ROWS)
def test_the_k_largest_are_those_of_a_sort(rows, k, dtype):
    z = jnp.asarray(ROWS[rows], dtype)
    least = np.sort(z, axis=-1)[:, ::-1][:, min(k, z.shape[-1]) - 1, None]
    expected = np.where(np.asarray(z) < least, -np.inf, z)
    assert np.array_equal(jax.jit(keep_top_k, static_argnums=1)(z, k), expected)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("p", [1e-300, 1e-38, 1e-6, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("rows", ["normal", "equal", "one"])
def test_the_nucleus_is_that_of_a_sort(rows, p, device, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: device)
    z = np.asarray(ROWS[rows], np.float32)
    probabilities = scipy.special.softmax(z.astype(np.float64), axis=-1)
    above = [[row[row > x].sum() for x in row] for row in probabilities]  # those before it
    expected = np.where(np.array(above) < p, z, -np.inf)
    assert np.array_equal(jax.jit(keep_top_p, static_argnums=1)(z, p), expected)


def test_filters_of_64_bits():
    with jax.enable_x64(True):
        z = jnp.array([1.0, 1.0 + 1e-12, 1.0 - 1e-12, -1.0])
        assert np.isfinite(keep_top_k(z, 2)).tolist() == [True, True, False, False]
        assert np.isfinite(keep_top_p(z, 0.4)).tolist() == [True, True, False, False]


@pytest.mark.parametrize("shape", [(7,), (1, 1, 7), (1, 32), (3, 1000), (2, 3, 8)])
def test_a_draw_is_that_of_jax(shape):
    z = jax.random.normal(jax.random.key(1), shape)
    for seed in range(20):
        key = jax.random.key(seed)
        expected = jax.random.categorical(key, z)
        assert np.array_equal(jax.jit(sample, static_argnums=2)(key, z, Sampling()), expected)


def test_the_most_probable_token_is_the_first_of_equal_ones():
    z = np.array([[0, 2, 2], [-np.inf] * 3, [1, np.nan, np.nan], [np.inf, 0, np.inf]], np.float32)
    assert sample(KEY, jnp.asarray(z), GREEDY).tolist() == np.argmax(z, axis=-1).tolist()


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


@pytest.mark.sampled(5)
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("stop", [(), (0,), (0, 3)])
def test_a_wide_beam_search_finds_the_best_continuation_of_all(trained, penalty, stop):
    length = 3
    after = functools.cache(
        lambda written: log_softmax(logits_after(trained, [*PROMPT[0].tolist(), *written]))
    )
    scores = {}
    for size in range(1, length + 1):
        for tokens in itertools.product(range(V), repeat=size):
            inner_stops = any(token in stop for token in tokens[:-1])
            if inner_stops or (size < length and tokens[-1] not in stop):
                continue
            log_p = sum(after(tokens[:i])[token] for i, token in enumerate(tokens))
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
        ({"mask": np.ones((2, 4), int)}, "dtype int64, expected bool"),
        ({"mask": [[True] * 4] * 2}, "mask of type list"),
        ({"prompt": np.array([1, -1])}, r"the token -1 at \(1,\) of the prompt"),
        (ONE_HOT | {"prompt": np.array([[1, 2], [V, 0]])}, r"token 5 at \(1, 0\).*in \[0, 5\)"),
        ({"stop": 2}, "stop=2, expected integers in a tuple"),
        ({"stop": "ab"}, "stop='ab'"),
        ({"stop": np.array([[1, 2]])}, r"stop of shape \(1, 2\)"),
        ({"stop": [[1]]}, r"the stop token \[1\]"),
        ({"stop": (1.0,)}, "the stop token 1.0"),
        (ONE_HOT | {"stop": (V,)}, r"the stop token 5, expected tokens in \[0, 5\)"),
        ({"stop": (-1,)}, "the stop token -1"),
        ({"params": None}, "params of type NoneType, expected a dict"),
        ({"state": []}, "state of type list, expected a dict"),
        ({"context": [1]}, "context of type list"),
        ({"context": {"tokens": PROMPT}}, "context with 'tokens'"),
        ({"context": {"source": np.ones(3)}}, r"context\['source'\] of shape \(3,\)"),
        ({"context": {"source": "a"}}, r"context\['source'\] of type str"),
        ({"model": None}, "a model of type NoneType"),
        (
            {"model": jnn.chain(jnn.embedding(V, 2), jnn.flatten(2))},
            "a model without carry and step",
        ),
    ],
)
def test_what_cannot_be_continued_is_refused(trained, change, message):
    options = dict(zip(("model", "params", "state"), (MODEL, *trained), strict=True))
    options |= {"prompt": PROMPT, "length": 2} | change
    with pytest.raises(jnn.JnnError, match=f"^generate: .*{message}"):
        generate(**options, key=KEY)
    with pytest.raises(jnn.JnnError, match=f"^stream: .*{message}"):
        list(stream(**options, key=KEY))
    with pytest.raises(jnn.JnnError, match=f"^beam_search: .*{message}"):
        beam_search(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": None}, "key of type NoneType, expected one key"),
        ({"key": 0}, "key of type int"),
        ({"key": jax.random.split(KEY)}, r"key of shape \(2,\)"),
        ({"key": np.array([0, 1])}, "dtype int64, expected one key"),
        ({"sampling": "greedy"}, "sampling of type str"),
        ({"sampling": {}}, "sampling of type dict"),
        ({"sampling": np.array(1.0)}, "sampling of type ndarray"),
    ],
)
@pytest.mark.parametrize("write", [generate, lambda *x, **options: next(stream(*x, **options))])
def test_what_draws_nothing_is_refused(trained, write, change, message):
    with pytest.raises(jnn.JnnError, match=message):
        write(MODEL, *trained, PROMPT, length=2, **({"key": KEY} | change))


@pytest.mark.parametrize("key", [jax.random.PRNGKey(1), np.array([0, 1], np.uint32)])
def test_keys_of_both_kinds_and_tokens_of_numpy_are_the_same(key):
    write = functools.partial(generate, spoiled(-2), {}, {}, PROMPT, length=2)
    found = write(key=key, stop=np.array([2, 3]), sampling=Sampling(temperature=np.float32(2)))
    typed = jax.random.wrap_key_data(key)
    expected = write(key=typed, stop=(2, np.int64(3)), sampling=Sampling(temperature=2))
    np.testing.assert_array_equal(found.tokens, expected.tokens)


def spoiled(at):
    """A model that streams, with logits that are numbers until it reads the token ``at``."""
    spoil = lambda tokens: jnp.where(tokens[..., None] == at, jnp.nan, -jnp.arange(0.0, V))
    return jnn.chain(spoil)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("sampling", [GREEDY, Sampling(), Sampling(top_k=2, top_p=0.5, min_p=0.1)])
def test_a_token_is_never_drawn_from_logits_that_are_no_numbers(sampling):
    first, then, prompt = spoiled(2), spoiled(0), np.array([[1, 1], [1, 2]])
    message = r"logits without a distribution for token 0 after prompt \(1,\)"
    options = {"length": 3, "key": KEY, "sampling": sampling}
    with pytest.raises(jnn.JnnError, match=message):
        generate(first, {}, {}, prompt, **options)
    found = compiled_generate(first, {}, {}, prompt, **options)
    assert found.tokens[1].tolist() == [-1] * 3
    assert np.isnan(found.log_probabilities[1]).all()
    assert (np.isfinite(found.log_probabilities[0]) | (found.tokens[0] == -1)).all()

    with pytest.raises(jnn.JnnError, match="logits without a distribution for token 1"):
        generate(then, {}, {}, prompt, **options | {"sampling": GREEDY})
    tokens = stream(then, {}, {}, prompt, **options | {"sampling": GREEDY})
    assert next(tokens).tolist() == [0, 0]
    with pytest.raises(jnn.JnnError, match=r"for token 1 after prompt \(0,\)"):
        next(tokens)


def test_a_beam_search_is_never_led_by_logits_that_are_no_numbers():
    search = functools.partial(beam_search, length=3, beams=2)
    with pytest.raises(jnn.JnnError, match=r"logits without a distribution.*after prompt \(1,\)"):
        search(spoiled(4), {}, {}, np.array([[1], [4]]))
    found = jax.jit(functools.partial(search, spoiled(0)))({}, {}, np.array([1]))
    assert (found.tokens == -1).all()
    assert np.isnan(found.scores).all()


@pytest.mark.parametrize(
    ("prompt", "mask"), [([[1, 2], [1, 2]], ["TT", "FF"]), ([[1, V], [V, 1]], ["TF", "TT"])]
)
def test_a_compiled_prompt_that_is_none_has_no_continuation(prompt, mask):
    mask = np.array([[letter == "T" for letter in row] for row in mask])
    model = ONE_HOT["model"]
    found = compiled_generate(model, {}, {}, np.array(prompt), length=2, key=KEY, mask=mask)
    assert found.tokens[0].tolist() != [-1, -1]
    assert found.tokens[1].tolist() == [-1, -1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"temperature": "1"},
        {"temperature": np.ones(1)},
        {"temperature": np.inf},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": None},
        {"min_p": 1},
        {"repetition_penalty": 0},
    ],
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
