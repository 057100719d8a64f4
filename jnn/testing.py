"""The laws of `jnn.Model`, for jnn's own models and for yours: ``check_model(model, x)``.

Each law is a function of a model and one example that raises ``AssertionError`` where it is broken.
Comparisons run in float64, where two ways to compute the same thing differ by rounding alone.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from jnn.compose import repeat
from jnn.errors import mistake
from jnn.model import Model, as_model, reader, streams
from jnn.tags import capture
from jnn.transform import cast, ensemble, remat

SAME_TO_ROUNDING = 1e-12  # float64: the same sums in another order, relative to the largest value
SAME_STREAM = 1e-10  # float64: rounding that a recurrence carries along
# float64, central differences with a step of 1e-7: their truncation and their rounding
FINITE_DIFFERENCES = 1e-5
SHARDED = 1e-5  # float32: sums over devices in another order
# 8 bits of mantissa are 0.4 % in each operation, and a few dozen operations follow each other
BFLOAT16 = 0.1
NOT_APPLICABLE = "does not apply"


def check_model(
    model: Model | Callable, x: Any, *, sequence: bool = False, laws: Iterable[str] | None = None
) -> dict[str, str]:
    """Check the laws on ``model`` for the example ``x``; returns
    ``{law: "holds" or why it does not apply}``, raises ``AssertionError`` at the first broken.

    ``x``         one example, an array or a pytree of arrays, without leading axes; its
                  floating-point values should not be all equal.
    ``sequence``  True where the first axis of ``x`` is time: the laws about streams and padding
                  then apply.
    ``laws``      the laws to check, all of `LAWS` unless given.

    >>> import jax, jax.numpy as jnp, jnn
    >>> check_model(jnn.chain(jnn.dense(3), jnp.tanh), jnp.array([0.5, -1.0]), laws=["purity", "batch"])
    {'purity': 'holds', 'batch': 'holds'}
    """
    model = as_model(model)
    if unknown := [law for law in laws or () if law not in LAWS]:
        raise mistake(
            "check_model", got=f"a law called {unknown[0]!r}", expected=f"some of {', '.join(LAWS)}"
        )
    report = {}
    for law in LAWS if laws is None else laws:
        if LAWS[law] in SEQUENCE_LAWS and not sequence:
            report[law] = f"{NOT_APPLICABLE}: x is not a sequence"
        else:
            report[law] = LAWS[law](model, x) or "holds"
    return report


def law_purity(model: Model, x: Any) -> None:
    """The same arguments give the same bits, eager equals jitted, the second call compiles nothing,
    nothing leaks, no key is used twice.
    """
    with jax.enable_x64(True), jax.checking_leaks(), jax.debug_key_reuse(True):
        x, key, traces = _float64(x), jax.random.key(0), []

        def apply(params, state, x, key):
            traces.append(1)
            return model.apply(params, state, x, key=key, train=True)

        params, state = jax.jit(model.init)(key, x)
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves((params, state))), (
            "a leaf of params or state is no array"
        )
        _same(
            model.init(jax.random.key(0), x),
            (params, state),
            SAME_TO_ROUNDING,
            "init, eager and jitted",
        )
        batch, key, jitted = _batch(x), jax.random.key(1), jax.jit(apply)
        first, second = (
            jitted(params, state, batch, jax.random.key(1)),
            jitted(params, state, batch, jax.random.key(1)),
        )
        assert len(traces) == 1, f"apply was traced {len(traces)} times for the same shapes"
        _same(first, second, 0, "two calls with the same arguments")
        on_host = jax.device_get((params, state))  # as they come from a file
        _same(
            model.apply(*on_host, batch, key=key, train=True),
            first,
            SAME_TO_ROUNDING,
            "apply, eager on NumPy arrays and jitted",
        )
        assert jax.tree.structure(first[1]) == jax.tree.structure(state), (
            "apply returned a state of another structure"
        )


def law_batch(model: Model, x: Any) -> None:
    """Leading axes equal ``jax.vmap`` equal a Python loop over the examples, which do not influence
    each other.
    """
    with jax.enable_x64(True):
        x = _float64(x)
        params, state = jax.jit(model.init)(jax.random.key(0), x)
        run = jax.jit(lambda x: model.apply(params, state, x)[0])
        batch = _batch(x)
        looped = jax.tree.map(
            lambda *ys: jnp.stack(ys), *[run(_take(batch, i)) for i in range(BATCH)]
        )
        _same(run(batch), looped, SAME_TO_ROUNDING, "a batch and a loop over it")
        _same(jax.jit(jax.vmap(run))(batch), looped, SAME_TO_ROUNDING, "vmap and a loop")
        two_axes = jax.tree.map(lambda leaf: leaf.reshape(2, BATCH // 2, *leaf.shape[1:]), batch)
        folded = jax.tree.map(lambda leaf: leaf.reshape(BATCH, *leaf.shape[2:]), run(two_axes))
        _same(folded, looped, SAME_TO_ROUNDING, "two leading axes and a loop")


def law_stream(model: Model, x: Any) -> str | None:
    """``step`` over the elements of a sequence, and ``read`` over pieces of it, equal ``apply`` on
    all of it; padding after a piece is not remembered; reading all of it in training equals
    ``apply`` there."""
    if not streams(model):
        return f"{NOT_APPLICABLE}: the model has no step"
    with jax.enable_x64(True):
        batch = _batch(_float64(x))
        params, state = jax.jit(model.init)(jax.random.key(0), batch)
        elements = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), batch)
        length = jax.tree.leaves(elements)[0].shape[0]
        carry, y = (
            model.carry(params, _take(elements, 0), length),
            jax.jit(model.apply)(params, state, batch)[0],
        )
        advance = lambda carry, x_t: model.step(params, state, carry, x_t)[::-1]
        last, streamed = jax.jit(lambda carry: jax.lax.scan(advance, carry, elements))(carry)
        _same(
            jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1), streamed),
            y,
            SAME_STREAM,
            "step by step and apply",
        )
        read, cut = jax.jit(reader(model), static_argnames="train"), length // 2
        between = lambda tree, start, end: jax.tree.map(lambda leaf: leaf[:, start:end], tree)
        y_1, half = read(params, state, carry, between(batch, 0, cut))
        y_2, whole = read(params, state, half, between(batch, cut, length))
        _same(
            jax.tree.map(lambda *ys: jnp.concatenate(ys, axis=1), y_1, y_2),
            y,
            SAME_STREAM,
            "piece by piece and apply",
        )
        _same(whole, last, SAME_STREAM, "the memory after pieces and after steps")
        is_real = (jnp.arange(length) < cut)[None].repeat(BATCH, 0)
        y_1, masked = read(params, state, carry, batch, mask=is_real)
        y_2 = read(params, state, masked, between(batch, cut, length))[0]
        y_1 = between(y_1, 0, cut)
        _same(
            jax.tree.map(lambda *ys: jnp.concatenate(ys, axis=1), y_1, y_2),
            y,
            SAME_STREAM,
            "with padding after a piece and apply",
        )
        options = {"key": jax.random.key(1), "train": True}
        in_training = model.apply(params, state, batch, **options)[0]
        _same(
            read(params, state, carry, batch, **options)[0],
            in_training,
            SAME_STREAM,
            "read and apply in training",
        )


def law_padding(model: Model, x: Any) -> None:
    """Masked elements change nothing, whatever they hold: NaN included where x is
    floating-point.
    """
    with jax.enable_x64(True):
        batch = _batch(_float64(x))
        params, state = jax.jit(model.init)(jax.random.key(0), batch)
        length, padding = jax.tree.leaves(batch)[0].shape[1], 3
        junk = lambda leaf: jnp.nan if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf.max()
        pad = lambda leaf: jnp.concatenate(
            [leaf, jnp.full_like(leaf[:, :padding], junk(leaf))], axis=1
        )
        padded, mask = (
            jax.tree.map(pad, batch),
            jnp.arange(length + padding)[None].repeat(BATCH, 0) < length,
        )
        apply = jax.jit(model.apply)
        expected, y = (
            apply(params, state, batch, mask=mask[:, :length])[0],
            apply(params, state, padded, mask=mask)[0],
        )
        real = lambda leaf, like: leaf[:, :length] if leaf.shape != like.shape else leaf
        _same(
            jax.tree.map(real, y, expected), expected, SAME_TO_ROUNDING, "with padding and without"
        )


def law_gradient(model: Model, x: Any) -> None:
    """Gradients to params and x equal finite differences, forward and reverse, twice; every leaf of
    params has one; ``remat`` keeps them."""
    with jax.enable_x64(True):
        x = _float64(x)
        params, state = jax.jit(model.init)(jax.random.key(0), x)
        floats, restore = _floats(_batch(x))
        y, _ = jax.eval_shape(model.apply, params, state, restore(floats))
        weights = [
            jax.random.normal(jax.random.key(i), leaf.shape)
            for i, leaf in enumerate(jax.tree.leaves(y))
        ]

        def loss(model, params, floats):
            y, _ = model.apply(params, state, restore(floats), key=jax.random.key(3), train=True)
            return sum(
                jnp.sum(jnp.sin(leaf) * weight)
                for leaf, weight in zip(jax.tree.leaves(y), weights, strict=True)
            )

        plain = jax.jit(lambda params, floats: loss(model, params, floats))
        check_grads(
            plain,
            (params, floats),
            order=2,
            modes=("fwd", "rev"),
            eps=1e-7,
            atol=FINITE_DIFFERENCES,
            rtol=FINITE_DIFFERENCES,
        )
        gradient = jax.jit(jax.grad(plain))(params, floats)
        dead = [
            jax.tree_util.keystr(path)
            for path, leaf in jax.tree.leaves_with_path(gradient)
            if not np.any(leaf)
        ]
        assert not dead, f"no gradient reaches {', '.join(dead)}"
        recomputed = jax.jit(jax.grad(lambda params: loss(remat(model), params, floats)))(params)
        _same(recomputed, gradient, SAME_TO_ROUNDING, "gradients with remat and without")


def law_capture(model: Model, x: Any) -> None:
    """Looking inside changes nothing."""
    with jax.enable_x64(True):
        x = _float64(x)
        params, state = jax.jit(model.init)(jax.random.key(0), x)
        run = lambda f: jax.jit(lambda x: f(params, state, x, key=jax.random.key(1), train=True))(
            _batch(x)
        )
        _same(
            run(capture(model.apply))[0], run(model.apply), SAME_TO_ROUNDING, "captured and plain"
        )


def law_ensemble(model: Model, x: Any) -> None:
    """Member i of an ensemble equals the solo model with the key ``fold_in(key, i)``."""
    with jax.enable_x64(True):
        batch, key, many = _batch(_float64(x)), jax.random.key(5), ensemble(model, 2)
        params, state = jax.jit(many.init)(key, batch)
        ys = jax.jit(lambda params, state: many.apply(params, state, batch, key=key, train=True))(
            params, state
        )
        for i in range(2):
            own = jax.random.fold_in(key, i)
            solo_params, solo_state = jax.jit(model.init)(own, batch)
            _same(
                (_take(params, i), _take(state, i)),
                (solo_params, solo_state),
                SAME_TO_ROUNDING,
                f"the init of member {i} and solo",
            )
            y = jax.jit(
                lambda params, state, own: model.apply(params, state, batch, key=own, train=True)
            )(solo_params, solo_state, own)
            _same(_take(ys, i), y, SAME_TO_ROUNDING, f"member {i} and solo")


def law_depth(model: Model, x: Any) -> str | None:
    """A scanned stack equals the unrolled one and a Python loop, values and gradients; its first
    copies are those of a shallower one.
    """
    with jax.enable_x64(True):
        batch, key = _batch(_float64(x)), jax.random.key(2)
        if jax.eval_shape(model.apply, *jax.eval_shape(model.init, key, batch), batch)[
            0
        ] != jax.eval_shape(lambda: batch):
            return f"{NOT_APPLICABLE}: the output is unlike the input"
        params, state = jax.jit(repeat(model, 3).init)(key, batch)

        def looped(params):
            x, states = batch, []
            for i in range(3):
                x, new = model.apply(
                    _take(params, i), _take(state, i), x, key=jax.random.fold_in(key, i), train=True
                )
                states.append(new)
            return x, jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)

        stacked = lambda unroll: (
            lambda params: repeat(model, 3, unroll=unroll).apply(
                params, state, batch, key=key, train=True
            )
        )
        total = lambda f: (
            lambda params: sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(f(params)[0]))
        )
        _same(
            jax.jit(stacked(1))(params),
            jax.jit(looped)(params),
            SAME_TO_ROUNDING,
            "scanned and a loop",
        )
        _same(
            jax.jit(stacked(True))(params),
            jax.jit(looped)(params),
            SAME_TO_ROUNDING,
            "unrolled and a loop",
        )
        gradients = [
            jax.jit(jax.grad(total(f)))(params) for f in (stacked(1), stacked(True), looped)
        ]
        _same(gradients[0], gradients[2], SAME_TO_ROUNDING, "gradients, scanned and a loop")
        _same(gradients[1], gradients[2], SAME_TO_ROUNDING, "gradients, unrolled and a loop")
        shallow = jax.jit(repeat(model, 2).init)(key, batch)
        _same(
            jax.tree.map(lambda leaf: leaf[:2], (params, state)),
            shallow,
            SAME_TO_ROUNDING,
            "the first copies and a shallower stack",
        )


def law_precision(model: Model, x: Any) -> None:
    """float32 in gives float32 params and output; bfloat16 stays near it; inputs of the order of
    1e4 stay finite.
    """
    batch = jax.tree.map(
        lambda leaf: leaf.astype(jnp.float32) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
        _batch(x),
    )
    params, state = jax.jit(model.init)(jax.random.key(0), batch)
    run = lambda model, x: jax.jit(model.apply)(params, state, x)[0]
    y = run(model, batch)
    for leaf in jax.tree.leaves((params, y)):
        assert leaf.dtype not in (jnp.float64, jnp.bfloat16), f"float32 became {leaf.dtype}"
    _same(run(cast(model), batch), y, BFLOAT16, "bfloat16 and float32")
    large = jax.tree.map(
        lambda leaf: leaf * 10**4 if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, batch
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(run(model, large))), (
        "an input of the order of 1e4 made NaN or infinity"
    )


def law_sharding(model: Model, x: Any) -> str | None:
    """A batch split over devices gives what one device gives."""
    devices = jax.devices()
    if len(devices) < 2:
        return f"{NOT_APPLICABLE}: there is one device; XLA_FLAGS=--xla_force_host_platform_device_count=8 makes eight of a CPU"
    batch = _batch(x, 2 * len(devices))
    params, state = jax.jit(model.init)(jax.random.key(0), batch)
    mesh = jax.make_mesh((len(devices),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    place = lambda tree, *axes: jax.device_put(
        tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))
    )
    run = jax.jit(
        lambda params, state, x: model.apply(params, state, x, key=jax.random.key(1), train=True)
    )
    _same(
        run(place(params), place(state), place(batch, "data")),
        run(params, state, batch),
        SHARDED,
        "sharded and on one device",
    )
    return None


LAWS: dict[str, Callable[[Model, Any], str | None]] = {
    "purity": law_purity,
    "batch": law_batch,
    "stream": law_stream,
    "padding": law_padding,
    "gradient": law_gradient,
    "capture": law_capture,
    "ensemble": law_ensemble,
    "depth": law_depth,
    "precision": law_precision,
    "sharding": law_sharding,
}
SEQUENCE_LAWS = (law_stream, law_padding)
BATCH = 4


def _batch(x: Any, n: int = BATCH) -> Any:
    """``n`` different examples like x: the values of x shifted along its axes, and disturbed where
    they are floating-point.
    """
    rng = np.random.default_rng(0)

    def many(leaf):
        values = np.asarray(leaf)
        shifted = np.stack([np.roll(values, i) for i in range(n)])
        if np.issubdtype(values.dtype, np.integer) or values.dtype == bool:
            return jnp.asarray(shifted)
        return jnp.asarray(shifted + 0.3 * rng.standard_normal(shifted.shape).astype(values.dtype))

    return jax.tree.map(many, x)


def _float64(x: Any) -> Any:
    return jax.tree.map(
        lambda leaf: (
            jnp.asarray(leaf, jnp.float64)
            if jnp.issubdtype(leaf.dtype, jnp.floating)
            else jnp.asarray(leaf)
        ),
        x,
    )


def _take(tree: Any, i: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[i], tree)


def _floats(x: Any) -> tuple[list[jax.Array], Callable[[list[jax.Array]], Any]]:
    """The floating-point leaves of x, and the function that puts them back."""
    leaves, structure = jax.tree.flatten(x)
    is_float = [jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves]

    def restore(floats):
        remaining = iter(floats)
        return structure.unflatten(
            [
                next(remaining) if chosen else leaf
                for leaf, chosen in zip(leaves, is_float, strict=True)
            ]
        )

    return [leaf for leaf, chosen in zip(leaves, is_float, strict=True) if chosen], restore


def _same(got: Any, expected: Any, tolerance: float, what: str) -> None:
    """Equal trees, each leaf to ``tolerance`` times its largest value (1 at least)."""
    assert jax.tree.structure(got) == jax.tree.structure(expected), f"{what}: the structures differ"
    for (path, a), b in zip(jax.tree.leaves_with_path(got), jax.tree.leaves(expected), strict=True):
        scale = float(np.max(np.abs(np.nan_to_num(np.asarray(b, np.float64))), initial=1))
        message = f"{what} differ at {jax.tree_util.keystr(path) or 'the output'}"
        np.testing.assert_allclose(
            np.asarray(a, np.float64),
            np.asarray(b, np.float64),
            rtol=0,
            atol=tolerance * scale,
            err_msg=message,
        )
