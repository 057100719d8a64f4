"""The task of verification: how its validation sees the images."""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.metrics import roc_auc_score

import jnn
from jnn.data.splits import Splits
from jnn.tasks.verification_task import verification
from jnn.train import Preparation

EXAMPLE = jax.ShapeDtypeStruct((2, 2, 1), jnp.float32)
SINGLE = 1e-4  # float32: some of 180,000 pairs may change places


def test_validation_takes_images_as_arguments_in_batches():
    rng = np.random.default_rng(0)

    def part(n):
        person = np.maximum(np.arange(n) - 3, 0)  # the first four images are of one
        return {"image": rng.random((n, 2, 2, 1), np.float32), "person": person}

    splits, seen = Splits(part(6), part(602), part(6), ()), []

    def embed(params, state, batch):
        seen.append(batch["image"])
        z = params * batch["image"].reshape(len(batch["image"]), -1)
        return z / jnp.linalg.norm(z, axis=-1, keepdims=True)

    settings = {"example": EXAMPLE, "preparation": Preparation(EXAMPLE), "batch_size": 4}
    objective = lambda params, state, batch, key: (jnp.sum(params), (state, {}))
    task = verification(jnn.dense(1), objective, embed, splits, baselines=dict, **settings)
    auc = task.validate(jnp.ones(4), {})["validation/auc"]
    assert all(isinstance(image, jax.core.Tracer) and len(image) <= 500 for image in seen)
    image, person = splits.validation["image"], splits.validation["person"]
    z = image.reshape(len(image), -1).astype(np.float64)
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    first, second = np.triu_indices(len(z), k=1)
    expected = roc_auc_score(person[first] == person[second], (z @ z.T)[first, second])
    np.testing.assert_allclose(auc, expected, rtol=SINGLE)
