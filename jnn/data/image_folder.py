"""A folder of pictures, a sub-folder for each class, read one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jnn.data.fingerprint import fingerprint_files
from jnn.errors import mistake

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# more than 8 bits, which Pillow would clip without a word
WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """Pictures and their classes, by their number:
    ``{"image": (H, W, C) uint8, "label": () int32}``; made by `image_folder`.
    """

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    identity: dict[str, Any]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        image = read_image(self.files[index], size=self.size, channels=self.channels)
        return {"image": image, "label": np.asarray(self.labels[index], np.int32)}


def image_folder(
    path: str | Path,
    *,
    size: tuple[int, int],
    channels: int = 3,
    classes: Sequence[str] | None = None,
    contents: bool = True,
) -> ImageFolder:
    """The pictures under ``path/<class>/``, at any depth, in the order of their names; files with
    other suffixes are passed over.

    ``size`` is (height, width) in pixels, as in `read_image`. ``classes`` are the names of the
    sub-folders in the order of the labels, by default alphabetical: give the validation part the
    classes of the training part. ``contents`` reads every byte once now, so that a run on altered
    pictures is not resumed; without it their names and sizes tell them apart.

    Raises JnnError where there is no such folder, no picture, a class without any, or a picture
    that is in no class.
    """
    path = Path(path)
    if channels not in MODES or len(size) != 2 or min(size) < 1:
        got = f"size={size}, channels={channels}"
        raise mistake(
            "image_folder", got=got, expected="(height, width) of at least 1 and 1, 3 or 4 channels"
        )
    if not path.is_dir():
        raise mistake(
            f"image folder {path}",
            got="no such folder",
            expected="one with a sub-folder for each class",
        )
    found = _pictures(path)
    names = tuple(sorted(found) if classes is None else classes)
    if unknown := sorted(set(found) - set(names)):
        raise mistake(
            f"image folder {path}",
            got=f"a sub-folder {unknown[0]!r}",
            expected=f"the classes {', '.join(names)}",
        )
    files = tuple(file for name in names for file in found.get(name, ()))
    labels = tuple(label for label, name in enumerate(names) for _ in found.get(name, ()))
    form = {"size": list(size), "channels": channels, "classes": list(names)}
    identity = {
        "kind": "image_folder",
        **form,
        "sha256": fingerprint_files(path, files, contents=contents),
        "contents": contents,
    }
    return ImageFolder(
        files=files,
        labels=labels,
        classes=names,
        size=(size[0], size[1]),
        channels=channels,
        identity=identity,
    )


def _pictures(path: Path) -> dict[str, list[Path]]:
    """The files of each class."""
    found = {
        folder.name: []
        for folder in path.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    }
    for file in sorted(path.rglob("*")):
        within = file.relative_to(path).parts
        if (
            file.suffix.lower() not in SUFFIXES
            or any(part.startswith(".") for part in within)
            or not file.is_file()
        ):
            continue
        if len(within) == 1:
            raise mistake(
                f"image folder {path}",
                got=f"{file.name} in no sub-folder",
                expected="every picture in that of its class",
            )
        found[within[0]].append(file)
    if empty := sorted(name for name, files in found.items() if not files):
        raise mistake(
            f"image folder {path}",
            got=f"no picture in {empty[0]}",
            expected=f"some ({' '.join(SUFFIXES)}) in every sub-folder",
        )
    if not found:
        raise mistake(
            f"image folder {path}",
            got="no sub-folders",
            expected="one for each class, with pictures in it",
        )
    return found


def read_image(path: str | Path, *, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """A picture as (H, W, C) uint8: its largest middle part of the shape of ``size``, (height,
    width), scaled to it (bicubic).

    It is turned as its EXIF tag says. Grey becomes colour by repetition and colour grey by the luma
    of ITU-R 601; transparency is dropped where ``channels`` is not 4. Raises JnnError that names
    the file where it cannot be read, or has more than 8 bits a channel.
    """
    from PIL import Image, ImageOps  # comes with matplotlib

    height, width = size
    try:
        with Image.open(path) as image:
            mode = image.mode
            image = ImageOps.exif_transpose(image)
            image = image.convert("RGBA") if mode == "P" else image  # a palette may be transparent
            image = image.convert(MODES[channels])
            pixels = np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC))
    except Exception as error:  # of many classes, as decoders have it
        reason = f"{type(error).__name__}: {error}"
        raise mistake(
            str(path),
            got=reason,
            expected="a picture that can be read",
            remedy="Mend or remove the file.",
        ) from error
    if mode in WIDE_MODES:
        remedy = "Convert it to 8 bits, scaled as your data needs."
        raise mistake(
            str(path), got=f"a picture of mode {mode}", expected="8 bits a channel", remedy=remedy
        )
    return pixels.reshape(height, width, channels)
