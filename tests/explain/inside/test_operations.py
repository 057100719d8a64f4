"""The count of operations against XLA's own, published tables, and closed forms."""

import jax
import jax.numpy as jnp
import pytest

import jnn
from jnn.architectures.presets import VIT_B16
from jnn.architectures.resnet import ResNetConfig, resnet
from jnn.architectures.vision_transformer import vision_transformer
from jnn.explain.inside.operations import flops

TABLE = 0.005  # the published numbers have three digits


def by_xla(model, x):
    """XLA's count after compiling, which has elementwise operations in it and counts a loop
    once.
    """
    cost = (
        jax.jit(model.apply)
        .lower(*jax.eval_shape(model.init, jax.random.key(0), x), x)
        .compile()
        .cost_analysis()
    )
    assert isinstance(cost, dict)
    return cost["flops"]


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (jnn.dense(5, use_bias=False), jnp.ones((6, 3))),
        (jnn.conv(9, (3, 3), use_bias=False, padding="VALID"), jnp.ones((2, 9, 8, 8))),
        (jnn.conv(9, (3, 3), use_bias=False, padding="VALID", strides=2), jnp.ones((2, 9, 9, 8))),
        (
            jnn.function(lambda x: jax.lax.conv(x, jnp.ones((7, 4, 3, 3)), (1, 1), "VALID")),
            jnp.ones((2, 4, 9, 8)),
        ),
    ],
)
def test_products_and_convolutions_are_those_that_xla_counts(model, x):
    assert flops(model, x) == by_xla(model, x)


def test_groups_are_what_xla_counts_of_its_own():
    """On a CPU jnn's groups are a loop, whose body XLA counts once."""
    orders, x = ("NHWC", "HWIO", "NHWC"), jnp.ones((2, 9, 8, 4))
    of_lax = lambda x: jax.lax.conv_general_dilated(
        x, jnp.ones((3, 3, 2, 6)), (1, 1), "VALID", None, None, orders, feature_group_count=2
    )
    model = jnn.conv(6, (3, 3), use_bias=False, padding="VALID", groups=2)
    assert flops(model, x) == by_xla(jnn.function(of_lax), x) == 2 * 2 * 7 * 6 * 9 * 2 * 6


@pytest.mark.parametrize(
    ("model", "multiplications"),
    [
        pytest.param(resnet(ResNetConfig(outputs=1000, depth=18)), 1.814e9, id="resnet18"),
        pytest.param(
            resnet(ResNetConfig(outputs=1000, depth=50)),
            4.089e9,
            id="resnet50",
            marks=pytest.mark.slow,
        ),
        pytest.param(vision_transformer(VIT_B16), 17.564e9, id="vit_b_16"),
    ],
)
def test_architectures_have_the_published_number(model, multiplications):
    """GFLOPS of the table of pretrained weights of torchvision, which counts a multiplication with
    its addition as one.
    """
    assert flops(model, jax.ShapeDtypeStruct((224, 224, 3), jnp.float32)) == pytest.approx(
        2 * multiplications, rel=TABLE
    )


def test_a_loop_counts_as_often_as_it_goes_round():
    x, block = jnp.ones((6, 3)), jnn.chain(jnn.dense(3), jnp.tanh)
    assert (
        flops(jnn.repeat(block, 4), x)
        == flops(jnn.repeat(block, 4, unroll=True), x)
        == 4 * flops(block, x)
    )
    assert flops(jnn.remat(block), x) == flops(block, x)
    width, steps = 5, 6
    assert flops(jnn.lstm(width), x) == 2 * steps * 4 * width * (3 + width)


def test_of_branches_the_most_expensive_counts():
    cheap, dear = (lambda x: x), (lambda x: x @ jnp.ones((3, 3)))
    model = jnn.function(lambda x: jax.lax.cond(x[0, 0] > 0, dear, cheap, x))
    assert flops(model, jnp.ones((6, 3))) == 2 * 6 * 3 * 3
