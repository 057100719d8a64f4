"""The ORL (AT&T) faces: 40 people, ten photographs each."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from jnn.data.fetch.sources import SOURCES, fetch
from jnn.data.splits import Splits
from jnn.errors import mistake

HEIGHT, WIDTH = 112, 92

_HEADER = rb"P5\r?\n92 112\r?\n255\r?\n"


def load_faces(*, offline: bool = False) -> dict[str, np.ndarray]:
    """The photographs of persons 0 to 39, ten of each, in order.

    They are ``{"image": (400, 112, 92, 1) uint8, "person": (400,) int32}``, not split:
    identification splits the images of each person, verification the persons.
    """
    images = read_faces((fetch(SOURCES["faces"], offline=offline) / "orl_faces.pgm").read_bytes())
    return {"image": images[..., None], "person": np.repeat(np.arange(40, dtype=np.int32), 10)}


def synthetic_faces() -> dict[str, np.ndarray]:
    """In the form of `load_faces`: for each person a pattern of few large pixels, with noise.

    >>> {name: array.shape for name, array in synthetic_faces().items()}
    {'image': (400, 112, 92, 1), 'person': (400,)}
    """
    rng = np.random.default_rng(0)
    pattern = np.kron(rng.integers(0, 256, (40, 7, 6)), np.ones((1, 16, 16), int))
    image = pattern[:, :HEIGHT, :WIDTH].repeat(10, axis=0)
    image = image + rng.integers(-90, 90, image.shape)
    person = np.arange(40, dtype=np.int32).repeat(10)
    return {"image": np.clip(image, 0, 255).astype(np.uint8)[..., None], "person": person}


def split_people(
    faces: dict[str, np.ndarray], test: Collection[int], *, held: Collection[int] = ()
) -> Splits:
    """All photographs of some persons for the test, of others held out for validation.

    The classes are the names of all persons in the published set, s1, s2, ...

    >>> faces = {"image": np.zeros((8, 2, 2, 1)), "person": np.arange(8) // 2}
    >>> splits = split_people(faces, [3], held=[0])
    >>> splits.sizes, splits.test["person"].tolist(), splits.classes
    ({'train': 4, 'validation': 2, 'test': 2}, [3, 3], ('s1', 's2', 's3', 's4'))
    """
    tested, kept = (np.isin(faces["person"], list(people)) for people in (test, held))
    part = lambda rows: {name: array[rows] for name, array in faces.items()}
    names = tuple(f"s{k + 1}" for k in range(faces["person"].max() + 1))
    return Splits(part(~tested & ~kept), part(kept), part(tested), names)


def read_faces(content: bytes) -> np.ndarray:
    """The images (N, 112, 92) uint8 of a file of concatenated binary PGM images of that size.

    152 of the 400 published files went through a text conversion, which put a 13 before each pixel
    of value 10 and so shifted all pixels after it; it is undone here. Two of these files also lost
    their last pixel, which becomes a copy of the previous one.
    """
    images = []
    for part in re.split(rb"(?=" + _HEADER + rb")", content):
        if not part:
            continue
        whole = part.replace(b"\r\n", b"\n") if part.startswith(b"P5\r") else part
        pixels = re.sub(_HEADER, b"", whole, count=1)
        missing = HEIGHT * WIDTH - len(pixels)
        if missing not in (0, 1) or pixels == whole:
            raise mistake(
                "read_faces",
                got=f"{len(pixels)} bytes for image {len(images)}",
                expected=f"{HEIGHT * WIDTH} after a PGM header",
            )
        pixels += pixels[-1:] * missing
        images.append(np.frombuffer(pixels, np.uint8).reshape(HEIGHT, WIDTH))
    return np.stack(images)
