"""Plans: their sums against arrays that live on a mesh, and what each architecture sends."""

import json
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import jnn
from experiments import text_generation
from jnn import plan as plans
from jnn.architectures.cnn import CNNConfig, cnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.cli import main
from jnn.cli.verbs.plan import of_step, variants
from jnn.errors import JnnError
from jnn.explain.inside.operations import flops, operations
from jnn.layers.feed_forward import feed_forward
from jnn.losses import by_rows, cross_entropy
from jnn.plan import CHIPS, Collectives, Plan, collectives, lines, plan, topology
from jnn.sharding import make_mesh, shardings
from jnn.train import init_train_state, make_step, seed_key
from tests.sharding.test_sharding import MESHES, gpt

GOLDEN = Path(__file__).with_name("collectives.json")
"""By version of JAX: kinds, numbers and bytes of the collectives of each program. Made anew by
``python -m tests.sharding.test_plan``.
"""
BATCH = 16
images = np.zeros((BATCH, 8, 8, 1), np.float32)
tokens = np.zeros((BATCH, 8), np.int32)
MODELS = {
    "mlp": (mlp(MLPConfig(outputs=16, hidden=(16, 32), input_rank=3)), images),
    "cnn, batch norm": (
        cnn(CNNConfig(outputs=16, channels=(8, 16), convolutions=1, normalization="batch")),
        images,
    ),
    "cnn, groups": (
        jnn.chain(
            jnn.conv(8, (3, 3)),
            jnn.depthwise_conv((3, 3)),
            jax.nn.relu,
            jnn.conv(16, (3, 3), strides=2, groups=4),
            lambda x: x.mean((-3, -2)),
            jnn.dense(16),
        ),
        images,
    ),
    "lstm": (jnn.chain(jnn.embedding(16, 8), jnn.lstm(16), jnn.dense(16)), tokens),
    "gpt": (gpt(), tokens),
    "mixture of experts": (
        jnn.chain(
            jnn.embedding(16, 8),
            jnn.residual(jnn.mixture_of_experts(feed_forward(16), 4)),
            jnn.dense(16),
        ),
        tokens,
    ),
}


def planned(name, mesh):
    """The plan of a model in training."""
    model, x = MODELS[name]
    optimizer = optax.adam(1e-3)

    def objective(params, state, batch, key):
        logits, state = model.apply(params, state, batch, key=key, train=True)
        label = jnp.zeros(logits.shape[:-1], jnp.int32)
        return jnp.mean(cross_entropy(logits, label)), (state, {})

    start = jax.eval_shape(lambda: init_train_state(seed_key(0), model, optimizer, x))
    return plan(make_step(objective, optimizer), start, x, make_mesh(mesh)), start


def test_bytes_are_those_of_arrays_on_a_mesh():
    mesh = "data=2,fsdp=2,tensor=2"
    found, start = planned("mlp", mesh)
    drawn = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), start.params)
    placed = jax.device_put(drawn, shardings(drawn, make_mesh(mesh)))
    on_first = sum(leaf.addressable_data(0).nbytes for leaf in jax.tree.leaves(placed))
    assert found.params == on_first
    assert found.optimizer_state == 2 * on_first + 4  # both moments, and Adam's counter
    assert found.batch == images.nbytes // 4
    assert found.parameters == sum(leaf.size for leaf in jax.tree.leaves(drawn))
    model, _ = MODELS["mlp"]
    first = 2 * BATCH * 64 * 16  # the gradient to images is not computed
    norm = 2 * found.parameters  # of the gradient, which is a product as well
    assert found.operations == (3 * flops(model, images) - first + norm) // 8


