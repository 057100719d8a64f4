"""Normalization of weights: `weight_norm` and `spectral_norm`, from models to models."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.errors import mistake
from jnn.functions import as_model
from jnn.integers import check_number
from jnn.layers.checks import check_params, check_positive
from jnn.model import Model, Params, child_key, named, no_memory, reader, streams
from jnn.paths import path_name
from jnn.precision import numerics
from jnn.transform import path_mask, reparameterized


def weight_norm(model: Model, paths: str = ".*kernel") -> Model:
    """The same model with magnitude and direction of its kernels as separate params.

        kernel = magnitude * direction / |direction|

    Each kernel ``(..., features)`` whose path matches the regular expression ``paths`` becomes
    ``{"magnitude": (features,), "direction": (..., features)}``; norms are over all axes but the
    last, that is for each output, in float32 at least. The initial output is that of ``model``. Use
    it inside `repeat` and `ensemble`, whose params have one more axis, not around them.

    Raises `JnnError` if no path matches and for a kernel of rank < 2. A kernel that starts as zeros
    has no direction, and gives NaN. PyTorch's ``original0`` and ``original1`` are magnitude and
    direction. Source: Salimans & Kingma 2016, equation 2, https://arxiv.org/abs/1602.07868.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = weight_norm(jnn.dense(2))
    >>> params, state = model.init(jax.random.key(0), jnp.ones(3))
    >>> jax.tree.map(jnp.shape, params)
    {'bias': (2,), 'kernel': {'direction': (3, 2), 'magnitude': (2,)}}
    """
    model = as_model(model)

    def init(key, x):
        params, state = model.init(key, x)
        split = {
            path: {"magnitude": _norm(kernel).astype(kernel.dtype), "direction": kernel}
            for path, kernel in _matching("weight_norm", params, paths).items()
        }
        return _replaced(params, split), state

    return reparameterized(model, lambda params: _joined(params, paths))._replace(init=init)


def _norm(kernel: jax.Array) -> jax.Array:
    """The norm of each output's weights."""
    return jnp.sqrt(jnp.sum(jnp.square(numerics(kernel)), axis=tuple(range(kernel.ndim - 1))))


def _kernel(magnitude: jax.Array, direction: jax.Array) -> jax.Array:
    scale = numerics(magnitude) / _norm(direction)
    scale = scale.reshape((1,) * (direction.ndim - 1) + scale.shape)
    return (numerics(direction) * scale).astype(direction.dtype)


def _joined(params: Any, paths: str, path: str = "") -> Any:
    """``params`` with a kernel for each magnitude and direction whose path matches ``paths``."""
    if not isinstance(params, dict):
        if re.fullmatch(paths, path):
            raise mistake(
                "weight_norm",
                got=f"{path} as one array",
                expected="its magnitude and direction",
                remedy="Use the params that this model's init made.",
            )
        return params
    if params.keys() == {"magnitude", "direction"} and re.fullmatch(paths, path):
        shape = np.shape(params["direction"])
        check_params(f"weight_norm of {path}", params, direction=shape, magnitude=shape[-1:])
        return _kernel(**params)
    inner = lambda name: f"{path}/{name}" if path else name
    return {name: _joined(part, paths, inner(name)) for name, part in params.items()}


