"""Losses, metrics, decoding, detection and optimizers compute the same in a page as in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn import losses, metrics
from jnn.decoding.beam_search import beam_search
from jnn.decoding.generate import generate
from jnn.decoding.sampling import Sampling, sample
from jnn.detection import boxes, center_points
from jnn.generative import diffusion
from jnn.train.optimizers import available_optimizers, make_optimizer
from tests.web.engine import check

RNG = np.random.default_rng(0)
SCORES = RNG.standard_normal((6, 4)).astype(np.float32)
OTHERS = RNG.standard_normal((6, 4)).astype(np.float32)
LABELS = np.array([0, 3, 1, 2, 2, 0], np.int32)
IN_MAKE_TEST = ("adamw", "lion", "muon")
WITHOUT = ("dpsgd", "galore")
"""Optimizers that need a gradient for each example, and a singular value decomposition."""


def test_elements_of_a_loop_end_at_their_own_time():
    def doubled(x, y):
        while_small = lambda pair: jnp.sum(jnp.abs(pair[0])) < 20
        return jax.lax.while_loop(while_small, lambda pair: (2 * pair[0], pair[1] + 1), (x, y))

    check(jax.vmap(doubled), SCORES, LABELS)
    check(jax.vmap(jax.vmap(doubled)), SCORES.reshape(2, 3, 4), LABELS.reshape(2, 3))


@pytest.mark.slow
def test_losses_and_their_gradients():
    signs = np.where(OTHERS > 0, 1, -1)

    def all_losses(x):
        p = jax.nn.softmax(OTHERS)
        cosines = jnp.tanh(x)
        return {
            "cross_entropy": losses.cross_entropy(x, LABELS, label_smoothing=0.1),
            "soft_cross_entropy": losses.soft_cross_entropy(x, p),
            "binary_cross_entropy": losses.binary_cross_entropy(x, OTHERS > 0),
            "focal": losses.focal(x, OTHERS > 0, alpha=0.25),
            "hinge": losses.hinge(x, signs),
            "multiclass_hinge": losses.multiclass_hinge(x, LABELS),
            "kl_divergence": losses.kl_divergence(jax.nn.log_softmax(x), p),
            "gaussian_kl_divergence": losses.gaussian_kl_divergence(x, x),
            "contrastive": losses.contrastive(x, OTHERS, LABELS > 1),
            "triplet": losses.triplet(x, OTHERS, OTHERS[::-1]),
            "info_nce": losses.info_nce(x, OTHERS),
            "nt_xent": losses.nt_xent(x, OTHERS),
            "huber": losses.huber(x, OTHERS),
            "quantile": losses.quantile(x, OTHERS, level=0.9),
            "gaussian": losses.gaussian_negative_log_likelihood(x, x, OTHERS),
            "cosine_distance": losses.cosine_distance(x, OTHERS),
            "arcface": losses.arcface(cosines, LABELS),
            "cosface": losses.cosface(cosines, LABELS),
            "ctc": losses.ctc(x[None], np.array([[1, 2]])),
        }

    total = lambda x: sum(jnp.sum(loss) for loss in all_losses(x).values())
    check(lambda x: (all_losses(x), jax.grad(total)(x)), SCORES)


def test_metrics():
    def f(scores, labels):
        of_labels = {
            "accuracy": metrics.accuracy(),
            "top 2": metrics.top_k_accuracy(2),
            "confusion": metrics.confusion_matrix(4),
            "f1": metrics.f1(4),
            "calibration": metrics.expected_calibration_error(5),
        }
        compute = lambda metric, *args: metric.compute(metric.measure(*args))
        found = {name: compute(metric, scores, labels) for name, metric in of_labels.items()}
        return found, compute(metrics.r2(), scores[:, 0], OTHERS[:, 0])

    check(f, SCORES, LABELS)


def test_draws_of_tokens():
    settings = (
        Sampling(),
        Sampling(temperature=0.7, top_k=2),
        Sampling(top_p=0.6, repetition_penalty=1.3),
        Sampling(min_p=0.2),
    )
    seen = LABELS[:, None] == np.arange(4)
    draw = lambda key, logits: [sample(key, logits, each, seen) for each in settings]
    check(draw, jax.random.key(3), SCORES)


@pytest.mark.slow
def test_decoding_writes_the_same_text():
    model = jnn.chain(jnn.embedding(5, 6), jnn.gru(6), jnn.dense(5))
    prompt = np.array([[1, 2, 4]], np.int32)
    params, state = jax.jit(model.init)(jax.random.key(0), prompt)

    def f(params, prompt, key):
        sampling = Sampling(temperature=0.8, top_k=3)
        text = generate(model, params, state, prompt, length=4, key=key, sampling=sampling)
        return text, beam_search(model, params, state, prompt, length=3, beams=2)

    check(f, params, prompt, jax.random.key(1))


def test_detections():
    heat = RNG.standard_normal((1, 4, 4, 2)).astype(np.float32)
    raw = RNG.standard_normal((1, 4, 4, 4)).astype(np.float32)
    corners = np.abs(OTHERS) + np.array([0, 0, 3, 3], np.float32)

    def f(heat, raw, corners):
        found = center_points.decode({"heat": heat, "box": raw}, candidates=5, threshold=0.1)
        kept = boxes.non_maximum_suppression(corners, corners[:, 0], threshold=0.3)
        return found, kept, boxes.generalized_intersection_over_union(corners, corners[::-1])

    check(f, heat, raw, corners)


def test_diffusion():
    predict = lambda x, t: jnp.tanh(x) * t.reshape((-1,) + (1,) * (x.ndim - 1))
    check(lambda noise: diffusion.sample(predict, noise, steps=3), SCORES)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in IN_MAKE_TEST else pytest.mark.slow)
        for name in available_optimizers()
        if name not in WITHOUT
    ],
)
def test_optimizers(name):
    params = {"kernel": SCORES, "bias": SCORES[0]}
    optimizer = optax.with_extra_args_support(
        make_optimizer(name, learning_rate=0.01, steps=10, warmup=0.2, clip=1.0)
    )

    def f(params):
        state = optimizer.init(params)
        loss = lambda params: jnp.sum(jnp.sin(OTHERS @ params["kernel"].T) + params["bias"][0])
        for _ in range(2):
            value, gradient = jax.value_and_grad(loss)(params)
            searched = {"value": value, "grad": gradient, "value_fn": loss}
            updates, state = optimizer.update(gradient, state, params, **searched)
            params = jax.tree.map(jnp.add, params, updates)
        return params

    check(f, params)
