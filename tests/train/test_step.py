"""The step is the optimizer's update, refuses what is not finite, and gives the same bits however
many go into one dispatch.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn.errors import JnnError
from jnn.train import TrainState, in_memory, init_train_state, make_step, make_steps, seed_key
from jnn.train.step import finite_leaves, leaf_names
from tests.train.same import assert_same_bits

FLOAT32 = 1e-5  # the same sums in another order
FLOAT16 = 2e-2  # 11 bits of mantissa, over twenty steps
ACCUMULATED = 1e-12  # float64: a mean of means
MODEL = jnn.chain(hidden=jnn.dense(4), tanh=jnp.tanh, out=jnn.dense(1))


def objective(params, state, batch, key):
    y, state = MODEL.apply(params, state, batch["x"], key=key, train=True)
    noise = jax.random.normal(key, y.shape)
    return jnp.mean((y + 0.1 * noise - batch["y"]) ** 2), (state, {"size": jnp.mean(jnp.abs(y))})


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 3)).astype(np.float32)
    return {"x": x, "y": np.sin(x[:, :1])}


def start(optimizer):
    return init_train_state(seed_key(0), MODEL, optimizer, jnp.ones(3))


def test_step_is_the_update_of_optax(data):
    optimizer = optax.adam(1e-2)
    train_state = start(optimizer)
    new, metrics = jax.jit(make_step(objective, optimizer))(train_state, data)
    key = jnn.child_key(jax.random.fold_in(train_state.key, 0), "objective")

    @jax.jit
    def update(params):
        loss, gradient = jax.value_and_grad(lambda params: objective(params, {}, data, key)[0])(
            params
        )
        updates, _ = optimizer.update(gradient, optimizer.init(params), params)
        return loss, optax.tree.norm(gradient), optax.apply_updates(params, updates)

    loss, norm, expected = update(train_state.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=FLOAT32), new.params, expected)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=FLOAT32)
    np.testing.assert_allclose(metrics["gradient_norm"], norm, rtol=FLOAT32)
    assert int(new.step) == 1
    assert bool(metrics["finite"])


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_norm_is_over_leaves_of_any_shape(guarded, dtype):
    shapes = [(), (5,), (3, 4), (2, 3, 4), (2, 3, 3, 4), (2, 0, 3), (0,)]
    draw = np.random.default_rng(0).normal
    params = {str(shape): jnp.asarray(draw(size=shape), dtype) for shape in shapes}

    def objective(params, state, batch, key):  # its gradient is params
        squares = [jnp.sum(jnp.float32(leaf) ** 2) for leaf in params.values()]
        return sum(squares) / 2, (state, {})

    optimizer = optax.sgd(0.1)
    train_state = TrainState(jnp.int32(0), params, {}, optimizer.init(params), seed_key(0))
    _, metrics = jax.jit(make_step(objective, optimizer, guarded=guarded))(train_state, None)
    squares = [np.sum(np.asarray(leaf, np.float64) ** 2) for leaf in params.values()]
    np.testing.assert_allclose(metrics["gradient_norm"], np.sqrt(sum(squares)), rtol=FLOAT32)


def test_a_step_without_guard_is_the_same_where_all_is_finite_and_is_taken_where_not(data):
    optimizer = optax.adam(1e-2)
    guarded, free = (
        jax.jit(make_step(objective, optimizer, guarded=guarded)) for guarded in (True, False)
    )
    (a, _), (b, metrics) = guarded(start(optimizer), data), free(start(optimizer), data)
    assert_same_bits(a, b)
    assert bool(metrics["finite"])
    new, metrics = free(b, data | {"x": jnp.full_like(data["x"], jnp.nan)})
    assert not bool(metrics["finite"])
    assert leaf_names(new)[int(metrics["bad_leaf"])] == "loss"
    assert int(new.step) == 2
    assert np.isnan(new.params["out"]["kernel"]).all()


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("spoil", "leaf"),
    [("x", "loss"), ("gradient", "gradient of hidden/bias"), ("update", "params of hidden/bias")],
)
def test_what_is_not_finite_changes_nothing(data, spoil, leaf):
    @jax.custom_vjp
    def exploding(y):
        return y

    exploding.defvjp(lambda y: (y, None), lambda _, g: (jnp.full_like(g, jnp.inf),))
    huge = optax.stateless(
        lambda updates, params: jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.inf), updates)
    )
    optimizer = optax.chain(optax.adam(1e-2), huge) if spoil == "update" else optax.adam(1e-2)

    def spoiled(params, state, batch, key):
        params = (
            {**params, "hidden": jax.tree.map(exploding, params["hidden"])}
            if spoil == "gradient"
            else params
        )
        return objective(params, state, batch, key)

    batch = {**data, "x": data["x"] * np.nan} if spoil == "x" else data
    train_state = start(optimizer)
    new, metrics = jax.jit(make_step(spoiled, optimizer))(train_state, batch)
    assert not metrics["finite"]
    assert leaf_names(train_state)[int(metrics["bad_leaf"])] == leaf
    kept = new._replace(optimizer_state=train_state.optimizer_state) if spoil == "update" else new
    assert_same_bits(kept, train_state)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("cuts", [[3, 4], [7], [1] * 7, [5, 0, 2]], ids=str)
def test_steps_give_the_same_bits_however_they_are_cut(data, cuts):
    optimizer, feed = optax.adam(1e-2), in_memory(data, 6)
    steps = jax.jit(make_steps(make_step(objective, optimizer), feed.batch_of, 8))
    whole, metrics = steps(start(optimizer), feed.data, 7)
    train_state, losses = start(optimizer), []
    for count in cuts:
        train_state, rows = steps(train_state, feed.data, count)
        rows = jax.device_get(rows)
        losses += list(rows["loss"][rows["taken"]])
    assert_same_bits(train_state, whole)
    np.testing.assert_array_equal(losses, metrics["loss"][:7])


def test_steps_end_at_the_first_that_is_not_finite(data):
    optimizer, feed = optax.sgd(1e-2), in_memory(data, 6)

    def failing(params, state, batch, key):
        loss, aux = objective(params, {}, batch, key)
        return jnp.where(state["count"] == 3, jnp.nan, loss), (
            {"count": state["count"] + 1},
            aux[1],
        )

    steps = jax.jit(make_steps(make_step(failing, optimizer), feed.batch_of, 8))
    train_state = start(optimizer)._replace(state={"count": jnp.array(0.0)})
    new, metrics = steps(train_state, feed.data, 8)
    np.testing.assert_array_equal(metrics["taken"], [True] * 4 + [False] * 4)
    assert int(new.step) == 3
    assert np.isfinite(jax.tree.leaves(new.params)[0]).all()


@pytest.mark.parametrize("seed", [2**32, -1, 2**33, 1.0, True])
def test_a_seed_that_jax_would_change_is_refused(seed):
    with pytest.raises(jnn.JnnError, match=r"expected an integer in \[0, 2\*\*32\)"):
        seed_key(seed)


def smooth(params, state, batch, key):
    """A mean over examples without draws."""
    y, _ = MODEL.apply(params, {}, batch["x"])
    return jnp.mean((y - batch["y"]) ** 2), (
        {"seen": state["seen"] + 1},
        {"size": jnp.mean(jnp.abs(y))},
    )


def test_accumulated_gradients_are_those_of_the_whole_batch(float64):
    rng = np.random.default_rng(0)
    data = {
        "x": jnp.asarray(rng.standard_normal((12, 3))),
        "y": jnp.asarray(rng.standard_normal((12, 1))),
    }
    optimizer, results = optax.adam(1e-2), {}
    begin = init_train_state(seed_key(0), MODEL, optimizer, data["x"])._replace(
        state={"seen": jnp.array(0.0)}
    )
    for parts in (1, 4):
        results[parts] = jax.jit(make_step(smooth, optimizer, accumulate=parts))(begin, data)
    whole, parts = results[1], results[4]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=ACCUMULATED),
        whole[0].params,
        parts[0].params,
    )
    for name in ("loss", "size", "gradient_norm"):
        np.testing.assert_allclose(whole[1][name], parts[1][name], atol=ACCUMULATED)
    assert float(parts[0].state["seen"]) == 4


def masked(params, state, batch, key):
    """A mean over the real elements of a padded batch."""
    y, _ = MODEL.apply(params, {}, batch["x"])
    count = jnp.sum(batch["mask"])
    mean = lambda values: jnp.sum(jnp.where(batch["mask"], values[:, 0], 0)) / jnp.maximum(count, 1)
    return mean((y - batch["y"]) ** 2), (state, {"size": mean(jnp.abs(y)), "weight": count})


@pytest.mark.sampled(3)
@pytest.mark.parametrize("real", [7, 12, 1])
def test_parts_count_by_the_weight_that_the_objective_gives(float64, real):
    rng = np.random.default_rng(0)
    data = {
        "x": jnp.asarray(rng.standard_normal((12, 3))),
        "y": jnp.asarray(rng.standard_normal((12, 1))),
        "mask": jnp.arange(12) < real,
    }
    optimizer = optax.sgd(0.1)
    begin = init_train_state(seed_key(0), MODEL, optimizer, data["x"])
    (whole, one), (parts, many) = (
        jax.jit(make_step(masked, optimizer, accumulate=accumulate))(begin, data)
        for accumulate in (1, 4)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=ACCUMULATED), whole.params, parts.params
    )
    assert set(one) == set(many)
    for name in ("loss", "size", "gradient_norm"):
        np.testing.assert_allclose(one[name], many[name], atol=ACCUMULATED)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda loss, state: loss, "objective: got .* expected a scalar loss and a tuple of the"),
        (lambda loss, state: (loss, {}), r"objective: got \(ShapedArray\(float32\[\]\), {}\), exp"),
        (lambda loss, state: (loss, (state, None)), "objective: got .* and a dict of metrics"),
        (lambda loss, state: (loss[None], (state, {})), r"got a loss of shape \(1,\) and dtype fl"),
        (lambda loss, state: (loss + 0j, (state, {})), "dtype complex64, expected a real scalar"),
        (
            lambda loss, state: (loss, ({"n": loss}, {})),
            r"got a new state .*'n'.* expected",
        ),
    ],
)
def test_an_objective_that_returns_something_else_is_refused(data, change, message, accumulate):
    def other(params, state, batch, key):
        loss, (state, _) = objective(params, state, batch, key)
        return change(loss, state)

    optimizer = optax.sgd(0.1)
    with pytest.raises(JnnError, match=message):
        make_step(other, optimizer, accumulate=accumulate)(start(optimizer), data)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(
    "name",
    [
        "loss",
        "gradient_norm",
        "learning_rate",
        "loss_scale",
        "finite",
        "bad_leaf",
        "gradient_norm/out/kernel",
        "update_ratio/hidden/bias",
    ],
)
def test_a_metric_of_the_objective_with_the_name_of_a_steps_own_is_refused(data, name, accumulate):
    def other(params, state, batch, key):
        loss, (state, metrics) = objective(params, state, batch, key)
        return loss, (state, metrics | {name: jnp.float32(7)})

    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
    train_state = init_train_state(seed_key(0), MODEL, optimizer, jnp.ones(3), loss_scale=2.0)
    message = (
        f"objective: got a metric {name!r}, expected another name: a step has its own {name!r}"
    )
    with pytest.raises(JnnError, match=message):
        make_step(other, optimizer, accumulate=accumulate, statistics=True)(train_state, data)


def test_names_of_a_step_that_has_no_such_metric_are_free(data):
    def other(params, state, batch, key):
        loss, (state, _) = objective(params, state, batch, key)
        return loss, (state, {"learning_rate": jnp.float32(7), "loss_scale": jnp.float32(8)})

    optimizer = optax.sgd(0.1)
    _, metrics = make_step(other, optimizer)(start(optimizer), data)
    assert (metrics["learning_rate"], metrics["loss_scale"]) == (7, 8)


def test_a_step_of_ones_own_has_no_metric_called_taken(data):
    taken = lambda train_state, batch: (train_state, {"finite": True, "taken": jnp.float32(1)})
    steps = make_steps(taken, lambda data, key, step: data, 3)
    with pytest.raises(JnnError, match="step: got a metric 'taken', expected another name"):
        steps(start(optax.sgd(0.1)), data, jnp.int32(1))


def test_a_batch_that_the_parts_do_not_divide_is_refused(data):
    optimizer = optax.sgd(0.1)
    with pytest.raises(
        jnn.JnnError,
        match="make_step: got a batch of 20 for accumulate=3, expected a batch that it divides",
    ):
        make_step(objective, optimizer, accumulate=3)(start(optimizer), data)


def test_an_optimizer_that_was_not_called_is_refused():
    message = r"got the function adam as optimizer, .*Call what makes it, as in optax.adam\("
    with pytest.raises(JnnError, match=f"make_step: {message}"):
        make_step(objective, optax.adam)
    with pytest.raises(JnnError, match=f"init_train_state: {message}"):
        start(optax.adam)
    with pytest.raises(JnnError, match="got <Model dense, pointwise> as optimizer"):
        make_step(objective, jnn.dense(2))
    with pytest.raises(JnnError, match="got objective=<Model dense, pointwise>, expected a fun"):
        make_step(jnn.dense(2), optax.sgd(0.1))
    message = r"got objective\(params, batch\), expected a function \(params, state, batch, key\)"
    with pytest.raises(JnnError, match=message):
        make_step(lambda params, batch: 0.0, optax.sgd(0.1))


SGD, ADAM = optax.sgd(0.1), optax.adam(0.1)
DECAYING = optax.sgd(optax.linear_schedule(0.1, 0.0, 9))


@pytest.mark.parametrize(
    ("own", "other", "kept"),
    [
        (SGD, ADAM, "ScaleByAdamState, EmptyState, expected one .* which keeps EmptyState, Empty"),
        (ADAM, SGD, "EmptyState, EmptyState, expected one .* which keeps ScaleByAdamState"),
        (
            DECAYING,
            SGD,
            "EmptyState, EmptyState, expected one .* keeps EmptyState, ScaleBySchedule",
        ),
    ],
)
def test_the_train_state_of_another_optimizer_is_refused(data, own, other, kept):
    with pytest.raises(
        JnnError, match=f"make_step: got a train state whose optimizer keeps {kept}"
    ):
        make_step(objective, own)(start(other), data)


def test_what_is_no_model_and_no_example_is_refused():
    key, optimizer = seed_key(0), optax.sgd(0.1)
    with pytest.raises(JnnError, match=r"got an array of shape \(\) as a part of a model"):
        init_train_state(MODEL, key, optimizer, jnp.ones(3))
    with pytest.raises(JnnError, match="init_train_state: got x with a float, expected arrays"):
        init_train_state(key, MODEL, optimizer, [1.0, 2.0, 3.0])
    with pytest.raises(JnnError, match="init_train_state: got loss_scale='a', expected a number >"):
        init_train_state(key, MODEL, optimizer, jnp.ones(3), loss_scale="a")


def test_the_average_follows_the_params_in_closed_form(data):
    optimizer, decay = optax.sgd(0.1), 0.5
    step = jax.jit(make_step(objective, optimizer, average_decay=decay))
    train_state = init_train_state(seed_key(0), MODEL, optimizer, jnp.ones(3), average=True)
    expected = np.asarray(train_state.params["out"]["kernel"], np.float64)
    for t in range(20):
        train_state, _ = step(train_state, data)
        d = min(decay, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * np.asarray(
            train_state.params["out"]["kernel"], np.float64
        )
    np.testing.assert_allclose(train_state.average["out"]["kernel"], expected, rtol=FLOAT32)
    assert train_state.best_guess is train_state.average
    with pytest.raises(jnn.JnnError, match="average_decay and a train state without an average"):
        step(start(optimizer), data)
    with pytest.raises(
        jnn.JnnError, match="got a train state with an average, expected one without"
    ):
        make_step(objective, optimizer)(train_state, data)


def test_the_loss_scale_recovers_from_overflow_and_changes_no_update(data):
    optimizer = optax.sgd(0.1)
    half = jnn.cast(MODEL, compute=jnp.float16)

    def in_half(params, state, batch, key):
        y, _ = half.apply(params, {}, batch["x"])
        return jnp.mean((y - batch["y"]) ** 2), (state, {})

    step = jax.jit(make_step(in_half, optimizer))
    too_large = init_train_state(seed_key(0), MODEL, optimizer, jnp.ones(3), loss_scale=2.0**30)
    train_state, scales = too_large, []
    for _ in range(20):
        train_state, metrics = step(train_state, data)
        assert metrics["finite"]
        scales.append(float(metrics["loss_scale"]))
    assert int(train_state.step) == 20
    assert scales[0] == 2.0**30
    assert scales[1] == 2.0**29
    assert scales[-1] == scales[-2] < 2.0**30
    overflows = len({*scales}) - 1
    plain = start(optimizer)
    for _ in range(20 - overflows):
        plain, _ = step(plain, data)
    np.testing.assert_allclose(
        train_state.params["out"]["kernel"], plain.params["out"]["kernel"], rtol=FLOAT16
    )


def test_statistics_name_every_parameter(data):
    optimizer = optax.sgd(0.5)
    train_state = start(optimizer)
    new, metrics = jax.jit(make_step(objective, optimizer, statistics=True))(train_state, data)
    kernel, now = train_state.params["out"]["kernel"], new.params["out"]["kernel"]
    np.testing.assert_allclose(
        metrics["update_ratio/out/kernel"],
        np.linalg.norm(now - kernel) / np.linalg.norm(kernel),
        rtol=FLOAT32,
    )
    norms = [value for name, value in metrics.items() if name.startswith("gradient_norm/")]
    np.testing.assert_allclose(np.linalg.norm(norms), metrics["gradient_norm"], rtol=FLOAT32)
    assert len(norms) == 4


@pytest.mark.filterwarnings("error")
def test_a_counter_in_the_state_is_finite_without_a_warning():
    assert finite_leaves({"counter": jnp.int32(3), "mean": jnp.ones(2)}).tolist() == [True, True]