def spectral_norm(
    model: Model, paths: str = ".*kernel", *, steps: int = 1, epsilon: float = 1e-12
) -> Model:
    """The same model with each kernel divided by its largest singular value.

        kernel / s,   s = left · K right

    Each kernel whose path matches the regular expression ``paths`` is reshaped to the matrix ``K``
    of shape (all other axes, features). Its singular vectors are in the state,
    ``{"model": the state of model, "vectors": {path: {"left", "right"}}}``, float32 at least. Each
    training step updates them by ``steps`` steps of power iteration,

        right = normalize(Kᵀ left),   left = normalize(K right)

    and evaluation uses them as they are. No gradient flows through the vectors (equation 12 of the
    paper): once they have converged, the gradient is that of the exact norm. Params are those of
    ``model``. Use it inside `repeat` and `ensemble`, not around them.

    It streams as ``model`` does, unless the carry is computed with such a kernel, as that of
    `cross_attention` is: ``carry`` takes no state, so that it has no norm.

    Raises `JnnError` if no path matches, for a kernel of rank < 2, and for such a carry. PyTorch's
    ``_u`` and ``_v`` are right and left, since its weight is the transpose. Source: Miyato et al.
    2018, https://arxiv.org/abs/1802.05957.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = spectral_norm(jnn.dense(2, use_bias=False))
    >>> params, state = model.init(jax.random.key(0), jnp.eye(3))
    >>> jnp.linalg.norm(model.apply(params, state, jnp.eye(3))[0], 2).round(3).item()
    1.0
    """
    model = as_model(model)
    check_positive("spectral_norm", steps=steps)
    epsilon = check_number("spectral_norm", "epsilon", epsilon, above=0)

    def init(key, x):
        params, state = model.init(key, x)
        vectors = {}
        for path, kernel in _matching("spectral_norm", params, paths).items():
            K = _matrix(kernel)
            left = jax.random.normal(child_key(key, f"spectral_norm/{path}"), K.shape[:1], K.dtype)
            vectors[path] = _power_iteration(K, _unit(left, epsilon), FIRST_STEPS, epsilon)
        return params, named("model", state) | {"vectors": vectors}

    def vectors_of(params, state):
        check_params("spectral_norm", state, "vectors", kind="state")
        vectors, kernels = state["vectors"], _matching("spectral_norm", params, paths)
        if vectors.keys() != kernels.keys():
            got = f"a state with vectors of {', '.join(vectors)}"
            remedy = "Use the state that this model's init made."
            expected = f"those of {', '.join(kernels)}"
            raise mistake("spectral_norm", got=got, expected=expected, remedy=remedy)
        for path, kernel in kernels.items():
            sizes = {"left": (kernel.size // kernel.shape[-1],), "right": kernel.shape[-1:]}
            check_params(f"spectral_norm of {path}", vectors[path], kind="state", **sizes)
        return vectors

    def normalized(params, vectors):
        kernels = _matching("spectral_norm", params, paths)
        divided = {path: _divided(kernel, **vectors[path]) for path, kernel in kernels.items()}
        return _replaced(params, divided)

    def updated(params, vectors):
        kernels = _matching("spectral_norm", params, paths)
        return {
            path: _power_iteration(_matrix(kernel), vectors[path]["left"], steps, epsilon)
            for path, kernel in kernels.items()
        }

    def apply(params, state, x, *, key=None, train=False, mask=None):
        vectors = vectors_of(params, state)
        vectors = updated(params, vectors) if train else vectors
        params, inner = normalized(params, vectors), state.get("model", {})
        y, inner = model.apply(params, inner, x, key=key, train=train, mask=mask)
        return y, named("model", inner) | {"vectors": vectors}

    def carry(params, x_t, length):
        empty = lambda kernels: model.carry(_replaced(params, kernels), x_t, length)
        if _depends(empty, _matching("spectral_norm", params, paths)):
            raise mistake(
                "spectral_norm",
                got="a carry that is computed with the kernels",
                expected="an empty one, since their norm is in the state",
                remedy="Read whole sequences, or pass paths without the kernels of the carry.",
            )
        return model.carry(params, x_t, length)

    def step(params, state, carry, x_t):
        return model.step(
            normalized(params, vectors_of(params, state)), state.get("model", {}), carry, x_t
        )

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        vectors = vectors_of(params, state)
        vectors = updated(params, vectors) if train else vectors
        params, inner = normalized(params, vectors), state.get("model", {})
        return reader(model)(params, inner, carry, x, key=key, train=train, mask=mask)

    def follow(params, state, x, mask):
        params = normalized(params, vectors_of(params, state))
        return model.follow(params, state.get("model", {}), x, mask)

    if not streams(model):
        return Model(init, apply, follow=follow)
    memory = no_memory if model.carry is no_memory else carry
    return Model(init, apply, memory, step, read, follow)


def _depends(f: Callable, x: Any) -> bool:
    """Whether an output of f is computed with the arrays of x, not with their shapes alone."""
    jaxpr = jax.make_jaxpr(f)(x).jaxpr
    computed = set(map(id, jaxpr.invars))
    is_computed = lambda variables: not computed.isdisjoint(map(id, variables))
    for equation in jaxpr.eqns:
        if is_computed(equation.invars):
            computed.update(map(id, equation.outvars))
    return is_computed(jaxpr.outvars)


FIRST_STEPS = 15
"""Steps of power iteration at init, as in PyTorch: after them one in each training step is enough.
"""


def _power_iteration(
    K: jax.Array, left: jax.Array, steps: int, epsilon: float
) -> dict[str, jax.Array]:
    """The singular vectors of K after ``steps`` steps from ``left``, without a gradient."""
    K = jax.lax.stop_gradient(K)

    def step(_, vectors):
        right = _unit(vectors["left"] @ K, epsilon)
        return {"left": _unit(K @ right, epsilon), "right": right}

    start = {"left": left, "right": jnp.zeros(K.shape[1], K.dtype)}
    return jax.lax.fori_loop(0, steps, step, start)


def _divided(kernel: jax.Array, left: jax.Array, right: jax.Array) -> jax.Array:
    """The kernel divided by its spectral norm."""
    norm = left @ _matrix(kernel) @ right
    return (numerics(kernel) / norm).astype(kernel.dtype)


def _matrix(kernel: jax.Array) -> jax.Array:
    return numerics(kernel).reshape(-1, kernel.shape[-1])


def _unit(vector: jax.Array, epsilon: float) -> jax.Array:
    return vector / jnp.maximum(jnp.linalg.norm(vector), epsilon)


def _matching(caller: str, params: Params, paths: str) -> dict[str, jax.Array]:
    """``{path: kernel}`` of the kernels whose path matches."""
    leaves, matches = jax.tree.leaves_with_path(params), jax.tree.leaves(path_mask(params, paths))
    kernels = {
        path_name(path): leaf
        for (path, leaf), matched in zip(leaves, matches, strict=True)
        if matched
    }
    for path, kernel in kernels.items():
        if kernel.ndim < 2:
            raise mistake(
                caller,
                got=f"{path} of shape {kernel.shape}",
                expected="kernels of at least 2 axes",
                remedy="Pass other paths.",
            )
    return kernels


def _replaced(params: Params, new: dict) -> Params:
    return jax.tree.map_with_path(lambda path, leaf: new.get(path_name(path), leaf), params)
