"""Saliency: which inputs support a class, by five methods, and a sanity check of them.

Every method takes ``f(x) -> logits (K,)``, one example ``x`` and the class ``target`` to explain,
and is a pure function that runs under `jax.jit`:

    gradient              ∂f_c/∂x
    smooth_grad           E_ε ∂f_c/∂x (x + ε)
    integrated_gradients  (x - x₀) ∫₀¹ ∂f_c/∂x (x₀ + t (x - x₀)) dt
    grad_cam              relu Σ_k A_k mean_ij ∂f_c/∂A_ijk
    occlusion             f_c(x) - f_c(x with a patch covered)

A map that stays the same when the weights are randomized shows the image, not the model: `compare`
puts both side by side.

Sources, in this order: Simonyan et al. 2013, https://arxiv.org/abs/1312.6034; Smilkov et al. 2017,
https://arxiv.org/abs/1706.03825; Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365;
Selvaraju et al. 2016, https://arxiv.org/abs/1610.02391; Zeiler and Fergus 2013,
https://arxiv.org/abs/1311.2901; the check: Adebayo et al. 2018, https://arxiv.org/abs/1810.03292.
"""

import functools
import itertools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from matplotlib.figure import Figure

from jnn.errors import mistake
from jnn.explain import style
from jnn.layers.checks import check_positive
from jnn.precision import numerics
from jnn.tags import capture, intervene

Logits = Callable[[jax.Array], jax.Array]

METHODS = ("gradient", "SmoothGrad", "integrated gradients", "Grad-CAM", "occlusion")

AT_ONCE = 16
"""Copies of the example in one batch."""


def gradient(f: Logits, x: jax.Array, target: int | jax.Array) -> jax.Array:
    """The gradient ``∂f_c/∂x`` of the logit of ``target``, in the shape of ``x``.

    >>> gradient(lambda x: jnp.stack([x[0], 3 * x[1]]), jnp.ones(2), 1).tolist()
    [0.0, 3.0]
    """
    _check(f, x, target)
    return jax.grad(lambda x: f(x)[target])(x)


def smooth_grad(
    f: Logits,
    x: jax.Array,
    target: int | jax.Array,
    key: jax.Array,
    *,
    samples: int = 32,
    noise: float = 0.15,
) -> jax.Array:
    """The mean gradient at ``samples`` normally distributed points around ``x``.

    Their standard deviation is ``noise`` times the range of ``x``.
    """
    check_positive("smooth_grad", samples=samples)
    _check(f, x, target)
    deviation = noise * (jnp.max(x) - jnp.min(x))
    at = lambda key: gradient(f, x + deviation * jax.random.normal(key, x.shape, x.dtype), target)
    return jnp.mean(jax.lax.map(at, jax.random.split(key, samples), batch_size=AT_ONCE), axis=0)


def integrated_gradients(
    f: Logits,
    x: jax.Array,
    target: int | jax.Array,
    *,
    baseline: jax.Array | float = 0.0,
    steps: int = 64,
) -> jax.Array:
    """What each input adds to the logit of ``target`` on the straight line from ``baseline``.

    The sum over all inputs is ``f_c(x) - f_c(baseline)``. The integral is a sum over the midpoints
    of ``steps`` equal parts, exact for linear f.

    >>> integrated_gradients(lambda x: jnp.stack([x[0] * x[1]]), jnp.array([2.0, 3.0]), 0).tolist()
    [3.0, 3.0]
    """
    check_positive("integrated_gradients", steps=steps)
    _check(f, x, target)
    start = jnp.broadcast_to(jnp.asarray(baseline, x.dtype), x.shape)
    t = (jnp.arange(steps, dtype=x.dtype) + 0.5) / steps
    gradients = jax.lax.map(
        lambda t: gradient(f, start + t * (x - start), target), t, batch_size=AT_ONCE
    )
    return (x - start) * jnp.mean(gradients, axis=0)


def grad_cam(f: Logits, x: jax.Array, target: int | jax.Array, path: str) -> jax.Array:
    """Where the feature maps at the tagged ``path`` support ``target``, ``(H, W)``, none negative.

    ``L = relu(Σ_k α_k A_k)`` with ``α_k`` the mean over the positions of ``∂f_c/∂A_k``, resized
    linearly to the image ``x`` ``(H, W, C)``. ``path`` is one of `jnn.capture`, or its last parts.
    Raises `JnnError` where it names no value, several, or one that is no ``(h, w, channels)``.
    """
    _check(f, x, target)
    _, values = capture(f)(x)
    matches = [name for name in values if name == path or name.endswith("/" + path)]
    if len(matches) != 1 or values[matches[0]].ndim != 3:
        shapes = ", ".join(f"{name} {values[name].shape}" for name in matches)
        possible = ", ".join(name for name, value in values.items() if value.ndim == 3)
        raise mistake(
            "grad_cam",
            got=f"{path!r}, which names {shapes or 'nothing'}",
            expected=f"one value of shape (h, w, channels): {possible or 'this model tags none'}",
        )
    maps = values[matches[0]]
    gradients = jax.grad(lambda maps: intervene(f, {matches[0]: maps})(x)[target])(maps)
    weights = jnp.mean(gradients, axis=(0, 1), keepdims=True)
    return jax.image.resize(jax.nn.relu(jnp.sum(weights * maps, axis=-1)), x.shape[:2], "linear")


