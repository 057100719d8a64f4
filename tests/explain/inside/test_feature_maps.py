"""The tiles of the figures are the captured values and the kernels themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import jnn
from jnn.errors import JnnError
from jnn.explain import style
from jnn.explain.inside.feature_maps import feature_maps, filters
from tests.compiled import init

RNG = np.random.default_rng(0)


def tiles(ax):
    return [np.asarray(image.get_array()) for image in ax.images]


def test_captured_maps_are_drawn_as_they_are_under_their_paths():
    model = jnn.chain(mix=jnn.dense(3), relu=jax.nn.relu, flatten=jnn.flatten(3), out=jnn.dense(5))
    image = jnp.asarray(RNG.normal(size=(4, 6, 2)), jnp.float32)
    _, values = jnn.capture(model.apply)(*init(model, image), image)
    figure = feature_maps(values, image=np.zeros((4, 6)))
    labels, pictures = figure.axes[::2], figure.axes[1::2]
    assert [ax.texts[0].get_text().strip() for ax in labels] == [
        "image",
        "mix",
        "relu",
        "flatten",
        "out",
    ]
    assert_array_equal(tiles(pictures[1]), np.moveaxis(values["mix/output"], -1, 0))
    assert_array_equal(tiles(pictures[2]), np.moveaxis(values["relu/output"], -1, 0))
    assert_array_equal(tiles(pictures[4]), [values["out/output"][None]])


def test_a_layer_has_one_scale_signed_where_its_values_are():
    figure = feature_maps(
        {"a/output": np.array([[[-1.0, 4.0]]]), "b/output": np.array([[[0.0, 4.0]]])}
    )
    signed, positive = figure.axes[1].images, figure.axes[3].images
    assert {image.get_clim() for image in signed} == {(-4, 4)}
    assert {image.get_clim() for image in positive} == {(0, 4)}
    assert signed[0].get_cmap() == style.SIGNED != positive[0].get_cmap()
    assert "−1 … 4" in figure.axes[0].texts[1].get_text()


def test_of_many_maps_the_first_are_shown_and_the_label_says_so():
    value = RNG.random((3, 3, 40))
    figure = feature_maps({"conv/output": value}, maps=8)
    assert_array_equal(tiles(figure.axes[1]), np.moveaxis(value, -1, 0)[:8].astype(np.float32))
    assert "3 × 3 × 40, first 8" in figure.axes[0].texts[1].get_text()


def test_a_long_path_is_shown_by_its_first_part_and_its_end():
    figure = feature_maps({"stage2/block0/body/activation0/output": np.ones(3)})
    (label,) = {figure.axes[0].texts[0].get_text().strip()}
    assert label == "stage2/…body/activation0"


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_filters_are_the_kernels(channels):
    kernel = RNG.normal(size=(3, 3, channels, 6)).astype(np.float32)
    figure = filters(kernel)
    drawn, most = tiles(figure.axes[0]), np.abs(kernel).max()
    if channels == 3:
        expected = [0.5 + kernel[..., i] / (2 * most) for i in range(6)]
    else:
        expected = [kernel[:, :, c, i] for i in range(6) for c in range(channels)]
        assert {image.get_clim() for image in figure.axes[0].images} == {(-most, most)}
    assert_array_equal(drawn, expected)


def test_as_many_kernels_of_many_channels_are_drawn_as_asked_for():
    kernel = RNG.normal(size=(2, 2, 13, 20)).astype(np.float32)
    expected = [kernel[:, :, c, i] for i in range(15) for c in range(12)]
    figure = filters(kernel, most=15)
    assert_array_equal(tiles(figure.axes[0]), expected)
    assert "the first 15 of 20" in figure.get_suptitle().replace("\n", " ")


def test_filters_lie_in_rows_that_do_not_overlap():
    extents = [image.get_extent() for image in filters(np.ones((2, 2, 1, 9))).axes[0].images]
    corners = {(round(left, 6), round(top, 6)) for left, _, _, top in extents}
    assert len(corners) == 9
    assert all(
        abs(a[0] - b[0]) >= 1 or abs(a[1] - b[1]) >= 1 for a in corners for b in corners if a != b
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: feature_maps({"a": np.zeros((2, 4, 4, 3))}),
            "got a (2, 4, 4, 3), expected maps (H, W, C)",
        ),
        (lambda: feature_maps({}), "got no values"),
        (
            lambda: filters(np.zeros((3, 3))),
            "got a kernel of shape (3, 3), expected (height, width, in, out)",
        ),
    ],
)
def test_mistakes(call, text):
    with pytest.raises(JnnError) as error:
        call()
    assert text in str(error.value)
