"""VGG: the published numbers of parameters, and settings that are refused. Its values are compared
with torchvision's in tests/interop.
"""

import jax
import jax.numpy as jnp
import pytest

from jnn.architectures.vgg import VGGConfig, vgg
from jnn.errors import JnnError
from jnn.explain.inside.summary import parameter_count

TINY = {"outputs": 3, "depth": 11, "width": 1, "grid": 1, "hidden": 4}


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"depth": 11}, 132_863_336),
        ({"depth": 13}, 133_047_848),
        ({"depth": 16}, 138_357_544),
        ({"depth": 16, "batch_norm": True}, 138_365_992),
        ({"depth": 19}, 143_667_240),
    ],
)
def test_it_has_the_published_number_of_parameters(settings, count):
    image = jax.ShapeDtypeStruct((224, 224, 3), jnp.float32)
    assert parameter_count(vgg(VGGConfig(outputs=1000, **settings)), image) == count


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 12}, "VGGConfig: got depth=12, expected one of 11, 13, 16, 19"),
        ({"dropout": 1.5}, "VGGConfig: got dropout=1.5"),
        ({"grid": 0}, "VGGConfig: got grid=0"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(JnnError, match=message):
        vgg(VGGConfig(**TINY | settings))
