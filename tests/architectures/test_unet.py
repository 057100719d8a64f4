"""The denoiser: where it begins, what time and class do, and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.unet import DenoiserConfig, denoiser
from jnn.losses import squared_error
from tests.architectures import eight, loss_after_training

CONFIG = DenoiserConfig(shape=(8, 8, 1), classes=2, channels=(8, 16), condition=16, groups=4)


LEARNED = 0.05  # of a variance of 1


def some():
    return {"image": eight(8, 8, 1), "time": jnp.linspace(0.1, 0.9, 8), "label": jnp.arange(8) % 3}


@pytest.fixture(scope="module")
def captured():
    """``captured(x) -> y, values``: of an untrained denoiser."""
    model = denoiser(CONFIG)
    params, state = jax.jit(model.init)(jax.random.key(0), some())
    run = jax.jit(lambda x: jnn.capture(model.apply)(params, state, x))

    def output_and_values(x):
        (y, _), values = run(x)
        return y, values

    return output_and_values


def test_it_begins_near_zero_for_every_time_and_class(captured):
    x = some()
    y, _ = captured(x)
    assert y.shape == x["image"].shape
    assert 0 < float(y.std()) < 0.2


def test_time_and_class_are_seen_in_every_block(captured):
    x = some()
    _, values = captured(x)
    for name in ("time", "label"):
        _, others = captured(x | {name: jnp.roll(x[name], 1)})
        for block in ("down0_0", "down1_0", "up1_0", "up0_0"):
            path = f"{block}/norm/output"
            assert not np.allclose(values[path], others[path], atol=1e-6)


@pytest.mark.slow  # other networks of convolutions learn in make test
def test_it_learns_eight_velocities():
    x, target = some(), jnp.flip(eight(8, 8, 1), axis=0)
    first, last = loss_after_training(
        denoiser(CONFIG), x, lambda y: squared_error(y, target), 1e-2, enough=LEARNED
    )
    assert last < LEARNED < first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image": jnp.ones((8, 6, 8, 1))},
            r"got shapes .*, expected image \(..., 8, 8, 1\), time \(...\), label \(...\)",
        ),
        ({"time": jnp.ones(())}, r"got shapes .*, expected image"),
        ({"time": jnp.ones(8, int)}, "x of dtype int32, expected floating-point numbers"),
    ],
)
def test_bad_inputs(change, message):
    with pytest.raises(jnn.JnnError, match="denoiser: .*" + message):
        denoiser(CONFIG).init(jax.random.key(0), some() | change)
    with pytest.raises(
        jnn.JnnError,
        match="denoiser: got a dict of image, expected a dict with image and time and label",
    ):
        denoiser(CONFIG).init(jax.random.key(0), {"image": jnp.ones((8, 8, 1))})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"shape": (30, 28, 1)},
            (
                r"got shape=\(30, 28, 1\), channels=\(32, 64\), patch=2, expected .* "
                r"that patch and halvings divide"
            ),
        ),
        ({"channels": ()}, r"channels=\(\)"),
        ({"patch": 0}, "got patch=0, expected an integer >= 1"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match="DenoiserConfig: .*" + message):
        DenoiserConfig(**{"shape": (28, 28, 1), "classes": 10, **settings})
