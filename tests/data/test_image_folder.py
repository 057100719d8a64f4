"""Folders of pictures: their classes, what is read of a picture, and what is refused."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jnn.data.image_folder import image_folder, read_image
from jnn.errors import JnnError

RNG = np.random.default_rng(0)
SIZE = (6, 4)


def picture(path, shape=(6, 4, 3), **options):
    """Random pixels, written to ``path``."""
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return pixels


@pytest.fixture
def folder(tmp_path):
    """Two classes: a picture of cats, in a folder of its own, and two dogs."""
    for name in ("dog/b.png", "dog/A.PNG", "cat/more/c.png"):
        picture(tmp_path / "pets" / name)
    (tmp_path / "pets/dog/notes.txt").write_text("passed over")
    return tmp_path / "pets"


def test_sub_folders_are_classes_and_pixels_come_as_they_are(folder):
    source = image_folder(folder, size=SIZE)
    assert source.classes == ("cat", "dog")
    assert [file.name for file in source.files] == ["c.png", "A.PNG", "b.png"]
    assert [int(source[i]["label"]) for i in range(len(source))] == [0, 1, 1]
    np.testing.assert_array_equal(source[2]["image"], np.asarray(Image.open(folder / "dog/b.png")))


def test_the_classes_of_another_part_keep_their_labels(folder):
    source = image_folder(folder, size=SIZE, classes=("bird", "dog", "cat"))
    assert source.labels == (1, 1, 2)
    with pytest.raises(JnnError, match="got a sub-folder 'cat', expected the classes bird, dog"):
        image_folder(folder, size=SIZE, classes=("bird", "dog"))


def test_the_middle_is_cut_out_and_scaled(tmp_path):
    """A bicubic filter that halves reaches four pixels beyond the middle 8 x 8."""
    left, middle, right = (
        np.full((8, width, 3), value, np.uint8) for width, value in ((4, 10), (16, 200), (4, 90))
    )
    Image.fromarray(np.concatenate([left, middle, right], axis=1)).save(tmp_path / "wide.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "wide.png", size=(4, 4)), np.full((4, 4, 3), 200)
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_all_kinds_of_pictures_get_the_same_channels(tmp_path, mode, channels):
    grey = Image.fromarray(np.full(SIZE, 255, np.uint8))
    grey.convert(mode).save(tmp_path / "white.tif")
    image = read_image(tmp_path / "white.tif", size=SIZE, channels=channels)
    np.testing.assert_array_equal(image, np.full((*SIZE, channels), 255, np.uint8))


def test_a_picture_is_turned_as_its_tag_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees, clockwise
    pixels = picture(tmp_path / "turned.png", (4, 6, 3), exif=exif)
    np.testing.assert_array_equal(
        read_image(tmp_path / "turned.png", size=SIZE), np.rot90(pixels, k=-1)
    )


def raise_memory_error(*arguments, **options):
    raise MemoryError


def test_memory_that_is_full_is_no_fault_of_the_file(folder, monkeypatch):
    monkeypatch.setattr("PIL.ImageOps.fit", raise_memory_error)
    with pytest.raises(MemoryError):
        image_folder(folder, size=(2, 2))[0]


def test_a_damaged_file_is_named(folder):
    path = folder / "dog/b.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(
        JnnError,
        match=r"dog/b.png: got .*, expected a picture that can be read. Repair or remove the file.",
    ):
        image_folder(folder, size=SIZE)[2]
    path.unlink()
    with pytest.raises(JnnError, match=r"dog/b\.png: got no such file"):
        read_image(path, size=SIZE)


def test_a_picture_of_no_pixels_is_no_fault_of_the_file(folder):
    for size, channels in (((0, 2), 3), (SIZE, 2)):
        with pytest.raises(JnnError, match=r"read_image: got size=.*, channels=\d, expected"):
            read_image(folder / "dog/b.png", size=size, channels=channels)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_more_than_eight_bits_are_refused(tmp_path, dtype):
    Image.fromarray(np.full(SIZE, 40_000).astype(dtype)).save(tmp_path / "deep.tif")
    with pytest.raises(
        JnnError, match=r"deep.tif: got a picture of mode .*, expected 8 bits a channel"
    ):
        read_image(tmp_path / "deep.tif", size=SIZE)


def png(path, channels, depth, value):
    """A PNG of one value, of a depth that Pillow does not write."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", SIZE[1], SIZE[0], depth, kind, 0, 0, 0)
    pixel = value.to_bytes(depth // 8, "big") * channels
    rows = (b"\0" + pixel * SIZE[1]) * SIZE[0]
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(rows), b"IEND": b""}
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks.items()
        )
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_of_several_channels_are_refused_too(tmp_path, channels):
    path = tmp_path / "deep.png"
    png(path, channels, 8, 7)
    read = read_image(path, size=SIZE, channels=1)
    np.testing.assert_array_equal(read, np.full((*SIZE, 1), 7))
    png(path, channels, 16, 40_000)
    with pytest.raises(JnnError, match=r"deep.png: got a picture of mode .*16.*8 bits a channel"):
        read_image(path, size=SIZE)


