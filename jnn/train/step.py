"""One update, and many in one dispatch, as pure functions.

An objective is ``(params, state, batch, key) -> loss, (state, metrics)``; metrics is a dict of
scalars, among which ``"weight"`` is the weight of the batch's mean, such as its number of real
tokens. A step is ``(TrainState, batch) -> TrainState, metrics``. You can write both yourself; these
are the usual ones.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jnn.errors import check_function, mistake
from jnn.integers import check_integer
from jnn.model import child_key
from jnn.paths import path_name
from jnn.placement import on_one_cpu, with_examples
from jnn.precision import wide
from jnn.threefry import on_host
from jnn.train.devices import check_divided, check_in_a_row, cut, over
from jnn.train.state import LossScale, TrainState, check_optimizer, check_optimizer_state
from jnn.train.weights import WEIGHT, divided, weighted, weighted_mean

Objective = Callable[..., tuple[jax.Array, tuple[Any, dict[str, jax.Array]]]]
Step = Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]
OF_OBJECTIVE = "(params, state, batch, key) -> loss, (state, metrics)"

TAKEN = "taken"  # the metric of `make_steps` that says which steps ran
NUMBERS = jax.Array | np.ndarray | np.generic | int | float | complex


def make_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    accumulate: int = 1,
    mesh: jax.sharding.Mesh | None = None,
    average_decay: float = 0.0,
    statistics: bool = False,
    guarded: bool = True,
) -> Step:
    """The update ``params <- params + optimizer(gradient of objective)``.

    ``accumulate``     the batch is cut into so many parts, whose gradients are averaged: memory for
                       one part, the update of the whole batch where the objective is a mean. Parts
                       count by the ``"weight"`` of the objective's metrics, all alike without one:
                       a mean over the real tokens of a padded batch needs it, since parts have
                       different numbers of them. The state passes from part to part.
    ``mesh``           the devices of `device_mesh`, each of which has a part of the batch, with a
                       key of its own, in the same sense: what an objective takes over its batch,
                       such as the statistics of batch normalization, is over that part, and a float
                       in the state becomes their mean. The train state must be on all of them: see
                       `on_each`.
    ``average_decay``  d of the moving average ``a <- a + (1 - d) (params - a)``; at step t at most
                       (1 + t) / (10 + t), so that it does not remember the start. Needs
                       ``init_train_state(..., average=True)``.
    ``statistics``     adds ``gradient_norm/<path>`` and ``update_ratio/<path>``, the norm of the
                       update over that of the params.
    ``guarded``        False takes every step, and ``finite`` is of the loss and the gradient alone.
                       For many runs in one program, whose guard is a copy of all params: 32 small
                       networks take 1.3 to 2.7 times as long with it (``jax.vmap``, two cores).

    Its metrics are the objective's, which have other names, and ``loss``, ``gradient_norm`` (the
    global 2-norm, before any clipping), ``learning_rate`` (where the optimizer shows it:
    `jnn.train.optimizers` does), and ``finite``: whether loss, gradient, new params and state are
    free of NaN and infinity. Where they are not, the step is not taken: all stays as it was, the
    counter too, and ``bad_leaf`` is the first bad one, counted in `leaf_names`. Only where the new
    params alone are bad, of a finite gradient, has the optimizer seen it.

    With a `LossScale` in the train state the loss is multiplied by it and the gradient divided. A
    step that overflows then counts as made, without an update, and halves the scale; 2,000 finite
    ones in a row double it (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740). At a scale
    below 1 the step is not finite, as without one.

    >>> import jnn
    >>> from jnn.train import compiler_options, init_train_state, seed_key
    >>> model = jnn.dense(1)
    >>> def objective(params, state, batch, key):
    ...     y, state = model.apply(params, state, batch["x"], key=key, train=True)
    ...     return jnp.mean((y - batch["y"]) ** 2), (state, {})
    >>> optimizer = optax.sgd(0.1)
    >>> step = make_step(objective, optimizer)
    >>> step = jax.jit(step, donate_argnums=0, compiler_options=compiler_options())
    >>> batch = {"x": jnp.ones((8, 3)), "y": jnp.ones((8, 1))}
    >>> train_state = init_train_state(seed_key(0), model, optimizer, batch["x"])
    >>> train_state, metrics = step(train_state, batch)
    >>> int(train_state.step), sorted(metrics)
    (1, ['bad_leaf', 'finite', 'gradient_norm', 'loss'])
    """
    accumulate = check_integer("make_step", "accumulate", accumulate)
    if not 0 <= average_decay < 1:
        raise mistake(
            "make_step", got=f"average_decay={average_decay!r}", expected="a fraction in [0, 1)"
        )
    if mesh is not None:
        check_in_a_row("make_step", mesh)
    check_function("make_step", "objective", objective, OF_OBJECTIVE)
    check_optimizer("make_step", optimizer)

    def step(train_state: TrainState, batch: Any):
        check_optimizer_state("make_step", optimizer, train_state)
        divide = functools.partial(over, mesh) if mesh else None
        (loss, (state, metrics)), gradient = loss_and_gradient(
            objective, train_state, batch, accumulate=accumulate, divide=divide
        )
        metrics = {name: value for name, value in metrics.items() if name != WEIGHT}
        squares = [_square(leaf, of_many=not guarded) for leaf in jax.tree.leaves(gradient)]
        sound = jnp.isfinite(jnp.stack([loss, *squares]))

        def take(before: TrainState, gradient: Any) -> TrainState:
            params, optimizer_state = updated(objective, optimizer, before, batch, loss, gradient)
            return before._replace(
                params=params,
                state=state,
                optimizer_state=optimizer_state,
                average=_averaged(before, params, average_decay),
                step=before.step + 1,
            )

        if guarded or train_state.loss_scale:
            new, good = _taken_if_finite(take, train_state, gradient, state, sound)
        else:
            new = take(train_state, gradient)
            good = jnp.concatenate([sound, _all_true((new.params, state))])
        own = {
            "loss": loss,
            "gradient_norm": jnp.sqrt(sum(squares)),
            **_learning_rate(new.optimizer_state),
        }
        if statistics:
            own |= _statistics(train_state.params, new.params, gradient)
        if train_state.loss_scale:
            own["loss_scale"] = train_state.loss_scale.value
            new, good = _rescaled(new, good, train_state.step)
        own |= {"finite": good.all(), "bad_leaf": jnp.argmin(good)}
        _check_names("objective", metrics, own)
        return new, {**metrics, **own}

    return step


def objective_key(train_state: TrainState) -> jax.Array:
    """The key of the objective in the step that comes next."""
    return child_key(jax.random.fold_in(train_state.key, train_state.step), "objective")


def batches_key(train_state: TrainState) -> jax.Array:
    """The key of the batches, in all steps."""
    with on_host():
        return child_key(train_state.key, "batches")


def loss_and_gradient(
    objective: Objective,
    train_state: TrainState,
    batch: Any,
    *,
    accumulate: int = 1,
    divide: Callable[[Callable], Callable] | None = None,
) -> tuple[Any, Any]:
    """``(loss, (state, metrics)), gradient`` of a step, as `make_step` takes them.

    ``divide(gradient)`` computes the gradient in parts of the batch, as `jnn.train.devices.over`
    does.
    """
    scale = train_state.loss_scale.value if train_state.loss_scale else 1.0
    evaluate = lambda params, state, batch, key: _scaled(
        _checked(objective(params, state, batch, key), state), scale
    )
    find = _gradient(evaluate, accumulate)
    find = divide(find) if divide else find
    (loss, aux), gradient = find(
        train_state.params, train_state.state, batch, objective_key(train_state)
    )
    if train_state.loss_scale:
        gradient = jax.tree.map(lambda leaf: leaf / scale, gradient)
    return (loss / scale, aux), gradient


def _checked(returned: Any, state: Any) -> Any:
    """What an objective returned; raises `JnnError` where that is not as `Objective` says."""
    expected = "a scalar loss and a tuple of the state and a dict of metrics"
    remedy = "Return loss, (state, {}), with the state that model.apply returns."
    match returned:
        case (loss, (new, Mapping() as metrics)) if isinstance(loss, NUMBERS):
            if jnp.shape(loss) or not jnp.isrealobj(loss):
                got = f"a loss of shape {jnp.shape(loss)} and dtype {jnp.result_type(loss)}"
                raise mistake("objective", got=got, expected="a real scalar", remedy="Take a mean.")
            was, now = jax.tree.structure(state), jax.tree.structure(new)
            if was != now:
                got, expected = f"a new state {now}", f"one like the state that it was given, {was}"
                raise mistake("objective", got=got, expected=expected, remedy=remedy)
            for name, metric in metrics.items():
                if not isinstance(metric, NUMBERS):
                    got = f"a metric {name!r} of type {type(metric).__name__}"
                    raise mistake("objective", got=got, expected="a number")
            return returned
    raise mistake(
        "objective", got=f"{_abstract(returned)!r}"[:100], expected=expected, remedy=remedy
    )


def _abstract(tree: Any) -> Any:
    """The shapes and dtypes of traced arrays, in place of the tracers."""
    return jax.tree.map(lambda leaf: getattr(leaf, "aval", leaf), tree)


def _check_names(source: str, metrics: Mapping[str, Any], own: Iterable[str]) -> None:
    """Refuse metrics of ``source`` that have a name of a step's ``own``: one would be lost."""
    if both := sorted(metrics.keys() & own):
        got, expected = f"a metric {both[0]!r}", f"another name: a step has its own {both[0]!r}"
        raise mistake(source, got=got, expected=expected, remedy="Rename or omit the metric.")


