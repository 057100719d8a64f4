"""Space to depth and depth to space: pixels become channels, and channels pixels."""

from jnn.errors import mistake
from jnn.layers.checks import check_positive, refuse_mask
from jnn.layers.sliding_windows import check_space
from jnn.model import Model, no_params

NO_PADDING = "Crop the images to their real pixels, without a mask."


def space_to_depth(factor: int) -> Model:
    """Each square of ``factor`` by ``factor`` pixels as one pixel, with all their channels.

    x ``(..., H, W, C)`` -> y ``(..., H / factor, W / factor, factor² C)``,
    ``y[i, j, (a, b, c)] = x[i factor + a, j factor + b, c]``. PyTorch's ``pixel_unshuffle`` has the
    channels in the order (c, a, b). Raises `JnnError` for sides that ``factor`` does not divide.

    >>> import jax.numpy as jnp
    >>> space_to_depth(2).apply({}, {}, jnp.arange(4.0).reshape(2, 2, 1))[0].tolist()
    [[[0.0, 1.0, 2.0, 3.0]]]
    """
    check_positive("space_to_depth", factor=factor)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_space("space_to_depth", x, 2)
        refuse_mask("space_to_depth", x, mask, axes=3, why=NO_PADDING)
        *leading, height, width, channels = x.shape
        if height % factor or width % factor:
            raise mistake(
                "space_to_depth",
                got=f"images of {height}x{width}",
                expected=f"sides divisible by {factor}",
            )
        squares = x.reshape(*leading, height // factor, factor, width // factor, factor, channels)
        shape = (height // factor, width // factor, factor**2 * channels)
        return squares.swapaxes(-4, -3).reshape(*leading, *shape), state

    return Model(no_params, apply)


def depth_to_space(factor: int) -> Model:
    """The inverse of `space_to_depth`, the sub-pixel layer.

    x ``(..., H, W, factor² C)`` -> y ``(..., H factor, W factor, C)``. After a convolution it
    upsamples, as a transposed convolution does, in a fraction of its time on a CPU. PyTorch's
    ``pixel_shuffle`` has the channels in the order (c, a, b). Raises `JnnError` for channels that
    ``factor²`` does not divide.

    Source: Shi et al. 2016, https://arxiv.org/abs/1609.05158.

    >>> import jax.numpy as jnp
    >>> depth_to_space(2).apply({}, {}, jnp.arange(4.0).reshape(1, 1, 4))[0].ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    check_positive("depth_to_space", factor=factor)

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_space("depth_to_space", x, 2)
        refuse_mask("depth_to_space", x, mask, axes=3, why=NO_PADDING)
        *leading, height, width, channels = x.shape
        if channels % factor**2:
            raise mistake(
                "depth_to_space", got=f"{channels} channels", expected=f"a multiple of {factor**2}"
            )
        squares = x.reshape(*leading, height, width, factor, factor, channels // factor**2)
        shape = (height * factor, width * factor, channels // factor**2)
        return squares.swapaxes(-4, -3).reshape(*leading, *shape), state

    return Model(no_params, apply)
