import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from jnn.data.augment import (
    affine,
    compose,
    cutout,
    mixup,
    random_affine,
    random_crop,
    random_flip,
    random_translate,
)
from jnn.errors import JnnError

SHAPE = (64, 7, 9, 2)
SIGMAS = 5
"""A mean over independent draws is this many standard deviations off less than once in a million;
the keys are fixed.
"""

AUGMENTATIONS = {
    "flip": random_flip,
    "crop": partial(random_crop, size=(4, 5)),
    "pad and crop": partial(random_crop, padding=2),
    "translate": partial(random_translate, pixels=3),
    "cutout": partial(cutout, size=4),
    "compose": compose(random_flip, partial(random_translate, pixels=1), partial(cutout, size=3)),
}
AFFINE = {"affine": partial(random_affine, degrees=20, scale=0.2, pixels=1)}
EVERY = pytest.mark.parametrize(
    "augment", [*AUGMENTATIONS.values(), *AFFINE.values()], ids=[*AUGMENTATIONS, *AFFINE]
)
MOVING = pytest.mark.parametrize("augment", AUGMENTATIONS.values(), ids=AUGMENTATIONS.keys())
KEY = jax.random.key(0)
# float32 coordinates of a few pixels, times differences of about 10 between neighbours
SINGLE = 1e-4


def images(shape=SHAPE, dtype=np.uint8):
    """No pixel is 0, which is what augmentations fill with, and no two pixels of an image are
    equal.
    """
    size = int(np.prod(shape[-3:]))
    return np.broadcast_to(np.arange(1, size + 1).reshape(shape[-3:]), shape).astype(dtype)


@functools.cache
def compiled(augment):
    """``augment`` as one program for each shape, which gives NumPy arrays."""
    program = jax.jit(augment)
    return lambda key, x: np.asarray(program(key, x))


@pytest.mark.sampled(3)
@EVERY
@pytest.mark.parametrize("dtype", ["uint8", jnp.bfloat16])
def test_same_key_same_result_under_strict_promotion_and_the_dtype_stays(augment, dtype):
    x = images(dtype=dtype)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        augmented = [compiled(augment)(key, x) for key in (KEY, KEY, jax.random.key(1))]
    assert augmented[0].dtype == x.dtype
    assert np.array_equal(augmented[0], augmented[1])
    assert not np.array_equal(augmented[0], augmented[2])


@pytest.mark.slow
def test_same_result_outside_jit():
    x, augment = images(), AUGMENTATIONS["compose"]
    assert np.array_equal(augment(KEY, x), compiled(augment)(KEY, x))


@pytest.mark.sampled(3)
@EVERY
def test_every_image_gets_its_own_draw(augment):
    changed = compiled(augment)(KEY, images()).reshape(len(images()), -1)
    assert len(np.unique(changed, axis=0)) > 1


@pytest.mark.sampled(3)
@EVERY
def test_any_leading_axes(augment):
    x = images((6, 7, 9, 2))
    flat = compiled(augment)(KEY, x)
    batches = compiled(augment)(KEY, x.reshape(2, 3, 7, 9, 2))
    assert np.array_equal(batches.reshape(flat.shape), flat)
    assert jax.eval_shape(augment, KEY, x[0]).shape == flat.shape[1:]


@pytest.mark.sampled(3)
@MOVING
def test_pixels_are_moved_or_zeroed_and_never_made(augment):
    x = images()
    for before, after in zip(x, compiled(augment)(KEY, x), strict=True):
        kept = after[after > 0]
        assert len(np.unique(kept)) == len(kept)
        assert set(kept.tolist()) <= set(before.ravel().tolist())


@pytest.mark.sampled(3)
@EVERY
def test_an_image_without_a_channel_is_refused(augment):
    with pytest.raises(
        JnnError,
        match=r"got shape \(7, 9\), expected images \(\.\.\., H, W, C\).*x\[\.\.\., None\]",
    ):
        augment(KEY, np.zeros((7, 9), np.float32))


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_flips_are_mirror_images_with_the_given_probability(probability):
    x = images((4000, 3, 4, 1))
    flipped = compiled(partial(random_flip, probability=probability))(KEY, x)
    mirrored = (flipped == x[:, :, ::-1]).all(axis=(1, 2, 3))
    assert np.array_equal(flipped[~mirrored], x[~mirrored])
    deviation = np.sqrt(probability * (1 - probability) / len(x))
    assert abs(mirrored.mean() - probability) <= SIGMAS * deviation


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("size", "padding"),
    [((4, 5), 0), ((4, 5), 2), (None, 2), ((7, 9), 0), ((1, 1), 0), ((11, 13), 2)],
)
def test_crops_are_windows_of_the_padded_image_all_equally_likely(size, padding):
    x = images((3000, 7, 9, 2))
    padded = np.pad(x[0], ((padding, padding), (padding, padding), (0, 0)))
    rows, columns = size or (7, 9)
    windows = [
        padded[i : i + rows, j : j + columns].tobytes()
        for i in range(padded.shape[0] - rows + 1)
        for j in range(padded.shape[1] - columns + 1)
    ]
    crops = compiled(partial(random_crop, size=size, padding=padding))(KEY, x)
    result = [crop.tobytes() for crop in crops]
    assert set(result) <= set(windows)
    expected = len(result) / len(windows)
    counts = np.array([result.count(window) for window in windows])
    assert np.abs(counts - expected).max() <= SIGMAS * np.sqrt(expected)


