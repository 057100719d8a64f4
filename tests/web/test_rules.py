"""The rule of each primitive beside JAX, over shapes, strides and dtypes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jnn.web import javascript
from tests.web.engine import TOLERANCE, check, run

few = functools.partial(settings, max_examples=3, derandomize=True)
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)
TAIL = 2e-5  # relative: float32 rounds the exponent of exp(-x²), which is up to 81
WAYS = ("as it is", "transposed", "every second", "reversed", "broadcast")


def laid(x, way: str):
    """x through a view of another layout: the same shape, other strides."""
    if way == "transposed":
        return jnp.where(True, x.T, x.T).T
    if way == "every second" and x.ndim:
        return jnp.repeat(x, 2, axis=-1)[..., ::2]
    if way == "reversed" and x.ndim:
        return lax.rev(x, (x.ndim - 1,))
    if way == "broadcast" and x.ndim:
        return jnp.broadcast_to(x[:1], x.shape)
    return x


def numbers(shape, dtype="float32", seed=0):
    """Numbers of a dtype, for integers the extreme ones too."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.standard_normal(shape).astype(np.float32)
    if dtype == "bool":
        return rng.random(shape) > 0.5
    info = np.iinfo(dtype)
    special = np.array([0, 1, 2, 3, info.max, info.min, info.max - 1, info.max // 3])
    return rng.choice(special, shape).astype(dtype)


UNARY = (
    *(jnp.exp, jnp.exp2, jnp.expm1, jnp.tanh, jnp.sin, jnp.cos, jnp.tan, jnp.arctan, jnp.sinh),
    *(jnp.cosh, jnp.arcsinh, jnp.abs, jnp.sign, jnp.floor, jnp.ceil, jnp.round, jnp.square),
    *(jnp.isfinite, jnp.negative, lax.logistic, lax.erf, lax.erfc, lax.cbrt, lax.stop_gradient),
    *(lambda x: x**3, lambda x: (x + 5) ** -2),
)
BOUNDED = (jnp.arcsin, jnp.arccos, jnp.arctanh, lax.erf_inv, lax.log1p)
POSITIVE = (jnp.log, jnp.sqrt, lax.rsqrt, lambda x: x**0.3)
BINARY = (jnp.add, jnp.subtract, jnp.multiply, jnp.divide, jnp.maximum, jnp.minimum, lax.rem)


@few()
@given(SHAPES, st.sampled_from(WAYS), st.sampled_from(WAYS))
def test_floats(shape, one, other):
    def f(x, y):
        x, y = laid(x, one), laid(y, other)
        inside, positive = jnp.tanh(x) * 0.9, jnp.abs(x) + 0.1
        return (
            [g(x) for g in UNARY],
            [g(inside) for g in BOUNDED],
            [g(positive) for g in POSITIVE],
            [g(x, y) for g in BINARY],
            [jnp.arccosh(1 + positive), lax.reduce_precision(x, 5, 10)],
            [jnp.arctan2(x, y), jnp.power(positive, y), lax.clamp(-0.5, x, 0.5)],
            [x < y, x <= y, x > y, x >= y, x == x, x != y, jnp.where(x < y, x, y)],
            lax.round(x * 2, lax.RoundingMethod.AWAY_FROM_ZERO),
        )

    check(f, numbers(shape), numbers(shape, seed=1))


def test_the_tail_of_erfc_has_its_digits():
    x = np.linspace(2, 9, 141, dtype=np.float32)
    f = lambda x: (lax.erfc(x), jax.scipy.special.log_ndtr(-x))
    for a, b in zip(run(javascript(f, x), [x]), jax.jit(f)(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=TAIL)


def test_halves_go_to_the_even_neighbour_or_from_zero():
    halves = jnp.asarray(np.arange(-9, 10) / 2, jnp.float32)
    methods = [lax.RoundingMethod.TO_NEAREST_EVEN, lax.RoundingMethod.AWAY_FROM_ZERO]
    check(lambda x: [jnp.round(x), jnp.rint(x), *(lax.round(x, m) for m in methods)], halves)


def test_zero_keeps_the_sign_of_what_was_rounded_to_it():
    x = jnp.array([-0.0, -0.3, -0.5, 0.0, 0.3, 0.5, -0.7])
    methods = lax.RoundingMethod.TO_NEAREST_EVEN, lax.RoundingMethod.AWAY_FROM_ZERO
    rounded = lambda x: [*(lax.round(x, m) for m in methods), jnp.ceil(x), jnp.trunc(x)]
    check(lambda x: [1 / y for y in rounded(x)], x)
    check(lambda x: 1 / (x * 1e-8).astype(jnp.float16).astype(jnp.float32), x)


def test_each_operation_is_rounded():
    """In double precision 0.7 as float32 times 10 is less than 7."""
    x = np.float32(np.arange(30) / 10)
    check(lambda x: (jnp.floor(x * 10), (x * 10).astype(int), x * 10 == jnp.round(x * 10)), x)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_numbers_of_python_are_rounded_too(dtype):
    """0.3 as float32 is more than 0.3: 3 // 0.3 is 9. As an argument of a call it is a literal."""
    x = np.float32([-3.0, 3.0, 7.5])

    def f(x):
        called = jax.jit(lambda x, step: x % step)
        return jnp.floor_divide(x.astype(dtype), 0.3).astype(jnp.float32), called(x, 0.3) == x % 0.3

    found, same = run(javascript(f, x), [x])
    np.testing.assert_array_equal(found, jax.jit(f)(x)[0])
    assert same.all()


def test_values_at_the_edge():
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, 1.5, 2.5, -2.5, 3e9, -3e9], np.float32)

    def f(x):
        return (
            [jnp.isfinite(x), jnp.isnan(x), jnp.maximum(x, 1), jnp.minimum(x, 1), jnp.round(x)],
            [x.max(), x[3:].min(), jnp.argmax(x), jnp.argmin(x[1:]), jnp.sort(x), jnp.argsort(x)],
            [jnp.exp(x), jnp.tanh(x), lax.logistic(x), jnp.abs(x), x == x, x < 1, lax.erf(x)],
            [x.astype(int), x.astype(jnp.uint32), x.astype(bool), 1**x, jnp.sign(x)],
        )

    check(f, x)


def test_reduced_precision_rounds_to_even_and_keeps_to_its_range():
    words = np.random.default_rng(0).integers(0, 2**32, 400, dtype=np.uint32)
    ties = np.float32(1 + np.arange(40) / 512)
    edges = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, 65519, 65520, 6.1e-5, 6e-8, 3.4e38])
    x = np.concatenate([words.view(np.float32), ties, -ties, edges])
    formats = ((8, 7), (5, 10), (4, 3), (8, 23), (8, 1))
    f = lambda x: [lax.reduce_precision(x, *bits) for bits in formats]
    found = run(javascript(f, x), [x])
    for a, b in zip(found, jax.jit(f)(x), strict=True):
        np.testing.assert_array_equal(a.astype(np.float32), b)


