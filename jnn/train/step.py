"""One update, and many in one dispatch, as pure functions.

An objective is ``(params, state, batch, key) -> loss, (state, metrics)``; metrics is a dict of scalars. A step is
``(TrainState, batch) -> TrainState, metrics``. Both are yours to write; these are the usual ones.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jnn.model import child_key
from jnn.train.state import TrainState

Objective = Callable[..., tuple[jax.Array, tuple[Any, dict[str, jax.Array]]]]
Step = Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]


def make_step(objective: Objective, optimizer: optax.GradientTransformation) -> Step:
    """The update ``params <- params + optimizer(gradient of objective)``.

    Its metrics are the objective's, and ``loss``, ``gradient_norm`` (the global 2-norm, before any clipping), ``learning_rate``
    (where the optimizer shows it: `jnn.train.optimizers` does), and ``finite``: whether loss, gradient, new params and state are
    free of NaN and infinity. Where they are not the step is not taken: all stays as it was, the counter too, and ``bad_leaf`` is
    the first bad one, counted in `leaf_names`.

    >>> import jnn
    >>> from jnn.train import init_train_state, seed_key
    >>> model = jnn.dense(1)
    >>> def objective(params, state, batch, key):
    ...     y, state = model.apply(params, state, batch["x"], key=key, train=True)
    ...     return jnp.mean((y - batch["y"]) ** 2), (state, {})
    >>> optimizer = optax.sgd(0.1)
    >>> step = jax.jit(make_step(objective, optimizer), donate_argnums=0)
    >>> batch = {"x": jnp.ones((8, 3)), "y": jnp.ones((8, 1))}
    >>> train_state, metrics = step(init_train_state(seed_key(0), model, optimizer, batch["x"]), batch)
    >>> int(train_state.step), sorted(metrics)
    (1, ['bad_leaf', 'finite', 'gradient_norm', 'loss'])
    """
    update = optax.with_extra_args_support(optimizer).update

    def step(train_state: TrainState, batch: Any):
        key = child_key(jax.random.fold_in(train_state.key, train_state.step), "objective")
        evaluate = lambda params: objective(params, train_state.state, batch, key)
        (loss, (state, metrics)), gradient = jax.value_and_grad(evaluate, has_aux=True)(train_state.params)
        squares = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient)]
        good = jnp.isfinite(jnp.stack([loss, *squares]))

        def take():
            seen = {"value": loss, "grad": gradient, "value_fn": lambda params: evaluate(params)[0]}  # what line searches (lbfgs) ask for
            updates, optimizer_state = update(gradient, train_state.optimizer_state, train_state.params, **seen)
            params = optax.apply_updates(train_state.params, updates)
            taken = train_state._replace(step=train_state.step + 1, params=params, state=state, optimizer_state=optimizer_state)
            good = _finite((params, state))
            return jax.lax.cond(good.all(), lambda: taken, lambda: train_state), good

        # A branch is nearly free, while choosing between new and old leaf by leaf reads and writes them all once more: 20 % of a step.
        leave = lambda: (train_state, jnp.ones_like(_finite((train_state.params, state))))
        new, good_after = jax.lax.cond(good.all(), take, leave)
        good = jnp.concatenate([good, good_after])
        metrics = {**metrics, "loss": loss, "gradient_norm": jnp.sqrt(sum(squares)), **_learning_rate(new.optimizer_state)}
        return new, {**metrics, "finite": good.all(), "bad_leaf": jnp.argmin(good)}

    return step


def _finite(tree: Any) -> jax.Array:
    """For each leaf, whether all of it is finite."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)])


def leaf_names(train_state: TrainState) -> list[str]:
    """What ``metrics["bad_leaf"]`` counts: ``"loss"``, ``"gradient of 0/kernel"``, ...

    >>> leaf_names(TrainState(0, {"0": {"bias": 0.0}}, {}, (), None))
    ['loss', 'gradient of 0/bias', 'params of 0/bias']
    """
    trees = [("gradient", train_state.params), ("params", train_state.params), ("state", train_state.state)]
    path_of = lambda path: "/".join(str(part.key) for part in path)
    return ["loss", *(f"{kind} of {path_of(path)}" for kind, tree in trees for path, _ in jax.tree.leaves_with_path(tree))]


def _learning_rate(optimizer_state) -> dict[str, jax.Array]:
    """The learning rate that `optax.inject_hyperparams` shows, where there is exactly one."""
    found = optax.tree.get_all_with_path(optimizer_state, "learning_rate", filtering=lambda path, value: isinstance(value, jax.Array))
    return {"learning_rate": found[0][1]} if len(found) == 1 else {}


def make_steps(step: Step, batch_of: Callable[[Any, jax.Array, jax.Array], Any], most: int) -> Callable:
    """Up to ``most`` steps in one dispatch: ``steps(train_state, data, count) -> train_state, metrics``, each metric stacked ``(most,)``.

    ``batch_of(data, key, step)`` is the batch of a step, a pure function; ``count <= most`` is traced, so that one compiled program makes
    every number of steps and a run is the same bits however it is cut. A step that is not finite ends the dispatch;
    ``metrics["taken"]`` is True for the steps that ran, the one that failed included.
    """

    def steps(train_state: TrainState, data: Any, count: jax.Array):
        def run(train_state):
            batch = batch_of(data, child_key(train_state.key, "batches"), train_state.step)
            return step(train_state, batch)

        skipped = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(run, train_state)[1])

        def one(carry, i):
            train_state, running = carry
            active = running & (i < count)
            train_state, metrics = jax.lax.cond(active, run, lambda train_state: (train_state, skipped), train_state)
            return (train_state, active & metrics["finite"]), {**metrics, "taken": active}

        (train_state, _), metrics = jax.lax.scan(one, (train_state, jnp.array(True)), jnp.arange(most))
        return train_state, metrics

    return steps
