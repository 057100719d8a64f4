"""VGG of torchvision: outputs, names, and the dense layer on flattened feature maps."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jnn.architectures.vgg import vgg
from jnn.interop import load, save
from jnn.interop.families import FAMILIES
from jnn.interop.families.vgg import of_channels_first
from jnn.interop.maps import expected, joined

CLOSE = 1e-8  # float64: the same sums in another order


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
@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_outputs_are_those_of_torchvision(name, tmp_path, float64):
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(num_classes=3)
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    (tmp_path / "given").mkdir()
    tensors = {key: value.numpy() for key, value in model.state_dict().items()}
    save_file(tensors, tmp_path / "given/model.safetensors")
    config = {"architecture": name, "num_classes": 3}
    (tmp_path / "given/config.json").write_text(json.dumps(config))
    loaded = load(tmp_path / "given")
    y = jax.jit(loaded.model.apply)(
        *(
            jax.tree.map(lambda leaf: leaf.astype(jnp.float64), tree)
            for tree in (loaded.params, loaded.state)
        ),
        jnp.moveaxis(jnp.asarray(images.numpy()), 1, -1),
    )[0]
    expected_y = model.double().eval()(images).detach().numpy()
    np.testing.assert_allclose(y, expected_y, rtol=0, atol=CLOSE * np.abs(expected_y).max())
    save(tmp_path / "again", loaded)
    for key, tensor in load_file(tmp_path / "again/model.safetensors").items():
        np.testing.assert_array_equal(tensor, tensors[key])
