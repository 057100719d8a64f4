"""Residual networks: PyTorch's values, statistics and gradients, the published numbers of
parameters, and that they learn.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import jnn
from jnn.architectures.resnet import ResNetConfig, basic_block, resnet
from jnn.losses import cross_entropy
from jnn.testing import LAWS, check_model
from tests.architectures import drawn, eight, loss_after_training, parameters
from tests.references.cases_resnet import SAMPLED

FORWARD = 1e-10  # float64, relative to the largest value: some thousand sums in another order
# float64, relative to the largest value: as many again, divided by standard deviations
GRADIENT = 1e-9
LEARNED = 0.01  # nats, of 1.4 at first
STATISTICAL = 0.1  # the standard deviation of 1152 draws has an error of 2 %; five times that


def assert_close(got, expected, tolerance):
    np.testing.assert_allclose(got, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.slow  # its outputs are those of transformers in tests/interop
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("resnet18", ResNetConfig(outputs=3, depth=18, width=2)),
        ("resnet50, small stem", ResNetConfig(outputs=3, depth=50, width=1, stem="small")),
    ],
)
def test_it_is_that_of_pytorch(reference, float64, name, config):
    case, model = reference("resnet", name), resnet(config)
    x = jnp.asarray(case["x"], jnp.float64)
    params, state = drawn(model, *x.shape, dtype=x.dtype)
    params = ravel_pytree(params)[1](jnp.asarray(case["params"], jnp.float64))

    def weighted(params):
        y, new_state = model.apply(params, state, x, train=True)
        return jnp.sum(case["weights"] * y), (y, new_state)

    (_, (y, state)), gradient = jax.jit(jax.value_and_grad(weighted, has_aux=True))(params)
    assert_close(y, case["y in training"], FORWARD)
    assert_close(ravel_pytree(state)[0], case["state"], FORWARD)
    assert_close(ravel_pytree(gradient)[0][::SAMPLED], case["gradient"], GRADIENT)
    assert_close(jax.jit(model.apply)(params, state, x)[0], case["y in evaluation"], FORWARD)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"depth": 18}, 11_689_512),
        ({"depth": 34}, 21_797_672),
        ({"depth": 50}, 25_557_032),
        ({"depth": 101}, 44_549_160),
        ({"depth": 152}, 60_192_808),
        ({"depth": 50, "widening": 2}, 68_883_240),
        ({"depth": 101, "widening": 2}, 126_886_696),
        ({"depth": 50, "groups": 32, "widening": 2}, 25_028_904),
        ({"depth": 101, "groups": 32, "widening": 4}, 88_791_336),
        ({"depth": 101, "groups": 64, "widening": 4}, 83_455_272),
    ],
)
def test_it_has_the_published_number_of_parameters(settings, count):
    assert parameters(resnet(ResNetConfig(outputs=1000, **settings)), 224, 224, 3) == count


@pytest.mark.slow
def test_a_small_stem_differs_by_its_kernel():
    imagenet, small = (
        parameters(resnet(ResNetConfig(outputs=10, stem=stem)), 32, 32, 3)
        for stem in ("imagenet", "small")
    )
    assert imagenet - small == (7 * 7 - 3 * 3) * 3 * 64


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stem", "shapes"),
    [
        ("imagenet", [(56, 56, 64), (56, 56, 256), (28, 28, 512), (14, 14, 1024), (7, 7, 2048)]),
        (
            "small",
            [(224, 224, 64), (224, 224, 256), (112, 112, 512), (56, 56, 1024), (28, 28, 2048)],
        ),
    ],
)
def test_feature_maps_are_those_of_the_paper(stem, shapes):
    """Table 1 of He et al. 2015, for 50 layers and images of 224x224."""
    model = resnet(ResNetConfig(outputs=1000, depth=50, stem=stem))
    x = jax.ShapeDtypeStruct((224, 224, 3), jnp.float32)
    params, state = jax.eval_shape(model.init, jax.random.key(0), x)
    _, values = jax.eval_shape(jnn.capture(model.apply), params, state, x)
    assert [
        values[f"{name}/output"].shape for name in ("stem", "stage0", "stage1", "stage2", "stage3")
    ] == shapes


@pytest.mark.slow  # those of smaller networks are read in test_cnn.py
def test_captured_values_read_well():
    model, x = resnet(ResNetConfig(outputs=3, width=2)), jnp.ones((16, 16, 3))
    params, state = jax.eval_shape(model.init, jax.random.key(0), x)
    _, values = jax.eval_shape(jnn.capture(model.apply), params, state, x)
    block = {path.removesuffix("/output") for path in values if path.startswith("stage1/block0/")}
    body = {
        f"stage1/block0/body/{name}" for name in ("conv0", "norm0", "activation0", "conv1", "norm1")
    }
    shortcut = {f"stage1/block0/shortcut/{name}" for name in ("conv", "norm")}
    assert block == body | shortcut | {
        "stage1/block0/body",
        "stage1/block0/shortcut",
        "stage1/block0",
    }
    assert {
        "stem/conv/output",
        "stem/pool/output",
        "stage3/block1/output",
        "pool/output",
        "out/output",
    } <= set(values)
    assert set(params["stage2"]["block1"]) == {"body"}


def test_kernels_are_drawn_by_he():
    model = resnet(ResNetConfig(outputs=2, width=8))
    init = lambda x: model.init(jax.random.key(0), x)[0]["stage1"]["block0"]["body"]["conv0"][
        "kernel"
    ]
    kernel = jax.jit(init)(jnp.ones((8, 8, 3)))
    assert kernel.shape == (3, 3, 8, 16)
    assert math.isclose(kernel.std(), math.sqrt(2 / (3 * 3 * 16)), rel_tol=STATISTICAL)


def test_with_a_last_scale_of_zero_a_block_begins_as_its_shortcut():
    model = resnet(ResNetConfig(outputs=3, width=2, zero_last_scale=True))

    @jax.jit
    def around_the_first_stage(x):
        _, values = jnn.capture(model.apply)(*model.init(jax.random.key(0), x), x, train=True)
        return values["stem/output"], values["stage0/output"]

    before, after = around_the_first_stage(eight(16, 16, 3))
    assert np.any(before)
    np.testing.assert_array_equal(after, before)


@pytest.mark.slow  # test_cnn.py has another network of convolutions that learns
def test_it_learns_eight_labels():
    labels = jnp.arange(8) % 4
    model = resnet(ResNetConfig(outputs=4, stem="small", width=4))
    first, last = loss_after_training(
        model, eight(8, 8, 1), lambda y: cross_entropy(y, labels), enough=LEARNED
    )
    assert last < LEARNED < first


@pytest.mark.slow
@pytest.mark.parametrize("law", sorted(LAWS.keys() - {"gradient"}))
def test_it_obeys_the_laws(law):
    """Its blocks obey all. Finite differences of so deep a network have no digits: its gradient is
    compared with PyTorch's.
    """
    check_model(
        resnet(ResNetConfig(outputs=2, stem="small", width=2)), eight(8, 8, 1)[0], laws=[law]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": 0}, r"ResNetConfig: got outputs=0, expected an integer >= 1"),
        ({"depth": 20}, r"ResNetConfig: got depth=20, expected one of 18, 34, 50, 101, 152"),
        ({"depth": 20, "blocks": (2, 2)}, r"blocks=\(2, 2\), expected 10, of basic .* or 14, of"),
        (
            {"depth": 4, "blocks": (1, 0)},
            r"ResNetConfig: got blocks\[1\]=0, expected an integer >= 1",
        ),
        ({"outputs_of_stages": (8,)}, r"outputs_of_stages=\(8,\), expected one for each of 4 st"),
        ({"groups": 2}, r"got groups=2, widening=1 and basic blocks, expected a depth of bottlen"),
        ({"stem": "tiny"}, r"ResNetConfig: got stem='tiny', expected one of imagenet, small"),
        ({"width": 0}, r"ResNetConfig: got width=0, expected an integer >= 1"),
        ({"activation": "rellu"}, r"activation: got 'rellu', .* Did you mean 'relu'\?"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match=message):
        resnet(ResNetConfig(**{"outputs": 2, **settings}))


def test_channels_first():
    model = resnet(ResNetConfig(outputs=2))
    with pytest.raises(
        jnn.JnnError,
        match=(
            r"conv: got x of shape \(3, 32, 32\), which has channels first.* "
            r"jnp.moveaxis\(x, -3, -1\)"
        ),
    ):
        model.init(jax.random.key(0), jnp.ones((3, 32, 32)))
    params, state = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((32, 32, 3)))
    with pytest.raises(
        jnn.JnnError, match=r"3 channels in its last axis, as in params. Channels come last in jnn"
    ):
        jax.eval_shape(model.apply, params, state, jnp.ones((8, 3, 32, 32)))


def test_a_block_for_other_channels():
    network, x = jnn.chain(block=basic_block(4, 4)), jnp.ones((8, 8, 1))
    with pytest.raises(
        jnn.JnnError,
        match=r"residual block: got x of shape \(8, 8, 1\), expected 4 channels in its last axis",
    ):
        jax.eval_shape(network.init, jax.random.key(0), x)


def test_one_image_is_no_batch():
    model, x = resnet(ResNetConfig(outputs=2, stem="small", width=2)), jnp.ones((8, 8, 3))
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    with pytest.raises(
        jnn.JnnError, match=r"batch_norm: got x of shape \(1, 1, 16\) in training, .* Pass a batch"
    ):
        jax.eval_shape(functools.partial(model.apply, train=True), *shapes, x)
