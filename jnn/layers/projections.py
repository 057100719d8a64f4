"""The projections of multi-head attention: to queries, keys and values, and from heads back."""

import dataclasses
from collections.abc import Collection

import jax

from jnn.errors import mistake
from jnn.initializers import Init, draw
from jnn.layers.checks import check_features, check_params, check_positive
from jnn.layers.dense import linear
from jnn.model import Params, check_key
from jnn.tags import tag
from jnn.threefry import split

NAMES = ("query", "key", "value", "output")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Projections:
    """The projections, as settings and functions of their params.

    params are ``query``, ``key``, ``value`` and ``output``, each with ``kernel`` and ``bias`` as in
    `dense`; ``use_bias`` may name those with a bias. Head h has columns ``h d`` to ``(h + 1) d`` of
    the first three, as in PyTorch. By default keys and values have as many heads as queries, and
    the output has the initializer of the others.
    """

    caller: str
    heads: int
    key_value_heads: int | None
    head_features: int | None
    use_bias: bool | Collection[str]
    kernel_init: Init
    output_init: Init | None
    bias_init: Init

    def __post_init__(self):
        check_positive(self.caller, heads=self.heads, key_value_heads=self.shared_heads)
        if self.head_features is not None:
            check_positive(self.caller, head_features=self.head_features)
        if self.heads % self.shared_heads:
            raise mistake(
                self.caller,
                got=f"heads={self.heads} and key_value_heads={self.key_value_heads}",
                expected="heads to be a multiple of key_value_heads",
            )
        if not isinstance(self.use_bias, bool) and (
            unknown := [name for name in self.use_bias if name not in NAMES]
        ):
            raise mistake(
                self.caller, got=f"use_bias={unknown}", expected=f"some of {', '.join(NAMES)}"
            )

    @property
    def shared_heads(self) -> int:
        """The heads of keys and values, each shared by as many of queries."""
        return self.heads if self.key_value_heads is None else self.key_value_heads

    def init(self, key: jax.Array, features: int, memory_features: int, dtype) -> Params:
        """Params for queries from ``features``, keys and values from ``memory_features``."""
        check_key(self.caller, key)
        if self.head_features is None and (features < 1 or features % self.heads):
            raise mistake(
                self.caller,
                got=f"{self.heads} heads for {features} features",
                expected="heads that divide the features",
                remedy="Choose another number of heads, or set head_features.",
            )
        sizes = self._sizes(features, memory_features)
        params = {}
        for name, child_key in zip(sizes, split(key, len(sizes)), strict=True):
            kernel_key, bias_key = split(child_key)
            kernel_init = (name == "output" and self.output_init) or self.kernel_init
            params[name] = {"kernel": draw(kernel_init, kernel_key, sizes[name], dtype)}
            if self._has_bias(name):
                params[name]["bias"] = draw(self.bias_init, bias_key, sizes[name][1:], dtype)
        return params

    def project(self, name: str, params: Params, x: jax.Array) -> jax.Array:
        """Queries, keys or values, by ``name``: x ``(..., T, D)`` -> ``(..., T, heads, d)``."""
        kernel, bias = self._weights(name, params)
        check_features(self.caller, x, kernel.shape[0])
        heads = self.heads if name == "query" else self.shared_heads
        y = linear(x, kernel, bias)
        return tag(y.reshape(*x.shape[:-1], heads, kernel.shape[1] // heads), name)

    def merge(self, params: Params, y: jax.Array) -> jax.Array:
        """The outputs of all heads as features: y ``(..., T, heads, d)`` -> ``(..., T, D)``."""
        y = y.reshape(*y.shape[:-2], y.shape[-2] * y.shape[-1])
        kernel, bias = self._weights("output", params)
        return linear(y, kernel, bias)

    def _sizes(self, features: int, memory_features: int | None) -> dict[str, tuple]:
        """The shape of each kernel."""
        d = self.head_features or features // self.heads
        inner, shared = self.heads * d, self.shared_heads * d
        of_memory = memory_features, shared
        return {
            "query": (features, inner),
            "key": of_memory,
            "value": of_memory,
            "output": (inner, features),
        }

    def _has_bias(self, name: str) -> bool:
        return self.use_bias is True or (bool(self.use_bias) and name in self.use_bias)

    def _weights(self, name: str, params: Params) -> tuple[jax.Array, jax.Array | None]:
        """The kernel and the bias of a projection."""
        check_params(self.caller, params, *NAMES)
        shape = None, None
        for part in ("query", name):  # the rows of the first are the features
            bias = shape[1:] if self._has_bias(part) else None
            check_params(f"{part} of {self.caller}", params[part], kernel=shape, bias=bias)
            shape = self._sizes(params["query"]["kernel"].shape[0], None)[name]
        return params[name]["kernel"], params[name].get("bias")
