"""The classifiers of texts: how networks and linear models are joined, and which are trained."""

import jax
import numpy as np
import pytest
import scipy.special

from experiments import sentiment_analysis, text_classification
from jnn.errors import JnnError
from jnn.train import seed_key, start
from tests.compiled import apply

SINGLE = 1e-5  # float32 against float64: sums of a few numbers
CASES = {
    "sentiment_analysis": (sentiment_analysis, "bayes", "bayes_share"),
    "text_classification": (text_classification, "linear", "linear_share"),
}


def set_up(experiment, **settings):
    config = experiment.Config(smoke=True, **settings)
    data = experiment.load_data(config)
    task = experiment.task(config, data)
    return config, data, task, *start(task, config, seed_key(0))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CASES)
def test_probabilities_are_the_weighted_product(name):
    experiment, other, share = CASES[name]
    config, data, task, train_state, _ = set_up(experiment, **{share: 0.3})
    batch = data.splits.test.to_arrays(data.tokenizer)
    rng = np.random.default_rng(1)
    moved = jax.tree.map(
        lambda leaf: leaf + 0.1 * rng.standard_normal(leaf.shape).astype(leaf.dtype),
        jax.device_get(train_state.params),
    )
    logits, _ = apply(task.model, moved, {}, batch["tokens"], mask=batch["mask"])
    z = np.asarray(logits[other], float) * getattr(config, "bayes_scale", 1.0)
    networks = scipy.special.softmax(np.asarray(logits["networks"], float), axis=-1).mean(axis=0)
    product = networks**0.7 * scipy.special.softmax(z, axis=-1) ** 0.3
    answer = experiment.committee(config, task.model)
    log_p, _ = apply(answer, moved, {}, batch["tokens"], mask=batch["mask"])
    expected = np.log(product / product.sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(log_p, expected, rtol=SINGLE, atol=SINGLE)


@pytest.mark.slow
def test_naive_bayes_is_counted_and_the_networks_are_trained():
    _, _, task, train_state, step = set_up(sentiment_analysis, warmup=0.0)
    batch = task.feed.batch_of(task.feed.data, jax.random.key(0), 0)
    before = train_state.params
    after = jax.jit(step)(train_state, batch)[0].params
    same = lambda a, b: jax.tree.leaves(jax.tree.map(np.array_equal, a, b))
    assert all(same(before["bayes"], after["bayes"]))
    assert not any(same(before["networks"]["members"], after["networks"]["members"]))


@pytest.mark.parametrize("name", CASES)
def test_a_share_that_is_no_fraction_is_refused(name):
    experiment, _, share = CASES[name]
    with pytest.raises(JnnError, match=f"{share}=1.5, expected a number from 0 to 1"):
        experiment.Config(**{share: 1.5})
