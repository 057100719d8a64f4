"""Plans: their sums against arrays that live on a mesh, and what each architecture sends."""

import json
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import jnn
from jnn.architectures.cnn import CNNConfig, cnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.cli import main
from jnn.explain.inside.operations import flops
from jnn.losses import by_rows, cross_entropy
from jnn.plan import CHIPS, Collectives, Plan, collectives, lines, plan
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
    "lstm": (jnn.chain(jnn.embedding(16, 8), jnn.lstm(16), jnn.dense(16)), tokens),
    "gpt": (gpt(), tokens),
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


def test_collectives_in_loops_count_as_often_as_they_iterate():
    mesh = make_mesh("data=4")
    total = jax.shard_map(
        lambda x: lax.psum(x, "data"), mesh=mesh, in_specs=jax.P("data"), out_specs=jax.P()
    )

    def f(x):
        once = total(x)
        return lax.fori_loop(0, 5, lambda i, y: y + total(x * y.sum()), once)

    hlo = jax.jit(f).lower(jnp.ones((4, 3))).compile().as_text()
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


@pytest.mark.parametrize("options", [{"accumulate": 2}, {"rows": 64}], ids=str)
def test_parts_of_a_batch_have_examples_of_every_device(options):
    """Of each part the gradient is sent; of examples nothing but their tokens."""
    found, parts, table = moved("data=8", **options), BATCH * 32 // 64, 4 * 64 * 32
    assert found.pop("all-reduce") <= max(options.get("accumulate", 0), parts + 1) * (table + 64)
    assert sum(found.values()) <= 2 * 4 * BATCH * 32


def golden():
    """What is committed for this version of JAX."""
    return json.loads(GOLDEN.read_text()).get(version("jax"), {})


CASES = [(name, mesh) for name in MODELS for mesh in MESHES]
IN_MAKE_TEST = [("mlp", MESHES[0]), ("gpt", MESHES[2])]


@pytest.mark.parametrize(
    ("name", "mesh"),
    [pytest.param(*case, marks=() if case in IN_MAKE_TEST else pytest.mark.slow) for case in CASES],
)
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


def test_the_bound_is_the_largest_of_three():
    by_links = PLAN._replace(operations=1, collectives={"all-reduce": Collectives(1, 450 * 10**9)})
    assert PLAN.seconds(CHIPS["h100"])["operations"] == 10**14 / 989e12
    assert lines(PLAN, "h100")[-2] == "A step takes at least 101 ms: its operations."
    assert lines(by_links, "h100")[-2] == "A step takes at least 1e+03 ms: its links."


def test_a_plan_from_the_command_line(capsys):
    words = ["plan", "image_classification", "--smoke", "--offline", "--mesh", "data=2"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["devices"], found["chip"]) == (2, "h100")
    assert set(found["collectives"]) == {"all-reduce"}
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
