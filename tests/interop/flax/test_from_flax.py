"""Modules of Flax as models: the same numbers as in Flax, and the laws of models."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jnn
from jnn.interop.flax import from_linen, from_nnx
from jnn.testing import check_model
from tests.interop.flax.modules import NNXCNN, LinenBlock, LinenCNN, NNXBlock, NNXScanned

IMAGES = jnp.asarray(np.linspace(-1, 1, 2 * 3 * 16, dtype=np.float32).reshape(2, 3, 4, 4, 1))
SEQUENCES = jnp.asarray(np.sin(np.arange(48, dtype=np.float32)).reshape(2, 6, 4))
TOKENS = jnp.arange(6).reshape(2, 3)
KEY = jax.random.key(0)

nnx_cnn = lambda rngs: NNXCNN(rngs=rngs)


def started(model, x):
    return jax.jit(model.init)(KEY, x)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("module", "x"),
    [
        (linen.Dense(3), SEQUENCES),
        (linen.Conv(3, (2,)), SEQUENCES),
        (linen.LayerNorm(), SEQUENCES),
        (linen.BatchNorm(), SEQUENCES),
        (linen.SpectralNorm(linen.Dense(3)), SEQUENCES),
        (linen.Embed(7, 2), TOKENS),
        (linen.Dropout(0.5), SEQUENCES),
        (linen.MultiHeadDotProductAttention(2), SEQUENCES),
        (linen.RNN(linen.GRUCell(3)), SEQUENCES),
        (linen.Sequential([linen.Dense(3), linen.relu, linen.Dense(2)]), SEQUENCES),
        (LinenBlock(), SEQUENCES),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, linen.Module) else "",
)
def test_a_layer_of_linen_computes_what_it_does_in_linen(module, x):
    model = from_linen(module)
    params, state = started(model, x)
    evaluation = {
        linen.BatchNorm: {"use_running_average": True},
        linen.SpectralNorm: {"update_stats": False},
        linen.Dropout: {"deterministic": True},
        LinenBlock: {"deterministic": True},
    }.get(type(module), {})
    variables = {"params": params, "batch_stats": state}

    @jax.jit
    def both(variables, x):
        y, _ = model.apply(variables["params"], variables["batch_stats"], x)
        return module.apply(variables, x, **evaluation), y

    np.testing.assert_array_equal(*both(variables, x))


@pytest.mark.slow
def test_layers_of_nnx_that_are_scanned_draw_each_for_itself():
    model = from_nnx(lambda rngs: NNXScanned(rngs=rngs))
    x = SEQUENCES[0]
    params, state = started(model, x)
    assert params["layers"]["linear"]["kernel"].shape == (3, 4, 4)
    trained = jax.jit(lambda key: model.apply(params, state, x, key=key, train=True))
    (y, after), (other, _) = trained(KEY), trained(jax.random.key(1))
    assert np.any(y != other)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
    made = nnx.jit(lambda: NNXScanned(rngs=nnx.Rngs(KEY)))()
    made.eval()
    expected = nnx.jit(lambda module, x: module(x))(made, x)
    np.testing.assert_allclose(jax.jit(model.apply)(params, state, x)[0], expected, atol=1e-6)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("module", "x"),
    [
        (lambda rngs: nnx.Linear(4, 3, rngs=rngs), SEQUENCES),
        (lambda rngs: nnx.Embed(7, 2, rngs=rngs), TOKENS),
        (lambda rngs: NNXBlock(4, rngs=rngs), SEQUENCES),
        (lambda rngs: nnx.RNN(nnx.GRUCell(4, 3, rngs=rngs)), SEQUENCES),
    ],
)
def test_a_layer_of_nnx_computes_what_it_does_in_nnx(module, x):
    made = module(nnx.Rngs(KEY))
    of_instance, model = from_nnx(made), from_nnx(module)
    params, state = started(model, x)
    same = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6)
    jax.tree.map(same, of_instance.init(KEY, x)[0], params)
    y = jax.jit(model.apply)(params, state, x)[0]
    np.testing.assert_allclose(y, nnx.jit(lambda m, x: m(x))(made, x), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("model", [from_linen(LinenCNN(), rank=3), from_nnx(nnx_cnn, rank=3)])
def test_the_mnist_example_trains(model):
    """Any leading axes, dropout from the key, and running averages of batch statistics."""
    params, state = started(model, jax.ShapeDtypeStruct(IMAGES.shape[-3:], jnp.float32))
    train = jax.jit(lambda key: model.apply(params, state, IMAGES, key=key, train=True))
    evaluate = jax.jit(lambda x: model.apply(params, state, x))
    (y, new), (again, _), (other, _) = train(KEY), train(KEY), train(jax.random.key(1))
    assert y.shape == (2, 3, 3)
    np.testing.assert_array_equal(y, again)
    assert np.any(y != other)
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool(np.any(a != b)), new, state)))
    whole, unchanged = evaluate(IMAGES)
    jax.tree.map(np.testing.assert_array_equal, unchanged, state)
    np.testing.assert_allclose(whole[1, 2], evaluate(IMAGES[1, 2])[0], atol=1e-6)


def test_batch_statistics_are_those_of_linen():
    module = LinenCNN()
    model, x = from_linen(module, rank=3), IMAGES[0]
    params, state = started(model, x)
    variables = {"params": params, "batch_stats": state}

    @jax.jit
    def both(key):
        options = {"rngs": {"dropout": key}, "mutable": ["batch_stats"]}
        _, changed = module.apply(variables, x, True, **options)
        return changed["batch_stats"], model.apply(params, state, x, key=key, train=True)[1]

    jax.tree.map(np.testing.assert_array_equal, *both(KEY))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("block", [LinenBlock(), lambda rngs: NNXBlock(4, rngs=rngs)])
def test_a_block_of_flax_repeats_and_is_captured(block):
    is_linen = isinstance(block, linen.Module)
    model = from_linen(block) if is_linen else from_nnx(block)
    tagged = jnn.chain(block=model, seen=lambda h: jnn.tag(h, "seen"))
    deep = jnn.repeat(tagged, 3)
    params, state = started(deep, SEQUENCES)

    @jax.jit
    def looked(params):
        return jnn.capture(deep.apply)(params, state, SEQUENCES)

    (y, _), values = looked(params)
    captured = next(value for name, value in values.items() if name.endswith("seen"))
    assert captured.shape == (3, *SEQUENCES.shape)
    np.testing.assert_array_equal(captured[-1], y)
    one = jax.jit(lambda i, h: tagged.apply(jax.tree.map(lambda a: a[i], params), state, h)[0])
    h = SEQUENCES
    for i in range(3):
        h = one(i, h)
    np.testing.assert_allclose(h, y, atol=1e-5)
    assert np.any(captured[0] != captured[1])


@pytest.mark.slow
def test_the_laws_hold():
    """Of params in float64 where x is, which modules of Flax are asked for."""
    linear = from_nnx(lambda rngs: nnx.Linear(4, 2, param_dtype=float, rngs=rngs))
    check_model(jnn.chain(from_linen(linen.Dense(4, param_dtype=float)), linear), SEQUENCES[0])


def test_arguments_of_a_module_are_given_by_call():
    attention = from_linen(
        linen.MultiHeadDotProductAttention(2),
        call=lambda module, x, train: module(x["queries"], x["memory"], deterministic=not train),
    )
    x = {"queries": SEQUENCES, "memory": SEQUENCES[:, :2]}
    assert jax.eval_shape(attention.init, KEY, x)[0]["query"]["kernel"].shape == (4, 2, 2)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: from_linen(linen.MultiHeadDotProductAttention(2, decode=True)).init(
                KEY, SEQUENCES
            ),
            "MultiHeadDotProductAttention of Linen: got variables of the kind cache, expected par",
        ),
        (
            lambda: from_linen(linen.Dropout(0.5)).apply({}, {}, SEQUENCES, train=True),
            "from_linen: got a random stream that is missing .*train=True with a key",
        ),
        (
            lambda: from_nnx(nnx_cnn).apply({}, {}, IMAGES, train=True),
            "from_nnx: got train=True without a key",
        ),
        (
            lambda: from_linen(linen.BatchNorm(use_running_average=False)).apply(
                {"scale": jnp.ones(4), "bias": jnp.zeros(4)},
                {"mean": jnp.zeros(4), "var": jnp.ones(4)},
                SEQUENCES,
            ),
            "from_linen: got a module that changes variables in evaluation .* use_running_average",
        ),
        (
            lambda: from_linen(linen.Dense(3)).apply({}, {}, SEQUENCES, mask=jnp.ones((2, 6))),
            "from_linen: got a mask, expected none.*give call=",
        ),
        (
            lambda: from_linen(LinenCNN(), rank=3).init(KEY, jnp.ones((4, 4))),
            r"from_linen or from_nnx: got x of shape \(4, 4\), expected 3 axes at least",
        ),
    ],
)
def test_what_has_no_place_is_refused(act, message):
    with pytest.raises(jnn.JnnError, match=message):
        act()


def test_arrays_that_are_no_variables_are_state_that_training_leaves_alone():
    made = nnx.WeightNorm(nnx.Linear(4, 3, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))
    made.scales = nnx.data({("kernel",): 1 + jnp.arange(3.0)})
    model, x = from_nnx(made), SEQUENCES[0]
    params, state = model.init(KEY, x)
    assert params.keys() == {"layer_instance"}
    np.testing.assert_array_equal(jax.tree.leaves(state), [[1, 2, 3]])
    y, new = jax.jit(functools.partial(model.apply, train=True))(params, state, x)
    jax.tree.map(np.testing.assert_array_equal, new, state)
    np.testing.assert_allclose(y, nnx.jit(lambda module, x: module(x))(made, x), atol=1e-6)


class Table(nnx.Module):
    """Arrays that are no variables: one by its own name, and a random key."""

    def __init__(self, key=None):
        self.table, self.key = jnp.arange(4.0), key

    def __call__(self, x):
        return x + self.table


def test_an_array_that_nnx_loses_where_it_traces_is_named():
    of_instance = from_nnx(Table())
    state = of_instance.init(KEY, SEQUENCES)[1]
    np.testing.assert_array_equal(of_instance.apply({}, state, jnp.ones(4))[0], 1 + jnp.arange(4))
    with pytest.raises(
        jnn.JnnError, match=r"Table of NNX: got the array Table.table, .*nnx.data\("
    ):
        from_nnx(lambda rngs: Table())


def test_variables_of_other_kinds_are_refused():
    class Counter(nnx.Module):
        def __init__(self):
            self.count = nnx.Variable(jnp.zeros(()))

    with pytest.raises(jnn.JnnError, match="Counter of NNX: got variables of the kind Variable"):
        from_nnx(Counter())
    with pytest.raises(jnn.JnnError, match="Table of NNX: got variables of the kind random key"):
        from_nnx(Table(key=KEY))


def test_flags_of_a_module_that_is_recomputed():
    """`linen.remat` traces what has a name, so that flags are passed by position."""
    module = linen.remat(LinenBlock, static_argnums=(2,))()
    params, state = started(from_linen(module), SEQUENCES)
    y = jax.jit(from_linen(module).apply)(params, state, SEQUENCES)[0]
    expected = jax.jit(lambda x: module.apply({"params": params}, x, True))(SEQUENCES)
    np.testing.assert_allclose(y, expected, atol=1e-6)
    with pytest.raises(jnn.JnnError, match=r"by a traced value .* static_argnums=\(2,\)"):
        jax.eval_shape(from_linen(linen.remat(LinenBlock)()).init, KEY, SEQUENCES)
