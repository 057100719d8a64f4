"""The laws of `jnn.Model`, for jnn's models and for yours: ``check_model(model, x)``.

Each law is a function of a model and one example that raises ``AssertionError`` if it is violated.
Comparisons are in float64, where two computations of the same value differ by rounding alone.
"""

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.compose import chain, repeat
from jnn.errors import mistake
from jnn.functions import as_model, identity
from jnn.model import Model, reader, streams
from jnn.paths import path_name
from jnn.tags import capture
from jnn.transform import cast, ensemble, remat

SAME_TO_ROUNDING = 1e-12  # float64: the same sums in another order, relative to the largest value
SAME_STREAM = 1e-10  # float64: rounding that a recurrence carries along
# float64, central differences with a step of 1e-7: their truncation and their rounding
FINITE_DIFFERENCES = 1e-5
STEP = 1e-7
SHARDED = 1e-5  # float32: sums over devices in another order
# 8 bits of mantissa are 0.4 % in each operation, and a few dozen operations follow each other
BFLOAT16 = 0.1
NOT_APPLICABLE = "does not apply"


def check_model(
    model: Model | Callable,
    x: Any,
    *,
    sequence: bool = False,
    level: str = "full",
    laws: Iterable[str] | None = None,
    say: Callable[[str], Any] = lambda line: None,
) -> dict[str, str]:
    """Check the laws on ``model`` for the example ``x``.

    ``x``         one example, an array or a pytree of arrays, without leading axes; its
                  floating-point values should not all be equal.
    ``sequence``  whether the first axis of ``x`` is time: only then do the laws on streams and
                  padding apply.
    ``level``     "full": all of `LAWS`; "quick": those of `QUICK`, which compile little, in about a
                  quarter of the time.
    ``laws``      the laws to check, by default those of the level.
    ``say``       is called with a line for each law, its result and its time, such as ``print``.

    Returns ``{law: "holds" or why it does not apply}``.

    Raises:
        AssertionError: laws are violated; the message lists each of them, and what differs.
        JnnError: an unknown law or level, a model that refuses ``x``, or ``sequence`` and arrays in
            ``x`` with no time or several.

    >>> import jax, jax.numpy as jnp, jnn
    >>> model = jnn.chain(jnn.dense(3), jnp.tanh)
    >>> check_model(model, jnp.array([0.5, -1.0]), level="quick", laws=["batch", "padding"])
    {'batch': 'holds', 'padding': 'does not apply: without sequence=True, x is no sequence'}
    """
    model = as_model(model)
    if level not in LEVELS:
        expected = " or ".join(map(repr, LEVELS))
        raise mistake("check_model", got=f"level={level!r}", expected=expected)
    laws = LEVELS[level] if laws is None else tuple(laws)
    if unknown := [law for law in laws if law not in LAWS]:
        raise mistake(
            "check_model", got=f"a law called {unknown[0]!r}", expected=f"some of {', '.join(LAWS)}"
        )
    if sequence:
        _check_time(x)
    # raises, before any law, where x is refused or init and apply are not those of a model
    jax.eval_shape(chain(model, identity).init, jax.random.key(0), x)
    report, broken = {}, {}
    for law in laws:
        start = time.perf_counter()
        try:
            if LAWS[law] in SEQUENCE_LAWS and not sequence:
                report[law] = f"{NOT_APPLICABLE}: without sequence=True, x is no sequence"
            else:
                report[law] = LAWS[law](model, x) or "holds"
        except AssertionError as error:
            broken[law] = error
            report[law] = str(error)
        except Exception as error:  # whatever a model raises where the law lets it not
            broken[law] = error
            report[law] = f"{type(error).__name__}: {error}"
        say(f"{law}: {report[law]} ({time.perf_counter() - start:.1f} s)")
    if broken:
        lines = [f"{len(broken)} of {len(laws)} laws are violated"]
        lines += [f"{law}: {report[law]}" for law in broken]
        if any(LAWS[law] in SEQUENCE_LAWS for law in broken):
            lines += [_what_is_time(x)]
        raise AssertionError("\n  ".join(lines)) from next(iter(broken.values()))
    return report