def test_the_greatest_value_of_a_ppm_is_its_depth(tmp_path):
    pixels = bytes([100]) * 72
    (tmp_path / "x.ppm").write_bytes(b"P6\n4 6\n100\n" + pixels)
    np.testing.assert_array_equal(
        read_image(tmp_path / "x.ppm", size=SIZE), np.full((*SIZE, 3), 255)
    )
    (tmp_path / "x.ppm").write_bytes(b"P6\n4 6\n1023\n" + pixels * 2)
    with pytest.raises(JnnError, match=r"mode RGB of values up to 1023, expected 8 bits a channel"):
        read_image(tmp_path / "x.ppm", size=SIZE)


def test_sixteen_bits_of_three_channels_together_are_few(tmp_path):
    header = struct.pack("<IiiHHIIiiII", 40, 4, 6, 1, 16, 0, 48, 0, 0, 0, 0)
    pixels = struct.pack("<H", 0b11111 << 10) * 24  # red, of 5 bits
    (tmp_path / "x.bmp").write_bytes(
        b"BM" + struct.pack("<IHHI", 54 + 48, 0, 0, 54) + header + pixels
    )
    image = read_image(tmp_path / "x.bmp", size=SIZE)
    np.testing.assert_array_equal(image, np.broadcast_to(np.uint8([255, 0, 0]), (*SIZE, 3)))


def test_links_to_folders_and_pictures_are_followed(folder, tmp_path):
    plain = image_folder(folder, size=SIZE)
    linked = tmp_path / "linked"
    (linked / "cat").mkdir(parents=True)
    (linked / "dog").symlink_to(folder / "dog", target_is_directory=True)
    (linked / "cat" / "more").symlink_to(folder / "cat/more", target_is_directory=True)
    source = image_folder(linked, size=SIZE)
    assert (source.classes, source.labels) == (plain.classes, plain.labels)
    assert source.identity == plain.identity
    (linked / "cat" / "d.png").symlink_to(folder / "dog/b.png")
    source = image_folder(linked, size=SIZE)
    assert [file.name for file in source.files] == ["d.png", "c.png", "A.PNG", "b.png"]
    np.testing.assert_array_equal(source[0]["image"], source[3]["image"])


@pytest.mark.parametrize("name", ["cat", "cat/more", "bird", "cat/d.png"])
def test_links_that_lead_nowhere_or_around_are_refused(folder, name):
    link = folder / f"{name}.link"
    link.symlink_to(folder / "absent")
    with pytest.raises(JnnError, match=rf"{name}.link, a link that leads nowhere"):
        image_folder(folder, size=SIZE)
    link.unlink()
    link.symlink_to(folder, target_is_directory=True)
    with pytest.raises(JnnError, match=rf"{name}.link, a link to a folder that it is in"):
        image_folder(folder, size=SIZE)


def test_what_is_no_folder_of_classes_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(JnnError, match="got no sub-folders"):
        image_folder(tmp_path / "empty", size=SIZE)
    with pytest.raises(JnnError, match="got no such folder"):
        image_folder(tmp_path / "absent", size=SIZE)
    with pytest.raises(JnnError, match=r"got size=\(6, 0\), channels=3"):
        image_folder(folder, size=(6, 0))
    with pytest.raises(JnnError, match=r"got size=\(6.5, 4\), channels=3"):
        image_folder(folder, size=(6.5, 4))
    with pytest.raises(JnnError, match="image_folder: got size=32, channels=3"):
        image_folder(folder, size=32)
    for channels in ([3], 3.0):
        with pytest.raises(JnnError, match=r"channels=.*, expected .* 3 or 4 channels"):
            image_folder(folder, size=SIZE, channels=channels)
    with pytest.raises(JnnError, match=r"got classes=\[0, 1\], expected different names"):
        image_folder(folder, size=SIZE, classes=[0, 1])
    with pytest.raises(JnnError, match=r"got classes=\['cat', 'cat', 'dog'\], expected different"):
        image_folder(folder, size=SIZE, classes=["cat", "cat", "dog"])
    numpy_numbers = {"size": np.int64([6, 4]), "channels": np.int64(3)}
    assert json.dumps(image_folder(folder, **numpy_numbers).identity) == (
        json.dumps(image_folder(folder, size=SIZE).identity)
    )
    (folder / "fish").mkdir()
    with pytest.raises(JnnError, match="got no picture in fish"):
        image_folder(folder, size=SIZE)
    picture(folder / "lost.png")
    with pytest.raises(JnnError, match=r"got lost.png in no sub-folder"):
        image_folder(folder, size=SIZE)


def test_the_identity_tells_altered_folders_apart_and_moved_ones_not(folder, tmp_path):
    identity = image_folder(folder, size=SIZE).identity
    moved = folder.rename(tmp_path / "elsewhere")
    assert image_folder(moved, size=SIZE).identity == identity
    quick = image_folder(moved, size=SIZE, contents=False).identity
    altered = bytearray((moved / "dog/b.png").read_bytes())
    altered[-1] ^= 1
    (moved / "dog/b.png").write_bytes(altered)
    assert image_folder(moved, size=SIZE).identity != identity
    assert image_folder(moved, size=SIZE, contents=False).identity == quick != identity
    (moved / "dog/b.png").rename(moved / "dog/d.png")
    assert image_folder(moved, size=SIZE, contents=False).identity != quick


def test_a_class_whose_name_is_no_text_is_refused(folder):
    (folder / "caf\udce9").mkdir()
    with pytest.raises(JnnError, match=r"image folder .*: got the path .*expected one in UTF-8"):
        image_folder(folder, size=(2, 2))
