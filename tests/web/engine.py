"""Running a module that `jnn.web` wrote, in V8."""

import json

import jax
import numpy as np

from jnn.web import javascript
from jnn.web.values import ARRAYS

TOLERANCE = 1e-5
"""float32 beside double precision that is rounded where it is stored, relative to the largest."""


def run(source: str, arrays) -> list[np.ndarray]:
    """The results of ``call`` for NumPy arrays."""
    import py_mini_racer

    texts = []
    for array in arrays:
        values = np.asarray(array)
        numbers = ", ".join(map(_number, values.ravel().tolist()))
        texts.append(f"new {ARRAYS[str(values.dtype)]}([{numbers}])")
    body = source.replace("export default model;", "")
    script = f"""(() => {{ {body}
    const all = model.call({", ".join(texts)});
    const plain = (x) => (Number.isFinite(x) ? x : String(x));
    return JSON.stringify({{ outputs: model.outputs, all: all.map((a) => Array.from(a, plain)) }});
    }})()"""
    context = py_mini_racer.MiniRacer()
    found = json.loads(context.eval(script))
    return [
        np.array([float(x) for x in values], np.float64).reshape(output["shape"])
        for output, values in zip(found["outputs"], found["all"], strict=True)
    ]


def check(f, *args, tolerance: float = TOLERANCE) -> str:
    """Compare ``f`` in V8 with ``jax.jit(f)``; returns the source."""
    source = javascript(f, *args)
    leaves = [data(leaf) for leaf in jax.tree.leaves(args)]
    found = run(source, leaves)
    expected = [data(leaf) for leaf in jax.tree.leaves(jax.jit(f)(*args))]
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        if b.dtype != np.float32:
            np.testing.assert_array_equal(a, b)
            continue
        finite = np.abs(b[np.isfinite(b)])
        scale = max(1.0, finite.max()) if finite.size else 1.0
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)
    return source


def data(leaf) -> np.ndarray:
    """An array, or the data of keys."""
    if jax.numpy.issubdtype(getattr(leaf, "dtype", np.dtype(float)), jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(leaf))
    return np.asarray(leaf)


def _number(x) -> str:
    if isinstance(x, bool):
        return str(int(x))
    if isinstance(x, float) and not np.isfinite(x):
        return "NaN" if np.isnan(x) else ("Infinity" if x > 0 else "-Infinity")
    return repr(x)
