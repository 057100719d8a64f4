"""The position-wise feed-forward network of a transformer."""

import functools
from collections.abc import Callable

import jax

from jnn.compose import chain
from jnn.initializers import Init, lecun_normal, zeros
from jnn.integers import check_fraction
from jnn.layers.activation import ACTIVATIONS
from jnn.layers.activation import gated as gated_unit
from jnn.layers.checks import check_float, check_positive
from jnn.layers.dense import dense
from jnn.layers.dropout import dropout as drop
from jnn.model import Model, check_key, pointwise


def feed_forward(
    hidden: int,
    *,
    activation: Callable[[jax.Array], jax.Array] = ACTIVATIONS["gelu"],
    gated: bool = False,
    use_bias: bool = True,
    dropout: float = 0.0,
    kernel_init: Init = lecun_normal(),
    output_init: Init | None = None,
    bias_init: Init = zeros,
) -> Model:
    """The position-wise feed-forward network, with one hidden layer.

        y = activation(x W + b) V + c
        y = (activation(x W + b) * (x U + a)) V + c     gated=True

    x ``(..., D)`` -> y ``(..., D)``; params ``hidden`` (gated: ``gate`` and ``value`` in it) and
    ``output``, each those of `dense`. ``dropout`` is of the hidden features, in training, as in
    PyTorch's ``TransformerEncoderLayer``. Raises `JnnError` as `dense`.

    SwiGLU is ``activation=jax.nn.silu, gated=True, use_bias=False``; with ``8 D / 3`` hidden
    features it has as many params as the plain network with ``4 D``.

    Sources: Vaswani et al. 2017, section 3.3, https://arxiv.org/abs/1706.03762; Shazeer 2020,
    https://arxiv.org/abs/2002.05202.

    >>> import jax, jax.numpy as jnp
    >>> layer, x = feed_forward(16), jnp.ones((5, 4))
    >>> params, state = jax.jit(layer.init)(jax.random.key(0), x)
    >>> jax.tree.map(jnp.shape, params["output"]), jax.jit(layer.apply)(params, state, x)[0].shape
    ({'bias': (4,), 'kernel': (16, 4)}, (5, 4))
    """
    check_positive("feed_forward", hidden=hidden)
    check_fraction("feed_forward", "dropout", dropout, ends="[)")
    out_init = kernel_init if output_init is None else output_init

    @functools.cache
    def network(features: int) -> Model:
        inits = {"kernel_init": kernel_init, "bias_init": bias_init}
        back = dense(features, use_bias=use_bias, kernel_init=out_init, bias_init=bias_init)
        if gated:
            gate = gated_unit(hidden, activation, use_bias=use_bias, **inits)
            return chain(hidden=gate, dropout=drop(dropout), output=back)
        project = dense(hidden, use_bias=use_bias, **inits)
        return chain(hidden=project, activation=activation, dropout=drop(dropout), output=back)

    def init(key, x):
        check_float("feed_forward", x, min_rank=1)
        check_key("feed_forward", key)
        return network(x.shape[-1]).init(key, x)

    def apply(params, state, x, **options):
        check_float("feed_forward", x, min_rank=1)
        return network(x.shape[-1]).apply(params, state, x, **options)

    return pointwise(init, apply)
