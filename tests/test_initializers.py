"""Initializers against the distributions they declare, SciPy's, and PyTorch's fans and
constants.
"""

import contextlib
import inspect
import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jnn
from jnn import initializers
from jnn.errors import JnnError

SIGMAS = 4
# what a test of significance falls below with four-sigma evidence
IMPROBABLE = 2 * scipy.stats.norm.sf(SIGMAS)
SINGLE = 1e-5  # float32 products of matrices of a hundred rows

IN, OUT = 200, 100  # fan-in and fan-out of the dense kernels below


def uniform(bound):
    return scipy.stats.uniform(-bound, 2 * bound)


def truncated(deviation, cut=2.0):
    """A normal of this deviation, cut at ``cut`` of them."""
    return scipy.stats.truncnorm(-cut, cut, scale=deviation)


# Glorot, He and LeCun correct for the cut: the deviation is what their papers say.
CUT = truncated(1.0).std()

DECLARED = {
    "normal": (initializers.normal(0.3), scipy.stats.norm(scale=0.3)),
    "truncated_normal": (initializers.truncated_normal(0.3), truncated(0.3)),
    "uniform": (initializers.uniform(0.3), scipy.stats.uniform(0, 0.3)),
    "symmetric_uniform": (initializers.symmetric_uniform(0.3), uniform(0.3)),
    "torch_uniform": (initializers.torch_uniform(), uniform(1 / math.sqrt(IN))),
    "lecun_normal": (initializers.lecun_normal(), truncated(math.sqrt(1 / IN) / CUT)),
    "lecun_uniform": (initializers.lecun_uniform(), uniform(math.sqrt(3 / IN))),
    "he_normal": (initializers.he_normal(), truncated(math.sqrt(2 / IN) / CUT)),
    "he_uniform": (initializers.he_uniform(), uniform(math.sqrt(6 / IN))),
    "glorot_normal": (initializers.glorot_normal(), truncated(math.sqrt(2 / (IN + OUT)) / CUT)),
    "glorot_uniform": (initializers.glorot_uniform(), uniform(math.sqrt(6 / (IN + OUT)))),
    "variance_scaling": (
        initializers.variance_scaling(2.0, "fan_out", "normal"),
        scipy.stats.norm(scale=math.sqrt(2 / OUT)),
    ),
}


@pytest.fixture(autouse=True)
def _strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def draw(init, *shape, seed=0, dtype=jnp.float32):
    return np.asarray(jax.jit(lambda key: init(key, shape, dtype))(jax.random.key(seed)))


def assert_drawn_from(x, distribution):
    """Mean and variance within four sigmas of the declared ones, and the whole distribution by
    Kolmogorov and Smirnov.
    """
    n, variance = x.size, distribution.var()
    assert abs(x.mean() - distribution.mean()) < SIGMAS * math.sqrt(variance / n)
    # the normal's, whose tails are the heaviest here
    assert abs(x.var() - variance) < SIGMAS * variance * math.sqrt(2 / n)
    assert scipy.stats.kstest(x.ravel(), distribution.cdf, method="asymp").pvalue > IMPROBABLE


@pytest.mark.parametrize("name", DECLARED)
def test_is_drawn_from_the_declared_distribution(name):
    init, distribution = DECLARED[name]
    assert_drawn_from(draw(init, IN, OUT), distribution)


def test_every_initializer_is_tested():
    exact = {
        "zeros",
        "ones",
        "constant",
        "identity",
        "dirac",
        "orthogonal",
        "delta_orthogonal",
        "sparse",
    }
    assert set(initializers.__all__) == set(DECLARED) | exact


@pytest.mark.parametrize("layer", ["dense", "conv1d", "conv2d", "conv2d_groups"])
def test_fans_are_those_of_pytorch(layer, reference):
    case = reference("initializers", f"fans_{layer}")
    shape, fan_in, fan_out = (case[name].tolist() for name in ("shape", "fan_in", "fan_out"))
    assert_drawn_from(draw(initializers.torch_uniform(), *shape), uniform(1 / math.sqrt(fan_in)))
    assert_drawn_from(
        draw(initializers.glorot_uniform(), *shape), uniform(math.sqrt(6 / (fan_in + fan_out)))
    )


@pytest.mark.parametrize("name", ["dirac_1d", "dirac_2d", "dirac_3d", "dirac_groups"])
def test_dirac_is_that_of_pytorch(name, reference):
    case = reference("initializers", name)
    np.testing.assert_array_equal(
        draw(initializers.dirac(int(case["groups"])), *case["kernel"].shape), case["kernel"]
    )


