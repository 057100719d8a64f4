"""The functions of the playground as JavaScript, each with the shapes that it is compiled for."""

from typing import Any

import jax
import jax.numpy as jnp

from jnn.explain.playground import adversarial, descent, inspect, network, points, training
from jnn.web import modules

BATCHES = (10, 32, points.POINTS)
"""Points of a step: that of the smallest batch with room for all is taken."""
GRID = 40
"""Points along a side of the pictures."""
FINE = 160
"""Points along a side of a loss surface."""


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
    batch = lambda n: {"x": real(n, 2), "y": real(n), "weight": real(n)}
    everything = trained | batch(points.POINTS)
    stepped = {"state": state, "settings": settings, "hyper": hyper}
    order = {"seed": natural(), "epoch": whole(), "count": whole()}
    drawn = {"set": whole(), "seed": natural(), "noise": real(), "flips": real()}
    return {
        "points": (points.make_points, drawn),
        "start": (training.start, beginning),
        **{f"step{n}": (training.step, stepped | batch(n)) for n in BATCHES},
        "order": (training.order, order),
        "look": (inspect.look, trained | {"x": real(GRID * GRID, 2)}),
        "evaluate": (inspect.evaluate, everything),
        "gradients": (inspect.gradients, everything),
        "backpropagate": (inspect.backpropagate, trained | {"x": real(1, 2), "y": real(1)}),
        **_of_descent(hyper),
        **_of_two_networks(),
    }


def _of_descent(hyper):
    here = {"a": _shapes(jnp.float32)(), "b": _shapes(jnp.float32)(), "hyper": hyper}
    surface = {"surface": _shapes(jnp.int32)()}
    step = {
        "state": jax.eval_shape(descent.begin, here),
        "hyper": hyper,
        "noise": _shapes(jnp.float32)(),
        "seed": _shapes(jnp.uint32)(),
        "step": _shapes(jnp.int32)(),
    }
    return {
        "begin": (descent.begin, here),
        "descend": (descent.descend, step | surface),
        "height": (descent.heights, surface | {"x": _shapes(jnp.float32)(1, 2)}),
        "heights": (descent.heights, surface | {"x": _shapes(jnp.float32)(FINE * FINE, 2)}),
    }


def _of_two_networks():
    natural, whole, real = _shapes(jnp.uint32), _shapes(jnp.int32), _shapes(jnp.float32)
    rates = {"generator": real(), "discriminator": real()}
    beginning = {"seed": natural(), "rates": rates}
    state = jax.eval_shape(adversarial.begin_game, beginning)
    seen = {"params": state.params, "target": whole(), "seed": natural()}
    return {
        "beginGame": (adversarial.begin_game, beginning),
        "play": (adversarial.play, {"state": state, "rates": rates, "target": whole()}),
        "judge": (adversarial.judge, seen | {"x": real(GRID * GRID, 2)}),
    }


def facts() -> dict[str, Any]:
    """Names and sizes that the scripts share with the functions."""
    return {
        "sets": points.SETS,
        "classes": len(points.CLASSES),
        "planes": len(points.SURFACES),
        "points": points.POINTS,
        "batches": BATCHES,
        "edge": points.EDGE,
        "features": network.FEATURES,
        "activations": network.NAMES,
        "losses": list(network.LOSSES),
        "optimizers": training.OPTIMIZERS,
        "depth": network.LAYERS,
        "width": network.WIDTH,
        "grid": GRID,
        "fine": FINE,
        "surfaces": list(descent.SURFACES),
        "targets": list(adversarial.TARGETS),
        "shown": adversarial.SHOWN,
    }


def compiled(*names: str) -> str:
    """The script that makes ``compiled``, with the module of each function, or of some."""
    all_of_them = functions()
    chosen = {name: all_of_them[name] for name in names or all_of_them}
    return f"globalThis.compiled = {modules(chosen)};\n"


def _shapes(dtype):
    return lambda *shape: jax.ShapeDtypeStruct(shape, dtype)