def _scaled(result, scale):
    loss, aux = result
    return loss * scale, aux


def _gradient(evaluate: Objective, parts: int) -> Callable:
    """``(params, state, batch, key) -> (loss, (state, metrics)), gradient``, with accumulation.

    They are weighted means over ``parts`` pieces of the batch, computed one after the other.
    """
    whole = jax.value_and_grad(evaluate, has_aux=True)
    if parts == 1:
        return whole

    def gradient(params, state, batch, key):
        check_divided(batch, parts, f"accumulate={parts}", "it divides")
        pieces = cut(batch, parts)
        pieces = with_examples(pieces, axis=1)  # else each device would have pieces of its own

        def add(carry, piece):
            state, total = carry
            batch, i = piece
            (loss, (state, metrics)), gradient = whole(
                params, state, batch, jax.random.fold_in(key, i)
            )
            metrics = {WEIGHT: 1.0, **metrics}
            weight = jnp.asarray(metrics.pop(WEIGHT), jnp.result_type(float))
            total = jax.tree.map(jnp.add, total, weighted(gradient, weight))
            return (state, total), (loss, metrics, weight)

        start = (state, jax.tree.map(jnp.zeros_like, params))
        (state, total), (loss, metrics, weight) = jax.lax.scan(
            add, start, (pieces, jnp.arange(parts))
        )
        loss, metrics = weighted_mean((loss, metrics), weight, functools.partial(jnp.sum, axis=0))
        whole_weight = jnp.sum(weight)
        metrics[WEIGHT] = whole_weight
        return (loss, (state, metrics)), divided(total, whole_weight)

    return gradient