def occlusion(
    f: Logits,
    x: jax.Array,
    target: int | jax.Array,
    *,
    size: int = 4,
    stride: int = 1,
    value: jax.Array | float = 0.0,
) -> jax.Array:
    """The decrease of the logit of ``target`` when a square of the image is covered: ``(H, W)``.

    The squares of the image ``x`` ``(H, W, C)`` have ``size`` pixels on each side, are ``stride``
    pixels apart, and get ``value``. A pixel has the mean over the squares that cover it.
    """
    _check(f, x, target)
    if x.ndim != 3 or not (0 < size <= min(x.shape[:2]) and 0 < stride <= size):
        raise mistake(
            "occlusion",
            got=f"x of shape {x.shape}, size={size}, stride={stride}",
            expected="x (H, W, C), size <= H and W, stride <= size",
        )
    starts = [
        sorted({*range(0, extent - size + 1, stride), extent - size}) for extent in x.shape[:2]
    ]
    corners = jnp.array(list(itertools.product(*starts)))
    rows, columns = jnp.arange(x.shape[0])[:, None], jnp.arange(x.shape[1])[None]
    cover = jnp.broadcast_to(jnp.asarray(value, x.dtype), x.shape)

    def fall(corner):
        i, j = corner
        inside = (rows >= i) & (rows < i + size) & (columns >= j) & (columns < j + size)
        covered = jnp.where(inside[..., None], cover, x)
        return (f(x) - f(covered))[target] * inside.astype(x.dtype), inside

    falls, insides = jax.lax.map(fall, corners, batch_size=AT_ONCE)
    return jnp.sum(falls, axis=0) / jnp.sum(insides, axis=0, dtype=x.dtype)


def explanations(
    f: Logits,
    x: jax.Array,
    target: int | jax.Array,
    key: jax.Array,
    *,
    path: str = "",
    patch: int = 4,
) -> dict[str, np.ndarray]:
    """A map ``(H, W)`` by each method for one image ``x`` ``(H, W, C)``, summed over its channels.

    Positive values support ``target``. ``path`` is that of the feature maps for Grad-CAM, which is
    left out without one. All methods are compiled together; where ``f`` is a
    `jax.tree_util.Partial` of params, once for all params.
    """
    _check(f, x, target)
    f = f if isinstance(f, jax.tree_util.Partial) else jax.tree_util.Partial(f)
    maps = jax.device_get(_all_maps(f, x, target, key, path=path, patch=patch))
    return {name: maps[name] for name in METHODS if name in maps}


@functools.partial(jax.jit, static_argnames=("path", "patch"))
def _all_maps(f, x, target, key, *, path, patch):
    maps = {
        "gradient": gradient(f, x, target),
        "SmoothGrad": smooth_grad(f, x, target, key),
        "integrated gradients": integrated_gradients(f, x, target),
        "occlusion": occlusion(f, x, target, size=patch)[..., None],
    }
    if path:
        maps["Grad-CAM"] = grad_cam(f, x, target, path)[..., None]
    return {name: jnp.sum(numerics(values), axis=-1) for name, values in maps.items()}


def compare(
    image: np.ndarray,
    trained: Mapping[str, np.ndarray],
    random: Mapping[str, np.ndarray],
    *,
    answer: str,
) -> Figure:
    """Maps of one image by several methods, for the trained weights above and random ones below.

    ``trained`` and ``random`` are ``{method: (H, W)}``, as `explanations` gives them. Below each
    lower map is its rank correlation with the upper one, of absolute values: near 1, the method
    shows the same for a model that has learned nothing. ``answer`` names the class.
    """
    if set(trained) != set(random):
        raise mistake(
            "compare",
            got=f"{', '.join(trained)} and {', '.join(random)}",
            expected="the same methods for trained and random weights",
        )
    title = f"Saliency of “{answer}”: orange supports the class, blue opposes it"
    figure, axes = style.panels(
        2, 1 + len(trained), width=1.75 * (1 + len(trained)), height=4.3, title=title
    )
    style.picture(axes[0, 0], image)
    style.caption(axes[0, 0], "image")
    axes[1, 0].text(
        1,
        0.5,
        "the same with\nrandom weights:\nwhat remains is\nnot learned",
        ha="right",
        va="center",
        fontsize=9,
        color=style.QUIET,
    )
    style.bare(axes[1, 0])
    for column, name in zip(axes.T[1:], trained, strict=True):
        for ax, values in zip(column, (trained[name], random[name]), strict=True):
            values = np.asarray(values)
            most = float(np.max(np.abs(values))) or 1.0
            ax.imshow(values, cmap=style.SIGNED, vmin=-most, vmax=most, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color=style.FAINT)
        style.caption(column[0], name)
        correlation = _rank_correlation(trained[name], random[name])
        style.caption(column[1], x=f"rank correlation {correlation}")
    return figure


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> str:
    a, b = np.abs(np.ravel(a)), np.abs(np.ravel(b))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return "undefined"
    return f"{scipy.stats.spearmanr(a, b)[0]:.2f}"


def _check(f: Logits, x: jax.Array, target: int | jax.Array) -> None:
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise mistake(
            "saliency",
            got=f"x of dtype {x.dtype}",
            expected="floating-point values",
            remedy="Scale bytes to [0, 1] as in training.",
        )
    shape = jax.eval_shape(f, x).shape
    if len(shape) != 1:
        raise mistake(
            "saliency",
            got=f"f that makes {shape} of x {x.shape}",
            expected="logits (K,) of one example",
        )
    if not isinstance(target, jax.Array) and not 0 <= target < shape[0]:
        raise mistake("saliency", got=f"target={target}", expected=f"a class in [0, {shape[0]})")