def _check_time(x: Any) -> None:
    """Refuse an x of which some arrays have no time, or another one than the others."""
    lengths = [np.shape(leaf)[:1] for leaf in jax.tree.leaves(x)]
    if len(set(lengths)) != 1 or not all(lengths):
        shapes = jax.tree.map(np.shape, x)
        expected = "arrays whose first axis is time, of one length"
        remedy = "Check it without sequence=True."
        raise mistake("check_model", got=f"x of shape {shapes}", expected=expected, remedy=remedy)


def _what_is_time(x: Any) -> str:
    """Which axis of x was time, for an x that may be a batch by mistake."""
    return f"x of shape {jax.tree.map(np.shape, x)} is one example, whose first axis is time"


def law_purity(model: Model, x: Any) -> None:
    """``init`` and ``apply`` are pure functions.

    The same arguments give the same bits, eager equals jitted, a second call compiles nothing, no
    tracer leaks, and no key is used twice.
    """
    with jax.enable_x64(True), jax.checking_leaks(), jax.debug_key_reuse(True):
        x, batch = jax.tree.map(jnp.asarray, (_float64(x), _batch(_float64(x))))
        key, traces = jax.random.key(0), []

        def apply(params, state, x, key):
            traces.append(1)
            return model.apply(params, state, x, key=key, train=True)

        params, state = jax.jit(model.init)(key, x)
        leaves = jax.tree.leaves((params, state))
        assert all(isinstance(leaf, jax.Array) for leaf in leaves), (
            "a leaf of params or state is not an array"
        )
        eager = model.init(jax.random.key(0), x)
        _same(eager, (params, state), SAME_TO_ROUNDING, "init, eager and jitted")
        key, jitted = jax.random.key(1), jax.jit(apply)
        first = jitted(params, state, batch, jax.random.key(1))
        second = jitted(params, state, batch, jax.random.key(1))
        assert len(traces) == 1, f"apply was traced {len(traces)} times for the same shapes"
        _same(first, second, 0, "two calls with the same arguments")
        params, state = jax.device_get((params, state))  # as loaded from a file
        eager = model.apply(params, state, batch, key=key, train=True)
        _same(eager, first, SAME_TO_ROUNDING, "apply, eager on NumPy arrays and jitted")
        assert jax.tree.structure(first[1]) == jax.tree.structure(state), (
            "apply returned a state of another structure"
        )


