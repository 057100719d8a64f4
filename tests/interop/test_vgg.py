"""VGG of torchvision: outputs, names, and the dense layer on flattened feature maps."""

import jax
import numpy as np
import pytest

from jnn.architectures.vgg import vgg
from jnn.interop.families import FAMILIES
from jnn.interop.families.vgg import of_channels_first
from jnn.interop.maps import expected, joined
from tests.interop.torch_vision import compare_with_torchvision


def test_a_dense_layer_reads_feature_maps_in_another_order():
    C, g, D = 3, 2, 5
    rng = np.random.default_rng(0)
    maps, weight = rng.normal(size=(C, g, g)), rng.normal(size=(D, C * g * g))
    operation = of_channels_first(C, g, D)
    (kernel,) = operation.read(weight)
    np.testing.assert_allclose(np.moveaxis(maps, 0, -1).ravel() @ kernel, weight @ maps.ravel())
    np.testing.assert_array_equal(operation.write(kernel), weight)


@pytest.mark.parametrize(
    ("name", "last", "shape"),
    [
        ("vgg11", "features.18.weight", (512, 512, 3, 3)),
        ("vgg16", "features.28.weight", (512, 512, 3, 3)),
        ("vgg19_bn", "features.50.running_var", (512,)),
    ],
)
def test_the_map_has_the_names_and_shapes_of_torchvision(name, last, shape):
    family = FAMILIES[name]
    config = family.config(outputs=1000, **family.constants)
    like = jax.eval_shape(vgg(config).init, jax.random.key(0), family.example(config))
    shapes = expected(family.rows(config), joined(*like))
    assert shapes["features.0.weight"] == (64, 3, 3, 3)
    assert shapes["classifier.0.weight"] == (4096, 25088)
    assert shapes["classifier.6.bias"] == (1000,)
    assert shapes[last] == shape
    depth = config.depth
    assert sum(len(shape) > 1 for shape in shapes.values()) == depth


@pytest.mark.torch
@pytest.mark.parametrize("name", [f"vgg{n}{bn}" for n in (11, 13, 16, 19) for bn in ("", "_bn")])
def test_outputs_are_those_of_torchvision_and_it_reads_what_is_written(name, tmp_path, float64):
    compare_with_torchvision(name, tmp_path, size=(64, 96))
