"""Networks of torchvision, in both directions."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jnn.interop import as_pretrained, load, save

CLOSE = 1e-8  # float64: the same sums in another order
COUNT = "num_batches_tracked"


def outputs(loaded, images):
    """What a model makes of images with channels first, in float64."""
    wide = lambda tree: jax.tree.map(lambda leaf: leaf.astype(jnp.float64), tree)
    x = jnp.moveaxis(jnp.asarray(images), -3, -1)
    return jax.jit(loaded.model.apply)(wide(loaded.params), wide(loaded.state), x)[0]


def compare_with_torchvision(name, tmp_path, *, size):
    """A random network of that name comes in, and another one goes out."""
    torch = pytest.importorskip("torch", reason="the live comparison needs torch==2.14.1")
    torchvision = pytest.importorskip("torchvision", reason="it needs torchvision==0.29.1")
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(num_classes=3).double()
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    theirs.train()(images)  # other running statistics than at first
    theirs.eval()

    given, again = tmp_path / "given", tmp_path / "again"
    given.mkdir()
    tensors = {key: value.numpy() for key, value in theirs.state_dict().items()}
    save_file(tensors, given / "model.safetensors")
    config = {"architecture": f"{name}.a_recipe", "num_classes": 3}
    (given / "config.json").write_text(json.dumps(config))
    loaded = load(given)
    assert_close(outputs(loaded, images.numpy()), theirs(images))
    save(again, loaded)
    after = load_file(again / "model.safetensors")
    assert after.keys() == {key for key in tensors if not key.endswith(COUNT)}
    for key, tensor in after.items():
        np.testing.assert_array_equal(tensor, tensors[key])

    rng = np.random.default_rng(0)
    changed = lambda leaf: leaf * (1 + 0.1 * jnp.asarray(rng.random(leaf.shape)))
    params, state = jax.tree.map(changed, (loaded.params, loaded.state))
    own = as_pretrained(name, loaded.settings, params, state=state)
    save(tmp_path / "own", own)
    tensors = load_file(tmp_path / "own/model.safetensors")
    theirs.load_state_dict({key: torch.tensor(tensor) for key, tensor in tensors.items()})
    assert_close(outputs(own, images.numpy()), theirs(images))


def assert_close(ours, theirs):
    """The same up to the order of sums."""
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=CLOSE * np.abs(expected).max())
