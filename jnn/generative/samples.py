"""Images that a generative model draws, and samples that are kept while it trains."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jnn.data.array_files import write_array
from jnn.errors import mistake
from jnn.files import writable
from jnn.generative.objectives import Generative


def draw_images(
    generative: Generative,
    params: Any,
    state: Any,
    label: np.ndarray,
    *,
    noise: np.ndarray | None = None,
    seed: int = 0,
    batch_size: int = 100,
) -> np.ndarray:
    """Images of the classes ``label`` ``(N,)``: ``(N, H, W, C)`` from 0 to 1, float32.

    They are drawn from ``noise`` ``(N, *generative.noise)``, by default normal numbers of ``seed``,
    in batches of ``batch_size``, the last of which is padded: there is one program for any N.

    >>> import jax
    >>> from jnn.architectures.vae import VAEConfig
    >>> from jnn.generative.objectives import variational
    >>> config = VAEConfig(shape=(8, 8, 1), classes=3, channels=(4,), hidden=8, latent=2)
    >>> generative = variational(config)
    >>> kept = generative.model.init(jax.random.key(0), generative.example)
    >>> draw_images(generative, *kept, np.array([0, 1, 2, 0, 1]), batch_size=2).shape
    (5, 8, 8, 1)
    """
    count = len(label)
    if noise is None:
        noise = np.random.default_rng(seed).standard_normal((count, *generative.noise))
    if not count or np.shape(noise) != (count, *generative.noise):
        got = f"{count} labels and noise of shape {np.shape(noise)}"
        expected = f"N labels, one at least, and noise of shape (N, *{generative.noise})"
        raise mistake("draw_images", got=got, expected=expected)
    padded = np.arange(-(-count // batch_size) * batch_size) % count
    x = {"noise": noise.astype(np.float32)[padded], "label": label.astype(np.int32)[padded]}
    batch = lambda i: {name: array[i : i + batch_size] for name, array in x.items()}
    starts = range(0, len(padded), batch_size)
    images = [generative.draw(params, state, batch(i)) for i in starts]
    return np.concatenate([np.asarray(image, np.float32) for image in images])[:count]


def asked_classes(prompt: str, classes: Sequence[str]) -> list[int]:
    """The numbers of the classes that a prompt asks for: of all where it is empty, or of one.

    Case and outer spaces do not matter. Raises `JnnError` for what is no name of a class.

    >>> asked_classes(" dog", ["Cat", "Dog"]), asked_classes("", ["Cat", "Dog"])
    ([1], [0, 1])
    """
    name = prompt.strip().lower()
    asked = [k for k, other in enumerate(classes) if name in ("", other.lower())]
    if not asked:
        expected = f"nothing, or one of {', '.join(classes)}"
        raise mistake("generate", got=f"prompt={prompt!r}", expected=expected)
    return asked


def samples_of_classes(
    generative: Generative, params: Any, state: Any, classes: int, count: int, *, seed: int = 0
) -> np.ndarray:
    """``count`` images of each class: ``(classes, count, H, W, C)``.

    >>> import jax
    >>> from jnn.architectures.vae import VAEConfig
    >>> from jnn.generative.objectives import variational
    >>> config = VAEConfig(shape=(8, 8, 1), classes=3, channels=(4,), hidden=8, latent=2)
    >>> generative = variational(config)
    >>> kept = generative.model.init(jax.random.key(0), generative.example)
    >>> samples_of_classes(generative, *kept, 3, 2).shape
    (3, 2, 8, 8, 1)
    """
    return _by_class(generative, params, state, classes, count, seed=seed)


def interpolations(
    generative: Generative, params: Any, state: Any, classes: int, count: int, *, seed: int = 0
) -> np.ndarray:
    """``count`` images of each class on the way from one noise to another, by `between`.

    They are ``(classes, count, H, W, C)``.

    >>> import jax
    >>> from jnn.architectures.vae import VAEConfig
    >>> from jnn.generative.objectives import variational
    >>> config = VAEConfig(shape=(8, 8, 1), classes=3, channels=(4,), hidden=8, latent=2)
    >>> generative = variational(config)
    >>> kept = generative.model.init(jax.random.key(0), generative.example)
    >>> interpolations(generative, *kept, 3, 2).shape
    (3, 2, 8, 8, 1)
    """
    first, last = np.random.default_rng(seed).standard_normal((2, classes, *generative.noise))
    noise = between(first, last, count).reshape(-1, *generative.noise)
    return _by_class(generative, params, state, classes, count, noise=noise)


def _by_class(
    generative: Generative, params: Any, state: Any, classes: int, count: int, **options: Any
) -> np.ndarray:
    """`draw_images` of ``count`` labels of each class: ``(classes, count, H, W, C)``."""
    label = np.repeat(np.arange(classes), count)
    images = draw_images(generative, params, state, label, **options)
    return images.reshape(classes, count, *images.shape[1:])


def between(first: np.ndarray, last: np.ndarray, count: int) -> np.ndarray:
    """Spherical interpolation from ``first`` ``(N, ...)`` to ``last``: ``(N, count, ...)``.

    ``sin((1 - w) θ) / sin θ a + sin(w θ) / sin θ b`` with θ the angle between a and b, w from 0 to
    1. On a straight line between two normal vectors, points would be shorter than any noise that a
    generator was trained on.

    Source: White 2016, https://arxiv.org/abs/1609.04468.

    >>> path = between(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 3)
    >>> path.round(3).tolist()
    [[[1.0, 0.0], [0.707, 0.707], [0.0, 1.0]]]
    """
    a, b = np.asarray(first, np.float64), np.asarray(last, np.float64)
    if a.shape != b.shape or a.ndim < 2 or count < 2:
        raise mistake(
            "between",
            got=f"shapes {a.shape} and {b.shape}, count={count}",
            expected="equal shapes (N, ...), and 2 points at least",
        )
    flat_a, flat_b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    lengths = np.linalg.norm(flat_a, axis=1) * np.linalg.norm(flat_b, axis=1)
    cosine = np.sum(flat_a * flat_b, axis=1) / lengths
    angle = np.arccos(np.clip(cosine, -1, 1))[:, None]
    weight = np.linspace(0, 1, count)[None]
    sine = np.maximum(np.sin(angle), 1e-12)
    parallel = np.sin(angle) < 1e-6
    left = np.where(parallel, 1 - weight, np.sin((1 - weight) * angle) / sine)
    right = np.where(parallel, weight, np.sin(weight * angle) / sine)
    wide = (len(a), count, *(1,) * (a.ndim - 1))
    return left.reshape(wide) * a[:, None] + right.reshape(wide) * b[:, None]


def keep_samples(folder: Path, step: int, images: np.ndarray) -> None:
    """Write images ``(N, H, W, C)`` from 0 to 1 of a step of training, as bytes, to a folder."""
    with writable(folder):
        folder.mkdir(exist_ok=True)
    write_array(folder / f"{step:08}.npy", np.rint(255 * images).astype(np.uint8))


def kept_samples(folder: Path, *, most: int = 6) -> dict[int, np.ndarray]:
    """``{step: images}`` of at most so many steps, from the first that was kept to the last.

    Early steps, in which samples change fastest, are closer to each other.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for step in range(10, 310, 10):
    ...         keep_samples(Path(folder), step, np.ones((2, 8, 8, 1)))
    ...     list(kept_samples(Path(folder), most=4))
    [10, 30, 100, 300]
    """
    paths = sorted(folder.glob("*.npy"))
    if not paths:
        raise mistake(str(folder), got="no samples", expected="those of a step or more")
    chosen = sorted({round(i) for i in np.geomspace(1, len(paths), min(most, len(paths)))})
    return {int(paths[i - 1].stem): np.load(paths[i - 1]) / 255 for i in chosen}
