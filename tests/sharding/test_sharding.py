"""Placement over a mesh: the rules, and that a run is the same function of its config on each."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

import jnn
import jnn.metrics
from jnn import sharding
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.checkpoints import Checkpoints
from jnn.cli import main
from jnn.errors import JnnError
from jnn.losses import cross_entropy
from jnn.sharding import RULES, check_rules, make_mesh, mesh_sizes, placements, sharded, shardings
from jnn.train import in_memory, init_train_state, make_evaluate, make_step, seed_key
from jnn.train.config import TrainingConfig
from jnn.train.sweep import sweep
from jnn.train.task import Task, start, train
from tests.compiled import init

MESHES = ("data=8", "data=2,fsdp=4", "data=2,fsdp=2,tensor=2", "fsdp=2,tensor=4")
TOKENS = np.random.default_rng(0).integers(16, size=(16, 9)).astype(np.int32)
FLOAT32, FLOAT64 = 1e-5, 1e-12  # sums are made in another order
"""What SCALE allows a loss and a gradient to differ."""


def gpt():
    """A small transformer that drops and draws."""
    settings = {"vocabulary": 16, "length": 8, "width": 16, "depth": 2, "heads": 4, "dropout": 0.2}
    return transformer(TransformerConfig(**settings))


def objective(params, state, tokens, key):
    logits, state = gpt().apply(params, state, tokens[:, :-1], key=key, train=True)
    return jnp.mean(cross_entropy(logits, tokens[:, 1:])), (state, {})


def task():
    """A small perceptron."""
    model = jnn.chain(jnn.dense(16), jax.nn.relu, jnn.dense(3))
    x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    label = (x.argmax(1) % 3).astype(np.int32)

    def objective(params, state, batch, key):
        logits, state = model.apply(params, state, batch["x"], key=key, train=True)
        return jnp.mean(cross_entropy(logits, batch["label"])), (state, {})

    metric = jnn.metrics.collection({"loss": jnn.metrics.mean_of(cross_entropy)})
    predict = lambda params, state, batch: model.apply(params, state, batch["x"])[0]
    arrays = {"x": x, "label": label}
    validate = make_evaluate(predict, metric, arrays, target="label", split="validation")
    feed = in_memory(arrays, 16)
    return Task(model, objective, feed, x[0], validate, best="validation/loss", lowest=True)


def spec(path, shape, mesh="data=2,fsdp=2,tensor=2", rules=RULES):
    """The placement of one array."""
    tree = jax.ShapeDtypeStruct(shape, jnp.float32)
    for name in reversed(path.split("/")):
        tree = {name: tree}
    return placements(tree, make_mesh(mesh), rules)[0]


@pytest.mark.parametrize(
    ("path", "shape", "expected"),
    [
        ("blocks/attention/query/kernel", (2, 8, 8), P(None, "fsdp", "tensor")),
        ("blocks/attention/output/kernel", (2, 8, 8), P(None, "tensor", "fsdp")),
        ("blocks/attention/query/bias", (2, 8), P(None, None)),
        ("feed_forward/hidden/kernel", (8, 32), P("fsdp", "tensor")),
        ("head/hidden0/dense/kernel", (8, 32), P("fsdp", "tensor")),
        ("embedding/embedding", (65, 8), P(None, "fsdp")),  # tensor does not divide 65
        ("stage0/conv1/kernel", (3, 3, 4, 8), P(None, None, None, "fsdp")),
        ("1/recurrent_kernel", (5, 3), P()),
        ("norm/gain", (8,), P()),
    ],
)
def test_an_array_lives_where_the_first_rule_that_matches_says(path, shape, expected):
    assert spec(path, shape).spec == expected
    # the optimizer's moments are named like the params
    assert spec(f"optimizer_state/0/mu/{path}", shape).spec == expected


def test_factored_statistics_are_whole_and_train():
    """Their paths are those of params, and they have an axis less."""
    optimizer = optax.adafactor(1e-3, min_dim_size_to_factor=8)
    mesh = make_mesh("data=2,fsdp=2,tensor=2")
    train_state = init_train_state(
        seed_key(0), gpt(), optimizer, TOKENS[0, :-1], place=lambda shapes: shardings(shapes, mesh)
    )
    for tree in (train_state, train_state.optimizer_state):
        row = next(
            p for p in placements(tree, mesh) if p.path.endswith("v_row/embedding/embedding")
        )
        assert row.spec == P()
        assert row.reason == "embedding; a statistic with fewer axes than the rule"
    train_state, logged = jax.jit(sharded(make_step(objective, optimizer), mesh))(
        train_state, TOKENS
    )
    assert np.isfinite(logged["loss"])
    assert int(train_state.step) == 1


def test_params_with_fewer_axes_than_their_rule_are_refused_in_a_train_state_too():
    train_state = init_train_state(seed_key(0), jnn.dense(2), optax.sgd(0.1), jnp.ones(3))
    with pytest.raises(JnnError, match="2 axes in the rule 'bias' for params/bias"):
        placements(train_state, make_mesh("data=1"), [("bias", ("fsdp", None))])


def test_a_pattern_matches_whole_names():
    assert spec("monkey/kernel", (4, 8)).reason.startswith("no rule")
    assert spec("not_output/kernel", (4, 8)).reason.startswith("no rule")


def test_the_reason_says_what_does_not_divide():
    assert str(spec("query/kernel", (3, 8))) == (
        "query/kernel [3, 8]: -, tensor "
        "((query|key|value|gate|expand)/kernel; fsdp=2 does not divide)"
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mesh_sizes("data=2,pipeline=2"), "got 'data=2,pipeline=2', expected axes among"),
        (lambda: mesh_sizes("data=0"), "mesh: got 'data=0', expected axes among"),
        (lambda: make_mesh({"pipeline": 2}), "got 'pipeline=2', expected axes among"),
        (lambda: make_mesh({"data": 2.0}), "got 'data=2.0', expected axes among"),
        (lambda: mesh_sizes("data"), "mesh: got 'data', expected axes among"),
        (lambda: mesh_sizes("data=2,data=2"), "mesh: got data twice in 'data=2,data=2'"),
        (lambda: make_mesh("data=16"), "got data=16, 16 devices, expected 1 to 8 devices"),
        (
            lambda: spec("a/kernel", (4, 4), rules=[("kernel", ("model", None))]),
            "the axis 'model' in the rule 'kernel', expected one of data, fsdp, tensor, or None",
        ),
        (
            lambda: spec("a/kernel", (4, 4), rules=[("kernel", ("fsdp", "fsdp"))]),
            "an axis twice in the rule 'kernel'",
        ),
        (
            lambda: spec("a/kernel", (4,), rules=[("kernel", ("fsdp", None))]),
            r"2 axes in the rule 'kernel' for a/kernel \[4\], expected at most as many",
        ),
        (
            lambda: spec("a/kernel", (4,), rules=[("(kernel", ("fsdp",))]),
            r"sharding: got '\(kernel' .*expected a regular expression",
        ),
        (
            lambda: check_rules({"a": jnp.ones(2)}, [("kernel", ())]),
            "a rule 'kernel' that matches no array, expected the end of some path among a",
        ),
        (
            lambda: sharding.split_batch({"n": jnp.ones(())}, make_mesh("data=4")),
            "mesh: got a number in a batch, expected arrays with an example axis",
        ),
        (
            lambda: sharding.split_batch(jnp.ones((6, 2)), make_mesh("data=4")),
            "a batch of 6 over data=4, fsdp=1, expected a multiple of 4",
        ),
        (
            lambda: TrainingConfig(mesh="fsdp=4", batch_size=6),
            "mesh='fsdp=4' for batch_size=6, expected a batch size that is a multiple of 4",
        ),
        (
            lambda: TrainingConfig(mesh="data=2", batch_size=6, accumulate=3),
            None,
        ),
        (
            lambda: TrainingConfig(mesh="data=2", devices=2),
            "mesh='data=2' and devices=2, expected one of them",
        ),
        (
            lambda: placements({"a": jnp.ones((2, 2))}, jax.make_mesh((2, 1, 1), sharding.AXES)),
            r"sharding: got a mesh of Explicit axes, expected Auto ones. Use make_mesh",
        ),
        (
            lambda: sharding.within(jax.make_mesh((2, 1, 1), sharding.AXES)),
            r"within: got a mesh of Explicit axes, expected Auto ones. Use make_mesh",
        ),
        (
            lambda: make_step(objective, optax.sgd(0.1), mesh=jax.make_mesh((2,), ("devices",))),
            r"make_step: got a mesh of Explicit axes, expected Auto ones. Use make_mesh",
        ),
        (
            lambda: make_step(objective, optax.sgd(0.1), mesh=make_mesh("data=2")),
            r"make_step: got a mesh of data, fsdp, tensor, expected that of device_mesh.*sharded\(",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    if message is None:
        assert call()
        return
    with pytest.raises(JnnError, match=message):
        call()


@dataclasses.dataclass(frozen=True)
class Chip:
    """A chip of a TPU, as far as the order of a mesh depends on it."""

    id: int
    coords: tuple[int, ...]
    core_on_chip: int = 0
    platform: str = "tpu"
    device_kind: str = "TPU v5"
    process_index: int = 0


def test_a_mesh_divides_the_torus_of_a_tpu_as_it_likes():
    chips = [Chip(i, place) for i, place in enumerate(itertools.product(range(4), repeat=3))]
    for text in ("data=2,fsdp=8,tensor=4", "data=32,tensor=2", "fsdp=64"):
        mesh = make_mesh(text, chips)
        assert sorted(chip.id for chip in mesh.devices.flat) == list(range(64))
    places = np.array([chip.coords for chip in make_mesh("data=8,tensor=8", chips).devices.flat])
    of_tensor = places.reshape(8, 8, 3)
    assert (np.ptp(of_tensor, axis=1).sum(-1) <= 4).all(), "4 x 2 chips that are next to each other"
    with pytest.raises(JnnError, match="mesh: got 5 of the chips, which are no block"):
        make_mesh("data=5", chips)


def test_members_of_a_sweep_have_no_mesh():
    with pytest.raises(JnnError, match="sweep: got mesh='data=2', expected no mesh"):
        sweep(lambda config: task(), [TrainingConfig(mesh="data=2", batch_size=16)])


@pytest.fixture(scope="module")
def alone():
    """Params, and the loss and gradient on one device, in float64."""
    with jax.enable_x64(True):
        return value_and_gradient(None)


def value_and_gradient(mesh):
    """Params as they are drawn on a mesh, the loss with its dropout, and the gradient."""
    model, tokens = gpt(), jnp.asarray(TOKENS)
    draw = lambda key: jax.tree.map(
        lambda leaf: leaf.astype(float), model.init(key, tokens[:, :-1])[0]
    )
    shapes = jax.eval_shape(draw, jax.random.key(0))
    params = jax.jit(draw)(jax.random.key(0))
    if mesh is not None:
        params = sharding.drawn(draw, jax.random.key(0), shardings(shapes, mesh))

    def loss(params):
        batch = tokens if mesh is None else sharding.split_batch(tokens, mesh)
        return objective(params, {}, batch, jax.random.key(1))[0]

    return params, jax.jit(jax.value_and_grad(loss))(params)


@pytest.mark.parametrize(
    "mesh",
    [pytest.param(mesh, marks=pytest.mark.slow) for mesh in (*MESHES[:2], MESHES[3])] + [MESHES[2]],
)
def test_a_mesh_changes_nothing_but_the_order_of_sums(float64, alone, mesh):
    params, (loss, gradient) = alone
    drawn, (value, slope) = value_and_gradient(make_mesh(mesh))
    jax.tree.map(np.testing.assert_array_equal, drawn, params)
    np.testing.assert_allclose(value, loss, rtol=FLOAT64)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=FLOAT64), slope, gradient)


@pytest.mark.slow
def test_the_new_train_state_stays_where_it_was():
    model, optimizer, mesh = (
        gpt(),
        optax.sgd(0.1, momentum=0.9),
        make_mesh("data=2,fsdp=2,tensor=2"),
    )
    place = lambda shapes: shardings(shapes, mesh)
    before = init_train_state(seed_key(0), model, optimizer, TOKENS[0, :-1], place=place)
    kernel = lambda params: params["blocks"]["attention"]["query"]["kernel"].sharding
    assert kernel(before.params).spec == P(None, "fsdp", "tensor")
    step = jax.jit(sharded(make_step(objective, optimizer), mesh))
    after, metrics = step(before, TOKENS)
    assert kernel(after.params) == kernel(before.params)
    assert kernel(after.optimizer_state[0].trace) == kernel(before.params)
    alone = init_train_state(seed_key(0), model, optimizer, TOKENS[0, :-1])
    expected, expected_metrics = jax.jit(make_step(objective, optimizer))(alone, TOKENS)
    np.testing.assert_allclose(metrics["loss"], expected_metrics["loss"], rtol=FLOAT32)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=FLOAT32), after.params, expected.params
    )


def test_batch_normalization_sees_the_whole_batch():
    model, x = jnn.chain(jnn.dense(8), jnn.batch_norm()), np.eye(16, 4, dtype=np.float32)
    params, state = init(model, x)
    mesh = make_mesh("data=8")

    @jax.jit
    def run(x):
        x = sharding.split_batch(x, mesh)
        return model.apply(params, state, x, key=jax.random.key(0), train=True)

    (y, new), (expected, kept) = (
        run(x),
        model.apply(params, state, x, key=jax.random.key(0), train=True),
    )
    np.testing.assert_allclose(y, expected, atol=FLOAT32)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=FLOAT32), new, kept)


def test_convolutions_in_groups_have_the_gradient_of_one_device():
    """XLA's partitioner may count that of a kernel twice, where tensor splits the channels."""
    model = jnn.chain(jnn.depthwise_conv((3, 3), 2), jnp.sin, jnn.conv(8, (2, 2), groups=4))
    x = np.random.default_rng(0).standard_normal((8, 5, 4, 4)).astype(np.float32)
    params, state = init(model, x)
    loss = lambda params, x: jnp.sum(jnp.sin(model.apply(params, state, x)[0]))
    gradient = jax.grad(loss, (0, 1))
    mesh = make_mesh("data=2,fsdp=2,tensor=2")
    with sharding.within(mesh):
        on_mesh = jax.jit(lambda params, x: gradient(params, sharding.split_batch(x, mesh)))
        found = on_mesh(jax.device_put(params, shardings(params, mesh)), x)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=FLOAT32 * float(jnp.max(jnp.abs(b)))),
        found,
        jax.jit(gradient)(params, x),
    )


