"""A trained model as a folder that Hugging Face's transformers read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.export.checks import check_same
from jnn.interop import load, of_trained, save
from jnn.loaded import classifier

if TYPE_CHECKING:
    from jnn.loaded import Loaded

FOLDER = "transformers"


def write_transformers(folder: Path, trained: Loaded) -> dict[str, str]:
    """Write ``transformers`` into a folder; what it is, by name.

    It is read again, and what it makes of a random input is compared with what the trained model
    does. Raises `JnnError` as `jnn.interop.of_trained` does, and where they differ.
    """
    pretrained = of_trained(trained)
    save(folder / FOLDER, pretrained)
    classes = trained.preparation.classes if trained.preparation else ()
    again = classifier(folder / FOLDER) if classes else load(folder / FOLDER)
    x = _drawn(trained.example)

    def output(loaded: Any) -> dict[str, np.ndarray]:
        y = jax.jit(loaded.model.apply)(loaded.params, loaded.state, x)[0]
        return {"output": np.asarray(jax.nn.log_softmax(y) if classes else y)}

    check_same(FOLDER, output(again), output(trained))
    name = pretrained.config["architectures"][0]
    about = f"`transformers.{name}.from_pretrained` reads it: weights, settings, names of classes"
    return {FOLDER: about}


def _drawn(example: jax.ShapeDtypeStruct) -> jax.Array:
    """A random text or picture: its own mirror image, as a run may take the mean over both."""
    rng = np.random.default_rng(0)
    if np.issubdtype(example.dtype, np.integer):
        return jnp.asarray(rng.integers(0, 2, example.shape), example.dtype)
    x = rng.random(example.shape, np.float32)
    return jnp.asarray(x + x[:, ::-1]) / 2
