"""The maps are the weights of attention: softmax of q·k, by head and layer, each row of which sums
to one.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jnn
from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.errors import JnnError
from jnn.explain.inside.attention import (
    alignment,
    attention_map,
    attention_maps,
    attention_to_image,
    attention_weights,
    rollout,
)
from jnn.layers.attention import attention

EXACT = 1e-5  # float32 softmax
from tests.compiled import init

RNG = np.random.default_rng(0)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def shown(ax):
    return np.ma.filled(ax.images[0].get_array(), 0)


def test_the_weights_are_softmax_of_queries_and_keys():
    model, x = jnn.chain(mix=attention(2, causal=True)), RNG.normal(size=(5, 8)).astype(np.float32)
    params, state = init(model, x)
    layer = jax.device_get(params["mix"])
    project = lambda name: x @ layer[name]["kernel"] + layer[name]["bias"]
    q, k = (project(name).reshape(5, 2, 4) for name in ("query", "key"))
    weights = attention_weights(model, params, state, x)["mix"]
    for head in range(2):
        z = np.where(np.tri(5, dtype=bool), q[:, head] @ k[:, head].T / 2, -np.inf)
        assert_allclose(weights[0, head], softmax(z), atol=EXACT)


@pytest.mark.parametrize("unroll", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_row_of_a_transformer_sums_to_one(unroll):
    model = transformer(
        TransformerConfig(vocabulary=9, length=8, width=8, depth=2, heads=2, unroll=unroll)
    )
    params, state = init(model, np.arange(6))
    weights = attention_weights(model, params, state, np.arange(6))
    assert {path: w.shape for path, w in weights.items()} == {"blocks/attention": (2, 2, 6, 6)}
    assert_allclose(weights["blocks/attention"].sum(axis=-1), 1, atol=EXACT)


@pytest.mark.slow
def test_a_translator_has_three_attentions():
    settings = EncoderDecoderConfig(source_vocabulary=9, width=8, depth=2, heads=2, length=16)
    model, x = encoder_decoder(settings), {"tokens": jnp.arange(3), "source": jnp.arange(5)}
    params, state = jax.jit(model.init)(jax.random.key(0), x)
    weights = attention_weights(model, params, state, x)
    shapes = {path: w.shape for path, w in weights.items()}
    assert shapes == {
        "encoder/blocks/attention": (2, 2, 5, 5),
        "decoder/blocks/attention": (2, 2, 3, 3),
        "decoder/blocks/cross_attention": (2, 2, 3, 5),
    }
    assert all(np.allclose(w.sum(axis=-1), 1, atol=EXACT) for w in weights.values())


def test_the_grid_has_a_map_for_each_layer_and_head():
    w = softmax(RNG.normal(size=(2, 3, 4, 5)))
    figure = attention_maps(w, "abcd", "vwxyz")
    for ax, expected in zip(figure.axes, w.reshape(6, 4, 5), strict=False):
        assert_allclose(shown(ax), expected)
        assert ax.images[0].get_clim() == (0, 1)
    assert [ax.get_ylabel() for ax in figure.axes[:6:3]] == ["block 0", "block 1"]
    assert [label.get_text() for label in figure.axes[3].get_xticklabels()] == list("vwxyz")


def test_masked_positions_are_white():
    image = attention_map(np.tri(3) / [[1], [2], [3]], "abc").axes[0].images[0]
    assert image.get_array().mask.tolist() == [
        [False, True, True],
        [False, False, True],
        [False, False, False],
    ]


def test_of_many_only_the_first_are_shown_and_the_title_says_so():
    figure = attention_maps(np.full((9, 12, 60, 60), 1 / 60), "x" * 60, most=20)
    assert len(figure.axes) == 6 * 8 + 1
    assert shown(figure.axes[0]).shape == (20, 20)
    title = figure.get_suptitle().replace("\n", " ")
    assert title == (
        "Attention weights; the first 6 of 9 layers; the first 8 of 12 heads; "
        "the first 20 of 60 queries; the first 20 of 60 keys"
    )
    figure = attention_map(np.full((60, 60), 1 / 60), "x" * 60, most=20)
    assert figure.get_suptitle() == "Attention weights; the first 20 tokens"


def test_the_alignment_is_the_mean_over_heads():
    w = softmax(RNG.normal(size=(4, 2, 3)))
    ax = alignment(w, ["good", "day", "$5$"], ["buen", "día"]).axes[0]
    assert_allclose(shown(ax), sum(w) / 4)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["good", "day", "$5$"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["buen", "día"]


def test_the_rollout_is_the_share_of_each_input_in_a_stack_that_only_mixes():
    """Each layer that adds its mean attention to its input, halved, mixes inputs by the rollout."""
    w = softmax(RNG.normal(size=(3, 2, 5, 5)))
    x = RNG.normal(size=(5, 4))
    y = x
    for layer in w:
        y = (y + np.mean([head @ y for head in layer], axis=0)) / 2
    assert_allclose(rollout(w) @ x, y)
    assert_allclose(rollout(w).sum(axis=-1), 1)


def test_the_first_token_looks_at_the_patches_in_their_places():
    w = np.zeros((2, 3, 7, 7))
    w[..., 0] = 1  # all look at the first token ...
    w[1, 2, 0] = [0.4, 0, 0, 0.6, 0, 0, 0]  # ... but for one head at the patch of row 1, column 0
    figure = attention_to_image(w, np.ones((6, 4)), (3, 2))
    looks = np.reshape([shown(ax) for ax in figure.axes if ax.images][1:], (-1, 3, 2))
    expected = [[0, 0], [0.6, 0], [0, 0]]
    assert_allclose(looks[-1], expected)
    assert_allclose(looks[-2], 0)  # the head before
    assert_allclose(shown(figure.axes[4]), np.divide(expected, 3 * 4))  # 3 heads; 2 layers halve


def test_blocks_and_heads_that_are_not_drawn_are_counted_in_the_title():
    figure = attention_to_image(np.full((7, 9, 5, 5), 0.2), np.ones((8, 8)), (2, 2))
    title = " ".join(figure.get_suptitle().split())
    assert title.endswith("; the first 6 of 7 blocks; the first 8 of 9 heads")


def test_the_figure_has_the_sides_of_the_image():
    width, height = attention_to_image(
        np.full((2, 3, 9, 9), 1 / 9), np.ones((2, 4)), (2, 4)
    ).get_size_inches()
    assert height < 0.6 * width  # two rows of four maps, each twice as wide as high


def fused():
    model = jnn.chain(mix=attention(2, fused=True))
    return attention_weights(
        model, *model.init(jax.random.key(0), jnp.ones((3, 4))), jnp.ones((3, 4))
    )


def batch(mix):
    model, x = jnn.chain(mix=mix), jnp.ones((2, 3, 4))
    return attention_weights(model, *init(model, x), x)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (fused, "attention_weights: got a model that tags no weights"),
        (fused, "fused=False"),
        (lambda: batch(attention(2)), "got weights of shape (2, 2, 3, 3) in one layer"),
        (lambda: batch(jnn.repeat(attention(2), 2)), "expected (heads, T, S): one example"),
        (
            lambda: attention_maps(np.ones((1, 2, 3, 3)), "abc"),
            "got a row that sums to 3, expected weights after the softmax",
        ),
        (lambda: attention_map([[2.0, -1.0]], "a", "bc"), "got a weight of -1"),
        (
            lambda: attention_maps(np.eye(3), "abc"),
            "got weights (3, 3) for 3 queries and 3 keys, expected (layers, heads, queries, keys)",
        ),
        (
            lambda: attention_to_image(np.full((1, 2, 4, 4), 0.25), np.ones((4, 4)), (3, 2)),
            "attention_to_image: got 4 tokens for 3 x 2 patches",
        ),
        (
            lambda: alignment(np.eye(3), "abc", "ab"),
            "alignment: got weights (3, 3) for 2 queries and 3 keys",
        ),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call()
    assert text in str(error.value)
