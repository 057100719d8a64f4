"""The vision transformer, which reads an image as a sequence of patches."""

import dataclasses

import jax
import jax.numpy as jnp

from jnn.architectures.transformer_block import BlockConfig, blocks, kernel_init, norm
from jnn.errors import mistake
from jnn.layers.checks import check_params
from jnn.layers.convolution import conv
from jnn.layers.dense import dense
from jnn.layers.dropout import dropout
from jnn.layers.position_vectors import learned_positions
from jnn.model import Model
from jnn.precision import parameter_dtype
from jnn.wiring import Run, wired


@dataclasses.dataclass(frozen=True, kw_only=True)
class VisionTransformerConfig(BlockConfig):
    """The settings of a `vision_transformer`. The defaults are those of ViT-B/16."""

    outputs: int = 1000
    """Classes, or values to predict."""
    image_size: tuple[int, int] = (224, 224)
    """Height and width."""
    patch_size: int = 16
    """Height and width of a patch; it must divide those of the image."""
    distilled: bool = False
    """Whether a second learned token follows the class token, as in DeiT."""
    distillation_head: bool = False
    """Whether a second dense layer reads that token, and logits are the mean of both."""
    activation: str = "gelu"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""
    norm_epsilon: float = 1e-6
    """What is added to the variance."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        super().__post_init__()
        if any(size % self.patch_size for size in self.image_size):
            got = f"patch_size={self.patch_size} for image_size={self.image_size}"
            raise mistake(
                "VisionTransformerConfig", got=got, expected="a divisor of height and width"
            )
        if self.distillation_head and not self.distilled:
            got = "distillation_head=True and distilled=False"
            raise mistake("VisionTransformerConfig", got=got, expected="distilled=True")
        if self.positions != "learned":
            raise mistake(
                "VisionTransformerConfig", got=f"positions={self.positions!r}", expected="'learned'"
            )


def vision_transformer(config: VisionTransformerConfig) -> Model:
    """Patches, a learned class token before them, a stack of blocks, and a dense layer.

    The dense layer reads the class token.

    x images ``(..., H, W, C)`` -> logits or values ``(..., outputs)``. Source: Dosovitskiy et al.
    2021, https://arxiv.org/abs/2010.11929.

    >>> import jax, jax.numpy as jnp
    >>> sizes = {"image_size": (8, 8), "patch_size": 4, "width": 16, "depth": 2, "heads": 2}
    >>> config = VisionTransformerConfig(outputs=10, **sizes)
    >>> model = vision_transformer(config)
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((8, 8, 1)))
    >>> jax.jit(model.apply)(params, state, jnp.ones((5, 8, 8, 1)))[0].shape
    (5, 10)
    """
    size = config.patch_size
    patches = (config.image_size[0] // size) * (config.image_size[1] // size)
    parts = {
        "patches": conv(
            config.width,
            (size, size),
            strides=size,
            padding="VALID",
            kernel_init=kernel_init(config),
        ),
        "class_token": class_token(),
        "positions": learned_positions(patches + (2 if config.distilled else 1)),
        "blocks": blocks(config, causal=False),
        "norm": norm(config),
        "head": dense(config.outputs, kernel_init=kernel_init(config)),
    }
    if config.distilled:
        parts["distillation_token"] = class_token()
    if config.distillation_head:
        parts["distillation_head"] = dense(config.outputs, kernel_init=kernel_init(config))
    if config.dropout:
        parts["dropout"] = dropout(config.dropout)

    def flow(run: Run, x: jax.Array) -> jax.Array:
        if x.shape[-3:-1] != tuple(config.image_size):
            remedy = "Resize the images, or set image_size."
            height, width = config.image_size
            raise mistake(
                "vision_transformer",
                got=f"x of shape {x.shape}",
                expected=f"(..., {height}, {width}, C)",
                remedy=remedy,
            )
        h = run("patches", x)
        h = h.reshape(*h.shape[:-3], patches, config.width)
        h = run("distillation_token", h) if config.distilled else h
        h = run("positions", run("class_token", h))
        h = run("blocks", run("dropout", h) if config.dropout else h)
        h = run("norm", h)
        y = run("head", h[..., 0, :])
        return (y + run("distillation_head", h[..., 1, :])) / 2 if config.distillation_head else y

    return wired(flow, parts, streaming=False)


def class_token() -> Model:
    """A learned element before a sequence: x ``(..., T, D)`` -> y ``(..., T + 1, D)``; params
    ``token`` ``(D,)`` of zeros.

    >>> import jax, jax.numpy as jnp
    >>> model = class_token()
    >>> model.apply(*model.init(jax.random.key(0), jnp.ones((3, 4))), jnp.ones((3, 4)))[0].shape
    (4, 4)
    """

    def init(key, x):
        return {"token": jnp.zeros(x.shape[-1], parameter_dtype(x))}, {}

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_params("class_token", params, token=x.shape[-1:])
        token = params["token"].astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))
        return jnp.concatenate(
            [jnp.broadcast_to(token, (*x.shape[:-2], 1, x.shape[-1])), x], axis=-2
        ), state

    return Model(init, apply)