def test_dirac_returns_its_input():
    x = np.random.default_rng(0).normal(size=(1, 6, 5, 4)).astype(np.float32)
    kernel = initializers.dirac()(None, (3, 3, 4, 4), jnp.float32)
    y = jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_array_equal(y, x)


def test_identity_is_that_of_pytorch(reference):
    kernel = reference("initializers", "identity")["kernel"]
    np.testing.assert_array_equal(draw(initializers.identity(), *kernel.shape), kernel)
    np.testing.assert_array_equal(
        draw(initializers.identity(0.5), 2, 3, 4), np.broadcast_to(0.5 * np.eye(3, 4), (2, 3, 4))
    )


@pytest.mark.parametrize("shape", [(60, 60), (60, 20), (20, 60)])
def test_orthogonal_has_orthonormal_columns_or_rows(shape):
    w = draw(initializers.orthogonal(), *shape)
    gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=SINGLE)


def test_delta_orthogonal_convolution_preserves_length():
    kernel = initializers.delta_orthogonal()(jax.random.key(0), (3, 3, 8, 16), jnp.float32)
    x = np.random.default_rng(0).normal(size=(1, 6, 6, 8)).astype(np.float32)
    y = jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), np.linalg.norm(x, axis=-1), rtol=SINGLE)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (3, 0, 4)])
@pytest.mark.parametrize("init", [initializers.lecun_normal(), initializers.glorot_uniform()])
def test_an_empty_array_is_drawn_too(init, shape):
    assert draw(init, *shape).shape == shape


def test_constants():
    assert (draw(initializers.zeros, 3, 4) == 0).all()
    assert (draw(initializers.ones, 3, 4) == 1).all()
    assert (draw(initializers.constant(0.25), 3, 4) == 0.25).all()


def test_sparse_has_its_zeros_in_every_column_and_everywhere_alike():
    sparsity, deviation = 0.83, 0.3
    x = draw(initializers.sparse(sparsity, deviation), IN, OUT)
    zeros = math.ceil(sparsity * IN)
    assert ((x == 0).sum(axis=0) == zeros).all()
    assert_drawn_from(x[x != 0], scipy.stats.norm(scale=deviation))
    expected = OUT * zeros / IN
    # of the zeros in a row: a binomial over columns
    spread = math.sqrt(OUT * (zeros / IN) * (1 - zeros / IN))
    rows = (x == 0).sum(axis=1)
    # one sigma more for the largest of 200 rows
    assert abs(rows - expected).max() < (SIGMAS + 1) * spread


@pytest.mark.parametrize(
    "init",
    [initializers.torch_uniform(), initializers.symmetric_uniform(1.0), initializers.sparse(0.5)],
)
def test_draws_follow_the_key(init):
    keys = jnp.stack([jax.random.key(0), jax.random.key(0), jax.random.key(1)])
    same, again, other = jax.jit(jax.vmap(lambda key: init(key, (8, 8), jnp.float32)))(keys)
    np.testing.assert_array_equal(same, again)
    assert (same != other).any()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize(
    "name", ["torch_uniform", "symmetric_uniform", "sparse", "identity", "dirac"]
)
def test_dtype_is_the_one_asked_for(name, dtype):
    settings, shape = {"symmetric_uniform": ((1.0,), (8, 8)), "sparse": ((0.5,), (8, 8))}.get(
        name, ((), (3, 8, 8))
    )
    init = getattr(initializers, name)(*settings)
    assert jax.eval_shape(lambda key: init(key, shape, dtype), jax.random.key(0)).dtype == dtype


MISTAKES = [
    (lambda: initializers.symmetric_uniform(0.0), "bound=0.0"),
    (lambda: initializers.identity()(None, (3,)), r"identity: got shape \(3,\)"),
    (lambda: initializers.dirac()(None, (3, 4)), r"dirac: got shape \(3, 4\), groups=1"),
    (lambda: initializers.dirac(4)(None, (3, 2, 6)), "groups=4"),
    (lambda: initializers.dirac("2"), "groups='2'"),
    (lambda: initializers.sparse(1.5), "sparsity=1.5"),
    (lambda: initializers.sparse("0.5"), "sparsity='0.5'"),
    (lambda: initializers.sparse(0.5, stddev=-1.0), "stddev=-1.0"),
    (
        lambda: initializers.sparse(0.5)(jax.random.key(0), (3, 4, 5)),
        r"sparse: got shape \(3, 4, 5\)",
    ),
]


@pytest.mark.parametrize(("call", "message"), MISTAKES)
def test_mistakes_are_named(call, message):
    with pytest.raises(JnnError, match=message):
        call()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("make", [initializers.orthogonal, initializers.delta_orthogonal])
