"""Scaled dot-product attention, a pure function of queries, keys and values."""

import math

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.integers import check_fraction
from jnn.layers.checks import check_positive
from jnn.masks import check_mask
from jnn.precision import numerics
from jnn.tags import tag
from jnn.threefry import unrolled


def dot_product_attention(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    *,
    mask: jax.Array | None = None,
    bias: jax.Array | None = None,
    scale: float | None = None,
    causal: bool = False,
    window: int | None = None,
    dropout: float = 0.0,
    key: jax.Array | None = None,
    fused: bool = False,
) -> jax.Array:
    """Attention of each head: ``y = softmax(q kᵀ scale + bias) v``.

    ``q``        ``(..., T, H, d)``; ``k`` is ``(..., S, G, d)`` and ``v`` ``(..., S, G, e)``, where
                 G divides H: head h attends to key head ``h // (H // G)``, so that G = H is
                 multi-head, 1 < G < H grouped-query and G = 1 multi-query attention
    ``mask``     True where a query may attend to a key: broadcastable to ``(..., H, T, S)`` if it
                 has as many axes as q, else to ``(..., T, S)``. A query without any key gives 0.
                 (PyTorch's ``MultiheadAttention`` has True where it may not.)
    ``bias``     added to the logits, broadcastable to ``(..., H, T, S)``
    ``scale``    by default ``1 / sqrt(d)``
    ``causal``   whether query t attends only to keys s <= t
    ``window``   queries attend only to keys at ``|t - s| < window``
    ``dropout``  the probability with which a weight is dropped, if there is a ``key``
    ``fused``    whether to call ``jax.nn.dot_product_attention``, which on NVIDIA GPUs is cuDNN's
                 flash attention for bfloat16 and float16: it keeps no weights, so that none can be
                 captured or dropped. Its logits are float32, so that float64 is never fused

    Returns y ``(..., T, H, e)`` in the dtype of v. Logits and softmax are in float32 at least. The
    weights ``(..., H, T, S)``, before dropout, are tagged "weights". Raises `JnnError` for shapes
    that do not fit.

    Sources: Vaswani et al. 2017, section 3.2.1, https://arxiv.org/abs/1706.03762; Ainslie et al.
    2023, https://arxiv.org/abs/2305.13245.

    >>> import jax.numpy as jnp
    >>> q, k, v = jnp.zeros((1, 1, 2)), jnp.ones((3, 1, 2)), jnp.array([[[1.0]], [[2.0]], [[6.0]]])
    >>> dot_product_attention(q, k, v).item(), dot_product_attention(q, k, v, causal=True).item()
    (3.0, 1.0)
    """
    _check(q, k, v, mask, bias, window, dropout)
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    mask = None if mask is None else _per_head(mask, q)
    if key is not None:
        check_fused("dot_product_attention", fused, dropout)
    if fused and q.dtype != jnp.float64 and q.size and k.size:  # JAX divides by their lengths
        return _fused(q, k, v, mask, bias, factor, causal, window)
    if causal or window is not None:
        distance = jnp.arange(k.shape[-3])[None] - jnp.arange(q.shape[-3])[:, None]
        in_reach = _per_head(visible(distance, causal, window), q)
        mask = in_reach if mask is None else mask & in_reach
    q, k, v = (heads_first(a) for a in (q, k, v))
    y = attend(q, k, v, mask=mask, bias=bias, scale=factor, dropout=dropout, key=key)
    return heads_first(y)


