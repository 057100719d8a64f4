"""The task of classifying texts: its loss, and what is left out of it."""

import jax
import numpy as np
import pytest
import scipy.special

import jnn
from jnn.data.sets.labelled_texts import with_vectors
from jnn.data.sets.synthetic_texts import synthetic_labelled_texts
from jnn.layers.pooling import global_max_pool
from jnn.tasks import class_probabilities, text_classification
from tests.compiled import apply, init

SINGLE = 1e-5  # float32: means of a few numbers
SPLITS = synthetic_labelled_texts(lambda i, c: f"word{c} {'and ' * (i % 5)}", 60, ["a", "b", "c"])
MEMBERS = 2
KEY = jax.random.key(1)


def bag(vocabulary):
    words, pool = jnn.embedding(vocabulary, 3), global_max_pool(rank=1)
    return jnn.chain(words=words, pool=pool, out=jnn.dense(3))


def first(model):
    """The log probabilities of one of the two kinds of logits."""

    def apply(params, state, x, **options):
        logits, state = model.apply(params, state, x, **options)
        return jax.nn.log_softmax(logits["one"]), state

    return jnn.Model(model.init, apply)


def set_up(splits=SPLITS, **settings):
    """Texts, model, its answer, task, params and state."""
    texts = with_vectors(splits, glove=False)
    bags = bag(len(texts.vectors))
    model = jnn.parallel(one=bags, several=jnn.ensemble(bags, MEMBERS))
    answer = first(model)
    task = text_classification(model, answer, texts, batch_size=5, **settings)
    return texts, model, answer, task, init(model, np.zeros(task.example.shape, np.int32))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("trained", [["several", "one"], ["one"], ["several"]], ids=str)
def test_the_loss_is_the_sum_of_the_members_cross_entropies(trained):
    texts, model, _, task, (params, state) = set_up(trained=trained)
    batch = texts.splits.test.to_arrays(texts.tokenizer)
    padded = task.example.shape[0] - batch["tokens"].shape[1]
    batch |= {name: np.pad(batch[name], ((0, 0), (0, padded))) for name in ("tokens", "mask")}
    loss_and_gradient = jax.jit(jax.value_and_grad(task.objective, has_aux=True))
    (loss, _), gradient = jax.device_get(loss_and_gradient(params, state, batch, KEY))
    logits, _ = apply(model, params, state, batch["tokens"], mask=batch["mask"])
    log_p = {
        name: scipy.special.log_softmax(z, axis=-1).reshape(-1, 10, 3) for name, z in logits.items()
    }
    costs = [-log_p[name][:, np.arange(10), batch["label"]].mean(axis=-1) for name in trained]
    np.testing.assert_allclose(loss, sum(cost.sum() for cost in costs), rtol=SINGLE)
    for name, part in gradient.items():
        moves = [bool(np.any(leaf)) for leaf in jax.tree.leaves(part)]
        assert all(moves) if name in trained else not any(moves)


def test_the_objective_returns_the_state_of_the_members():
    texts = with_vectors(SPLITS, glove=False)
    words, pool = jnn.embedding(len(texts.vectors), 3), global_max_pool(rank=1)
    bags = jnn.chain(words=words, pool=pool, norm=jnn.batch_norm(), out=jnn.dense(3))
    model = jnn.parallel(one=bags)
    task = text_classification(model, first(model), texts, trained=["one"], batch_size=5)
    params, state = init(model, np.zeros(task.example.shape, np.int32))
    batch = texts.splits.train.to_arrays(texts.tokenizer)
    _, (new, _) = jax.jit(task.objective)(params, state, batch, KEY)
    _, expected = apply(model, params, state, batch["tokens"], mask=batch["mask"], train=True)
    for one, other in zip(jax.tree.leaves(new), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=SINGLE, atol=SINGLE)


def test_balanced_classes_weigh_the_same():
    rare = SPLITS._replace(
        train=SPLITS.train._replace(labels=np.where(np.arange(40) < 30, 0, SPLITS.train.labels))
    )
    texts, model, _, task, (params, state) = set_up(rare, trained=["one"], balanced=True)
    batch = texts.splits.train.to_arrays(texts.tokenizer)
    loss, _ = jax.jit(task.objective)(params, state, batch, KEY)
    logits, _ = apply(model, params, state, batch["tokens"], mask=batch["mask"])
    log_p = scipy.special.log_softmax(logits["one"], axis=-1)
    costs = -log_p[np.arange(40), batch["label"]]
    by_class = [costs[batch["label"] == k].mean() for k in range(3)]
    np.testing.assert_allclose(loss, np.mean(by_class), rtol=SINGLE)


def test_params_are_kept_by_the_loss_on_validation_texts_if_there_are_any():
    assert set_up(trained=["one"])[3].best == "validation/loss"
    task = set_up(SPLITS.without_validation(), trained=["one"])[3]
    assert task.validate is None
    assert task.best is None


def test_the_metrics_are_those_of_the_answer():
    texts, _, answer, task, kept = set_up(trained=["one"])
    arrays = texts.splits.test.to_arrays(texts.tokenizer)
    p = class_probabilities(answer, *kept, arrays)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=SINGLE)
    accuracy = np.mean(p.argmax(axis=-1) == arrays["label"])
    np.testing.assert_allclose(task.test(*kept)["test/accuracy"], accuracy, rtol=SINGLE)