def updated(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    train_state: TrainState,
    batch: Any,
    loss: jax.Array,
    gradient: Any,
) -> tuple[Any, Any]:
    """``params + optimizer(gradient)``, and the new state of the optimizer."""

    def value_fn(params):  # what line searches (lbfgs) ask for
        return objective(params, train_state.state, batch, objective_key(train_state))[0]

    seen = {"value": loss, "grad": gradient, "value_fn": value_fn}
    update = optax.with_extra_args_support(optimizer).update
    params = train_state.params
    updates, optimizer_state = update(gradient, train_state.optimizer_state, params, **seen)
    return optax.apply_updates(params, updates), optimizer_state


def _taken_if_finite(
    take: Callable[[TrainState, Any], TrainState],
    train_state: TrainState,
    gradient: Any,
    state: Any,
    sound: jax.Array,
) -> tuple[TrainState, jax.Array]:
    """``take(train_state, gradient)`` where all is finite, else the train state as it was.

    Also what is finite, counted as in `leaf_names`: ``sound`` says so of the loss and the gradient,
    and stands first. The optimizer sees neither a gradient nor a state that is not finite.
    """
    names = ("params", "state", "average", "step")
    chosen = lambda train_state: {name: getattr(train_state, name) for name in names}

    def if_sound(before: TrainState, gradient: Any):
        new = take(before, gradient)
        good = finite_leaves(new.params)
        # a select would be a copy of all params, a branch is one only where it is taken
        kept = jax.lax.cond(good.all(), lambda a, b: a, lambda a, b: b, chosen(new), chosen(before))
        return new._replace(**kept), good

    leave = lambda before, gradient: (before, _all_true(before.params))
    sound_state = finite_leaves(state)
    new, good = jax.lax.cond(
        sound.all() & sound_state.all(), if_sound, leave, train_state, gradient
    )
    return new, jnp.concatenate([sound, good, sound_state])


