"""The bars of the next token are the probabilities that tokens are drawn with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jnn.decoding.sampling import Sampling, sample
from jnn.errors import JnnError
from jnn.explain.inside.next_token import distribution, next_token

DRAWS = 20_000
# four standard deviations of a fraction of so many draws, at its widest
CHANCE = 4 * 0.5 / DRAWS**0.5
EXACT = 1e-6  # float32 probabilities
LOGITS = np.array([1.0, 3.0, 2.9, -1.0, 0.0, 2.0])
SAMPLINGS = [
    Sampling(),
    Sampling(temperature=0),
    Sampling(temperature=0.5),
    Sampling(top_k=2),
    Sampling(top_p=0.7),
    Sampling(min_p=0.3),
    Sampling(temperature=1.5, top_k=4, top_p=0.8, min_p=0.4),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_tokens_are_drawn_as_often_as_the_distribution_says(sampling):
    logits = jnp.broadcast_to(jnp.asarray(LOGITS, jnp.float32), (DRAWS, len(LOGITS)))
    drawn = np.bincount(sample(jax.random.key(0), logits, sampling), minlength=len(LOGITS)) / DRAWS
    p = distribution(LOGITS, sampling)
    assert_allclose(drawn, p, atol=CHANCE)
    assert not np.any(drawn[p == 0])


def test_the_bars_are_the_probabilities_in_the_order_of_the_model_and_the_rest():
    choices = {"own": Sampling(), "three": Sampling(top_k=3)}
    figure = next_token(LOGITS, "abcdef", after="x\n", choices=choices, most=3)
    p = np.exp(LOGITS) / np.exp(LOGITS).sum()
    kept = p[[1, 2, 5]]
    unchanged, three = figure.axes
    assert [label.get_text() for label in unchanged.get_yticklabels()] == [
        "b",
        "c",
        "f",
        "3\N{NO-BREAK SPACE}others",
    ]
    for ax, expected in ((unchanged, [*kept, 1 - kept.sum()]), (three, [*(kept / kept.sum()), 0])):
        grey, orange = ([bar.get_width() for bar in bars] for bars in ax.containers)
        assert_allclose(grey, [*kept, 1 - kept.sum()], atol=EXACT)
        assert_allclose(orange, expected, atol=EXACT)
    assert [text.get_text() for text in three.texts][-1] == "—"
    assert figure.get_suptitle() == "Next-token probabilities after “x↵”"


def test_mistakes():
    with pytest.raises(
        JnnError, match=r"next_token: got logits \(2, 6\), expected \(6,\), one for each token"
    ):
        next_token(np.stack([LOGITS, LOGITS]), "abcdef")
