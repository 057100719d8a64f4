"""What is drawn in training: its distribution, its independence, and what it leaves alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.dropout import (
    alpha_dropout,
    dropout,
    gaussian_noise,
    spatial_dropout,
    stochastic_depth,
)

N = 100_000
SIGMAS = 4  # a right layer fails once in 16 000 seeds, and the seed is fixed
NOISE = {
    "dropout": dropout(0.3),
    "spatial_dropout": spatial_dropout(0.3, rank=2),
    "stochastic_depth": stochastic_depth(0.3, rank=1),
    "alpha_dropout": alpha_dropout(0.3),
    "gaussian_noise": gaussian_noise(0.3),
}


def train(layer, x, seed=0):
    return layer.apply({}, {}, x, key=jax.random.key(seed), train=True)[0]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_mean_and_the_rate_are_kept(rate):
    y = np.asarray(train(dropout(rate), jnp.ones(N)), np.float64)
    deviation = np.sqrt(rate * (1 - rate) / N)
    assert abs(np.mean(y == 0) - rate) < SIGMAS * deviation
    assert abs(y.mean() - 1) < SIGMAS * deviation / (1 - rate)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6, err_msg="float32 has 24 bits")


def test_what_is_kept_passes_its_gradient_scaled():
    x = jax.random.normal(jax.random.key(1), (100,))
    y, gradient = train(dropout(0.5), x), jax.grad(lambda x: train(dropout(0.5), x).sum())(x)
    np.testing.assert_array_equal(gradient, np.where(y == 0, 0, 2))


def test_spatial_dropout_draws_for_each_channel_of_each_example():
    y = np.asarray(train(spatial_dropout(0.5, rank=3), jnp.ones((40, 3, 4, 50))))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))
    per_channel = y[:, 0, 0] == 0
    assert abs(per_channel.mean() - 0.5) < SIGMAS * 0.5 / np.sqrt(per_channel.size)
    assert np.abs(np.corrcoef(per_channel)[np.triu_indices(40, 1)]).max() < 1, (
        "two examples drew the same"
    )


def test_stochastic_depth_draws_for_each_example():
    y = np.asarray(train(stochastic_depth(0.25, rank=2), jnp.ones((4000, 3, 2))))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))
    assert abs(y.mean() - 1) < SIGMAS * np.sqrt(0.25 * 0.75 / 4000) / 0.75


def test_alpha_dropout_keeps_mean_and_variance_of_standard_normal_values():
    y = np.asarray(
        train(alpha_dropout(0.2), jax.random.normal(jax.random.key(1), (N,))), np.float64
    )
    fourth_moment = np.mean((y - y.mean()) ** 4)
    assert abs(y.mean()) < SIGMAS / np.sqrt(N)
    assert abs(y.var() - 1) < SIGMAS * np.sqrt((fourth_moment - 1) / N)


@pytest.mark.torch
def test_alpha_dropout_makes_pytorchs_two_values():
    torch = pytest.importorskip("torch", reason="the live comparison needs torch==2.13.0")
    theirs = (
        torch.nn.functional.alpha_dropout(torch.ones(1000, dtype=torch.float64), 0.2, training=True)
        .unique()
        .numpy()
    )
    np.testing.assert_allclose(
        np.unique(train(alpha_dropout(0.2), jnp.ones(1000))),
        theirs,
        rtol=1e-6,
        err_msg="float32 has 24 bits",
    )


def test_gaussian_noise_is_normal():
    noise = np.asarray(train(gaussian_noise(0.3), jnp.zeros(N)), np.float64) / 0.3
    assert abs(noise.mean()) < SIGMAS / np.sqrt(N)
    assert abs(noise.var() - 1) < SIGMAS * np.sqrt(2 / N)
    assert abs(np.mean(noise**4) - 3) < SIGMAS * np.sqrt(96 / N), (
        "the fourth moment of a normal is 3, its variance 105 - 9"
    )


@pytest.mark.parametrize("name", NOISE)
def test_one_key_one_draw_and_the_identity_in_evaluation(name):
    layer, x = NOISE[name], jax.random.normal(jax.random.key(1), (50, 40))
    np.testing.assert_array_equal(train(layer, x, seed=2), train(layer, x, seed=2))
    assert np.any(train(layer, x, seed=2) != train(layer, x, seed=3))
    assert layer.apply({}, {}, x)[0] is x


@pytest.mark.parametrize(
    "layer", [dropout(0), spatial_dropout(0.0, rank=1), alpha_dropout(0), gaussian_noise(0)]
)
def test_no_strength_is_the_identity_and_needs_no_key(layer):
    x = jnp.ones((3, 2))
    assert layer.apply({}, {}, x, train=True)[0] is x


@pytest.mark.parametrize("name", NOISE)
def test_bfloat16_stays(name):
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        assert train(NOISE[name], jnp.ones((4, 3), jnp.bfloat16)).dtype == jnp.bfloat16


def draws(**children):
    """What each dropout of a chain passed on, of ones."""
    model = jnn.chain(**children)
    x = jnp.ones((20, 30))
    run = lambda x: model.apply(
        *model.init(jax.random.key(0), x), x, key=jax.random.key(7), train=True
    )
    return jnn.capture(run)(x)[1]


def test_children_draw_on_their_own_and_a_new_layer_changes_no_other():
    before = draws(first=dropout(0.5), reset=jnp.ones_like, second=dropout(0.5))
    after = draws(
        first=dropout(0.5),
        new=dropout(0.9),
        reset=jnp.ones_like,
        more=jnn.identity,
        second=dropout(0.5),
    )
    assert np.any(before["first/output"] != before["second/output"])
    for name in ("first", "second"):
        np.testing.assert_array_equal(before[f"{name}/output"], after[f"{name}/output"])


X = jnp.ones((4, 3))
MISTAKES = {
    "rate": (lambda: dropout(1.5), r"dropout: got rate=1.5, expected a fraction in \[0, 1\)"),
    "negative rate": (lambda: stochastic_depth(-0.1, rank=1), r"stochastic_depth: got rate=-0.1"),
    "rate of text": (lambda: alpha_dropout("0.1"), r"alpha_dropout: got rate='0.1'"),
    "rank": (
        lambda: spatial_dropout(0.1, rank=0),
        r"spatial_dropout: got rank=0, expected an integer >= 1",
    ),
    "too few axes": (
        lambda: train(spatial_dropout(0.1, rank=3), X),
        r"got x of shape \(4, 3\), expected at least 3 axes",
    ),
    "deviation": (
        lambda: gaussian_noise(-1),
        r"gaussian_noise: got standard_deviation=-1, expected a number >= 0",
    ),
    "no key": (
        lambda: dropout(0.1).apply({}, {}, X, train=True),
        r"dropout: got train=True without a key.* key=jax.random.key\(seed\)",
    ),
    "integers": (
        lambda: dropout(0.1).apply({}, {}, jnp.ones(3, int)),
        r"dropout: got x of dtype int32",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said(name):
    make, message = MISTAKES[name]
    with pytest.raises(jnn.JnnError, match=message):
        make()
