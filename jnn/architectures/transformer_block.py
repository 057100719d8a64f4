"""The transformer block, of attention and a feed-forward network, and stacks of it."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jnn.architectures.settings import check_settings
from jnn.compose import chain, repeat
from jnn.errors import mistake
from jnn.initializers import lecun_normal, normal
from jnn.layers.activation import activation
from jnn.layers.attention import attention
from jnn.layers.cross_attention import cross_attention
from jnn.layers.dropout import dropout
from jnn.layers.feed_forward import feed_forward
from jnn.layers.mixture_of_experts import mixture_of_experts
from jnn.layers.normalization import layer_norm, rms_norm
from jnn.layers.positions import Scaling, alibi, relative_buckets, rotary
from jnn.model import Model
from jnn.transform import remat, reparameterized
from jnn.wiring import Run, wired

_BIASES = {
    "all": True,
    "none": False,
    "inputs": ("query", "key", "value"),
    "output": ("output",),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """The settings of the blocks of a transformer. The defaults are GPT-2's."""

    width: int = 768
    """Features of each element, in and out of each block."""
    depth: int = 12
    """Blocks."""
    heads: int = 12
    """Heads of each attention."""
    key_value_heads: int = 0
    """Heads of keys and values, each shared by several heads of queries; 0 for ``heads``."""
    head_features: int = 0
    """Features of each head; 0 for ``width / heads``."""
    hidden: int = 0
    """Width of the feed-forward network; 0 for ``4 width``."""
    activation: str = "gelu_tanh"
    """A name in `jnn.layers.activation.ACTIVATIONS`."""
    gated: bool = False
    """Whether the feed-forward network is ``(f(x W) * (x V)) U``: with silu it is SwiGLU."""
    experts: int = 0
    """Feed-forward networks of each block, a mixture of experts; 0 for a single one."""
    experts_each: int = 2
    """The experts of each element."""
    norm: Literal["layer", "rms"] = "layer"
    """Layer normalization, or division by the root mean square."""
    norm_first: bool = True
    """Whether norms come before each residual branch (pre-norm) or after its sum (post-norm)."""
    norm_epsilon: float = 1e-5
    """What is added to the variance."""
    norm_scale: Literal["factor", "one_plus", "none"] = "factor"
    """Whether what is normalized is multiplied by ``scale``, by ``1 + scale`` (rms alone, as in
    Gemma), or by nothing, and has no bias (as in OLMo).
    """
    query_norm: bool = False
    """Whether queries and keys are divided by the root mean square of each head, as in Qwen3."""
    branches: Literal["sequential", "parallel", "shared_norm"] = "sequential"
    """Whether the feed-forward network reads what attention has added to, or with norms first the
    same as attention, by a norm of its own (GPT-NeoX) or by that of attention (Phi).
    """
    positions: Literal[
        "learned", "sinusoidal", "sinusoidal_halves", "rotary", "alibi", "relative", "none"
    ] = "learned"
    """Position encoding: vectors that are added to embeddings, or within attention; in halves,
    all sines come before all cosines.
    """
    rotary_base: float = 10_000.0
    """The longest wavelength of rotary positions, over 2 pi, nearly."""
    rotary_fraction: float = 1.0
    """The share of the features of each head that rotary positions rotate."""
    rotary_scaling: Scaling | None = None
    """Slower rotation, for long sequences."""
    window: int | tuple[int, ...] = 0
    """The elements that each attends to, itself included; 0 for all. Of several windows successive
    blocks have one after the other, again and again, as in GPT-Neo.
    """
    scaled: bool = True
    """Whether logits are divided by ``sqrt(head_features)``; T5's are not."""
    scaled_by_depth: bool = False
    """Whether the logits of self-attention are divided by the number of their block too, from 1 on,
    as in a GPT-2 with ``scale_attn_by_inverse_layer_idx``.
    """
    use_bias: bool = True
    """Whether dense layers and layer norms have biases."""
    attention_bias: Literal["same", "all", "inputs", "output", "none"] = "same"
    """The projections of attention that have biases: those of ``use_bias``, all, queries, keys and
    values, the output, or none.
    """
    dropout: float = 0.0
    """Fraction dropped in training: of residual branches, attention weights and embeddings."""
    kernel_deviation: float = 0.0
    """Initial standard deviation of kernels, 0 for LeCun's; the last ones of residual branches have
    it over ``sqrt(2 depth)``.
    """
    fused: bool = False
    """Whether attention is `jax.nn.dot_product_attention`, a fused kernel on GPUs, of which no
    weights can be captured.
    """
    remat: Literal["none", "products", "projections", "full"] = "none"
    """What the backward pass recomputes of each block, which saves memory: a policy of
    `jnn.remat`.
    """
    unroll: bool = False
    """Whether the loop over depth is unrolled, which compiles longer and may run faster."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        if not self.head_features and self.width % self.heads:
            remedy = "Choose heads that divide the width, or give head_features."
            raise mistake(
                type(self).__name__,
                got=f"heads={self.heads} for width={self.width}",
                expected="a divisor",
                remedy=remedy,
            )
        if self.branches != "sequential" and not self.norm_first:
            raise mistake(
                type(self).__name__,
                got=f"branches={self.branches!r} and norm_first=False",
                expected="norm_first=True where branches are parallel",
            )
        if not self.windows or self.depth % len(self.windows):
            got = f"window={self.window!r} for depth={self.depth}"
            expected = "a number, or as many of them as divide the depth"
            raise mistake(type(self).__name__, got=got, expected=expected)
        if len(self.windows) > 1 and self.positions == "relative":
            got = "several windows and positions='relative'"
            raise mistake(type(self).__name__, got=got, expected="one window, or other positions")
        if self.scaled_by_depth and self.query_norm:
            got = "scaled_by_depth=True and query_norm=True"
            raise mistake(type(self).__name__, got=got, expected="one of them")
        if self.norm_scale == "one_plus" and self.norm != "rms":
            got = f"norm_scale='one_plus' and norm={self.norm!r}"
            raise mistake(type(self).__name__, got=got, expected="norm='rms'")

    @property
    def windows(self) -> tuple[int, ...]:
        """Those of the first blocks, which the others repeat."""
        return self.window if isinstance(self.window, tuple) else (self.window,)


def block(config: BlockConfig, *, causal: bool, cross: bool = False) -> Model:
    """One transformer block.

        h = x + attention(norm(x)),   y = h + feed_forward(norm(h))     pre-norm
        h = norm(x + attention(x)),   y = norm(h + feed_forward(h))     post-norm
        y = x + attention(norm(x)) + feed_forward(norm(x))              parallel branches

    x ``(..., T, width)`` -> y ``(..., T, width)``. With ``cross`` there is attention to a memory
    between the two, and x and y are dicts:
    ``{"x": (..., T, width), "memory": (..., S, D), "memory_mask": (..., S)}``, of which memory and
    mask pass through. ``mask`` is of elements, ``(..., T)``, or for attention of pairs,
    ``(..., T, T)``. Causal blocks stream. Sources: Vaswani et al. 2017,
    https://arxiv.org/abs/1706.03762; pre-norm: Xiong et al. 2020, https://arxiv.org/abs/2002.04745.

    >>> import jax, jax.numpy as jnp
    >>> model = block(BlockConfig(width=8, heads=2), causal=True)
    >>> params, state = jax.jit(model.init)(jax.random.key(0), jnp.ones((5, 8)))
    >>> sorted(params)
    ['attention', 'attention_norm', 'feed_forward', 'feed_forward_norm']
    """
    parts = {"attention": _attention(config, causal), "feed_forward": _feed_forward(config)}
    if cross:
        parts["cross_attention"] = cross_attention(**_attention_settings(config))
    normed = [name for name in parts if name != "feed_forward" or config.branches != "shared_norm"]
    parts |= {f"{name}_norm": norm(config) for name in normed}
    if config.dropout:
        parts["dropout"] = dropout(config.dropout)

    def residual(
        run: Run, name: str, h: jax.Array, call: Callable[[jax.Array], jax.Array]
    ) -> jax.Array:
        """The residual branch ``call``, with its norm and dropout, added to h."""
        if config.norm_first:
            return h + branch(run, name, h, call)
        return run(f"{name}_norm", h + dropped(run, call(h)))

    def branch(
        run: Run, name: str, h: jax.Array, call: Callable[[jax.Array], jax.Array]
    ) -> jax.Array:
        is_shared = name == "feed_forward" and config.branches == "shared_norm"
        return dropped(run, call(run("attention_norm" if is_shared else f"{name}_norm", h)))

    def dropped(run: Run, y: jax.Array) -> jax.Array:
        return run("dropout", y) if config.dropout else y

    def flow(run: Run, x: Any) -> Any:
        before = h = x["x"] if cross else x
        if h.shape[-1] != config.width:
            raise mistake(
                "block",
                got=f"x of shape {h.shape}",
                expected=f"{config.width} features, the width of the settings",
            )
        single = without_pairs(run, h)
        h = residual(single, "attention", h, lambda h: run("attention", h))
        if cross:
            attend = lambda h: run("cross_attention", {**x, "x": h}, mask=None)
            h = residual(single, "cross_attention", h, attend)
        feed = lambda h: single("feed_forward", h)
        if config.branches == "sequential":
            h = residual(single, "feed_forward", h, feed)
        else:
            h = h + branch(single, "feed_forward", before, feed)
        return {**x, "x": h} if cross else h

    return wired(flow, parts)


def blocks(config: BlockConfig, *, causal: bool, cross: bool = False) -> Model:
    """A stack of ``depth`` blocks, see `block`.

    Params have a first axis of length ``depth``, except for the table of relative positions, which
    all blocks share.
    """
    kinds = [dataclasses.replace(config, window=size) for size in config.windows]
    ones = [remat(block(kind, causal=causal, cross=cross), policy=kind.remat) for kind in kinds]
    if len(ones) > 1:
        stack = repeat(chain(*ones), config.depth // len(ones), unroll=config.unroll)
        stack = _of_successive_params(stack, len(ones))
    else:
        stack = repeat(ones[0], config.depth, unroll=config.unroll)
    if config.scaled_by_depth:
        stack = _scaled_by_depth(stack, config.depth)
    return _with_shared_table(stack, config.depth) if config.positions == "relative" else stack


def without_pairs(run: Run, h: jax.Array) -> Run:
    """The run without a mask of pairs, which only self-attention accepts."""
    is_of_pairs = run.mask is not None and run.mask.ndim >= h.ndim
    return dataclasses.replace(run, whole_mask=None) if is_of_pairs else run


def norm(config: BlockConfig) -> Model:
    """The normalization of the config."""
    epsilon, has_scale = config.norm_epsilon, config.norm_scale != "none"
    if config.norm == "rms":
        offset = 1.0 if config.norm_scale == "one_plus" else 0.0
        return rms_norm(epsilon=epsilon, use_scale=has_scale, scale_offset=offset)
    return layer_norm(epsilon=epsilon, use_scale=has_scale, use_bias=has_scale and config.use_bias)


def kernel_init(config: BlockConfig, *, outputs: bool = False) -> Callable:
    """The initializer of kernels, or with ``outputs`` of those at the end of residual branches."""
    if not config.kernel_deviation:
        return lecun_normal()
    return normal(config.kernel_deviation / ((2 * config.depth) ** 0.5 if outputs else 1.0))


def _kernels(config: BlockConfig) -> dict[str, Any]:
    return {
        "use_bias": config.use_bias,
        "kernel_init": kernel_init(config),
        "output_init": kernel_init(config, outputs=True),
    }


def _attention_settings(config: BlockConfig) -> dict[str, Any]:
    return {
        "heads": config.heads,
        "key_value_heads": config.key_value_heads or None,
        "head_features": config.head_features or None,
        "scale": None if config.scaled else 1.0,
        "dropout": config.dropout,
        "fused": config.fused,
        **_kernels(config),
        "use_bias": _BIASES.get(config.attention_bias, config.use_bias),
    }


def _attention(config: BlockConfig, causal: bool) -> Model:
    within = {
        "rotary": rotary(
            config.rotary_base, fraction=config.rotary_fraction, scaling=config.rotary_scaling
        ),
        "alibi": alibi(),
        "relative": relative_buckets(),
    }
    window, *others = config.windows
    if others:
        got = f"window={config.window!r}"
        raise mistake("block", got=got, expected="one", remedy="Call blocks.")
    return attention(
        causal=causal,
        positions=within.get(config.positions),
        window=window or None,
        query_norm=rms_norm(epsilon=config.norm_epsilon) if config.query_norm else None,
        **_attention_settings(config),
    )


def _feed_forward(config: BlockConfig) -> Model:
    hidden = config.hidden or 4 * config.width
    network = feed_forward(
        hidden, activation=activation(config.activation), gated=config.gated, **_kernels(config)
    )
    if not config.experts:
        return network
    return mixture_of_experts(network, config.experts, top=config.experts_each)


def _of_successive_params(stack: Model, n: int) -> Model:
    """A repeated chain of n blocks with the params of a repeated block.

    Params i, n + i, 2n + i, ... of its leaves are those of part i of the chain.
    """

    def apart(params: dict) -> dict:
        of_part = lambda i: jax.tree.map(lambda leaf: leaf[i::n], params)
        return {str(i): of_part(i) for i in range(n)}

    def init(key, x):
        params, state = stack.init(key, x)
        parts = [params[str(i)] for i in range(n)]
        joined = lambda *leaves: jnp.stack(leaves, 1).reshape(-1, *leaves[0].shape[1:])
        return jax.tree.map(joined, *parts), state

    return reparameterized(stack, apart)._replace(init=init)


def _scaled_by_depth(stack: Model, depth: int) -> Model:
    """The stack with logits of block i divided by i + 1: with so much smaller queries."""

    def smaller(params: dict) -> dict:
        def divided(leaf):
            number = jnp.arange(1, depth + 1, dtype=leaf.dtype)
            return leaf / number.reshape(-1, *(1,) * (leaf.ndim - 1))

        query = jax.tree.map(divided, params["attention"]["query"])
        return {**params, "attention": {**params["attention"], "query": query}}

    return reparameterized(stack, smaller)


def _with_shared_table(stack: Model, depth: int) -> Model:
    """The stack with one table of relative positions, whose gradient is the sum over all blocks."""

    def with_table(params: dict, change: Callable[[jax.Array], jax.Array]) -> dict:
        positions = jax.tree.map(change, params["attention"]["positions"])
        return {**params, "attention": {**params["attention"], "positions": positions}}

    def init(key, x):
        params, state = stack.init(key, x)
        return with_table(params, lambda table: table[0]), state

    spread = lambda params: with_table(
        params, lambda table: jnp.broadcast_to(table[None], (depth, *table.shape))
    )
    return reparameterized(stack, spread)._replace(init=init)