@pytest.mark.sampled(3)
@pytest.mark.parametrize("settings", [{}, {"remat": "full"}, {"loss_rows": 64}], ids=str)
def test_operations_and_params_of_a_transformer_are_those_of_closed_forms(settings):
    """6 a token for each weight in a product, and what attention adds, over all of a step.

    L blocks of width D with 12 D^2 weights in products, T tokens in B windows, V rows of the table.
    """
    L, D, T, B, V = 3, 32, 16, 8, 128
    sizes = {"width": D, "depth": L, "length": T, "heads": 4, "batch_size": B, "vocabulary": V}
    plain = {"remat": "none", "loss_rows": 0, **settings}
    config = text_generation.Config(preset="gpt2", smoke=True, **sizes, **plain)
    step, train_state, batch, _ = of_step(text_generation, config)
    found = operations(jax.make_jaxpr(step)(train_state, batch).jaxpr)
    count = sum(leaf.size for leaf in jax.tree.leaves(train_state.params))
    tokens, blocks, read_out = B * T, 2 * 12 * L * D**2, 2 * V * D
    attention = 2 * 2 * L * T * D  # every pair, also those that the mask hides
    # of each block again but its last product, (4 D, D), whose result no gradient needs
    again = {"remat": blocks + attention - 2 * L * 4 * D**2, "loss_rows": read_out}
    recomputed = sum(again[name] for name in settings)
    norm = 2 * count  # of the gradient
    assert found == tokens * (3 * (blocks + attention + read_out) + recomputed) + norm
    embeddings, biases = (V + T) * D, L * (4 * D + 4 * D + D) + (2 * L + 1) * 2 * D
    assert count == 12 * L * D**2 + embeddings + biases


def test_collectives_in_loops_count_as_often_as_they_iterate():
    mesh = make_mesh("data=4")
    total = jax.shard_map(
        lambda x: lax.psum(x, "data"), mesh=mesh, in_specs=jax.P("data"), out_specs=jax.P()
    )

    def f(x):
        once = total(x)
        return lax.fori_loop(0, 5, lambda i, y: y + total(x * y.sum()), once)

    hlo = jax.jit(f).lower(jnp.ones((4, 3))).compile().as_text() or ""
    assert collectives(hlo) == {"all-reduce": Collectives(6, 6 * 3 * 4)}


def test_a_program_for_one_device_has_no_collectives():
    assert planned("mlp", "data=1")[0].collectives == {}


def moved(mesh, *, accumulate=1, rows=0):
    """The bytes of collectives of a wide embedding and a tied read-out, and of its params."""
    model, x = jnn.embedding(64, 32), jax.ShapeDtypeStruct((BATCH, 32), jnp.int32)

    def objective(params, state, batch, key):
        h, state = model.apply(params, state, batch)
        of_rows = lambda h, y: cross_entropy(jnn.unembed(params, h), y)
        each = by_rows(of_rows, h, batch, rows=rows, axes=2) if rows else of_rows(h, batch)
        return jnp.mean(each), (state, {})

    start = jax.eval_shape(lambda: init_train_state(seed_key(0), model, optax.sgd(0.1), x))
    step = make_step(objective, optax.sgd(0.1), accumulate=accumulate)
    found = plan(step, start, x, make_mesh(mesh))
    return {kind: each.bytes for kind, each in found.collectives.items()}


def test_activations_stay_with_their_examples_and_params_move():
    """Nothing as large as all logits is sent, or all features: each (16, 32, ...)."""
    found, table, features = moved("fsdp=8"), 4 * 64 * 32, 4 * BATCH * 32 * 32
    assert found.pop("all-to-all", 0) <= features // 4  # own features, once there and back
    assert sum(found.values()) <= 3 * table + 64


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("options", "reductions"), [({"accumulate": 2}, 2 * 2), ({"rows": 16}, 4 + 1)], ids=str
)
def test_parts_of_a_batch_have_examples_of_every_device(options, reductions):
    """Of each part the gradient is sent, and of examples nothing but their tokens.

    16 rows on each of 8 devices are 128 of 512; lookup and read-out have a gradient each.
    """
    found, table = moved("data=8", **options), 4 * 64 * 32
    assert found.pop("all-reduce") <= reductions * (table + 64)
    assert sum(found.values()) <= 2 * 4 * BATCH * 32


