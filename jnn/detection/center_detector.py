"""A network of center maps as a detector: what is detected in images, and its losses."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jnn.data.image_scaling import to_float
from jnn.detection.center_points import Detections, decode
from jnn.detection.objective import image_losses
from jnn.model import Model


class CenterDetector(NamedTuple):
    """A network that gives maps of the centers of objects, and how detections are read from them.

    ``model``       images ``(..., H, W, C)`` from 0 to 1 -> maps, as those of
                    `jnn.architectures.detector`
    ``candidates``  detections in an image, before those that overlap others are suppressed
    ``overlap``     IoU above which the less confident of two detections of a class is suppressed

    >>> import jnn
    >>> heat = lambda image: jnp.where(image.mean(axis=-1, keepdims=True) > 0.5, 4.0, -4.0)
    >>> box = lambda image: jnp.zeros((*image.shape[:-1], 4))
    >>> model = jnn.chain(lambda image: {"heat": heat(image), "box": box(image)})
    >>> detector = CenterDetector(model, candidates=2)
    >>> image = jnp.zeros((1, 2, 3, 1)).at[0, 1, 0].set(1.0).at[0, 1, 2].set(1.0)
    >>> detections = jax.jit(detector.detect)({}, {}, {"image": image})  # of cells of 4 pixels
    >>> detections.boxes[0].tolist()
    [[0.0, 4.0, 4.0, 8.0], [8.0, 4.0, 12.0, 8.0]]
    """

    model: Model
    candidates: int = 100
    overlap: float = 0.5

    def maps(self, params: Any, state: Any, image: Any) -> dict[str, jax.Array]:
        """The maps of images ``(..., H, W, C)``, bytes or floats."""
        return self.model.apply(params, state, to_float(image))[0]

    def detect(self, params: Any, state: Any, batch: Mapping[str, Any]) -> Detections:
        """The detections in the ``image`` ``(..., H, W, C)`` of a batch.

        They are by the mean heat of the images and of their mirror images.
        """
        image = batch["image"]
        output, mirrored = (
            self.maps(params, state, view) for view in (image, jnp.flip(image, axis=-2))
        )
        heat = (output["heat"] + jnp.flip(mirrored["heat"], axis=-2)) / 2
        settings = {"candidates": self.candidates, "threshold": self.overlap}
        return decode({**output, "heat": heat}, **settings)

    def losses(self, params: Any, state: Any, batch: Mapping[str, Any]) -> dict[str, jax.Array]:
        """The `jnn.detection.objective.image_losses` of a batch, for `loss_of_objects`."""
        image = batch["image"]
        return image_losses(self.maps(params, state, image), batch, image.shape[-3:-1])

    def predictor(self) -> Model:
        """Images -> ``label``, ``score`` ``(..., N)`` and ``box`` ``(..., N, 4)``, for `jnn.load`.

        N is the number of candidates, by decreasing score; that of a box which is suppressed is 0.
        Corners are ``left, top, right, bottom``, in pixels. Classes are numbered as in the data.
        """

        def apply(params, state, x, *, key=None, train=False, mask=None):
            detections = self.detect(params, state, {"image": x})
            score = jnp.maximum(detections.scores, 0)  # -inf of what is suppressed
            return {"label": detections.labels, "score": score, "box": detections.boxes}, state

        return Model(self.model.init, apply)
