"""The logit lens gives the logits of a shallower model with the same params."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.errors import JnnError
from jnn.explain.inside.logit_lens import layer_logits, logit_lens
from tests.compiled import apply, init

EXACT = 1e-10  # float64
TOKENS = jnp.array([3, 1, 4, 1, 5])


def gpt(depth, **changes):
    return transformer(
        TransformerConfig(
            **{"vocabulary": 9, "length": 8, "width": 8, "depth": depth, "heads": 2, **changes}
        )
    )


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"head": "dense", "positions": "rotary", "norm": "rms", "unroll": True},
    ],
)
def test_each_block_has_the_logits_of_a_model_of_that_depth(changes):
    model = gpt(2, **changes)
    params, state = init(model, TOKENS)
    logits = layer_logits(model, params, state, TOKENS)
    silent = params | {"blocks": jax.tree.map(np.zeros_like, params["blocks"])}
    first = params | {"blocks": jax.tree.map(lambda leaf: np.asarray(leaf)[:1], params["blocks"])}
    shallower = [(model, silent), (gpt(1, **changes), first), (model, params)]
    for depth, (reference, of_it) in enumerate(shallower):
        assert_allclose(logits[depth], apply(reference, of_it, state, TOKENS)[0], atol=EXACT)


def test_each_cell_is_the_most_probable_token_and_its_probability():
    p = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 5))
    ax = logit_lens(np.log(p), "abcda", "abcd").axes[0]
    assert_allclose(ax.images[0].get_array(), p.max(axis=-1))
    texts = [text.get_text() for text in ax.texts]
    best = p.argmax(axis=-1)
    assert texts[:15] == ["abcd"[i] for i in best.ravel()]
    assert texts[15:] == [f"{100 * np.mean(row == best[-1]):.0f} %" for row in best]
    assert not ax.yaxis_inverted()


def test_of_a_long_text_the_end_is_shown_and_the_title_says_so():
    figure = logit_lens(np.zeros((2, 50, 2)), "x" * 50, "ab", most=10)
    assert figure.axes[0].images[0].get_array().shape == (2, 10)
    assert "the last 10 of 50 tokens" in figure.get_suptitle().replace("\n", " ")


def of_a_batch():
    model = gpt(1)
    params, state = init(model, TOKENS)
    return layer_logits(model, params, state, TOKENS[None])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (of_a_batch, "(depth, T, width) of one example"),
        (
            lambda: logit_lens(np.zeros((2, 3)), "abc", "ab"),
            "got logits (2, 3) for 3 tokens and a vocabulary of 2",
        ),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call()
    assert text in str(error.value)
