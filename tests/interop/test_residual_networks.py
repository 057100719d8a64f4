"""Residual networks of transformers and of torchvision: outputs, running statistics, and names."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jnn.architectures.resnet import ResNetConfig, resnet
from jnn.errors import JnnError
from jnn.interop import as_pretrained, load, save
from jnn.interop.families import FAMILIES
from tests.interop.conftest import written
from tests.references import from_table

CLOSE = 1e-8  # float64: the same sums in another order
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


def outputs(loaded, images):
    wide = lambda tree: jax.tree.map(lambda leaf: leaf.astype(jnp.float64), tree)
    x = jnp.moveaxis(jnp.asarray(images), -3, -1)
    return jax.jit(loaded.model.apply)(wide(loaded.params), wide(loaded.state), x)[0]


@pytest.mark.parametrize("name", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_outputs_are_those_of_transformers(name, reference, tmp_path, float64):
    case = reference("interop_images", name)
    loaded = loaded_twice(written(tmp_path / "given", case), tmp_path)
    y = outputs(loaded, case["x/pixel_values"])
    np.testing.assert_allclose(y, case["y"], rtol=0, atol=CLOSE * np.abs(case["y"]).max())


@pytest.mark.torch
@pytest.mark.parametrize("depth", [18, 50])
def test_outputs_are_those_of_torchvision(depth, tmp_path, float64):
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    model = getattr(torchvision.models, f"resnet{depth}")(num_classes=3).double()
    images = torch.randn(2, 3, 40, 48, dtype=torch.float64)
    model.train()(images)  # other running statistics than at first
    (tmp_path / "given").mkdir()
    tensors = {key: value.numpy() for key, value in model.state_dict().items()}
    save_file(tensors, tmp_path / "given/model.safetensors")
    config = {"architecture": f"resnet{depth}.a_recipe", "num_classes": 3}
    (tmp_path / "given/config.json").write_text(json.dumps(config))
    loaded = loaded_twice(tmp_path / "given", tmp_path)
    expected = model.eval()(images).detach().numpy()
    np.testing.assert_allclose(outputs(loaded, images.numpy()), expected, atol=CLOSE)


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_the_map_of_torchvision_has_its_names(depth):
    family = FAMILIES[f"resnet{depth}"]
    keys = [row.key for row in family.rows(family.config(outputs=1000, depth=depth))]
    assert len(keys) == len(set(keys))
    convolutions = [key for key in keys if ".conv" in key or key.startswith("conv")]
    shortcuts = [key for key in keys if key.endswith("downsample.0.weight")]
    assert len(convolutions) + 1 == depth  # and the last layer
    assert len(shortcuts) == (3 if depth < 50 else 4)
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
        ({"depths": [1, 1, 1, 1]}, r"depths=\[1, 1, 1, 1\] of 'basic' blocks in place of"),
        (
            {"hidden_sizes": [2, 4, 8, 8]},
            r"\[2, 4, 8, 8\] in place of \[2, 4, 8, 16\]",
        ),
        ({"downsample_in_first_stage": True}, "downsample_in_first_stage=True, expected False"),
    ],
)
def test_networks_that_are_none_of_these_are_refused(changes, message, tmp_path):
    folder = written(tmp_path / "given", from_table("interop_images", "resnet18"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(JnnError, match=message):
        load(folder)


OWN = ResNetConfig(outputs=3, width=2, zero_last_scale=True)


def own():
    """A network of jnn, and its statistics, as one of transformers."""
    init = lambda key: resnet(OWN).init(key, jnp.ones((32, 32, 3)))
    like = jax.eval_shape(init, jax.random.key(0))
    rng = np.random.default_rng(0)
    draw = lambda leaf: jnp.asarray(np.abs(rng.normal(0.3, 0.3, leaf.shape)), jnp.float32)
    return jax.tree.map(draw, like)


def test_a_network_of_jnn_is_written_with_its_statistics(tmp_path):
    params, state = own()
    save(tmp_path / "own", as_pretrained("resnet", OWN, params, state=state))
    again = load(tmp_path / "own")
    jax.tree.map(np.testing.assert_array_equal, (again.params, again.state), (params, state))
    with pytest.raises(JnnError, match="as_pretrained: got no state, expected those of these"):
        as_pretrained("resnet", OWN, params)


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