def test_what_is_computed_in_bfloat16_is_sent_in_bfloat16():
    """Params are cast before they are gathered, though the compiler for CPUs widens them again."""
    x = jax.ShapeDtypeStruct((512, 32), jnp.float32)

    def sent(model):
        def objective(params, state, batch, key):
            return jnp.mean(jnp.float32(model.apply(params, state, batch)[0]) ** 2), (state, {})

        start = jax.eval_shape(lambda: init_train_state(seed_key(0), model, optax.sgd(0.1), x))
        return plan(make_step(objective, optax.sgd(0.1)), start, x, make_mesh("fsdp=8")).collectives

    model = jnn.chain(jnn.dense(64), jnp.tanh, jnn.dense(32))
    wide, half = sent(model), sent(jnn.cast(model, compute=jnp.bfloat16))
    assert wide["all-gather"].bytes == 2 * half["all-gather"].bytes == 4 * 2 * 32 * 64
    assert half["all-reduce"].bytes < wide["all-reduce"].bytes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixture of experts", "cnn, groups"])
def test_examples_stay_where_they_are_and_the_gradient_alone_is_sent(name):
    """Neither what a router chooses by nor the images of a convolution in groups."""
    found, start = planned(name, MESHES[0])
    size = sum(4 * leaf.size for leaf in jax.tree.leaves(start.params))
    assert set(found.collectives) == {"all-reduce"}
    assert found.collectives["all-reduce"].bytes <= size + 64


def golden():
    """What is committed for this version of JAX."""
    return json.loads(GOLDEN.read_text()).get(version("jax"), {})


CASES = [(name, mesh) for name in MODELS for mesh in MESHES]


@pytest.mark.sampled(8)
@pytest.mark.parametrize(("name", "mesh"), CASES)
def test_no_edit_adds_a_collective_unseen(name, mesh):
    expected = golden()
    if not expected:
        pytest.skip(f"{GOLDEN.name} has no table for jax {version('jax')}")
    found = {kind: list(each) for kind, each in planned(name, mesh)[0].collectives.items()}
    assert found == expected[name][mesh]


PLAN = Plan(8, 10**9, 4 * 10**9, 8 * 10**9, 100, 10**6, 50 * 10**9, 10**14, {})


@pytest.mark.parametrize(
    ("change", "chip", "said"),
    [
        ({}, "h100", "It fits: 78 % of the memory."),
        ({}, "v5e", "It does not fit: params and optimizer state need more devices"),
        ({"params": 10**9, "optimizer_state": 2 * 10**9}, "v5e", "temporaries need remat"),
    ],
)
def test_the_verdict_says_what_would_help(change, chip, said):
    assert said in lines(PLAN._replace(**change), chip)[-1]


@pytest.mark.parametrize(
    "text", ["h100", "h100:", "h100:8x", "h100:0", "h100:-1", "abacus:8", "v5e:16x1.5", ""]
)
def test_a_topology_that_there_is_not_is_refused(text):
    with pytest.raises(JnnError, match=r"--topology: got .* expected a chip and a number of them"):
        topology(text)


@pytest.fixture
def by_tpu(monkeypatch):
    """``by(compile)``: a plan, where ``compile()`` is the compiler of a TPU."""
    monkeypatch.setattr(plans.importlib.metadata, "version", lambda name: "0.0.42")
    return lambda compile: plans._by_tpu(PLAN, SimpleNamespace(compile=compile))


def test_the_compiler_of_a_tpu_says_the_temporaries(by_tpu):
    memory = SimpleNamespace(temp_size_in_bytes=1234)
    found = by_tpu(lambda: SimpleNamespace(memory_analysis=lambda: memory))
    assert found == PLAN._replace(temporaries=1234, compiler="libtpu 0.0.42")
    assert "Temporaries are those of libtpu 0.0.42." in lines(found, "v5e")
    assert "Temporaries are those of XLA for CPUs, an upper estimate." in lines(PLAN, "h100")


