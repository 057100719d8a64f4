"""The task of learning embeddings that tell whether two examples have the same label."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import jax
import numpy as np

from jnn.data.batches import padded_batches
from jnn.data.splits import Splits
from jnn.model import Model
from jnn.scores.verification import area_under_curve, summarize
from jnn.sharding import on_mesh_of
from jnn.train.evaluate import Predict, predict_all
from jnn.train.experiment import once
from jnn.train.feed import in_memory
from jnn.train.loop import Fitted
from jnn.train.preparation import Preparation
from jnn.train.step import Objective
from jnn.train.task import Task

BATCH = 500
"""Images of a batch in validation."""


def verification(
    model: Model,
    objective: Objective,
    embed: Predict,
    splits: Splits,
    *,
    example: Any,
    preparation: Preparation,
    batch_size: int,
    baselines: Callable[[], Mapping[str, np.ndarray]],
    label: str = "person",
) -> Task:
    """Train by ``objective``; test by the cosines of embeddings of images of other people.

    ``embed(params, state, batch)`` gives embeddings ``(N, D)`` of length 1, ``baselines()`` those
    of the test part by other methods. Parts of ``splits`` have ``image`` ``(N, H, W, C)`` and the
    array ``label`` ``(N,)``, numbers of ``splits.classes``; no label is in two parts. Params are
    kept by the area under the ROC curve of the pairs of the validation part; where that is empty,
    the last are. Metrics are those of `jnn.scores.verification.summarize`, of which ``test/auc`` is
    that of the baselines. The report has maps of the embeddings, and of those of the first
    baseline.

    >>> import jax.numpy as jnp, jnn
    >>> from jnn.architectures.embedding_network import unit_length
    >>> rng = np.random.default_rng(0)
    >>> part = lambda *label: {"image": rng.random((12, 2, 2, 1)), "person": np.repeat(label, 6)}
    >>> splits = Splits(part(0, 1), part(2, 3), part(4, 5), tuple("abcdef"))
    >>> flat = lambda image: image.reshape(len(image), -1)
    >>> embed = lambda params, state, batch: unit_length(params * flat(batch["image"]))
    >>> example = jax.ShapeDtypeStruct((2, 2, 1), jnp.float32)
    >>> settings = {"example": example, "preparation": Preparation(example), "batch_size": 4}
    >>> pixels = lambda: {"pixels": flat(splits.test["image"])}
    >>> objective = lambda params, state, batch, key: (jnp.sum(params), (state, {}))
    >>> task = verification(
    ...     jnn.dense(1), objective, embed, splits, baselines=pixels, **settings
    ... )
    >>> scores = task.test(jnp.ones(4), {})
    >>> round(scores["test/auc"] - task.baselines()["pixels"], 3), task.best
    (0.0, 'validation/auc')
    """
    truth, validated = splits.test[label], len(splits.validation[label]) > 0
    of_test = once(partial(predict_all, embed, arrays=splits.test))
    others = cache(baselines)

    def validation_auc():
        auc, size = area_under_curve(splits.validation[label]), len(splits.validation[label])
        batches, _ = padded_batches(splits.validation, min(BATCH, size))
        batches = jax.device_put(batches)

        @jax.jit
        def of_batches(params, state, batches):
            z = jax.lax.map(lambda batch: embed(params, state, batch), batches)
            return {"validation/auc": auc(z.reshape(-1, z.shape[-1])[:size])}

        return lambda params, state: of_batches(params, state, on_mesh_of(params, batches, axis=1))

    def test(params: Any, state: Any) -> dict[str, float]:
        scores = summarize(of_test(params, state), truth)
        return {f"test/{name}": value for name, value in scores.items()}

    def sections(fitted: Fitted) -> list[Any]:
        """Scores, errors at all thresholds, hard photographs, and maps of the embeddings."""
        from jnn.explain.sections.face_verification import report

        embeddings = {"networks": of_test(fitted.params, fitted.state), **others()}
        mapped, image = list(embeddings)[:2], splits.test["image"]
        return report(image, truth, embeddings, splits.classes, mapped=mapped)

    return Task(
        model=model,
        objective=objective,
        feed=in_memory(splits.train, batch_size),
        example=example,
        preparation=preparation,
        validate=validation_auc() if validated else None,
        best="validation/auc" if validated else None,
        test=test,
        baselines=lambda: {name: summarize(z, truth)["auc"] for name, z in others().items()},
        sections=sections,
        data=splits.sizes,
    )
