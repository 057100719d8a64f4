"""The temporal convolutional network: PyTorch's values, what it sees, that it streams and learns,
and what it refuses.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

import jnn
from jnn.architectures.tcn import TCNConfig, receptive_field, tcn
from tests.architectures import drawn, loss_after_training
from tests.layers.test_recurrent import below
from tests.references.cases_tcn import CHANNELS, KERNEL, OUTPUTS

FORWARD, GRADIENT = 1e-10, 1e-9  # float64: the same sums in another order
LEARNED = 0.1  # of the variance of the target, which is 1


@pytest.mark.usefixtures("float64")
def test_it_is_what_pytorchs_layers_make(reference):
    case = reference("tcn", "network")
    model, params = (
        tcn(TCNConfig(outputs=OUTPUTS, channels=CHANNELS, kernel_size=KERNEL)),
        below(case, "params"),
    )
    x = jnp.asarray(case["x"])
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)[0]
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)

    def total(params):
        y, _ = model.apply(params, {}, x)
        return jnp.sum(case["weights"] * y), y

    gradient, y = jax.jit(jax.grad(total, has_aux=True))(params)
    np.testing.assert_allclose(y, case["y"], rtol=0, atol=FORWARD)
    expected = flatten_dict(below(case, "gradient"), sep="/")
    for path, found in dict(flatten_dict(gradient, sep="/")).items():
        np.testing.assert_allclose(found, expected.pop(path), rtol=0, atol=GRADIENT, err_msg=path)
    assert not expected


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("channels", "kernel_size"),
    [((3,), 2), ((4, 4), 3), pytest.param((3, 4, 4), 2, marks=pytest.mark.slow)],
)
def test_an_output_depends_on_its_receptive_field_and_on_nothing_else(channels, kernel_size):
    config = TCNConfig(outputs=1, channels=channels, kernel_size=kernel_size, activation="tanh")
    model, seen = tcn(config), receptive_field(config)
    params, state = drawn(model, 40, 2)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((40, 2)), jnp.float32)
    slope = jax.jit(jax.grad(lambda x: model.apply(params, state, x)[0][30, 0]))(x)
    assert np.flatnonzero(np.abs(slope).max(axis=1)).tolist() == list(range(31 - seen, 31))


def test_it_remembers_what_convolutions_need():
    model = tcn(TCNConfig(outputs=1, channels=(4, 4), kernel_size=3))
    params, _ = drawn(model, 9, 2)
    sizes = [leaf.shape for leaf in jax.tree.leaves(model.carry(params, jnp.zeros(2), 9))]
    assert sorted(sizes) == [(2, 2), (2, 4), (4, 4), (4, 4)]
    assert jnn.streams(model)


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_it_learns_to_say_again_what_came_six_before(dropout):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 24, 1)), jnp.float32)
    model = tcn(TCNConfig(outputs=1, channels=(16, 16), kernel_size=3, dropout=dropout))
    enough = LEARNED if dropout == 0 else 0.6
    before, after = loss_after_training(
        model, x, lambda y: (y[:, 6:] - x[:, :-6]) ** 2, 1e-2, enough=enough
    )
    assert before > 0.5
    assert after < enough


def test_mistakes_are_named():
    with pytest.raises(
        jnn.JnnError,
        match=r"TCNConfig: got channels=\(\), expected the features of one block at least",
    ):
        tcn(TCNConfig(outputs=1, channels=()))
    with pytest.raises(jnn.JnnError, match=r"channels\[1\]=0, expected an integer >= 1"):
        tcn(TCNConfig(outputs=1, channels=(3, 0)))
    with pytest.raises(jnn.JnnError, match=r"dropout=1.0, expected a fraction in \[0, 1\)"):
        tcn(TCNConfig(outputs=1, dropout=1.0))