def attend(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    *,
    mask: jax.Array | None = None,
    bias: jax.Array | None = None,
    scale: float,
    dropout: float = 0.0,
    key: jax.Array | None = None,
) -> jax.Array:
    """`dot_product_attention` with heads in front of time.

    q is ``(..., H, T, d)``, k and v are ``(..., G, S, d)``, mask and bias ``(..., H, T, S)``.

    All matrices are multiplied in the layout that they have in memory, under one leading axis (2.5
    times faster than under two for one query on a CPU); queries that share keys are the rows of one
    matrix.
    """
    *batch, H, T, d = q.shape
    G, S = k.shape[-3:-1]
    n = math.prod(batch) * G
    q, k = q.reshape(n, H // G * T, d), k.reshape(n, S, d)
    logits = jnp.matmul(q, jnp.swapaxes(k, -1, -2), preferred_element_type=numerics(q).dtype)
    logits = logits.reshape(*batch, H, T, S) * scale
    if bias is not None:
        logits = logits + _of_rank(bias, logits.ndim).astype(logits.dtype)
    if mask is not None:
        logits = jnp.where(_of_rank(mask, logits.ndim), logits, -jnp.inf)
    weights = tag(softmax(logits), "weights")
    if dropout > 0 and key is not None:
        is_kept = jax.random.bernoulli(unrolled(key), 1 - dropout, weights.shape)
        weights = jnp.where(is_kept, weights / (1 - dropout), 0)
    y = weights.astype(v.dtype).reshape(n, H // G * T, S) @ v.reshape(n, S, v.shape[-1])
    return y.reshape(*batch, H, T, v.shape[-1])


@jax.custom_jvp
def softmax(x: jax.Array) -> jax.Array:
    """``exp(x) / sum(exp(x))`` along the last axis; a row of ``-inf`` gives 0 and no gradient."""
    if x.shape[-1] == 0:  # the largest of no logits is not defined
        return x
    largest = jnp.max(x, axis=-1, keepdims=True)
    e = jnp.exp(x - jnp.where(largest == -jnp.inf, 0, largest))
    total = jnp.sum(e, axis=-1, keepdims=True)
    return e / jnp.where(total == 0, 1, total)


@softmax.defjvp
def _softmax_jvp(primals, tangents):
    # Keeps y alone; differentiating the lines above would keep several arrays of this size.
    y, dx = softmax(*primals), tangents[0]
    y_dx = y * dx
    return y, y_dx - y * jnp.sum(y_dx, axis=-1, keepdims=True)


def visible(distance: jax.Array, causal: bool, window: int | None) -> jax.Array:
    """Whether a query may attend to a key at this ``distance``, the key's position less its own."""
    allowed = distance <= 0 if causal else jnp.ones_like(distance, bool)
    return allowed if window is None else allowed & (jnp.abs(distance) < window)


def heads_first(x: jax.Array) -> jax.Array:
    """``(..., T, H, d)`` as ``(..., H, T, d)``, and the reverse."""
    return jnp.swapaxes(x, -2, -3)


def check_fused(caller: str, fused: bool, dropout: float) -> None:
    """Refuse dropout of weights where attention is fused, and keeps none."""
    if fused and dropout > 0:
        got, remedy = f"dropout={dropout} and fused=True", "Set fused=False."
        raise mistake(caller, got=got, expected="one of them", remedy=remedy)


def _fused(q, k, v, mask, bias, scale, causal, window) -> jax.Array:
    batch, flat = q.shape[:-3], lambda a: a.reshape(-1, *a.shape[-3:])

    def four_axes(a):
        """One axis for the batch, of length 1 if all examples share ``a``."""
        a = _of_rank(a, q.ndim)
        is_shared = math.prod(a.shape[:-3]) == 1
        return flat(a if is_shared else jnp.broadcast_to(a, (*batch, *a.shape[-3:])))

    # JAX's function promotes dtypes inside.
    with jax.numpy_dtype_promotion("standard"):
        y = jax.nn.dot_product_attention(
            flat(q),
            flat(k),
            flat(v),
            bias=None if bias is None else four_axes(bias).astype(q.dtype),
            mask=None if mask is None else four_axes(mask),
            scale=scale,
            is_causal=causal,
            local_window_size=None if window is None else (window - 1, 0 if causal else window - 1),
            implementation="cudnn" if _is_for_cudnn(q, v, causal, window) else "xla",
        )
    y = y.reshape(*q.shape[:-1], v.shape[-1])
    if mask is None:
        return y
    distance = jnp.arange(k.shape[-3])[None] - jnp.arange(q.shape[-3])[:, None]
    has_key = jnp.any(mask & _per_head(visible(distance, causal, window), q), axis=-1)
    return jnp.where(jnp.swapaxes(has_key, -1, -2)[..., None], y, 0)


def _is_for_cudnn(q, v, causal, window) -> bool:
    """Whether cuDNN is there and takes this: 16-bit types, certain head sizes, a causal window."""
    is_half = q.dtype in (jnp.bfloat16, jnp.float16)
    has_size = q.shape[-1] == v.shape[-1] and q.shape[-1] % 8 == 0 and q.shape[-1] <= 128
    has_window = window is None or causal
    return jax.default_backend() == "gpu" and is_half and has_size and has_window


def _of_rank(a: jax.Array, rank: int) -> jax.Array:
    return a.reshape((1,) * (rank - a.ndim) + a.shape)


def _per_head(mask: jax.Array, q) -> jax.Array:
    """The mask with the axes of the logits, ``(..., H, T, S)``."""
    return mask if mask.ndim == q.ndim else _of_rank(mask[..., None, :, :], q.ndim)


def _check(q, k, v, mask, bias, window, dropout) -> None:
    caller = "dot_product_attention"
    shapes = f"q {tuple(q.shape)}, k {tuple(k.shape)}, v {tuple(v.shape)}"
    fits = (
        q.ndim == k.ndim >= 3
        and k.shape[:-1] == v.shape[:-1]
        and q.shape[:-3] == k.shape[:-3]
        and q.shape[-1] == k.shape[-1] > 0
        and k.shape[-2] > 0
    )
    if not fits or q.shape[-2] % k.shape[-2]:
        sizes = "q (..., T, H, d), k (..., S, G, d), v (..., S, G, e)"
        raise mistake(caller, got=shapes, expected=f"{sizes}, d > 0, H a multiple of G")
    if mask is not None:
        check_mask(caller, mask)
    logits = (*q.shape[:-3], q.shape[-2], q.shape[-3], k.shape[-3])
    for name, a in (("mask", mask), ("bias", bias)):
        if a is None:
            continue
        shape = logits if name == "bias" or a.ndim == q.ndim else (*logits[:-3], *logits[-2:])
        if a.ndim < 2 or not _broadcasts(a.shape, shape):
            raise mistake(
                caller,
                got=f"{name} of shape {tuple(a.shape)} for {shapes}",
                expected=f"one that broadcasts to {shape}",
            )
    if window is not None:
        check_positive(caller, window=window)
    check_fraction(caller, "dropout", dropout, ends="[)")


def _broadcasts(shape, target) -> bool:
    try:
        return jnp.broadcast_shapes(shape, target) == tuple(target)
    except ValueError:
        return False
