"""Transformers of one stack: what may look at what, generation, and settings that must not change
values.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.encoder_decoder import encoder_decoder
from jnn.architectures.presets import (
    BERT_BASE,
    GPT2,
    GPT2_XL,
    LLAMA2_7B,
    T5_SMALL,
    TINY_LLAMA,
    VIT_B16,
)
from jnn.architectures.transformer import (
    TransformerConfig,
    features_and_read_out,
    transformer,
)
from jnn.architectures.transformer_block import BlockConfig, block, blocks
from jnn.architectures.vision_transformer import vision_transformer
from jnn.decoding.generate import generate
from jnn.decoding.sampling import GREEDY
from jnn.errors import JnnError
from jnn.explain.inside.summary import parameter_count, table
from jnn.layers.positions import LongScaling
from jnn.losses import by_rows, cross_entropy
from tests.compiled import apply, init

SAME_TO_ROUNDING = 1e-12  # float64: the same sums in another order
FLOAT32 = 1e-5  # float32: the same sums in another order, through two blocks
SLOW = pytest.mark.slow
STATISTICAL = 0.05  # the deviation of some thousands of draws
SIZES = {"width": 8, "depth": 2, "heads": 2, "hidden": 6}
TINY = {"vocabulary": 7, "length": 16, **SIZES}
LLAMA = {
    "heads": 4,
    "key_value_heads": 2,
    "positions": "rotary",
    "norm": "rms",
    "activation": "silu",
    "gated": True,
    "head": "dense",
}
PROJECTED = {"embedding_width": 5, "embedding_projection": "in_and_out"}
LONG = LongScaling((1.5,), (4.0,), 5)  # of the one pair of a head
TOKENS = jnp.array([[3, 1, 4, 1, 5, 6, 2], [2, 0, 6, 5, 3, 5, 1]])


def made(x=TOKENS, **settings):
    """A small model with params."""
    model = transformer(TransformerConfig(**{**TINY, **settings}))
    return model, distinct(model, x)


def distinct(model, x):
    """Params of which none is 0 or 1 throughout, as those of init would be, without compiling
    init.
    """
    shapes, rng = jax.eval_shape(model.init, jax.random.key(0), x)[0], np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.2 + 0.5 * rng.standard_normal(leaf.shape), leaf.dtype), shapes
    )


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("model", "x", "published"),
    [
        (transformer(GPT2), jnp.arange(3), 124_439_808),
        pytest.param(
            transformer(BERT_BASE),
            {"tokens": jnp.arange(3), "segments": jnp.zeros(3, int)},
            109_482_240,
            marks=SLOW,
        ),
        (vision_transformer(VIT_B16), jnp.ones((224, 224, 3)), 86_567_656),
        (encoder_decoder(T5_SMALL), {"tokens": jnp.arange(3), "source": jnp.arange(3)}, 60_506_624),
        pytest.param(transformer(TINY_LLAMA), jnp.arange(3), 1_100_048_384, marks=SLOW),
        pytest.param(transformer(GPT2_XL), jnp.arange(3), 1_557_611_200, marks=SLOW),
        pytest.param(transformer(LLAMA2_7B), jnp.arange(3), 6_738_415_616, marks=SLOW),
    ],
    ids=["GPT-2", "BERT", "ViT", "T5", "TinyLlama", "GPT-2 XL", "Llama 2"],
)
def test_a_preset_has_the_published_number_of_params(model, x, published):
    assert parameter_count(model, x) == published


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "settings",
    [
        *({"positions": kind} for kind in ("none", "rotary")),
        *(pytest.param({"positions": kind}, marks=SLOW) for kind in ("alibi", "relative")),
        {"window": 2},
    ],
    ids=str,
)
def test_an_element_depends_on_those_before_it_alone(settings):
    model, x = (
        blocks(BlockConfig(**{**SIZES, "depth": 1, "positions": "none", **settings}), causal=True),
        jnp.cos(jnp.arange(40.0)).reshape(5, 8),
    )
    params = distinct(model, x)
    gradient = jax.jit(
        jax.jacobian(lambda x: jnp.sum(model.apply(params, {}, x)[0] ** 2, axis=-1))
    )(x)
    depends = np.any(gradient != 0, axis=-1)
    distance = np.arange(5)[:, None] - np.arange(5)[None]
    np.testing.assert_array_equal(depends, (distance >= 0) & (distance < settings.get("window", 5)))


@pytest.mark.slow
def test_later_tokens_change_nothing_before_them():
    model, params = made(**LLAMA)
    run = jax.jit(lambda tokens: model.apply(params, {}, tokens)[0])
    before, after = run(TOKENS), run(TOKENS.at[:, 4:].set(0))
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.all(np.any(before[:, 4:] != after[:, 4:], axis=-1)[:, 1:])


KINDS = [
    *({"positions": kind} for kind in ("learned", "relative")),
    *(pytest.param({"positions": kind}, marks=SLOW) for kind in ("sinusoidal", "rotary", "alibi")),
]


@pytest.mark.sampled(2)
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "settings",
    [
        *KINDS,
        pytest.param({"causal": False, "norm_first": False}, marks=SLOW),
        pytest.param({"experts": 3, "dropout": 0.1}, marks=SLOW),
    ],
    ids=str,
)
def test_packed_documents_are_read_as_if_each_were_alone(settings):
    model, params = made(**settings)
    alone = jax.jit(model.apply)(params, {}, TOKENS[:, :3])[0]
    packed = {"tokens": TOKENS[:, :3].reshape(6), "documents": jnp.array([4, 4, 4, 7, 7, 7])}
    padded = jax.tree.map(
        lambda leaf: jnp.concatenate([leaf, jnp.array([-1, -1]).clip(leaf.min() - 1)])[None], packed
    )
    padded["tokens"] = jnp.maximum(padded["tokens"], 0)
    y = jax.jit(model.apply)(params, {}, padded, mask=(jnp.arange(8) < 6)[None])[0]
    np.testing.assert_allclose(
        y[0, :6].reshape(2, 3, -1), alone, rtol=0, atol=SAME_TO_ROUNDING * np.abs(alone).max()
    )


@pytest.mark.slow  # of smaller networks that stream it is a test of `jnn.decoding`
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {**LLAMA, "window": (0, 3)},
        {"positions": "relative", "window": 4},
        {**LLAMA, "rotary_scaling": LONG},
        {**PROJECTED, "window": (0, 3), "scaled_by_depth": True},
    ],
    ids=["GPT", "Llama, windows", "relative, window", "LongRoPE", "projected, by depth"],
)
def test_greedy_generation_is_the_most_probable_token_of_apply(settings):
    model, params = made(**settings)
    prompt, mask = TOKENS[:, :4], jnp.array([[True] * 4, [True, True, False, False]])
    found = jax.jit(functools.partial(generate, model, length=5, sampling=GREEDY))(
        params, {}, prompt, key=jax.random.key(0), mask=mask
    )
    for row, real in enumerate((4, 2)):
        whole = jnp.concatenate([prompt[row, :real], found.tokens[row], jnp.zeros(4 - real, int)])
        log_p = jax.nn.log_softmax(jax.jit(model.apply)(params, {}, whole)[0])[real - 1 : real + 4]
        assert found.tokens[row].tolist() == jnp.argmax(log_p, axis=-1).tolist()
        np.testing.assert_allclose(found.log_probabilities[row], log_p.max(axis=-1), atol=FLOAT32)


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "settings",
    [
        {"unroll": True},
        *({"remat": policy} for policy in ("products", "projections", "full")),
    ],
    ids=str,
)
def test_how_the_stack_runs_changes_nothing(settings):
    values = []
    for changed in ({}, settings):
        model, params = made(**LLAMA, **changed)
        values.append(
            jax.jit(
                jax.value_and_grad(
                    lambda params, model=model: jnp.sum(jnp.sin(model.apply(params, {}, TOKENS)[0]))
                )
            )(params)
        )
    for got, expected in zip(jax.tree.leaves(values[1]), jax.tree.leaves(values[0]), strict=True):
        np.testing.assert_allclose(
            got, expected, rtol=0, atol=SAME_TO_ROUNDING * max(1, np.abs(expected).max())
        )


def test_the_fused_kernel_computes_the_same():
    (model, params), (fused, _) = made(**LLAMA), made(**LLAMA, fused=True)
    expected, y = (jax.jit(m.apply)(params, {}, TOKENS)[0] for m in (model, fused))
    np.testing.assert_allclose(y, expected, rtol=0, atol=FLOAT32 * np.abs(expected).max())


def test_kernels_are_drawn_as_gpt2_draws_them():
    config = BlockConfig(width=32, depth=8, heads=2, kernel_deviation=0.02)
    params, _ = jax.jit(blocks(config, causal=True).init)(jax.random.key(0), jnp.ones((1, 32)))
    for name in ("query", "key", "value"):
        assert math.isclose(params["attention"][name]["kernel"].std(), 0.02, rel_tol=STATISTICAL)
    assert math.isclose(params["feed_forward"]["hidden"]["kernel"].std(), 0.02, rel_tol=STATISTICAL)
    for outputs in (params["attention"]["output"], params["feed_forward"]["output"]):
        assert math.isclose(outputs["kernel"].std(), 0.02 / math.sqrt(16), rel_tol=STATISTICAL)


def test_blocks_of_several_windows_have_the_params_of_blocks_of_one():
    several, one = ({**TINY, "depth": 4, "window": window} for window in ((0, 3), 3))
    shapes = [
        jax.eval_shape(transformer(TransformerConfig(**settings)).init, jax.random.key(0), TOKENS)
        for settings in (several, one)
    ]
    assert shapes[0] == shapes[1]


def test_all_blocks_share_one_table_of_relative_positions():
    _, params = made(positions="relative")
    assert params["blocks"]["attention"]["positions"]["embedding"].shape == (32, 2)
    assert params["blocks"]["attention"]["query"]["kernel"].shape == (2, 8, 8)


def test_the_losses_of_experts_are_captured_for_each_block():
    model, params = made(experts=3, experts_each=1)
    _, values = jax.eval_shape(jnn.capture(model.apply), params, {}, TOKENS)
    assert values["blocks/feed_forward/load_balance"].shape == (2,)
    assert values["blocks/feed_forward/gates"].shape == (2, 2, 7, 3)


def test_its_summary_names_each_part():
    model, _ = made()
    lines = [line.split() for line in table(model, TOKENS[0], depth=1).splitlines()]
    counts = {"embedding": 56, "positions": 128, "blocks": 2 * (4 * 72 + 110 + 32), "norm": 16}
    assert [(line[0], line[-1]) for line in lines[1:-1]] == [
        (name, f"{count:,}") for name, count in counts.items()
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"heads": 3},
            (
                r"TransformerConfig: got heads=3 for width=8, expected a divisor. "
                r"Choose heads that divide the width"
            ),
        ),
        (
            {"positions": "rotery"},
            (
                r"TransformerConfig: got positions='rotery', expected one of "
                r"learned, sinusoidal, "
            ),
        ),
        ({"norm": "batch"}, r"TransformerConfig: got norm='batch', expected one of layer, rms"),
        (
            {"head": True},
            r"TransformerConfig: got head=True, expected one of tied, dense, none",
        ),
        ({"depth": 0}, r"TransformerConfig: got depth=0, expected an integer >= 1"),
        ({"dropout": 1.0}, r"TransformerConfig: got dropout=1.0, expected a fraction in \[0, 1\)"),
        ({"vocabulary": 0}, r"TransformerConfig: got vocabulary=0"),
        (
            {"pooled": True},
            (
                r"TransformerConfig: got pooled=True, causal=True and head='tied', "
                r"expected causal=False and head='none'"
            ),
        ),
        (
            {"key_value_heads": 3},
            r"attention: got heads=2 and key_value_heads=3, expected heads to be a multiple",
        ),
        ({"activation": "gelo"}, r"activation: got 'gelo', .* Did you mean 'gelu'\?"),
        ({"experts": 2, "experts_each": 3}, r"mixture_of_experts: got top=3 of 2 experts"),
        ({"fused": True, "dropout": 0.1}, r"attention: got dropout=0.1 and fused=True"),
        ({"window": -1}, r"TransformerConfig: got window=-1"),
        (
            {"window": (0, 2, 3)},
            r"got window=\(0, 2, 3\) for depth=2, expected a number, or as many",
        ),
        ({"outputs": 3}, r"got outputs=3 and pooled=False, expected pooled=True"),
    ],
    ids=str,
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match=message):
        transformer(TransformerConfig(**{**TINY, **settings}))


@pytest.mark.parametrize(
    ("settings", "x", "message"),
    [
        (
            {},
            jnp.ones((2, 3)),
            r"embedding: got x of dtype float32, expected an array of integers, the tokens",
        ),
        (
            {},
            jnp.zeros((2, 17), int),
            r"learned_positions: got a sequence of 17 elements, expected at most 16",
        ),
        ({}, {"source": TOKENS}, r"transformer: got x without tokens, expected a dict of tokens"),
        (
            {"segments": 2},
            TOKENS,
            (
                r"transformer: got x without segments, expected a dict of tokens and "
                r"segments, each \(..., T\)"
            ),
        ),
        (
            {},
            {"tokens": TOKENS, "segments": TOKENS},
            r"transformer: got x with segments, expected none.* packed into a row are documents",
        ),
        ({"positions": "rotary", "head_features": 3}, TOKENS, r"rotary: got 3 features to rotate"),
        (
            {"positions": "sinusoidal", "width": 9, "heads": 3},
            TOKENS,
            r"sinusoidal_positions: got 9 features, expected an even number",
        ),
    ],
    ids=str,
)
def test_bad_input(settings, x, message):
    model = transformer(TransformerConfig(**{**TINY, **settings}))
    with pytest.raises(jnn.JnnError, match=message):
        model.init(jax.random.key(0), x)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scaled_by_depth": True, "query_norm": True}, "query_norm=True, expected one of them"),
        ({"embedding_width": 5}, r"embedding_width=5 and head='tied', .*embedding_projection='in_"),
        ({**PROJECTED, "segments": 2}, r"in_and_out' and segments, .* expected a model of tokens"),
        (
            {**PROJECTED, "embedding_projection": "in"},
            r"got embedding_projection='in', expected on",
        ),
    ],
)
def test_settings_that_do_not_fit_together(settings, message):
    with pytest.raises(JnnError, match=message):
        TransformerConfig(**{**TINY, **settings})


def test_a_token_out_of_range_is_not_taken_for_another():
    model, params = made()
    y = jax.jit(model.apply)(params, {}, jnp.array([[1, 2, 3], [1, 7, 3]]))[0]
    assert np.isfinite(y[0]).all()
    assert np.isnan(y[1]).all()


def test_a_stream_longer_than_its_memory():
    model, params = made()
    carry = model.carry(params, TOKENS[:, 0], 6)
    with pytest.raises(
        jnn.JnnError,
        match=r"in blocks/attention: attention: got 7 elements after 0, expected at most 6 in all",
    ):
        model.read(params, {}, carry, TOKENS)
    with pytest.raises(jnn.JnnError, match=r"learned_positions: got a sequence of 17 elements"):
        model.carry(params, TOKENS[:, 0], 17)


def test_documents_are_no_stream():
    model, params = made()
    x = {"tokens": TOKENS, "documents": TOKENS}
    x_t = jax.tree.map(lambda leaf: leaf[:, 0], x)
    carry = model.carry(params, TOKENS[:, 0], 7)
    for read in (
        lambda: model.carry(params, x_t, 7),
        lambda: model.step(params, {}, carry, x_t),
        lambda: model.read(params, {}, carry, x),
    ):
        with pytest.raises(
            jnn.JnnError,
            match="transformer: got x with documents, read as a stream, expected one document",
        ):
            read()


def test_a_block_for_another_width():
    with pytest.raises(
        jnn.JnnError,
        match=r"block: got x of shape \(3, 6\), expected 4 features, the width of the settings",
    ):
        block(BlockConfig(width=4, heads=2), causal=True).init(jax.random.key(0), jnp.ones((3, 6)))


@pytest.mark.parametrize(
    "settings",
    [
        {"head": "tied", "head_bias": True, "head_transform": True},
        pytest.param({"embedding_rows": 16}, marks=SLOW),
        pytest.param({"head": "tied", **PROJECTED}, marks=SLOW),
    ],
    ids=str,
)
def test_features_and_read_out_are_the_whole_and_so_are_losses_some_rows_at_a_time(settings):
    model, params = made(**{**LLAMA, **settings})
    config = TransformerConfig(**{**TINY, **LLAMA, **settings})
    features, read_out = features_and_read_out(config)
    tokens, targets = TOKENS[:, :-1], TOKENS[:, 1:]

    def whole(params):
        return jnp.mean(cross_entropy(model.apply(params, {}, tokens)[0], targets))

    def by_some(params):
        h, _ = features.apply(params, {}, tokens)
        of_rows = lambda h, y: cross_entropy(read_out.apply(params, {}, h)[0], y)
        return jnp.mean(by_rows(of_rows, h, targets, rows=3, axes=2))

    h = jax.eval_shape(features.apply, params, {}, tokens)[0]
    logits = jax.jit(read_out.apply)(params, {}, jnp.ones(h.shape))[0]
    assert logits.shape[-1] == config.rows
    assert np.isneginf(logits[..., config.vocabulary :]).all()
    expected = jax.jit(jax.value_and_grad(whole))(params)
    got = jax.jit(jax.value_and_grad(by_some))(params)
    for leaf, same in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, same, rtol=0, atol=FLOAT32 * max(1, np.abs(same).max()))


@pytest.mark.slow
def test_rows_beyond_the_vocabulary_are_no_tokens():
    """They have no probability, and no gradient."""
    tied = {**LLAMA, "head": "tied"}
    (plain, params), (model, more) = made(**tied), made(**tied, embedding_rows=16)
    vocabulary = TINY["vocabulary"]
    table = more["embedding"]["embedding"]
    assert table.shape[0] == 16 > vocabulary
    more = {
        **params,
        "embedding": {"embedding": table.at[:vocabulary].set(params["embedding"]["embedding"])},
    }
    y, expected = (jax.jit(m.apply)(p, {}, TOKENS)[0] for m, p in ((model, more), (plain, params)))
    np.testing.assert_array_equal(y, expected)
    loss = lambda params: jnp.mean(cross_entropy(model.apply(params, {}, TOKENS)[0], TOKENS))
    slope = jax.jit(jax.grad(loss))(more)["embedding"]["embedding"]
    assert np.abs(slope[:vocabulary]).max() > 0
    assert not np.any(slope[vocabulary:])
    with pytest.raises(JnnError, match=r"embedding_rows=3 for vocabulary=.* a row for each token"):
        TransformerConfig(vocabulary=4, embedding_rows=3)


def test_the_first_real_element_is_pooled_wherever_padding_is():
    settings = {"vocabulary": 7, "length": 8, "width": 4, "depth": 1, "heads": 2}
    config = TransformerConfig(causal=False, head="none", pooled=True, **settings)
    model, tokens = transformer(config), np.array([[3, 1, 2], [4, 1, 5]])
    params, state = init(model, tokens)
    expected, _ = apply(model, params, state, tokens)
    padded = np.pad(tokens, ((0, 0), (2, 1)))
    y, _ = apply(model, params, state, padded, mask=padded > 0)
    np.testing.assert_allclose(y, expected, atol=1e-6)
