"""Weight and spectral normalization against PyTorch and against the singular values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.layers.batch_normalization import batch_norm
from jnn.layers.weight_normalization import spectral_norm, weight_norm
from jnn.testing import check_model
from tests.compiled import apply, init

FORWARD = 1e-10  # float64: the same sums in another order
GRADIENT = 1e-9  # float64: a few more sums, divided by a norm
CONVERGED = 1e-3  # power iteration of a random matrix: its two largest singular values may be close

SLOW_PURITY = pytest.param("purity", marks=pytest.mark.slow)  # one operation at a time


def assert_same(got, expected, tolerance=FORWARD):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=tolerance), got, expected)


def begun(model, x):
    """The output of the model with its first params."""
    return apply(model, *init(model, x), x)[0]


def test_weight_norm_is_that_of_pytorch(reference, float64):
    case, model = reference("normalization", "weight_norm"), weight_norm(jnn.dense(4))
    params = {
        "bias": case["bias"],
        "kernel": {name: case[name] for name in ("magnitude", "direction")},
    }

    def weighted(params):
        y, _ = model.apply(params, {}, case["x"])
        return jnp.sum(case["weights"] * y), y

    gradient, y = jax.jit(jax.grad(weighted, has_aux=True))(params)
    assert_same(y, case["y"])
    expected = {name: case[f"gradient/{name}"] for name in ("bias", "magnitude", "direction")}
    assert_same(
        gradient,
        {
            "bias": expected["bias"],
            "kernel": {name: expected[name] for name in ("magnitude", "direction")},
        },
        GRADIENT,
    )


def test_weight_norm_starts_as_pytorchs_and_as_the_model_itself(reference, float64):
    case = reference("normalization", "weight_norm")
    dense = jnn.dense(4, kernel_init=lambda key, shape, dtype: jnp.asarray(case["kernel"], dtype))
    model, x = weight_norm(dense), case["x"]
    params, state = init(model, x)
    assert_same(
        params["kernel"], {"magnitude": case["first_magnitude"], "direction": case["kernel"]}
    )
    assert_same(apply(model, params, state, x)[0], begun(dense, x))


def test_weight_norm_of_chosen_paths_and_inside_repeat(float64):
    x = np.linspace(-1, 1, 8).reshape(2, 4)
    partly = weight_norm(jnn.chain(jnn.dense(4), jnn.dense(4)), "1/kernel")
    params, _ = jax.eval_shape(partly.init, jax.random.key(0), x)
    assert set(params["1"]["kernel"]) == {"magnitude", "direction"}
    plain, deep = jnn.repeat(jnn.dense(4), 3), jnn.repeat(weight_norm(jnn.dense(4)), 3)
    assert_same(begun(deep, x), begun(plain, x))


def test_spectral_norm_is_that_of_pytorch(reference, float64):
    case, model = (
        reference("normalization", "spectral_norm"),
        spectral_norm(jnn.dense(4, use_bias=False)),
    )
    params = {"kernel": case["kernel"]}
    state = {"vectors": {"kernel": {name: case[name] for name in ("left", "right")}}}

    def weighted(params, state, x, weights, train):
        y, new = model.apply(params, state, x, train=train)
        return jnp.sum(weights * y), (y, new)

    gradient_and_output = jax.jit(jax.grad(weighted, has_aux=True), static_argnums=4)
    for i in range(3):
        gradient, (y, state) = jax.device_get(
            gradient_and_output(params, state, case[f"{i}/x"], case[f"{i}/weights"], i < 2)
        )
        assert_same(y, case[f"{i}/y"])
        assert_same(
            state["vectors"]["kernel"], {"left": case[f"{i}/left"], "right": case[f"{i}/right"]}
        )
        assert_same(gradient["kernel"], case[f"{i}/gradient"], GRADIENT)
        params = {"kernel": params["kernel"] - 0.1 * gradient["kernel"]}


def test_spectral_norm_makes_the_largest_singular_value_one():
    x = np.ones((2, 6), np.float32)
    model = spectral_norm(jnn.dense(5, use_bias=False), steps=5)
    params, state = init(model, x)
    for _ in range(20):
        _, state = apply(model, params, state, x, train=True)
    kernel, _ = apply(model, params, state, np.eye(6, dtype=np.float32))
    assert abs(np.linalg.norm(kernel, 2) - 1) < CONVERGED


@pytest.mark.sampled(3)
@pytest.mark.parametrize("law", ["batch", "stream", "depth", SLOW_PURITY])
def test_spectral_norm_keeps_the_state_of_its_model(float64, law):
    """Its gradient leaves out the vectors' own, as in the paper, so that the law of gradients
    cannot hold.
    """
    model = spectral_norm(jnn.chain(jnn.dense(4, use_bias=False), batch_norm()))
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    assert check_model(model, x, sequence=True, laws=[law]) == {law: "holds"}


@pytest.mark.parametrize("normalize", [weight_norm, spectral_norm])
def test_mistakes_are_said(normalize):
    with pytest.raises(
        jnn.JnnError,
        match=r"which matches no path, expected a regular expression for some of bias, kernel",
    ):
        normalize(jnn.dense(2), ".*weight").init(jax.random.key(0), np.ones(3, np.float32))
    with pytest.raises(
        jnn.JnnError, match=r"got bias of shape \(2,\), expected kernels of at least 2 axes"
    ):
        normalize(jnn.dense(2), ".*").init(jax.random.key(0), np.ones(3, np.float32))
    with pytest.raises(jnn.JnnError, match="steps=0"):
        spectral_norm(jnn.dense(2), steps=0)


def test_params_of_a_model_that_are_called_magnitude_and_direction_are_its_own():
    def own_init(key, x):
        inner = {"magnitude": jnp.array([2.0, 3.0]), "direction": jnp.ones((3, 2))}
        return {"own": inner, "kernel": jnp.ones((3, 2))}, {}

    def own_apply(params, state, x, *, key=None, train=False, mask=None):
        inner = params["own"]
        return x @ params["kernel"] + inner["magnitude"] * (x @ inner["direction"]), state

    model, x = jnn.Model(own_init, own_apply), np.arange(3, dtype=np.float32)
    np.testing.assert_allclose(begun(weight_norm(model), x), begun(model, x), rtol=1e-6)


def test_params_without_a_magnitude_are_refused():
    x = jnp.ones(3)
    params, state = jnn.dense(2).init(jax.random.key(0), x)
    message = "weight_norm: got kernel as one array, expected its magnitude and direction"
    with pytest.raises(jnn.JnnError, match=message):
        weight_norm(jnn.dense(2)).apply(params, state, x)


def test_a_carry_that_is_computed_with_a_normalized_kernel_is_refused(float64):
    rng = np.random.default_rng(0)
    x = {"x": rng.standard_normal((5, 8)), "memory": 3 * rng.standard_normal((7, 6))}
    x_t = {"x": x["x"][0], "memory": x["memory"]}
    layer = spectral_norm(jnn.cross_attention(2))
    params, state = init(layer, x)
    with pytest.raises(jnn.JnnError, match="spectral_norm: got a carry that is computed with"):
        layer.carry(params, x_t, 5)
    layer = spectral_norm(jnn.cross_attention(2), "(query|output)/kernel")
    params, state = init(layer, x)
    y, _ = layer.read(params, state, layer.carry(params, x_t, 5), x)
    assert_same(y, apply(layer, params, state, x)[0])


@pytest.mark.parametrize("part", [jnn.attention(2, causal=True), jnn.repeat(jnn.gru(4), 2)])
def test_a_carry_that_has_only_the_shapes_of_kernels_streams(float64, part):
    layer = spectral_norm(jnn.chain(jnn.dense(4), part))
    x = np.random.default_rng(0).standard_normal((5, 4))
    params, state = init(layer, x)
    y, _ = layer.read(params, state, layer.carry(params, x[0], 5), x)
    assert_same(y, apply(layer, params, state, x)[0])