def law_batch(model: Model, x: Any) -> None:
    """Leading axes equal ``jax.vmap`` equal a Python loop; examples do not influence each other."""
    with jax.enable_x64(True):
        x = _float64(x)
        params, state = jax.jit(model.init)(jax.random.key(0), x)
        apply = _jitted(model)
        run = lambda x: apply(params, state, x)[0]
        batch = _batch(x)
        ys = [run(_take(batch, i)) for i in range(BATCH)]
        looped = jax.tree.map(lambda *leaves: np.stack(leaves), *ys)
        _same(run(batch), looped, SAME_TO_ROUNDING, "a batch and a loop over it")
        _same(jax.jit(jax.vmap(run))(batch), looped, SAME_TO_ROUNDING, "vmap and a loop")
        two_axes = jax.tree.map(lambda leaf: leaf.reshape(2, BATCH // 2, *leaf.shape[1:]), batch)
        ys = jax.device_get(run(two_axes))
        folded = jax.tree.map(lambda leaf: leaf.reshape(BATCH, *leaf.shape[2:]), ys)
        _same(folded, looped, SAME_TO_ROUNDING, "two leading axes and a loop")


def law_stream(model: Model, x: Any) -> str | None:
    """``step`` over elements, and ``read`` over chunks, equal ``apply`` on the whole sequence.

    Padding after a chunk leaves the carry as it was; ``read`` in training equals ``apply`` there.
    """
    if not streams(model):
        return f"{NOT_APPLICABLE}: the model has no step"
    between = lambda tree, start, end: jax.tree.map(lambda leaf: leaf[:, start:end], tree)
    join = lambda a, b: jax.tree.map(lambda *ys: np.concatenate(ys, axis=1), a, b)
    with jax.enable_x64(True):
        batch = _batch(_float64(x))
        params, state = jax.jit(model.init)(jax.random.key(0), _float64(x))
        apply = _jitted(model)
        y, _ = apply(params, state, batch)

        elements = jax.tree.map(lambda leaf: np.moveaxis(leaf, 1, 0), batch)
        length = jax.tree.leaves(elements)[0].shape[0]
        empty = jax.jit(model.carry, static_argnums=2)
        carry = empty(params, _take(elements, 0), length)
        advance = lambda carry, x_t: model.step(params, state, carry, x_t)[::-1]
        last, streamed = jax.jit(lambda carry: jax.lax.scan(advance, carry, elements))(carry)
        streamed = jax.tree.map(lambda leaf: np.moveaxis(leaf, 0, 1), jax.device_get(streamed))
        _same(streamed, y, SAME_STREAM, "step by step and apply")

        read, cut = jax.jit(reader(model), static_argnames="train"), length // 2
        y_1, half = read(params, state, carry, between(batch, 0, cut))
        y_2, whole = read(params, state, half, between(batch, cut, length))
        _same(join(y_1, y_2), y, SAME_STREAM, "chunk by chunk and apply")
        _same(whole, last, SAME_STREAM, "the carry after chunks and after steps")

        is_real = (np.arange(length) < cut)[None].repeat(BATCH, 0)
        y_1, masked = read(params, state, carry, batch, mask=is_real)
        y_2, _ = read(params, state, masked, between(batch, cut, length))
        padded = join(between(jax.device_get(y_1), 0, cut), y_2)
        _same(padded, y, SAME_STREAM, "with padding after a chunk and apply")

        options = {"key": jax.random.key(1), "train": True}
        y, _ = apply(params, state, batch, **options)
        y_read, _ = read(params, state, carry, batch, **options)
        _same(y_read, y, SAME_STREAM, "read and apply in training")


def law_padding(model: Model, x: Any) -> None:
    """Masked elements change nothing, whatever they hold: NaN, where x is floating-point.

    It is violated where a part looks across time without the mask, such as a mean over all elements
    in the flow of `jnn.wired`.
    """
    with jax.enable_x64(True):
        batch = _batch(_float64(x))
        params, state = jax.jit(model.init)(jax.random.key(0), _float64(x))
        length, padding = jax.tree.leaves(batch)[0].shape[1], 3

        def pad(leaf):
            junk = np.nan if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf.max()
            return np.concatenate([leaf, np.full_like(leaf[:, :padding], junk)], axis=1)

        mask = np.arange(length + padding)[None].repeat(BATCH, 0) < length
        apply = _jitted(model)
        expected, _ = apply(params, state, batch, mask=mask[:, :length])
        y, _ = jax.device_get(apply(params, state, jax.tree.map(pad, batch), mask=mask))
        cut = lambda leaf, like: leaf[:, : like.shape[1]] if leaf.shape != like.shape else leaf
        y = jax.tree.map(cut, y, expected)
        names = "with padding, which the model takes for elements, and without"
        _same(y, expected, SAME_TO_ROUNDING, names)


def law_gradient(model: Model, x: Any) -> None:
    """Gradients with respect to params and x equal finite differences.

    In forward and in reverse mode, of the first and of the second order. Every leaf of params has a
    gradient, and ``remat`` does not change it.
    """
    with jax.enable_x64(True):
        x = _float64(x)
        params, state = jax.device_get(jax.jit(model.init)(jax.random.key(0), x))
        # with biases of zero, what reads zeros alone would be at the kink of a relu
        moved = lambda leaf, v: leaf if np.any(leaf) else leaf + v / 10
        params = jax.tree.map(moved, params, _like(params, 5))
        floats, restore = _floats(_batch(x))
        y, _ = jax.eval_shape(model.apply, params, state, restore(floats))
        weights = jax.tree.leaves(_like(y, 3))

        def loss(model, params, floats):
            y, _ = model.apply(params, state, restore(floats), key=jax.random.key(3), train=True)
            pairs = zip(jax.tree.leaves(y), weights, strict=True)
            return sum(jnp.sum(jnp.sin(leaf) * weight) for leaf, weight in pairs)

        plain = functools.partial(loss, model)
        point = (params, floats)
        direction = _like(point, 4)
        jitted = jax.jit(jax.value_and_grad(plain, argnums=(0, 1)))
        slope = lambda *point: jax.device_get(jitted(*point))
        along = lambda size: slope(*jax.tree.map(lambda a, v: a + size * v, point, direction))
        value, gradient = slope(*point)
        numeric, curvature = jax.tree.map(
            lambda ahead, behind: (ahead - behind) / (2 * STEP), along(STEP), along(-STEP)
        )
        forward, seconds = jax.jit(functools.partial(_derivatives, plain))(point, direction)
        _same(forward, numeric, FINITE_DIFFERENCES, "forward mode and finite differences")
        reverse = _inner(gradient, direction)
        _same(reverse, numeric, FINITE_DIFFERENCES, "reverse mode and finite differences")
        for name, second in seconds.items():
            expected = curvature
            if name == "forward over forward":
                expected = _inner(curvature, direction)
            _same(second, expected, FINITE_DIFFERENCES, f"{name} and finite differences")

        flat, structure = jax.tree.flatten(params)
        for i, (path, leaf) in enumerate(jax.tree.leaves_with_path(gradient[0])):
            if not np.any(leaf):
                # NaN reaches all that the leaf takes part in, also where its influence cancels
                poisoned = [*flat[:i], np.full_like(flat[i], np.nan), *flat[i + 1 :]]
                value, _ = slope(structure.unflatten(poisoned), floats)
                assert np.isnan(value), f"no gradient reaches {path_name(path)}"
        recomputed = jax.jit(jax.grad(functools.partial(loss, remat(model))))(params, floats)
        _same(recomputed, gradient[0], SAME_TO_ROUNDING, "gradients with remat and without")


def _derivatives(f: Callable, point: Any, direction: Any) -> tuple[jax.Array, dict[str, Any]]:
    """The derivative of f along a direction, and that of its gradient, made in each mode."""
    forward = lambda *point: jax.jvp(f, point, direction)[1]
    gradient = jax.grad(f, argnums=(0, 1))
    reverse = lambda *point: _inner(gradient(*point), direction)
    seconds = {
        "forward over forward": jax.jvp(forward, point, direction)[1],
        "reverse over forward": jax.grad(forward, argnums=(0, 1))(*point),
        "forward over reverse": jax.jvp(gradient, point, direction)[1],
        "reverse over reverse": jax.grad(reverse, argnums=(0, 1))(*point),
    }
    return forward(*point), seconds


def law_capture(model: Model, x: Any) -> None:
    """`jnn.capture` does not change the output."""
    with jax.enable_x64(True):
        x, batch = _float64(x), _batch(_float64(x))
        params, state = jax.jit(model.init)(jax.random.key(0), x)

        captured, _ = jax.jit(capture(model.apply), static_argnames="train")(
            params, state, batch, key=jax.random.key(1), train=True
        )
        plain = _jitted(model)(params, state, batch, key=jax.random.key(1), train=True)
        _same(captured, plain, SAME_TO_ROUNDING, "captured and plain")


def law_ensemble(model: Model, x: Any) -> None:
    """Member i of an ensemble equals the solo model with the key ``fold_in(key, i)``."""
    with jax.enable_x64(True):
        x, key, committee = _float64(x), jax.random.key(5), ensemble(model, 2)
        batch = _batch(x)

        def run(model, key):
            params, state = jax.jit(model.init)(key, x)
            y = _jitted(model)(params, state, batch, key=key, train=True)
            return jax.device_get(((params, state), y))

        trees, ys = run(committee, key)
        for i in range(2):
            tree, y = run(model, jax.random.fold_in(key, i))
            _same(_take(trees, i), tree, SAME_TO_ROUNDING, f"the init of member {i} and solo")
            _same(_take(ys, i), y, SAME_TO_ROUNDING, f"member {i} and solo")


def law_depth(model: Model, x: Any) -> str | None:
    """A scanned stack equals the unrolled one and a Python loop, values and gradients.

    The first copies of a stack are those of a shallower one.
    """
    with jax.enable_x64(True):
        batch, key = _batch(_float64(x)), jax.random.key(2)
        params, state = jax.eval_shape(model.init, key, batch)
        y, _ = jax.eval_shape(model.apply, params, state, batch)
        if y != jax.eval_shape(lambda: batch):
            return f"{NOT_APPLICABLE}: the output is unlike the input"
        params, state = jax.jit(repeat(model, 3).init)(key, batch)

        def stacked(unroll, params):
            stack = repeat(model, 3, unroll=unroll)
            return stack.apply(params, state, batch, key=key, train=True)

        def looped(params):
            x, states = batch, []
            for i in range(3):
                options = {"key": jax.random.fold_in(key, i), "train": True}
                x, new = model.apply(_take(params, i), _take(state, i), x, **options)
                states.append(new)
            return x, jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)

        def compute(f):
            def total(params):
                y, state = f(params)
                return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(y)), (y, state)

            gradient, result = jax.jit(jax.grad(total, has_aux=True))(params)
            return result, gradient

        expected, slope = compute(looped)
        for name, unroll in (("scanned", 1), ("unrolled", True)):
            result, gradient = compute(functools.partial(stacked, unroll))
            _same(result, expected, SAME_TO_ROUNDING, f"{name} and a loop")
            _same(gradient, slope, SAME_TO_ROUNDING, f"gradients, {name} and a loop")
        first = jax.tree.map(lambda leaf: leaf[:2], jax.device_get((params, state)))
        shallow = jax.jit(repeat(model, 2).init)(key, batch)
        _same(first, shallow, SAME_TO_ROUNDING, "the first copies and a shallower stack")