def _averaged(train_state: TrainState, params: Any, decay: float) -> Any:
    if not decay:
        if jax.tree.leaves(train_state.average):
            remedy = "Give make_step an average_decay."
            expected = "one without: it would stay as it is"
            raise mistake(
                "make_step", got="a train state with an average", expected=expected, remedy=remedy
            )
        return train_state.average
    if jax.tree.structure(train_state.average) != jax.tree.structure(params):
        remedy = "Make the train state with init_train_state(..., average=True)."
        raise mistake(
            "make_step",
            got="average_decay and a train state without an average",
            expected="one with it",
            remedy=remedy,
        )
    t = train_state.step.astype(jnp.float32)
    rate = 1 - jnp.minimum(decay, (1 + t) / (10 + t))
    return jax.tree.map(
        lambda a, p: a + rate.astype(p.dtype) * (p - a), train_state.average, params
    )


def _rescaled(new: TrainState, good: jax.Array, step: jax.Array) -> tuple[TrainState, jax.Array]:
    """The next loss scale; an overflow that a smaller scale may avoid is no bad step."""
    value, since = new.loss_scale
    since = jnp.where(good.all(), since + 1, 0)
    doubles = since >= 2000
    larger = LossScale(jnp.where(doubles, 2 * value, value), jnp.where(doubles, 0, since))
    smaller = LossScale(value / 2, jnp.zeros_like(since))
    is_fine = good.all() | (value < 1)
    scale = jax.tree.map(lambda a, b: jnp.where(is_fine, a, b), larger, smaller)
    return new._replace(
        step=jnp.where(is_fine, new.step, step + 1), loss_scale=scale
    ), good | ~is_fine


def _statistics(params: Any, new: Any, gradient: Any) -> dict[str, jax.Array]:
    """For each leaf the norm of its gradient, and that of its change over its own."""
    norm = lambda leaf: jnp.sqrt(jnp.sum(jnp.square(leaf)))
    before = jax.tree.leaves_with_path(params)
    leaves = zip(before, jax.tree.leaves(new), jax.tree.leaves(gradient), strict=True)
    statistics = {}
    for (path, old), now, g in leaves:
        name = path_name(path)
        statistics[f"gradient_norm/{name}"] = norm(g)
        statistics[f"update_ratio/{name}"] = norm(now - old) / jnp.maximum(norm(old), 1e-12)
    return statistics