def test_orthogonal_under_vmap_equals_one_by_one(make):
    keys, shape = jax.random.split(jax.random.key(0), 6).reshape(2, 3), (3, 4, 4)
    many = jax.jit(jax.vmap(jax.vmap(lambda key: make()(key, shape, jnp.float32))))(keys)
    for i in range(2):
        for j in range(3):
            np.testing.assert_allclose(
                many[i, j],
                getattr(jax.nn.initializers, make.__name__)()(keys[i, j], shape, jnp.float32),
                atol=1e-6,
            )


LIKE_JAX = ["normal", "truncated_normal", "uniform"]


@pytest.mark.parametrize("name", LIKE_JAX)
@pytest.mark.parametrize("shape", [(), 5, (3, 1), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [(), (jnp.bfloat16,)])
def test_the_numbers_are_those_of_jax(name, shape, dtype):
    make, reference = getattr(initializers, name), getattr(jax.nn.initializers, name)
    drawn = make(0.3)(jax.random.key(1), shape, *dtype)
    expected = reference(0.3)(jax.random.key(1), shape, *dtype)
    assert drawn.dtype == expected.dtype
    np.testing.assert_allclose(*(x.astype(jnp.float32) for x in (drawn, expected)), rtol=1e-6)
    assert make.__doc__ == reference.__doc__


@pytest.mark.parametrize("name", LIKE_JAX)
def test_a_scale_may_be_an_array_and_makers_are_pickled(name):
    make, scale = getattr(initializers, name), jnp.arange(1.0, 7.0)[None]
    drawn = make(scale)(jax.random.key(1), (4, 6))
    np.testing.assert_allclose(drawn, scale * make(1.0)(jax.random.key(1), (4, 6)), rtol=1e-5)
    assert pickle.loads(pickle.dumps(make)) is make


@pytest.mark.parametrize("name", LIKE_JAX)
def test_what_is_no_key_is_refused_by_jax(name):
    with pytest.raises(TypeError, match="key"):
        getattr(initializers, name)()(0, (4,))


LAYERS = {
    "attention": ((2,), {}),
    "conv": ((4, (3,)), {}),
    "conv_transpose": ((4, (3,)), {}),
    "cross_attention": ((2,), {}),
    "dense": ((4,), {}),
    "depthwise_conv": (((3,),), {}),
    "elman": ((4,), {}),
    "embedding": ((9, 4), {}),
    "feed_forward": ((8,), {}),
    "gated": ((4,), {"use_bias": True}),
    "gru": ((4,), {}),
    "learned_positions": ((9,), {}),
    "lstm": ((4,), {"projection": 2}),
    "mixture_of_experts": ((jnn.dense(4), 2), {}),
    "relative_buckets": ((), {}),
}
OF_OTHERS = {"Model", "Positions", "pointwise", "recurrent"}  # whose init makes params and state


def settings_of(make):
    with contextlib.suppress(TypeError, ValueError):
        return [name for name in inspect.signature(make).parameters if name.endswith("init")]
    return []


def test_all_layers_with_initializers_are_tried():
    names = {name for name in jnn.__all__ if settings_of(getattr(jnn, name))}
    assert names == LAYERS.keys() | OF_OTHERS


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_no_initializer_is_refused_by_each_layer(name):
    arguments, settings = LAYERS[name]
    x = jnp.ones((5, 4))
    inputs = {"embedding": jnp.arange(5), "cross_attention": {"x": x, "memory": x}}
    for setting in settings_of(getattr(jnn, name)):
        for wrong in ("zeros", initializers.he_normal, jax.nn.initializers.he_normal, he_of_rows):
            layer = getattr(jnn, name)(*arguments, **settings, **{setting: wrong})
            if name == "relative_buckets":
                layer = jnn.attention(2, positions=layer)
            with pytest.raises(JnnError, match=MESSAGES[wrong]):
                layer.init(jax.random.key(0), inputs.get(name, x))


def he_of_rows(key, shape, dtype):
    """One element too many."""
    return jnp.ones((*shape, 1), dtype)


MESSAGES = {
    "zeros": r"init: got initializer='zeros', expected a function \(key, shape, dtype\) -> array",
    initializers.he_normal: r"init: got initializer\(in_axis.* as in jnn\.initializers\.he_nor",
    jax.nn.initializers.he_normal: r"init: got a function from he_normal, .* as in jnn\.init",
    he_of_rows: r"init: got an array of shape \(.*, 1\) from he_of_rows, expected an array of sha",
}