def law_precision(model: Model, x: Any) -> None:
    """float32 stays float32, bfloat16 stays near it, and inputs of the order of 1e4 stay finite."""
    is_float = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    to_float32 = lambda leaf: leaf.astype(jnp.float32) if is_float(leaf) else leaf
    batch = jax.tree.map(to_float32, _batch(x))
    params, state = jax.jit(model.init)(jax.random.key(0), batch)
    run = lambda model, x: jax.jit(model.apply)(params, state, x)[0]
    y = run(model, batch)
    for leaf in jax.tree.leaves((params, y)):
        assert leaf.dtype not in (jnp.float64, jnp.bfloat16), f"float32 became {leaf.dtype}"
    _same(run(cast(model), batch), y, BFLOAT16, "bfloat16 and float32")
    large = jax.tree.map(lambda leaf: leaf * 10**4 if is_float(leaf) else leaf, batch)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(run(model, large))), (
        "an input of the order of 1e4 made NaN or infinity"
    )


def law_sharding(model: Model, x: Any) -> str | None:
    """A batch split over devices gives the same output as one device."""
    devices = jax.devices()
    if len(devices) < 2:
        flag = "XLA_FLAGS=--xla_force_host_platform_device_count=8"
        return f"{NOT_APPLICABLE}: there is one device; {flag} makes eight of a CPU"
    batch = _batch(x, 2 * len(devices))
    params, state = jax.jit(model.init)(jax.random.key(0), batch)
    mesh = jax.make_mesh((len(devices),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))

    def place(tree, *axes):
        spec = jax.sharding.PartitionSpec(*axes)
        return jax.device_put(tree, jax.sharding.NamedSharding(mesh, spec))

    @jax.jit
    def run(params, state, x):
        return model.apply(params, state, x, key=jax.random.key(1), train=True)

    sharded = run(place(params), place(state), place(batch, "data"))
    _same(sharded, run(params, state, batch), SHARDED, "sharded and on one device")
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
QUICK = ("batch", "stream", "padding", "capture", "precision")
LEVELS = {"full": tuple(LAWS), "quick": QUICK}
BATCH = 4