def _square(leaf: jax.Array, *, of_many: bool = False) -> jax.Array:
    """The sum of squares, as a product, which XLA computes faster on a CPU.

    Over all axes as they are: flattened, an array that is split over devices would be gathered.

    Kernels with an axis for members are summed for each output first, and ``of_many`` others too:
    then alone a CPU sums the gradients of many networks as the product of their shared batch leaves
    them, members beside outputs, and makes no copy in the order of the params. 32 MLPs take 1.15 in
    place of 1.23 times as long as plain JAX under ``jax.vmap``, 1.29 in place of 1.47 by
    `jnn.ensemble` (two cores). A single MLP of 784-1024-1024-10 would take 1.15 in place of 1.10.
    """
    by_output = on_one_cpu() and (leaf.ndim > 2 or (of_many and leaf.ndim == 2))
    axes = (leaf.ndim - 2,) if by_output else tuple(range(leaf.ndim))
    others = tuple(axis for axis in range(leaf.ndim) if axis not in axes)
    along = ((axes, axes), (others, others))
    return jnp.sum(jax.lax.dot_general(leaf, leaf, along, preferred_element_type=wide(leaf.dtype)))


def finite_leaves(tree: Any) -> jax.Array:
    """For each leaf, whether the sum of it is finite: all of it is, and not too large."""
    sums = [jnp.sum(leaf, dtype=wide(leaf.dtype)) for leaf in jax.tree.leaves(tree)]
    return jnp.array([jnp.isfinite(total) for total in sums], bool)


def _all_true(tree: Any) -> jax.Array:
    """True for each leaf."""
    return jnp.ones(len(jax.tree.leaves(tree)), bool)


def choose(condition: jax.Array, a: Any, b: Any) -> Any:
    """The tree a where the condition holds, else b."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), a, b)


def leaf_names(train_state: TrainState) -> list[str]:
    """What ``metrics["bad_leaf"]`` counts: ``"loss"``, ``"gradient of 0/kernel"``, ...

    >>> leaf_names(TrainState(0, {"0": {"bias": 0.0}}, {}, (), None))
    ['loss', 'gradient of 0/bias', 'params of 0/bias']
    """
    trees = [
        ("gradient", train_state.params),
        ("params", train_state.params),
        ("state", train_state.state),
    ]
    paths = [(kind, path) for kind, tree in trees for path, _ in jax.tree.leaves_with_path(tree)]
    return ["loss", *(f"{kind} of {path_name(path)}" for kind, path in paths)]


def _learning_rate(optimizer_state) -> dict[str, jax.Array]:
    """The learning rate in the state of `optax.inject_hyperparams`, if there is exactly one."""
    is_array = lambda path, value: isinstance(value, jax.Array)
    rates = optax.tree.get_all_with_path(optimizer_state, "learning_rate", filtering=is_array)
    return {"learning_rate": rates[0][1]} if len(rates) == 1 else {}


def make_steps(
    step: Step, batch_of: Callable[[Any, jax.Array, jax.Array], Any], most: int
) -> Callable:
    """``steps(train_state, data, count) -> train_state, metrics``: up to ``most`` steps at once.

    Each metric is stacked, ``(most,)``. ``batch_of(data, key, step)`` is the batch of a step, a
    pure function. ``count <= most`` is traced, so that one compiled program takes any number of
    steps, and a run is the same bits however it is divided into dispatches. A step that is not
    finite ends the dispatch; ``metrics["taken"]`` is True for the steps that ran, the one that
    failed included.
    """

    def steps(train_state: TrainState, data: Any, count: jax.Array):
        @jax.jit  # traced once, for its shapes and for the loop
        def run(train_state):
            batch = batch_of(data, batches_key(train_state), train_state.step)
            new, metrics = step(train_state, batch)
            _check_names("step", metrics, {TAKEN})
            return new, metrics

        untaken = jax.tree.map(
            lambda leaf: jnp.zeros((most, *leaf.shape), leaf.dtype),
            jax.eval_shape(run, train_state)[1],
        )

        def goes_on(carry):
            _, sound, i, _ = carry
            return sound & (i < count)

        def one(carry):
            train_state, _, i, rows = carry
            train_state, metrics = run(train_state)
            rows = jax.tree.map(lambda row, value: row.at[i].set(value), rows, metrics)
            return train_state, metrics["finite"], i + 1, rows

        start = (train_state, jnp.array(True), jnp.int32(0), untaken)
        train_state, _, taken, metrics = jax.lax.while_loop(goes_on, one, start)
        return train_state, {**metrics, TAKEN: jnp.arange(most) < taken}

    return steps