def test_a_checkpoint_of_one_mesh_is_restored_on_another(tmp_path):
    def on(mesh):
        mesh = make_mesh(mesh)
        place = lambda shapes: shardings(shapes, mesh)
        return init_train_state(seed_key(3), gpt(), optax.adam(1e-2), TOKENS[0, :-1], place=place)

    saved, like = on("data=2,fsdp=2,tensor=2"), on("fsdp=4")
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(0, saved, host={})
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(like).tree
    assert jax.tree.map(lambda a: a.sharding, restored) == jax.tree.map(lambda a: a.sharding, like)
    plain = lambda a: jax.random.key_data(a) if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else a
    for a, b in zip(jax.tree.leaves(restored), jax.tree.leaves(saved), strict=True):
        np.testing.assert_array_equal(plain(a), plain(b))


def test_a_task_trains_on_a_mesh_as_on_one_device_and_its_params_stay_where_they_were():
    split = task()._replace(rules=(("0/kernel", ("fsdp", "tensor")), *RULES))
    alone, spread = (
        train(split, TrainingConfig(epochs=2, batch_size=16, mesh=mesh), seed_key(0), quiet=True)
        for mesh in ("", "data=2,fsdp=2,tensor=2")
    )
    losses = [fitted.history[-1]["validation/loss"] for fitted in (alone, spread)]
    assert losses[0] == pytest.approx(losses[1], rel=FLOAT32)
    last = spread.train_state
    for tree in (last.params, last.optimizer_state):
        kernels = [leaf for leaf in jax.tree.leaves(tree) if leaf.shape == (4, 16)]
        assert kernels
        assert all(leaf.sharding.spec == P("fsdp", "tensor") for leaf in kernels)


def test_rules_of_a_task_match_its_params():
    config = TrainingConfig(batch_size=16, mesh="data=2")
    with pytest.raises(JnnError, match="a rule 'querry/kernel' that matches no array"):
        start(task()._replace(rules=(("querry/kernel", ()), *RULES)), config, seed_key(0))
    fits = task()._replace(rules=(("0/kernel", (None, "data")), *RULES))
    train_state, _ = start(fits, config, seed_key(0))
    assert train_state.params["0"]["kernel"].sharding.spec == P(None, "data")


def test_a_run_from_the_command_line_refuses_more_devices_than_there_are(capsys):
    words = ["run", "image_classification", "--smoke", "--offline", "--mesh", "data=16"]
    assert main(words) == 2
    said = "mesh: got data=16, 16 devices, expected 1 to 8 devices"
    told = capsys.readouterr().err
    assert said in told
    assert 'os.environ["NPROC"] = "128"' in told
