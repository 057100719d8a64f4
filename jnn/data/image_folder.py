"""A folder of pictures, a sub-folder for each class, read one at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jnn.data.fingerprint import fingerprint_files
from jnn.data.text_files import existing_file
from jnn.errors import JnnError, mistake
from jnn.files import check_text
from jnn.integers import as_integer

if TYPE_CHECKING:
    from PIL import Image

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

    Links to folders and to pictures are followed, hidden files and those with other suffixes
    ignored. ``size`` is (height, width) in pixels, as in `read_image`. ``classes`` are the names of
    the sub-folders in the order of the labels, by default alphabetical: give the validation part
    the classes of the training part. ``contents`` reads every byte once now, so that a run on
    altered pictures is not resumed; without it pictures are identified by their names and sizes.

    Raises JnnError for a missing folder, no pictures, a class without pictures, a picture in no
    class, and for a link that leads nowhere or to a folder that it is in.
    """
    path = Path(path)
    height, width = _checked_size("image_folder", size, channels)
    channels = int(channels)  # a number of NumPy is no JSON
    folder = f"image folder {path}"
    if not path.is_dir():
        raise mistake(folder, got="no such folder", expected="one with a sub-folder for each class")
    pictures = _pictures(path)
    names = tuple(sorted(pictures) if classes is None else classes)
    are_names = not isinstance(classes, str) and all(isinstance(name, str) for name in names)
    if not are_names or len(set(names)) < len(names):
        got = f"classes={classes!r}"
        raise mistake(folder, got=got, expected="different names of sub-folders")
    if unknown := sorted(set(pictures) - set(names)):
        expected = f"the classes {', '.join(names)}"
        raise mistake(folder, got=f"a sub-folder {unknown[0]!r}", expected=expected)
    files = tuple(file for name in names for file in pictures.get(name, ()))
    labels = tuple(label for label, name in enumerate(names) for _ in pictures.get(name, ()))
    identity = {
        "kind": "image_folder",
        "size": [height, width],
        "channels": channels,
        "classes": list(names),
        "sha256": fingerprint_files(path, files, contents=contents),
        "contents": contents,
    }
    return ImageFolder(
        files=files,
        labels=labels,
        classes=names,
        size=(height, width),
        channels=channels,
        identity=identity,
    )


def _checked_size(caller: str, size: tuple[int, int], channels: int) -> list[int]:
    pixels = [as_integer(side) or 0 for side in size] if np.iterable(size) else []
    if as_integer(channels) not in MODES or len(pixels) != 2 or min(pixels) < 1:
        got = f"size={size}, channels={channels}"
        expected = "(height, width) of at least 1 and 1, 3 or 4 channels"
        raise mistake(caller, got=got, expected=expected)
    return pixels


def _pictures(path: Path) -> dict[str, list[Path]]:
    """The files of each class."""
    caller = f"image folder {path}"
    pictures: dict[str, list[Path]] = {}
    for entry in _entries(path, caller):
        if entry.is_dir():
            name = check_text(Path(entry.name), caller).name
            pictures[name] = _files(entry, caller, (path.resolve(),))
        elif _is_picture(entry):
            got = f"{entry.name} in no sub-folder"
            raise mistake(caller, got=got, expected="every picture in that of its class")
    if empty := [name for name, files in pictures.items() if not files]:
        expected = f"some ({' '.join(SUFFIXES)}) in every sub-folder"
        raise mistake(caller, got=f"no picture in {empty[0]}", expected=expected)
    if not pictures:
        expected = "one for each class, with pictures in it"
        raise mistake(caller, got="no sub-folders", expected=expected)
    return pictures


def _files(folder: Path, caller: str, around: tuple[Path, ...]) -> list[Path]:
    """The pictures in a folder, at any depth; ``around`` are the folders that it is in."""
    real = folder.resolve()
    if real in around:
        got, expected = f"{folder}, a link to a folder that it is in", "links that lead elsewhere"
        raise mistake(caller, got=got, expected=expected)
    files = []
    for entry in _entries(folder, caller):
        if entry.is_dir():
            files += _files(entry, caller, (*around, real))
        elif _is_picture(entry):
            files.append(entry)
    return files


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _entries(folder: Path, caller: str) -> list[Path]:
    """The entries of a folder that are not hidden, in the order of their names."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        got = f"{folder}: {error.strerror}"
        raise mistake(caller, got=got, expected="folders that can be read") from error
    if broken := [entry for entry in entries if not entry.exists()]:
        got, expected = f"{broken[0]}, a link that leads nowhere", "links to folders or pictures"
        raise mistake(caller, got=got, expected=expected, remedy="Repair or remove it.")
    return entries


def read_image(path: str | Path, *, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """A picture as (H, W, C) uint8, cropped and scaled to ``size``, (height, width).

    It is its largest centre crop of that aspect ratio, scaled bicubically. The picture is rotated
    as its EXIF tag says. Grey becomes colour by repetition and colour grey by the luma of ITU-R
    601; transparency is dropped where ``channels`` is not 4.

    Raises JnnError with the name of a file that cannot be read or has more than 8 bits a channel.
    """
    from PIL import Image, ImageOps  # comes with matplotlib

    height, width = _checked_size("read_image", size, channels)
    try:
        with Image.open(existing_file(path)) as image:
            depth = _depth(image)
            image = ImageOps.exif_transpose(image)
            if image.mode == "P":  # a palette may be transparent
                image = image.convert("RGBA")
            image = image.convert(MODES[channels])
            pixels = np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC))
    except (JnnError, MemoryError):
        raise
    except Exception as error:  # decoders raise many classes
        raise mistake(
            str(path),
            got=f"{type(error).__name__}: {error}",
            expected="a picture that can be read",
            remedy="Repair or remove the file.",
        ) from error
    if depth:
        raise mistake(
            str(path),
            got=f"a picture of mode {depth}",
            expected="8 bits a channel",
            remedy="Convert it to 8 bits, scaled as your data needs.",
        )
    return pixels.reshape(height, width, channels)


def _depth(image: Image.Image) -> str:
    """The mode of an image, or of its file, that has more than 8 bits a channel; else ``""``.

    Pillow has no mode of several channels that are deeper, and drops their lower bits. Only the
    settings of its decoder have the depth: ``"RGB;16B"``, or for PPM the largest value. In
    ``"BGR;16"`` 16 bits are those of all three channels together.
    """
    if image.mode in WIDE_MODES:
        return image.mode
    for _, _, _, settings in getattr(image, "tile", ()):
        raw, *rest = settings if isinstance(settings, tuple) else (settings,)
        if re.match(r"(?!BGR).*;16", str(raw)):
            return raw
        if image.format == "PPM" and rest and rest[0] > 255:
            return f"{raw} of values up to {rest[0]}"
    return ""
