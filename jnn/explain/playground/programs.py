"""The functions of the playground as JavaScript, each with the shapes that it is compiled for."""

from typing import Any

import jax
import jax.numpy as jnp

from jnn.explain.playground import inspect, network, points, training
from jnn.web import javascript

GRID = 40
"""Points along a side of the pictures."""


def functions() -> dict[str, tuple[Any, Any]]:
    """Each function with the shapes of its arguments."""
    real, whole, natural = _shapes(jnp.float32), _shapes(jnp.int32), _shapes(jnp.uint32)
    settings = {
        "features": real(network.WIDTH),
        "layers": real(network.LAYERS),
        "neurons": real(network.LAYERS, network.WIDTH),
        "activation": whole(network.LAYERS),
        "loss": whole(),
        "dropout": real(),
        "l1": real(),
    }
    hyper = {"optimizer": whole(), "learning_rate": real(), "momentum": real(), "decay": real()}
    beginning = {"seed": natural(), "scale": real(), "settings": settings, "hyper": hyper}
    state = jax.eval_shape(training.start, beginning)
    trained = {"params": state.params, "settings": settings}
    batch = {
        "x": real(points.POINTS, 2),
        "y": real(points.POINTS),
        "weight": real(points.POINTS),
    }
    order = {"seed": natural(), "epoch": whole(), "count": whole()}
    drawn = {"set": whole(), "seed": natural(), "noise": real(), "flips": real()}
    return {
        "points": (points.make_points, drawn),
        "start": (training.start, beginning),
        "step": (training.step, {"state": state, "settings": settings, "hyper": hyper, **batch}),
        "order": (training.order, order),
        "look": (inspect.look, trained | {"x": real(GRID * GRID, 2)}),
        "evaluate": (inspect.evaluate, trained | batch),
        "backpropagate": (inspect.backpropagate, trained | {"x": real(1, 2), "y": real(1)}),
    }


def facts() -> dict[str, Any]:
    """Names and sizes that the scripts share with the functions."""
    return {
        "sets": points.SETS,
        "classes": len(points.CLASSES),
        "planes": len(points.SURFACES),
        "points": points.POINTS,
        "edge": points.EDGE,
        "features": network.FEATURES,
        "activations": network.NAMES,
        "losses": list(network.LOSSES),
        "optimizers": training.OPTIMIZERS,
        "depth": network.LAYERS,
        "width": network.WIDTH,
        "grid": GRID,
        "surfaces": ["bowl"],
        "targets": ["ring"],
    }


def compiled(*names: str) -> str:
    """The script that makes ``compiled``, with the module of each function, or of some."""
    parts, all_of_them = [], functions()
    for name in names or all_of_them:
        function, arguments = all_of_them[name]
        source = javascript(function, arguments).replace("export default model;", "return model;")
        parts.append(f"{name}: (() => {{\n{source}}})(),\n")
    return f"globalThis.compiled = {{\n{''.join(parts)}}};\n"


def _shapes(dtype):
    return lambda *shape: jax.ShapeDtypeStruct(shape, dtype)