def test_translations_are_shifts_with_zeros_moving_in():
    x = images((200, 7, 9, 2))
    translated = compiled(partial(random_translate, pixels=3))(KEY, x)
    for before, after in zip(x, translated, strict=True):
        row, column, _ = np.argwhere(after == before[3, 4, 0])[0] - (3, 4, 0)
        expected = np.zeros_like(before)
        source = before[max(0, -row) : 7 - max(0, row), max(0, -column) : 9 - max(0, column)]
        expected[max(0, row) :, max(0, column) :][: source.shape[0], : source.shape[1]] = source
        assert np.array_equal(after, expected)


def test_affine_is_scipys_and_each_image_has_its_own(float64):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, (3, 8, 11, 2))
    angle, zoom, shift = (
        np.array([0.3, -2.0, 0.0]),
        np.array([1.2, 0.7, 1.0]),
        np.array([[0.5, -1.0], [0.0, 0.0], [2.25, 0.0]]),
    )
    result = np.asarray(jax.jit(affine)(x, angle=angle, zoom=zoom, shift=shift))
    middle = np.array([3.5, 5.0])
    for i in range(3):
        cos, sin = np.cos(angle[i]) / zoom[i], np.sin(angle[i]) / zoom[i]
        matrix = np.array([[cos, sin], [-sin, cos]])
        for c in range(2):
            expected = scipy.ndimage.affine_transform(
                x[i, ..., c], matrix, middle - matrix @ (middle + shift[i]), order=1, mode="nearest"
            )
            np.testing.assert_allclose(result[i, ..., c], expected, atol=SINGLE)


@pytest.mark.parametrize("quarters", range(4))
def test_quarter_turns_are_numpys_and_bytes_stay_bytes(quarters):
    x = images((2, 7, 7, 2))
    turned = jax.jit(affine)(x, angle=quarters * np.pi / 2, zoom=1.0, shift=0.0)
    assert turned.dtype == x.dtype
    assert np.array_equal(turned, np.rot90(x, quarters, axes=(1, 2)))


def test_affine_of_a_mask_is_that_of_zeros_and_ones():
    mask = np.random.default_rng(0).uniform(size=(3, 9, 9, 1)) < 0.3
    settings = {"angle": 0.4, "zoom": 1.1, "shift": 0.3}
    pixels = affine(jnp.asarray(mask, jnp.uint8), **settings)
    found = affine(jnp.asarray(mask), **settings)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, pixels > 0)


def test_random_affine_draws_each_setting_evenly_from_its_range():
    """On ramps, which bilinear reading keeps, the slopes tell angle and zoom, and the middle the
    shift.
    """
    size, n = 21, 2000
    row, column = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    ramps = np.stack([row, column], axis=-1).astype(np.float32)
    x = np.broadcast_to(ramps, (n, size, size, 2))
    augment = partial(random_affine, degrees=20, scale=0.25, pixels=2)
    y = compiled(augment)(KEY, x).astype(np.float64)
    middle = y[:, 10, 10]
    down, across = y[:, 11, 10] - middle, y[:, 10, 11] - middle
    zoom = 1 / np.hypot(down[:, 0], down[:, 1])
    angle = np.degrees(np.arctan2(-down[:, 1], down[:, 0]))
    slopes = np.stack([down, across], axis=-1)
    shift = -np.linalg.solve(slopes, (middle - 10)[..., None])[..., 0]
    for values, most in (
        (angle, 20),
        (np.log(zoom) / np.log(1.25), 1),
        (shift[:, 0], 2),
        (shift[:, 1], 2),
    ):
        assert np.abs(values).max() <= most * (1 + SINGLE)
        assert abs(values.mean()) < SIGMAS * most / np.sqrt(3 * n)
        assert abs((values**2).mean() - most**2 / 3) < SIGMAS * most**2 * np.sqrt(4 / 45 / n)
    assert np.abs(np.corrcoef([angle, zoom, *shift.T]) - np.eye(4)).max() < SIGMAS / np.sqrt(n)


def test_random_affine_of_nothing_changes_nothing():
    x = images()
    assert np.array_equal(compiled(random_affine)(KEY, x), x)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("size", [1, 3, 4, 20])
