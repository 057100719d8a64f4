"""The laws catch models that break them, and let through a layer of one's own that keeps them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.testing import LAWS, QUICK, check_model

X = np.array([0.5, -1.0, 2.0], np.float32)
SERIES = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)


def of(apply, init=lambda key, x: ({"scale": jnp.ones(3, x.dtype)}, {})):
    """A model from ``apply(params, x, key, train) -> y``."""
    return jnn.Model(
        init,
        lambda params, state, x, *, key=None, train=False, mask=None: (
            apply(params, x, key, train),
            state,
        ),
    )


def running_mean():
    """A layer that jnn does not have: the mean of all elements so far,
    ``y_t = scale * mean(x_1 .. x_t)``.
    """

    def init(key, x):
        return {"scale": jnp.ones(x.shape[-1], x.dtype)}, {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        count = jnp.arange(1, x.shape[-2] + 1, dtype=x.dtype).reshape((1,) * (x.ndim - 2) + (-1, 1))
        return jnp.cumsum(x, axis=-2) / count * params["scale"].reshape(
            (1,) * (x.ndim - 1) + (-1,)
        ), state

    def step(params, state, carry, x_t):
        total, count = carry["total"] + x_t, carry["count"] + 1
        return total / count * params["scale"].reshape((1,) * (x_t.ndim - 1) + (-1,)), {
            "total": total,
            "count": count,
        }

    carry = lambda params, x_t, length: {
        "total": jnp.zeros(x_t.shape, x_t.dtype),
        "count": jnp.zeros((*x_t.shape[:-1], 1), x_t.dtype),
    }
    return jnn.Model(init, apply, carry, step)


def test_a_layer_of_ones_own_keeps_the_laws():
    report = check_model(running_mean(), SERIES, sequence=True)
    assert set(report.values()) == {"holds"}


@pytest.mark.slow  # the laws of the layer alone are above, those of compositions in the registry
def test_so_does_a_composition_with_it():
    model = jnn.chain(
        jnn.dense(4),
        running_mean(),
        jnn.residual(jnn.chain(running_mean(), jnp.tanh)),
        jnn.dense(2),
    )
    report = check_model(
        model,
        SERIES,
        sequence=True,
        laws=["purity", "batch", "stream", "padding", "gradient", "ensemble"],
    )
    assert set(report.values()) == {"holds"}


counter = iter(range(1000))
BROKEN = {
    "purity": of(lambda params, x, key, train: x * params["scale"] + next(counter)),
    "batch": of(lambda params, x, key, train: (x - jnp.mean(x)) * params["scale"]),
    "gradient": of(lambda params, x, key, train: jax.lax.stop_gradient(x) * params["scale"]),
    "ensemble": of(
        lambda params, x, key, train: x * params["scale"],
        lambda key, x: ({"scale": jnp.full(3, next(counter), x.dtype)}, {}),
    ),
    "depth": of(
        lambda params, x, key, train: x * params["scale"] + next(counter),
    ),
    "capture": of(lambda params, x, key, train: x * params["scale"] + next(counter)),
    "precision": of(lambda params, x, key, train: jnp.exp(x) * params["scale"]),
}


@pytest.mark.parametrize("law", BROKEN)
def test_a_broken_law_is_named(law):
    with pytest.raises(AssertionError):
        check_model(BROKEN[law], X, laws=[law])


def test_a_dead_parameter_is_named():
    dead = of(
        lambda params, x, key, train: x * params["scale"],
        lambda key, x: ({"scale": jnp.ones(3, x.dtype), "idle": jnp.ones(2, x.dtype)}, {}),
    )
    with pytest.raises(AssertionError, match=r"no gradient reaches .*idle"):
        check_model(dead, X, laws=["gradient"])


def test_a_key_used_twice_is_found():
    def drawn(params, x, key, train):
        y = x * params["scale"]
        if not train:
            return y
        return y + jax.random.normal(key, x.shape) + jax.random.uniform(key, x.shape)

    twice = of(drawn)
    with pytest.raises(AssertionError, match="purity: KeyReuseError"):
        check_model(twice, X, laws=["purity"])


@pytest.mark.parametrize(
    ("law", "change"),
    [
        (
            "stream",
            lambda model: model._replace(step=lambda params, state, carry, x_t: (x_t, carry)),
        ),
        (
            "padding",
            lambda model: model._replace(
                apply=lambda params, state, x, **_: (x[..., ::-1, :], state)
            ),
        ),
    ],
)
def test_broken_laws_of_sequences_are_found(law, change):
    with pytest.raises(AssertionError):
        check_model(change(running_mean()), SERIES, sequence=True, laws=[law])


@pytest.mark.parametrize("is_masked", [False, True])
def test_a_flow_that_takes_padding_for_elements_is_found(is_masked):
    def flow(run, x):
        h = run("value", x)
        real = run.mask[..., None] if is_masked and run.mask is not None else True
        return h + jnp.mean(h, axis=-2, keepdims=True, where=real)

    model = jnn.wired(flow, {"value": jnn.dense(4)}, streaming=False)
    check = functools.partial(check_model, model, SERIES, sequence=True, laws=["padding"])
    if is_masked:
        assert check() == {"padding": "holds"}
    else:
        with pytest.raises(AssertionError, match="padding, which the model takes for elements"):
            check()


def test_a_batch_in_place_of_a_sequence_is_told():
    with pytest.raises(AssertionError) as error:
        check_model(jnn.lstm(3), SERIES[None], sequence=True, laws=["stream"])
    time = f"x of shape {(1, *SERIES.shape)} is one example, whose first axis is time"
    assert str(error.value).endswith(time)


def test_arrays_of_several_times_are_no_sequence():
    x = {"x": SERIES, "memory": SERIES[:-1]}
    with pytest.raises(jnn.JnnError, match="expected arrays whose first axis is time, of one len"):
        check_model(jnn.cross_attention(1), x, sequence=True)


def test_all_broken_laws_are_reported_together_with_what_differs():
    def apply(params, x, key, train):
        return (x - jnp.mean(x)) * jax.lax.stop_gradient(params["scale"])

    lines = []
    with pytest.raises(AssertionError) as error:
        check_model(of(apply), X, laws=["batch", "gradient", "capture"], say=lines.append)
    head, *broken = str(error.value).split("\n")
    assert head == "2 of 3 laws are violated"
    assert [line.split(":")[0].strip() for line in broken] == ["batch", "gradient"]
    assert "a batch and a loop over it differ at the output: 12 of 12 values" in broken[0]
    assert [line.split(":")[0] for line in lines] == ["batch", "gradient", "capture"]
    assert lines[2].startswith("capture: holds (")


def test_a_parameter_whose_influence_cancels_is_no_fault():
    """The bias of a Siamese network, whose output is the difference of two embeddings."""

    def apply(params, x, key, train):
        embed = lambda x: x * params["scale"] + params["bias"]
        return embed(x) - embed(jnp.roll(x, 1, axis=-1))

    both = {"scale": jnp.ones(3), "bias": jnp.ones(3)}
    siamese = of(apply, lambda key, x: (jax.tree.map(lambda a: a.astype(x.dtype), both), {}))
    assert check_model(siamese, X, laws=["gradient"]) == {"gradient": "holds"}


def test_a_unit_that_reads_zeros_alone_is_no_fault():
    """With its first bias, zero, it would be at the kink of relu."""
    model = jnn.chain(lambda x: 0 * x, jnn.dense(3), jax.nn.relu, jnn.dense(1))
    assert check_model(model, X, laws=["gradient"]) == {"gradient": "holds"}


@jax.custom_jvp
def wrong_slope(x):
    return jnp.sin(x)


wrong_slope.defjvp(lambda x, dx: (jnp.sin(*x), jnp.cos(*x) * 1.001 * dx[0]))


@jax.custom_jvp
def wrong_curvature(x):
    return jnp.sin(x)


def _slope_without_its_own(x):
    return jnp.cos(jax.lax.stop_gradient(x))


wrong_curvature.defjvp(lambda x, dx: (jnp.sin(*x), _slope_without_its_own(*x) * dx[0]))


@pytest.mark.parametrize(
    ("f", "name"), [(wrong_slope, "forward mode"), (wrong_curvature, "forward over forward")]
)
def test_a_wrong_derivative_of_either_order_is_found(f, name):
    wrong = of(lambda params, x, key, train: f(x * params["scale"]))
    with pytest.raises(AssertionError, match=f"{name} and finite differences differ"):
        check_model(wrong, X, laws=["gradient"])


def test_without_sequence_the_laws_of_sequences_say_how_they_are_checked():
    report = check_model(jnn.dense(2), X, laws=["stream", "padding"])
    assert set(report.values()) == {"does not apply: without sequence=True, x is no sequence"}


def test_the_quick_level_checks_fewer_laws():
    assert set(check_model(jnn.dense(2), X, level="quick")) == set(QUICK) < set(LAWS)
    with pytest.raises(jnn.JnnError, match="check_model: got level='fast', expected 'full' or"):
        check_model(jnn.dense(2), X, level="fast")


def test_an_x_that_the_model_refuses_is_no_broken_law():
    with pytest.raises(jnn.JnnError, match="dense: got x of dtype int32"):
        check_model(jnn.dense(2), np.arange(3, dtype=np.int32))


def test_an_unknown_law_is_refused():
    with pytest.raises(
        jnn.JnnError, match="check_model: got a law called 'purety', expected some of purity"
    ):
        check_model(jnn.dense(2), X, laws=["purety"])
