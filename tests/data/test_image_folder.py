"""Folders of pictures: their classes, what is read of a picture, and what is refused."""

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


def test_a_damaged_file_is_named(folder):
    path = folder / "dog/b.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(
        JnnError,
        match=r"dog/b.png: got .*, expected a picture that can be read. Repair or remove the file.",
    ):
        image_folder(folder, size=SIZE)[2]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_more_than_eight_bits_are_refused(tmp_path, dtype):
    Image.fromarray(np.full(SIZE, 40_000).astype(dtype)).save(tmp_path / "deep.tif")
    with pytest.raises(
        JnnError, match=r"deep.tif: got a picture of mode .*, expected 8 bits a channel"
    ):
        read_image(tmp_path / "deep.tif", size=SIZE)


def test_what_is_no_folder_of_classes_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(JnnError, match="got no sub-folders"):
        image_folder(tmp_path / "empty", size=SIZE)
    with pytest.raises(JnnError, match="got no such folder"):
        image_folder(tmp_path / "absent", size=SIZE)
    with pytest.raises(JnnError, match=r"got size=\(6, 0\), channels=3"):
        image_folder(folder, size=(6, 0))
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
