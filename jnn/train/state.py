"""All that training changes, in one pytree."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jnn.errors import mistake
from jnn.functions import as_model
from jnn.integers import as_integer, check_number, spelled
from jnn.model import Model, child_key
from jnn.sharding import drawn
from jnn.threefry import jitted


class TrainState(NamedTuple):
    """Step, params, state, optimizer state and key.

    With the config, these are all that a run needs to continue bit for bit.

    ``step`` counts the updates made, int32. ``key`` never changes: what step s draws comes from
    ``fold_in(key, s)``. ``average`` is the moving average of params, and ``loss_scale`` a
    `LossScale`, where they are used.
    """

    step: jax.Array
    params: Any
    state: Any
    optimizer_state: Any
    key: jax.Array
    average: Any = ()
    loss_scale: Any = ()

    @property
    def best_guess(self) -> Any:
        """The params to predict with: their moving average where there is one."""
        return self.params if self.average == () else self.average


class LossScale(NamedTuple):
    """The factor of the loss, so that small gradients do not underflow in float16.

    ``since`` counts the finite steps since ``value`` last changed.
    """

    value: jax.Array
    since: jax.Array


def seed_key(seed: int) -> jax.Array:
    """The key of a run.

    Raises `JnnError` for a seed outside [0, 2^32), where JAX would silently use another one.

    >>> seed_key(2**33)
    Traceback (most recent call last):
    jnn.errors.JnnError: seed: got 8589934592, expected an integer in [0, 2**32).
    """
    number = as_integer(seed)
    if number is None or not 0 <= number < 2**32:
        raise mistake("seed", got=spelled(seed), expected="an integer in [0, 2**32)")
    return jax.random.key(number)


def check_optimizer(caller: str, optimizer: Any) -> None:
    """Refuse what is no optimizer of Optax, such as the function that makes one."""
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        name = getattr(optimizer, "__name__", "")
        got = f"the function {name}" if name else f"{optimizer!r}"[:100]
        raise mistake(
            caller,
            got=f"{got} as optimizer",
            expected="an optimizer of Optax",
            remedy="Call what makes it, as in optax.adam(1e-3).",
        )


def check_optimizer_state(caller: str, optimizer: Any, train_state: TrainState) -> None:
    """Refuse the train state of another optimizer, which some take without a word."""
    state = train_state.optimizer_state
    expected = jax.eval_shape(optimizer.init, train_state.params)
    if jax.tree.structure(state) != jax.tree.structure(expected):
        raise mistake(
            caller,
            got=f"a train state whose optimizer keeps {_kept(state)}",
            expected=f"one of its own optimizer, which keeps {_kept(expected)}",
            remedy="Make the train state by init_train_state, with this optimizer.",
        )


def _kept(state: Any) -> str:
    """The names of all that an optimizer keeps.

    >>> _kept(optax.adam(1e-3).init({"bias": jnp.zeros(3)}))
    'ScaleByAdamState, EmptyState'
    """
    return ", ".join(_names(state)) or "nothing"


def _names(state: Any) -> list[str]:
    inner = [name for part in state for name in _names(part)] if isinstance(state, tuple) else []
    return [type(state).__name__, *inner] if hasattr(state, "_fields") else inner


def init_train_state(
    key: jax.Array,
    model: Model,
    optimizer: optax.GradientTransformation,
    x: Any,
    *,
    average: bool = False,
    loss_scale: float | None = None,
    place: Callable[[TrainState], Any] | None = None,
) -> TrainState:
    """The state before the first step, for a model of inputs like ``x`` (arrays or their shapes).

    ``average`` adds the moving average of params, ``loss_scale`` (2**15 is usual) a dynamic loss
    scale, as `jnn.train.make_step` uses them. ``place`` makes the shardings of a train state of
    shapes, such as those of `jnn.sharding.shardings`: each array is then made where it lives, and
    never whole on one device. It takes one compilation.

    >>> import jnn
    >>> train_state = init_train_state(seed_key(0), jnn.dense(2), optax.adam(1e-3), jnp.ones(3))
    >>> int(train_state.step), train_state.params["kernel"].shape
    (0, (3, 2))
    """
    check_optimizer("init_train_state", optimizer)
    if loss_scale is not None:
        loss_scale = check_number("init_train_state", "loss_scale", loss_scale, above=0)
    model = as_model(model)
    if wrong := [leaf for leaf in jax.tree.leaves(x) if not hasattr(leaf, "shape")]:
        got = f"x with a {type(wrong[0]).__name__}"
        raise mistake("init_train_state", got=got, expected="arrays, or their shapes")
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), x)

    def init(key):
        params, state = model.init(child_key(key, "init"), shapes)
        scale = ()
        if loss_scale is not None:
            scale = LossScale(jnp.array(loss_scale, jnp.float32), jnp.zeros((), jnp.int32))
        averaged = jax.tree.map(jnp.copy, params) if average else ()
        return TrainState(
            jnp.zeros((), jnp.int32),
            params,
            state,
            optimizer.init(params),
            child_key(key, "train"),
            averaged,
            scale,
        )

    return drawn(init, key, place(jax.eval_shape(init, key))) if place else jitted(init, key)