def test_what_the_compiler_of_a_tpu_refuses_does_not_fit(by_tpu):
    def refuse(words="RESOURCE_EXHAUSTED: Ran out of memory on HBM: 128.00G"):
        raise jax.errors.JaxRuntimeError(words)

    found = by_tpu(refuse)
    assert not found.fits(CHIPS["h200"])
    expected = "It does not fit: libtpu 0.0.42: Ran out of memory on HBM: 128.00G"
    assert lines(found, "v5e")[-1] == expected
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        by_tpu(lambda: refuse("INTERNAL: a fault of the compiler"))


@pytest.mark.parametrize("text", ["h100:8", "v5e:8"])
def test_other_topologies_have_no_compiler(text):
    assert plans.tpu_devices(text) == ()


@pytest.mark.slow
def test_a_plan_by_libtpu(capsys):
    pytest.importorskip("libtpu", reason='the compiler of a TPU: pip install -e ".[tpu]"')
    words = ["plan", "tabular_regression", "--smoke", "--offline", "--topology"]
    assert main([*words, "v5e:2x4"]) == 0
    assert "Temporaries are those of libtpu " in capsys.readouterr().out
    assert main([*words, "v5e:1x8"]) == 2
    assert "expected sides of a TPU of this kind" in capsys.readouterr().err


def test_what_would_save_memory_is_tried_alone_and_together():
    config = text_generation.Config(
        model="transformer", batch_size=32, accumulate=2, mesh="data=4,tensor=2"
    )
    found = dict(variants(config))
    assert list(found) == [
        "--remat full",
        "--loss-rows 8192",
        "--accumulate 8",
        "--mesh fsdp=4,tensor=2",
        "--remat full --loss-rows 8192 --accumulate 8 --mesh fsdp=4,tensor=2",
    ]
    for words, changed in found.items():
        for name, value in zip(*[iter(words.split())] * 2, strict=True):
            assert str(getattr(changed, name.strip("-").replace("-", "_"))) == value
    lstm = text_generation.Config(batch_size=32, accumulate=32)
    assert list(variants(lstm)) == []


def test_the_bound_is_the_largest_of_three():
    by_links = PLAN._replace(operations=1, collectives={"all-reduce": Collectives(1, 450 * 10**9)})
    assert PLAN.seconds(CHIPS["h100"])["operations"] == 10**14 / 989e12
    assert lines(PLAN, "h100")[-2] == "A step takes at least 101 ms: its operations."
    assert lines(by_links, "h100")[-2] == "A step takes at least 1e+03 ms: its links."


def test_a_plan_from_the_command_line(capsys):
    words = ["plan", "tabular_regression", "--smoke", "--offline", "--mesh", "data=2"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["devices"], found["chip"]) == (2, "h100")
    assert set(found["collectives"]) == {"all-reduce"}
    assert main([*words, "--topology", "v5e:2x2"]) == 2
    assert "--topology: got 4 devices for mesh=data=2" in capsys.readouterr().err
    assert main([*words, "--chip", "abacus"]) == 2
    assert "--chip: got 'abacus', expected one of a100, h100" in capsys.readouterr().err


def write() -> None:
    """Put the collectives of this version of JAX into the table."""
    table = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    found = {name: {} for name in MODELS}
    for name, mesh in CASES:
        each = planned(name, mesh)[0].collectives
        found[name][mesh] = {kind: list(each[kind]) for kind in each}
    table[version("jax")] = found
    text = json.dumps(dict(sorted(table.items())), indent=1)
    GOLDEN.write_text(text + "\n")


if __name__ == "__main__":
    import tests.conftest  # noqa: F401, eight devices and the flags of all tests

    write()
