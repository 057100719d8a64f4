"""Optimizers and schedules by name are Optax's own, with decay of kernels of all kinds alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn.errors import JnnError
from jnn.train.optimizers import (
    available_optimizers,
    available_schedules,
    decay_mask,
    make_optimizer,
    make_schedule,
)
from tests.compiled import apply, init

PARAMS = {"0": {"kernel": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "bias": jnp.array([0.3, -0.7])}}
NEEDS_OPTIONS = {
    "dpsgd": {"l2_norm_clip": 1.0, "noise_multiplier": 0.1, "seed": 0},
    "noisy_sgd": {"key": 0},
}


def trained(optimizer, steps=5):
    loss = lambda params: (
        jnp.sum(params["0"]["kernel"] ** 4) + jnp.sum(jnp.cos(params["0"]["bias"]))
    )
    update = optax.with_extra_args_support(optimizer).update

    @jax.jit
    def step(params, state):
        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = update(gradient, state, params, value=value, grad=gradient, value_fn=loss)
        return optax.apply_updates(params, updates), state

    params, state = PARAMS, jax.jit(optimizer.init)(PARAMS)
    for _ in range(steps):
        params, state = step(params, state)
    return params


def assert_equal(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), a, b)


def test_adamw_with_everything_is_the_chain_one_writes_by_hand():
    mask = {"0": {"kernel": True, "bias": False}}
    by_hand = optax.chain(
        optax.clip_by_global_norm(0.5),
        optax.adamw(
            optax.warmup_cosine_decay_schedule(0.0, 0.1, 2, 10), b1=0.8, weight_decay=0.3, mask=mask
        ),
    )
    options = {
        "learning_rate": 0.1,
        "steps": 10,
        "warmup": 0.2,
        "weight_decay": 0.3,
        "clip": 0.5,
        "options": {"b1": 0.8},
    }
    assert_equal(trained(make_optimizer("adamw", **options)), trained(by_hand))


def test_decay_joins_the_gradient_where_the_optimizer_has_none():
    mask = {"0": {"kernel": True, "bias": False}}
    by_hand = optax.chain(optax.add_decayed_weights(0.1, mask), optax.sgd(0.01, momentum=0.9))
    options = {"schedule": "constant", "weight_decay": 0.1, "options": {"momentum": 0.9}}
    assert_equal(
        trained(make_optimizer("sgd", learning_rate=0.01, steps=5, **options)), trained(by_hand)
    )


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", sorted({*available_optimizers()} - {*NEEDS_OPTIONS}))
def test_no_optimizer_decays_what_is_no_kernel(name):
    """The gradient is zero; of that and no decay, prodigy makes NaN."""
    shapes = {"kernel": (3, 4), "bias": (4,), "embedding": (5, 4)}
    params = {leaf: jnp.ones(shape) for leaf, shape in shapes.items()}

    def after(weight_decay):
        optimizer = make_optimizer(
            name, learning_rate=0.1, schedule="constant", weight_decay=weight_decay, steps=100
        )
        zeros = jax.tree.map(jnp.zeros_like, params)
        more = {"value": jnp.float32(1), "grad": zeros, "value_fn": lambda params: jnp.float32(1)}
        update = optax.with_extra_args_support(optimizer).update
        return jax.jit(lambda: update(zeros, optimizer.init(params), params, **more)[0])()

    without, with_decay = after(0.0), after(0.1)
    for leaf in ("bias", "embedding"):
        np.testing.assert_array_equal(with_decay[leaf], np.nan_to_num(without[leaf]))


@pytest.mark.parametrize("name", ["cosine_onecycle_schedule", "linear_onecycle_schedule"])
def test_a_schedule_of_one_cycle_rises_once(name):
    schedule = make_schedule(name, learning_rate=0.1, steps=100, warmup=0.2)
    rates = np.array([float(schedule(step)) for step in range(100)])
    assert rates.argmax() == 20
    np.testing.assert_allclose(rates.max(), 0.1, rtol=1e-6)
    assert (np.diff(rates[:21]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()


def decayed(params, rate):
    """The params after one step of decay alone."""
    decay = optax.add_decayed_weights(-rate, decay_mask)
    updates, _ = decay.update(jax.tree.map(jnp.zeros_like, params), decay.init(params), params)
    return optax.apply_updates(params, updates)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "model",
    [
        jnn.dense(4, use_bias=False),
        jnn.weight_norm(jnn.dense(4, use_bias=False)),
        jnn.weight_norm(jnn.conv(4, (3,), use_bias=False)),
    ],
)
def test_decay_shrinks_the_function_of_a_weight_normed_layer_as_that_of_a_plain_one(model):
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    params, state = init(model, x)
    y, _ = apply(model, params, state, x)
    shrunk, _ = apply(model, decayed(params, 0.1), state, x)
    np.testing.assert_allclose(shrunk, 0.9 * y, rtol=1e-5)


@pytest.mark.parametrize("cell", [jnn.elman(3), jnn.gru(3), jnn.lstm(3, projection=2)])
def test_decay_reaches_every_matrix_of_a_cell_and_nothing_else(cell):
    x = jax.ShapeDtypeStruct((5, 3), jnp.float32)
    params, _ = jax.eval_shape(cell.init, jax.random.key(0), x)
    is_matrix = jax.tree.map(lambda leaf: leaf.ndim == 2, params)
    assert decay_mask(params) == is_matrix


@pytest.mark.filterwarnings("ignore:Specifying a key", "ignore::DeprecationWarning")
@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", available_optimizers())
def test_every_optimizer_of_optax_makes_steps(name):
    optimizer = make_optimizer(name, learning_rate=1e-3, steps=10, options=NEEDS_OPTIONS.get(name))
    params = trained(optimizer, steps=2)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    assert jax.tree.structure(params) == jax.tree.structure(PARAMS)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", available_schedules())
def test_every_schedule_of_optax_starts_and_ends_within_its_peak(name):
    options = {"interpolate_type": "linear"} if name == "piecewise_interpolate_schedule" else None
    schedule = make_schedule(name, learning_rate=0.1, steps=20, options=options)
    rates = jax.jit(lambda: jnp.stack([schedule(step) for step in range(21)]))()
    assert rates.max() <= 0.1 + 1e-7
    assert rates.min() >= 0
    assert rates.max() > 0.05


def test_schedules_in_closed_form():
    steps = np.arange(11)
    cosine = make_schedule("cosine", learning_rate=0.2, steps=10)
    np.testing.assert_allclose(
        [cosine(s) for s in steps], 0.1 * (1 + np.cos(np.pi * steps / 10)), atol=1e-7
    )
    linear = make_schedule("linear", learning_rate=0.2, steps=10, warmup=0.5)
    np.testing.assert_allclose(
        [linear(s) for s in steps], 0.2 * np.minimum(steps / 5, (10 - steps) / 5), atol=1e-7
    )


def test_the_learning_rate_may_be_traced():
    rates = jnp.array([0.1, 0.01])
    together = jax.vmap(lambda rate: trained(make_optimizer("adam", learning_rate=rate, steps=5)))(
        rates
    )
    for i, rate in enumerate((0.1, 0.01)):
        alone = trained(make_optimizer("adam", learning_rate=rate, steps=5))
        jax.tree.map(
            lambda many, one, i=i: np.testing.assert_allclose(many[i], one, rtol=1e-5),
            together,
            alone,
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "adamv"}, "optimizer: got 'adamv', expected one of .*Did you mean 'adam"),
        ({"schedule": "cosin"}, "schedule: got 'cosin'.*Did you mean 'cosine'"),
        (
            {"options": {"nesterof": True}},
            "optimizer adamw: got an option 'nesterof', expected some of .*Did you mean 'nesterov'",
        ),
        (
            {"name": "dpsgd"},
            "optimizer dpsgd: got no l2_norm_clip, expected the options l2_norm_clip, "
            "noise_multiplier",
        ),
        ({"learning_rate": 0.0}, "got learning_rate=0.0, expected learning_rate > 0"),
        ({"learning_rate": float("nan")}, "got learning_rate=nan"),
        ({"warmup": 1.0}, "got warmup=1.0, expected warmup >= 0 and < 1"),
        ({"clip": -1.0}, "got clip=-1.0, expected clip >= 0"),
        ({"clip": "1"}, "got clip='1', expected clip >= 0"),
        ({"learning_rate": True}, "got learning_rate=True"),
        ({"steps": 2.5}, "got steps=2.5, expected an integer >= 1"),
        ({"weight_decay": -0.1}, "got weight_decay=-0.1, expected weight_decay >= 0"),
        ({"options": {"learning_rate": 3.0}}, "optimizer adamw: got an option 'learning_rate'"),
        (
            {"name": "sgd", "options": {"momentum": "x"}},
            "optimizer sgd: got momentum='x', .* Optax",
        ),
        ({"name": "muon", "options": {"ns_steps": 5.5}}, "optimizer muon: got ns_steps=5.5"),
        (
            {"name": "lbfgs", "options": {"memory_size": 5.0}},
            "optimizer lbfgs: got memory_size=5.0",
        ),
        ({"schedule_options": {"decay_steps": "x"}}, "schedule cosine: got .*decay_steps='x'"),
        (
            {"schedule": "warmup_cosine_decay_schedule", "steps": 1},
            "schedule warmup_cosine_decay_schedule: got .*decay_steps=1",
        ),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(JnnError, match=message):
        make_optimizer(**{"learning_rate": 1e-3, "steps": 10, **settings})


@pytest.mark.parametrize("steps", [1, 2])
def test_a_warmup_of_all_steps_is_refused(steps):
    with pytest.raises(JnnError, match=f"got warmup=0.9 of {steps} steps, which is all of them"):
        make_optimizer(learning_rate=0.1, steps=steps, warmup=0.9)