def _batch(x: Any, n: int = BATCH) -> Any:
    """``n`` different examples like x: x shifted along its axes, with noise on floating-point.

    In NumPy, as all that the laws compute around a model: of JAX, each operation is a program.
    """
    rng = np.random.default_rng(0)

    def stack(leaf):
        values = np.asarray(leaf)
        shifted = np.stack([np.roll(values, i) for i in range(n)])
        if np.issubdtype(values.dtype, np.integer) or values.dtype == bool:
            return shifted
        return shifted + 0.3 * rng.standard_normal(shifted.shape).astype(values.dtype)

    return jax.tree.map(stack, x)


def _jitted(model: Model) -> Callable:
    """``apply``, compiled once for the laws that run it on the same shapes."""
    return jax.jit(model.apply, static_argnames="train")


def _like(tree: Any, seed: int) -> Any:
    """Normal numbers in the shapes of a tree."""
    leaves, structure = jax.tree.flatten(tree)
    rng = np.random.default_rng(seed)
    normal = [np.asarray(rng.standard_normal(a.shape), a.dtype) for a in leaves]
    return structure.unflatten(normal)


def _inner(a: Any, b: Any) -> Any:
    """The inner product of two trees, whose leaves are NumPy's or traced."""
    products = jax.tree.map(lambda a, b: (a * b).sum(), a, b)
    return sum(jax.tree.leaves(products), np.zeros(()))


