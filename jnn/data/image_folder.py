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
# more than 8 bits, which Pillow would clip silently
WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """Pictures and their classes, made by `image_folder`.

    An example is ``{"image": (H, W, C) uint8, "label": () int32}``.
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
    """The pictures under ``path/<class>/``, at any depth, in the order of their names.

    Files with other suffixes are ignored. ``size`` is (height, width) in pixels, as in
    `read_image`. ``classes`` are the names of the sub-folders in the order of the labels, by
    default alphabetical: give the validation part the classes of the training part. ``contents``
    reads every byte once now, so that a run on altered pictures is not resumed; without it pictures
    are identified by their names and sizes.

    Raises JnnError for a missing folder, no pictures, a class without pictures, or a picture in no
    class.
    """
    path = Path(path)
    if channels not in MODES or len(size) != 2 or min(size) < 1:
        got = f"size={size}, channels={channels}"
        expected = "(height, width) of at least 1 and 1, 3 or 4 channels"
        raise mistake("image_folder", got=got, expected=expected)
    folder = f"image folder {path}"
    if not path.is_dir():
        raise mistake(folder, got="no such folder", expected="one with a sub-folder for each class")
    pictures = _pictures(path)
    names = tuple(sorted(pictures) if classes is None else classes)
    if unknown := sorted(set(pictures) - set(names)):
        expected = f"the classes {', '.join(names)}"
        raise mistake(folder, got=f"a sub-folder {unknown[0]!r}", expected=expected)
    files = tuple(file for name in names for file in pictures.get(name, ()))
    labels = tuple(label for label, name in enumerate(names) for _ in pictures.get(name, ()))
    identity = {
        "kind": "image_folder",
        "size": list(size),
        "channels": channels,
        "classes": list(names),
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
    caller = f"image folder {path}"
    is_hidden = lambda name: name.startswith(".")
    folders = [folder for folder in path.iterdir() if folder.is_dir()]
    pictures = {folder.name: [] for folder in folders if not is_hidden(folder.name)}
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        is_picture = file.suffix.lower() in SUFFIXES and file.is_file()
        if not is_picture or any(map(is_hidden, parts)):
            continue
        if len(parts) == 1:
            got = f"{file.name} in no sub-folder"
            raise mistake(caller, got=got, expected="every picture in that of its class")
        pictures[parts[0]].append(file)
    if empty := sorted(name for name, files in pictures.items() if not files):
        expected = f"some ({' '.join(SUFFIXES)}) in every sub-folder"
        raise mistake(caller, got=f"no picture in {empty[0]}", expected=expected)
    if not pictures:
        expected = "one for each class, with pictures in it"
        raise mistake(caller, got="no sub-folders", expected=expected)
    return pictures


def read_image(path: str | Path, *, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """A picture as (H, W, C) uint8, cropped and scaled to ``size``, (height, width).

    It is its largest centre crop of that aspect ratio, scaled bicubically. The picture is rotated
    as its EXIF tag says. Grey becomes colour by repetition and colour grey by the luma of ITU-R
    601; transparency is dropped where ``channels`` is not 4.

    Raises JnnError with the name of a file that cannot be read or has more than 8 bits a channel.
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
    except Exception as error:  # decoders raise many classes
        raise mistake(
            str(path),
            got=f"{type(error).__name__}: {error}",
            expected="a picture that can be read",
            remedy="Repair or remove the file.",
        ) from error
    if mode in WIDE_MODES:
        raise mistake(
            str(path),
            got=f"a picture of mode {mode}",
            expected="8 bits a channel",
            remedy="Convert it to 8 bits, scaled as your data needs.",
        )
    return pixels.reshape(height, width, channels)
