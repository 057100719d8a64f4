"""Residual networks of transformers and of torchvision: outputs, running statistics, and names."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from jnn.architectures.resnet import ResNetConfig, resnet
from jnn.errors import JnnError
from jnn.interop import as_pretrained, load, save
from jnn.interop.families import FAMILIES
from tests.interop.conftest import written
from tests.interop.torch_vision import CLOSE, compare_with_torchvision, outputs
from tests.references import from_table

COUNT = "num_batches_tracked"


def loaded_twice(folder, tmp_path):
    """What is loaded, and the tensors before and after it is saved."""
    loaded = load(folder)
    save(tmp_path / "again", loaded)
    before, after = (load_file(f / "model.safetensors") for f in (folder, tmp_path / "again"))
    kept = {key: tensor for key, tensor in before.items() if not key.endswith(COUNT)}
    assert set(loaded.ignored) == set(before) - set(kept)
    assert kept.keys() == after.keys()
    for key, tensor in kept.items():
        assert tensor.dtype == after[key].dtype
        np.testing.assert_array_equal(tensor, after[key])
    return loaded


@pytest.mark.parametrize(
    "name",
    [
        "bottlenecks, other sizes",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("basic blocks, other sizes", "resnet18", "resnet50")
        ),
    ],
)
def test_outputs_are_those_of_transformers(name, reference, tmp_path, float64):
    case = reference("interop_images", name)
    loaded = loaded_twice(written(tmp_path / "given", case), tmp_path)
    y = outputs(loaded, case["x/pixel_values"])
    np.testing.assert_allclose(y, case["y"], rtol=0, atol=CLOSE * np.abs(case["y"]).max())


TORCHVISION = "resnet18 resnet34 resnet50 resnet101 resnet152 wide_resnet50_2 wide_resnet101_2"
TORCHVISION = [*TORCHVISION.split(), "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"]


@pytest.mark.torch
@pytest.mark.parametrize("name", TORCHVISION)
def test_outputs_are_those_of_torchvision_and_it_reads_what_is_written(name, tmp_path, float64):
    compare_with_torchvision(name, tmp_path, size=(40, 48))


@pytest.mark.parametrize("name", [*TORCHVISION, "resnet26"])
def test_the_map_of_torchvision_has_its_names(name):
    family = FAMILIES[name]
    config = family.config(outputs=1000, **family.constants)
    keys, depth = [row.key for row in family.rows(config)], config.depth
    assert len(keys) == len(set(keys))
    convolutions = [key for key in keys if ".conv" in key or key.startswith("conv")]
    shortcuts = [key for key in keys if key.endswith("downsample.0.weight")]
    assert len(convolutions) + 1 == depth  # and the last layer
    assert len(shortcuts) == (4 if config.is_bottleneck else 3)
    some = {"conv1.weight", "bn1.running_var", "layer4.1.bn2.weight", "fc.bias"}
    assert some <= set(keys)


@pytest.mark.slow  # those of a network of jnn are written and read in make test
def test_statistics_are_state_and_go_with_params(tmp_path):
    loaded = load(written(tmp_path / "given", from_table("interop_images", "resnet18")))
    assert set(loaded.state["stem"]["norm"]) == {"mean", "variance"}
    state = jax.tree.map(lambda leaf: leaf + 1, loaded.state)
    save(tmp_path / "trained", dataclasses.replace(loaded, state=state))
    again = load(tmp_path / "trained")
    jax.tree.map(np.testing.assert_array_equal, again.state, state)
    jax.tree.map(np.testing.assert_array_equal, again.params, loaded.params)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depths": [1, 1, 1, 1]}, r"got the tensor resnet.encoder.stages.0.layers.1.layer.0."),
        ({"depths": [2, 0, 2, 2]}, r"depths=\[2, 0, 2, 2\] in place of an integer for each st"),
        ({"depths": [10**9] * 4}, r"depths=\[10+, .* in place of"),
        ({"depths": 4}, r"depths=4 in place of an integer for each stage"),
        ({"layer_type": "wide"}, r"layer_type='wide' in place of 'basic' or 'bottleneck'"),
        ({"hidden_sizes": [2, 4, 8]}, r"\[2, 4, 8\] for depths=\[2, 2, 2, 2\]"),
        ({"hidden_sizes": [2, 4, 8, 8]}, r"shape \(16, 8, 3, 3\), expected \(8, 8, 3, 3\)"),
        ({"hidden_act": "gelu"}, "hidden_act='gelu', expected 'relu'"),
        ({"downsample_in_first_stage": True}, "downsample_in_first_stage=True, expected False"),
    ],
)
def test_networks_that_are_none_of_these_are_refused(changes, message, tmp_path):
    folder = written(tmp_path / "given", from_table("interop_images", "resnet18"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(JnnError, match=message):
        load(folder)


OWN = ResNetConfig(outputs=3, width=2, depth=6, blocks=(1, 1), zero_last_scale=True)


def own(settings=OWN):
    """A network of jnn, and its statistics, as one of transformers."""
    init = lambda key: resnet(settings).init(key, jnp.ones((32, 32, 3)))
    like = jax.eval_shape(init, jax.random.key(0))
    rng = np.random.default_rng(0)
    draw = lambda leaf: jnp.asarray(np.abs(rng.normal(0.3, 0.3, leaf.shape)), jnp.float32)
    return jax.tree.map(draw, like)


@pytest.mark.slow
def test_a_network_of_jnn_is_written_with_its_statistics(tmp_path):
    params, state = own()
    save(tmp_path / "own", as_pretrained("resnet", OWN, params, state=state))
    again = load(tmp_path / "own")
    assert again.settings == dataclasses.replace(OWN, zero_last_scale=False)
    jax.tree.map(np.testing.assert_array_equal, (again.params, again.state), (params, state))
    grouped = dataclasses.replace(OWN, depth=5, blocks=(1,), groups=2)
    params, state = own(grouped)
    with pytest.raises(JnnError, match=r"as_pretrained: got groups=2 \(there 1\), expected setti"):
        as_pretrained("resnet", grouped, params, state=state)
    with pytest.raises(JnnError, match="as_pretrained: got no state, expected those of these"):
        as_pretrained("resnet", grouped, params)


@pytest.mark.torch
def test_transformers_read_a_network_of_jnn(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    params, state = own()
    save(tmp_path / "own", as_pretrained("resnet", OWN, params, state=state))
    theirs = transformers.ResNetForImageClassification.from_pretrained(tmp_path / "own").eval()
    images = np.random.default_rng(1).normal(size=(2, 3, 32, 32)).astype(np.float32)
    y = theirs.float()(torch.tensor(images)).logits.detach().numpy()
    ours = jax.jit(resnet(OWN).apply)(params, state, np.moveaxis(images, 1, -1))[0]
    np.testing.assert_allclose(ours, y, rtol=0, atol=2e-5 * np.abs(y).max())  # float32