def _float64(x: Any) -> Any:
    is_float = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64 if is_float(leaf) else None), x)


def _take(tree: Any, i: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[i], tree)


def _floats(x: Any) -> tuple[list[jax.Array], Callable[[list[jax.Array]], Any]]:
    """The floating-point leaves of x, and the function that puts them back."""
    leaves, structure = jax.tree.flatten(x)
    is_float = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)

    def restore(floats):
        remaining = iter(floats)
        return structure.unflatten([next(remaining) if is_float(leaf) else leaf for leaf in leaves])

    return [leaf for leaf in leaves if is_float(leaf)], restore


def _same(got: Any, expected: Any, tolerance: float, names: str) -> None:
    """Equal trees, each leaf to ``tolerance`` times its largest value (1 at least)."""
    same_structure = jax.tree.structure(got) == jax.tree.structure(expected)
    assert same_structure, f"{names}: the structures differ"
    for (path, a), b in zip(jax.tree.leaves_with_path(got), jax.tree.leaves(expected), strict=True):
        place = f"{names} differ at {path_name(path) or 'the output'}"
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape, f"{place}: shapes {a.shape} and {b.shape}"
        atol = tolerance * float(np.max(np.abs(np.nan_to_num(b)), initial=1))
        different = ~np.isclose(a, b, rtol=0, atol=atol, equal_nan=True)
        if np.any(different):
            at = tuple(np.argwhere(different)[0].tolist())
            index = f"[{', '.join(map(str, at))}]" if at else ""
            raise AssertionError(
                f"{place}: {different.sum()} of {a.size} values, the first of them {index} "
                f"{a[at]:.9g} and {b[at]:.9g}, where {atol:.1g} is rounding"
            )