@few()
@given(SHAPES, st.sampled_from(WAYS), st.sampled_from(["int32", "uint32"]))
def test_integers_wrap(shape, way, dtype):
    def f(x, y):
        x, by = laid(x, way), y % 35
        signed = [-x, abs(x), jnp.sign(x)] if dtype == "int32" else []
        return (
            [x + y, x - y, x * y, x & y, x | y, x ^ y, ~x, jnp.square(x), x**3, *signed],
            [lax.div(x, y), lax.rem(x, y), jnp.maximum(x, y), jnp.minimum(x, y), x // (y | 1)],
            [x < y, x <= y, x > y, x >= y, x == y, x != y],
            [lax.shift_left(x, by), lax.shift_right_logical(x, by)],
            [lax.shift_right_arithmetic(x, by), lax.population_count(x), lax.clz(x)],
            [x.astype(t) for t in ("int32", "uint32", "float32", "bool")],
            [x.sum(), x.max(), x.min(), x.prod()],
            [
                lax.reduce_and(x, (0,)),
                lax.reduce_or(x, (0,)),
                lax.reduce_xor(x, (0,)),
                jnp.cumsum(x, 0),
            ]
            if shape
            else [],
        )

    check(f, numbers(shape, dtype), numbers(shape, dtype, seed=1))


@few()
@given(SHAPES, st.sampled_from(WAYS))
def test_booleans(shape, way):
    def f(x, y, a, b):
        x = laid(x, way)
        return (
            [x & y, x | y, x ^ y, ~x, x == y, x != y, x < y, x.any(), x.all(), x.sum()],
            [x.astype(t) for t in ("int32", "uint32", "float32")],
            lax.select_n(x.astype(jnp.int32) + y, a, b, a + b),
            jnp.where(x, a, 3.0),
        )

    floats = numbers(shape), numbers(shape, seed=1)
    check(f, numbers(shape, "bool"), numbers(shape, "bool", 1), *floats)


@few()
@given(st.tuples(*[st.integers(1, 4)] * 3), st.sampled_from(WAYS))
def test_structure(shape, way):
    def f(x):
        x = laid(x, way)
        padding = [(1, 2, 1), (-1, 1, 0), (0, -1, 2)]
        return (
            [x.T, x.reshape(-1), x.T.reshape(-1), x[::-1], x[:, :, ::2], x[None], x[:1, 0]],
            [jnp.concatenate([x, x * 2, x[:, :1]], 1), jnp.stack([x, -x], 1), jnp.split(x, [1])],
            [lax.pad(x, jnp.float32(7), padding), lax.pad(x, 0.0, [(2, 0, 0)] * 3)],
            [jnp.broadcast_to(x[:, :1], x.shape), jnp.tile(x, (2, 1, 2)), jnp.roll(x, 1, 2)],
            [lax.broadcasted_iota(jnp.int32, x.shape, 1), jnp.arange(4.0) * 0.5, jnp.tril(x)],
            [row * 2 for row in x],
        )

    check(f, numbers(shape))


@few()
@given(st.tuples(*[st.integers(1, 4)] * 3), st.sampled_from(WAYS), st.integers(0, 2))
def test_reductions(shape, way, axis):
    other = (axis + 1) % 3

    def f(x):
        x = laid(x, way)
        return (
            [g(x, axis) for g in (jnp.sum, jnp.max, jnp.min, jnp.prod, jnp.mean, jnp.var)],
            [jnp.sum(x, (axis, other)), x.sum(), jnp.max(x, (other, axis)), (x * 2 + 1).sum(axis)],
            [jnp.argmax(x, axis), jnp.argmin(x, axis), jax.nn.logsumexp(x, axis)],
            [g(x, axis=axis) for g in (lax.cumsum, lax.cumprod, lax.cummax, lax.cummin)],
            [g(x, axis=axis, reverse=True) for g in (lax.cumsum, lax.cumlogsumexp)],
            [jnp.sort(x, axis), jnp.argsort(x, axis), lax.top_k(x, 1), jnp.median(x, axis)],
            lax.sort((jnp.round(x), x), dimension=axis, num_keys=1),
        )

    check(f, numbers(shape))


def test_reductions_of_nothing():
    nothing = np.zeros((2, 0), np.float32)
    f = lambda x: (x.sum(1), x.prod(1), x.all(1), x @ x.T, jnp.concatenate([x, x], 1), x + 1)
    check(f, nothing)


@pytest.mark.parametrize(
    "letters",
    ["ij,jk->ik", "ji,jk->ki", "bij,bjk->bik", "bhqd,bhkd->bqhk", "i,i->", "i,j->ij", "ijk,kj->i"],
)
@pytest.mark.parametrize("way", ["as it is", "every second"])
def test_products(letters, way):
    sizes = dict(zip("bhijkqd", (2, 3, 4, 5, 6, 3, 4), strict=True))
    a, b = letters.split("->")[0].split(",")
    shapes = [tuple(sizes[i] for i in part) for part in (a, b)]
    f = lambda a, b: jnp.einsum(letters, laid(a, way), laid(b, way) + 1)
    check(f, numbers(shapes[0]), numbers(shapes[1], seed=1))


def test_products_of_integers_wrap():
    x = numbers((4, 5), "int32")
    check(lambda x: (x @ x.T, jnp.dot(x[0], x[1])), x)


@few(max_examples=6)
@given(
    strides=st.tuples(*[st.integers(1, 2)] * 2),
    padding=st.sampled_from(["SAME", "VALID", [(1, 2), (0, 1)], [(-1, 0), (2, -1)]]),
    dilation=st.tuples(*[st.integers(1, 2)] * 4),
    groups=st.sampled_from([(1, 1), (2, 1), (4, 1), (1, 2)]),
    orders=st.sampled_from([("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("HWNC",) * 3]),
)
def test_convolutions(strides, padding, dilation, groups, orders):
    features, batches = groups
    sizes = {"N": 4, "H": 7, "W": 6, "C": 4}
    kernel = {"H": 3, "W": 2, "I": 4 // features, "O": 8}
    orders = (orders[0], orders[1].replace("N", "O").replace("C", "I"), orders[2])
    x = numbers(tuple(sizes[axis] for axis in orders[0]))
    k = numbers(tuple(kernel[axis] for axis in orders[1]), seed=1)

    def f(x, k):
        return lax.conv_general_dilated(
            x, k, strides, padding, None if isinstance(padding, str) else dilation[:2],
            dilation[2:], orders, features, batches,
        )  # fmt: skip

    check(f, x, k)


@few(max_examples=2)
@given(st.tuples(*[st.integers(2, 4)] * 2), st.sampled_from(WAYS))
def test_places_that_are_computed(shape, way):
    rows = np.array([0, 1, -1, 9, 0], np.int32)

    def f(x, rows, u):
        x, i = laid(x, way), rows % x.shape[0]
        start = (rows[2], rows[3])
        modes = ("fill", "clip", "wrap")
        return (
            [
                x[i],
                x[i, 0],
                x[i[:2], i[:2] % x.shape[1]],
                x[:, 0][i],
                jnp.take(x, i, 1, mode="clip"),
            ],
            [jnp.take(x, rows, 0, mode=mode) for mode in modes],
            [jnp.take_along_axis(x, jnp.argsort(x, 1), 1), jax.vmap(lambda r: r[jnp.argmax(r)])(x)],
            [x.at[rows].add(u, mode=mode) for mode in ("drop", "clip")],
            [x.at[i[:1], 0].set(5.0), x.at[i].max(u), x.at[i].min(u), x.at[i].multiply(u)],
            [lax.dynamic_slice(x, start, (1, 2)), lax.dynamic_update_slice(x, u[:1, :2], start)],
            jax.vmap(lambda r, j: lax.dynamic_update_slice(r, u[0, :1], (j,)))(x, i[: len(x)]),
            rows.at[i].add(3),
        )

    check(f, numbers(shape), rows, numbers((5, shape[1]), seed=1))


@few(max_examples=4)
@given(
    strides=st.tuples(*[st.integers(1, 2)] * 2),
    padding=st.sampled_from(["SAME", "VALID", ((1, 0), (0, 2))]),
    dilation=st.tuples(*[st.integers(1, 2)] * 4),
    way=st.sampled_from(WAYS),
)
def test_windows(strides, padding, dilation, way):
    def f(x):
        x = laid(x, way)
        pool = lambda x, start, by, *more: lax.reduce_window(
            x, start, by, (2, 3), strides, padding, *more
        )
        return (
            pool(x, -jnp.inf, lax.max, dilation[:2], dilation[2:]),
            pool(x, jnp.inf, lax.min),
            pool(x, 0.0, lax.add, dilation[:2], dilation[2:]),
            jax.grad(lambda x: jnp.sum(jnp.sin(pool(x, -jnp.inf, lax.max))))(x),
            jax.grad(lambda x: jnp.sum(jnp.sin(pool(x, 0.0, lax.add))))(jnp.round(x)),
        )

    check(f, numbers((5, 6)))


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 3), (3, 5), (4, 1)])
def test_decompositions(shape):
    x = numbers(shape)
    check(lambda x: (jnp.linalg.qr(x), jnp.linalg.qr(jnp.tril(x), mode="complete")), x)


def test_interpolation():
    x, places = numbers((4,)), np.sort(numbers((6,), seed=1))
    f = lambda x, places: (jnp.interp(x, places, places**2), jnp.searchsorted(places, x))
    check(f, x, places)


def test_loops_and_branches():
    x = numbers((5, 2, 2))

    def scanned(carry, row):
        a, b, t = carry
        return (b, a + row, t.T), (a * row, b.sum())

    def f(x, n):
        start = (x[0], x[1], x[2])
        return (
            lax.scan(scanned, start, x),
            lax.scan(scanned, start, x, reverse=True),
            lax.scan(lambda c, _: (c + 1, c), 0, None, length=3),
            lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[2], c[1] * 2), (0, x, -x)),
            lax.fori_loop(0, 3, lambda i, c: c[::-1] + i, x),
            [lax.switch(n - k, [jnp.sin, jnp.cos, lambda x: x[::-1]], x) for k in (0, 2, 3, 9)],
            lax.cond(n > 2, lambda x: (x, 1), lambda x: (x * 2, 2), x),
            lax.map(lambda row: lax.scan(lambda c, v: (c + v, c * v), row[0], row)[1], x),
            jax.grad(lambda x: jnp.sum(lax.scan(scanned, start, jnp.sin(x))[1][0]))(x),
            jax.grad(lambda x: jnp.sum(lax.switch(n - 3, [jnp.sin, lambda x: x * x * x], x)))(x),
            jax.jit(lambda y: y * y + y)(jnp.exp(x) + 1),
            jax.checkpoint(lambda y: jnp.sin(y) * y)(x),
        )

    check(f, x, np.int32(4))


def test_a_gradient_to_integers_holds_nothing():
    loss = lambda both: jnp.sum(jnp.sin(both[0] * both[1]))
    both = (numbers((3,)), np.arange(3, dtype=np.int32))
    gradient = jax.grad(loss, allow_int=True)
    found, nothing = run(javascript(gradient, both), both)
    np.testing.assert_allclose(found, jax.jit(gradient)(both)[0], rtol=TOLERANCE)
    assert nothing.tolist() == [0, 0, 0]


def test_draws():
    def f(key):
        return (
            [jax.random.normal(key, (3, 5)), jax.random.uniform(key, (7,), minval=-2, maxval=3)],
            [
                jax.random.gumbel(key, (3,)),
                jax.random.categorical(key, jnp.arange(4.0), shape=(6,)),
            ],
            [jax.random.truncated_normal(key, -2, 2, (3,)), jax.random.exponential(key, (3,))],
        )

    check(f, jax.random.key(5))
