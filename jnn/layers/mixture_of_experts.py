"""The mixture of experts: a router chooses a few of several networks for each element."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jnn.errors import mistake
from jnn.functions import as_model
from jnn.initializers import Init, draw, lecun_normal
from jnn.layers.checks import check_features, check_float, check_params, check_positive, wide_mask
from jnn.layers.dense import linear
from jnn.model import (
    Model,
    check_children,
    check_key,
    child_key,
    named,
    no_memory,
    pointwise,
    scope,
    where,
)
from jnn.precision import numerics, parameter_dtype
from jnn.tags import tag
from jnn.transform import ensemble


def mixture_of_experts(
    expert: Model | Callable, experts: int, *, top: int = 2, router_init: Init = lecun_normal()
) -> Model:
    """A sum of expert networks, weighted by a router, for each element.

        p = softmax(x W)
        y = Σ_i g_i expert_i(x)     over the ``top`` experts of largest p

    The gates g are p, normalized to a sum of 1 over these experts. With ``top=1`` g is p itself, as
    in Switch: a weight of 1 would leave the router without a gradient.

    x ``(..., D)`` -> y ``(..., D)``, or the shape of the expert's output; params ``router`` with
    ``kernel`` W ``(D, experts)``, and ``experts``: those of ``expert``, such as `feed_forward`,
    with a first axis of length ``experts``. The expert must treat each element alone.

    Every expert computes every element, and the gates select: this is exact, no element is dropped
    for lack of capacity, and examples do not influence each other; it costs ``experts / top`` times
    the products that are used. What an expert puts out for an element that has not selected it does
    not matter, not even NaN; but if it overflows inside, the gradient to its params is NaN. The
    router is computed in float32 at least.

    Tags: "gates" ``(..., experts)``, and two losses, means over the real elements, 0 without any:

    "load_balance"  ``experts Σ_i f_i P_i``, where f_i is the share of choices that fell on expert
                    i, and P_i the mean of p_i: 1 if even
    "router_z"      the mean of ``logsumexp(x W)²``, which keeps logits small

    To train with them, differentiate through `jnn.capture`:
    ``(y, state), values = jnn.capture(model.apply)(params, state, x)``.

    Raises `JnnError` for ``top`` above ``experts``, and for an expert that looks across elements or
    remembers a stream. Sources: Shazeer et al. 2017,
    https://arxiv.org/abs/1701.06538 (top-k gates); Fedus et al. 2022,
    https://arxiv.org/abs/2101.03961, equation 4 (balance; Hugging Face's Mixtral has it times
    ``top``); Zoph et al. 2022, https://arxiv.org/abs/2202.08906, equation 5 (z).

    >>> import jax, jax.numpy as jnp, jnn
    >>> layer, x = mixture_of_experts(jnn.dense(4), experts=3), jnp.ones((5, 4))
    >>> params, state = jax.jit(layer.init)(jax.random.key(0), x)
    >>> (y, _), values = jnn.capture(layer.apply)(params, state, x)
    >>> y.shape, values["gates"].shape, values["load_balance"].shape
    ((5, 4), (5, 3), ())
    """
    check_positive("mixture_of_experts", experts=experts, top=top)
    if top > experts:
        raise mistake(
            "mixture_of_experts",
            got=f"top={top} of {experts} experts",
            expected="at most as many as there are",
        )
    expert = as_model(expert)
    if expert.carry is not no_memory:
        raise mistake(
            "mixture_of_experts",
            got=f"experts of {expert}",
            expected="those that treat each element of a sequence alone, as feed_forward",
            remedy="A model of your own that does is jnn.pointwise(init, apply).",
        )
    all_experts = ensemble(expert, experts)

    def init(key, x):
        check_float("mixture_of_experts", x, min_rank=1)
        check_key("mixture_of_experts", key)
        with scope("experts"):
            params, state = all_experts.init(child_key(key, "experts"), x)
        shape = (x.shape[-1], experts)
        kernel = draw(router_init, child_key(key, "router"), shape, parameter_dtype(x))
        return {"router": {"kernel": kernel}} | named("experts", params), named("experts", state)

    def route(params, x, mask):
        """The gates ``(..., experts)`` of each element."""
        logits = linear(numerics(x), numerics(params["router"]["kernel"]))
        p = jax.nn.softmax(logits, axis=-1)
        chosen = _largest(p, top).astype(p.dtype)
        tag(experts * jnp.sum(_mean(chosen, mask) / top * _mean(p, mask)), "load_balance")
        tag(_mean(jax.nn.logsumexp(logits, axis=-1, keepdims=True) ** 2, mask)[0], "router_z")
        gates = p * chosen
        return tag(gates if top == 1 else gates / jnp.sum(gates, axis=-1, keepdims=True), "gates")

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_float("mixture_of_experts", x, min_rank=1)
        check_children("mixture_of_experts", ("router", "experts"), params, state)
        check_params("mixture_of_experts", params, "router")
        check_params("router of mixture_of_experts", params["router"], kernel=(None, experts))
        check_features("mixture_of_experts", x, params["router"]["kernel"].shape[0])
        mask = wide_mask("mixture_of_experts", x, mask)
        x = x if mask is None else where(mask, x, jnp.zeros_like(x))
        gates = route(params, x, mask)
        options = {"key": child_key(key, "experts"), "train": train, "mask": mask}
        with scope("experts"):
            ys, new = all_experts.apply(
                params.get("experts", {}), state.get("experts", {}), x, **options
            )
        gates = jnp.moveaxis(gates, -1, 0)[..., None].astype(ys.dtype)
        # An output that is not selected may be infinite, which times 0 is NaN.
        y = jnp.sum(gates * jnp.where(gates == 0, 0, ys), axis=0)
        return y, named("experts", new)

    return pointwise(init, apply)


def _largest(p: jax.Array, top: int) -> jax.Array:
    """Where the ``top`` largest of the last axis are, of equal ones the first, as in `lax.top_k`.

    By comparing each with each, which every device does for its own elements: `lax.top_k` would
    gather those of all devices.

    >>> _largest(jnp.array([0.3, 0.1, 0.3, 0.3]), 2).astype(int).tolist()
    [1, 0, 1, 0]
    """
    p_j, p_i = p[..., None, :], p[..., :, None]
    is_earlier = jnp.tril(jnp.ones(p.shape[-1:] * 2, bool), -1)
    is_earlier = jnp.broadcast_to(is_earlier, (*p.shape, p.shape[-1]))
    is_before = (p_j > p_i) | ((p_j == p_i) & is_earlier)
    return jnp.sum(is_before, axis=-1, dtype=jnp.int32) < top


def _mean(values: jax.Array, mask: jax.Array | None) -> jax.Array:
    """The mean over all real elements, 0 of none: values ``(..., n)`` -> ``(n,)``."""
    flat = values.reshape(-1, values.shape[-1])
    real = jnp.ones((flat.shape[0], 1), bool) if mask is None else mask.reshape(-1, 1)
    count = jnp.maximum(jnp.sum(real), 1).astype(flat.dtype)
    return jnp.sum(jnp.where(real, flat, 0), axis=0) / count