def test_cutout_hides_one_square_around_a_pixel(size):
    x = images((300, 7, 9, 2))
    squares = set()
    for i in range(7):
        for j in range(9):
            square = x[0].copy()
            square[
                max(0, i - size // 2) : max(0, i - size // 2 + size),
                max(0, j - size // 2) : max(0, j - size // 2 + size),
            ] = 0
            squares.add(square.tobytes())
    cut = compiled(partial(cutout, size=min(size, 18)))(KEY, x)
    result = {image.tobytes() for image in cut}
    assert result <= squares
    assert len(result) > len(squares) // 2


def test_compose_is_one_after_the_other():
    x = images()
    a, b = random_flip, partial(cutout, size=3)
    both = lambda key, x: b(jax.random.fold_in(key, 1), a(jax.random.fold_in(key, 0), x))
    assert np.array_equal(compiled(compose(a, b))(KEY, x), compiled(both)(KEY, x))
    assert np.array_equal(compose()(KEY, x), x)


def test_mixup_mixes_images_and_targets_with_one_weight():
    size = 500
    x = np.arange(size, dtype=np.float32).reshape(size, 1, 1, 1)
    y = np.eye(size, dtype=np.float32)
    mixed_x, mixed_y = jax.device_get(jax.jit(partial(mixup, alpha=0.4))(KEY, x, y))
    # Image i has the value i, so the mixed image is the mean of the numbers under the mixed label.
    np.testing.assert_allclose(
        mixed_x.ravel(), np.asarray(mixed_y, np.float64) @ np.arange(size), rtol=1e-5, atol=1e-3
    )
    np.testing.assert_allclose(mixed_y.sum(axis=1), 1, rtol=1e-6)
    share = np.diagonal(mixed_y)
    others = np.asarray(mixed_y) - np.diag(share)
    moved = share < 1
    # Each example is given away to exactly one other; Beta(a, a) has mean 1/2 and variance 1 / (4
    # (2 a + 1)).
    assert np.array_equal(
        np.sort(others[moved].argmax(axis=1))[:10], np.sort(np.flatnonzero(moved))[:10]
    )
    assert abs(share.mean() - 0.5) < SIGMAS * np.sqrt(1 / 1.8 / 4 / size)
    assert abs(share.var() - 1 / 1.8 / 4) < 0.03


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k, x: random_flip(k, x, probability=1.5), "probability=1.5"),
        (
            lambda k, x: random_crop(k, x, size=(8, 9)),
            r"size=\(8, 9\), padding=0 for images of 7 x 9",
        ),
        (lambda k, x: random_crop(k, x, size=(0, 9)), "size=0, expected an integer >= 1"),
        (lambda k, x: random_crop(k, x, size="79"), r"size='79', expected \(height, width\)"),
        (lambda k, x: random_crop(k, x, size=("7", 9)), "size='7', expected an integer >= 1"),
        (lambda k, x: random_crop(k, x, size=(7, 9, 1)), r"size=\(7, 9, 1\), expected \(height"),
        (lambda k, x: random_crop(k, x, padding="2"), "padding='2', expected an integer >= 0"),
        (lambda k, x: random_translate(k, x, pixels=-1), "pixels=-1, expected an integer >= 0"),
        (lambda k, x: random_translate(k, x, pixels="1"), "pixels='1', expected an integer"),
        (lambda k, x: random_affine(k, x, degrees="9"), "degrees='9'"),
        (lambda k, x: random_affine(k, x, degrees=181), "degrees=181"),
        (lambda k, x: random_affine(k, x, degrees=-1), "degrees=-1"),
        (lambda k, x: random_affine(k, x, scale=-0.5), r"scale=-0\.5"),
        (lambda k, x: random_affine(k, x, pixels=-2), "pixels=-2"),
        (lambda k, x: cutout(k, x, size=0), "size=0"),
        (lambda k, x: cutout(k, x, size=19), "size=19, expected 1 to 18"),
        (lambda k, x: cutout(k, x, size="3"), "size='3', expected an integer >= 1"),
        (lambda k, x: cutout(k, x, size=3.5), r"size=3\.5, expected an integer >= 1"),
        (lambda k, x: mixup(k, x, x), "dtypes uint8 and uint8, expected floats.*to_float"),
        (
            lambda k, x: mixup(k, np.zeros((2, 3), np.float32), np.zeros((3, 3), np.float32)),
            r"shapes \(2, 3\) and \(3, 3\)",
        ),
        (
            lambda k, x: mixup(k, x.astype(np.float32), x.astype(np.float32), alpha=0),
            "alpha=0, expected.*alpha > 0",
        ),
        (
            lambda k, x: mixup(k, x.astype(np.float32), x.astype(np.float32), alpha="1"),
            "alpha='1', expected.*alpha > 0",
        ),
    ],
)
def test_impossible_settings_are_refused(call, message):
    with pytest.raises(JnnError, match=message):
        call(KEY, images())
