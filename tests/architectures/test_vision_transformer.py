"""The vision transformer: what it refuses, and that it sees where patches are. Its values are
compared with Hugging Face's.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.vision_transformer import VisionTransformerConfig, vision_transformer

TINY = {"outputs": 3, "image_size": (4, 8), "patch_size": 2, "width": 8, "depth": 1, "heads": 2}
IMAGE = jnp.cos(jnp.arange(64.0)).reshape(4, 8, 2)


@pytest.mark.slow
def test_every_pixel_matters_and_so_does_its_place():
    model = vision_transformer(VisionTransformerConfig(**TINY))
    params, _ = jax.jit(model.init)(jax.random.key(0), IMAGE)
    params["positions"]["embedding"] = jax.random.normal(jax.random.key(1), (9, 8))
    run = jax.jit(lambda x: model.apply(params, {}, x)[0])
    assert np.all(jax.jacobian(run)(IMAGE) != 0)
    assert np.all(run(jnp.roll(IMAGE, 2, axis=1)) != run(IMAGE))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"patch_size": 3},
            (
                r"VisionTransformerConfig: got patch_size=3 for image_size=\(4, 8\), "
                r"expected a divisor of height and width"
            ),
        ),
        (
            {"positions": "rotary"},
            r"VisionTransformerConfig: got positions='rotary', expected 'learned'",
        ),
        ({"outputs": 0}, r"VisionTransformerConfig: got outputs=0"),
        ({"heads": 3}, r"VisionTransformerConfig: got heads=3 for width=8"),
        (
            {"distillation_head": True},
            r"got distillation_head=True and distilled=False, expected distilled=True",
        ),
    ],
    ids=str,
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match=message):
        VisionTransformerConfig(**{**TINY, **settings})


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            jnp.ones((8, 4, 2)),
            (
                r"vision_transformer: got x of shape \(8, 4, 2\), expected \(..., 4, "
                r"8, C\). Resize the images"
            ),
        ),
        (
            jnp.ones((4, 8)),
            r"vision_transformer: got x of shape \(4, 8\), expected \(..., 4, 8, C\)",
        ),
        (jnp.ones((4, 8, 2), jnp.uint8), r"got x of dtype uint8, expected floating-point numbers"),
    ],
    ids=["other size", "no channels", "integers"],
)
def test_bad_input(x, message):
    with pytest.raises(jnn.JnnError, match=message):
        vision_transformer(VisionTransformerConfig(**TINY)).init(jax.random.key(0), x)
