"""Checkpoints: what comes back is what was saved, bit for bit, or an error says why not."""

import re
import threading
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec

from jnn.checkpoints import Checkpoints, storage
from jnn.errors import JnnError

DTYPES = (
    *(
        "bool",
        "int4",
        "uint4",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
    ),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float4_e2m1fn"),
)


class Moments(NamedTuple):
    count: Any
    mean: Any


def small_tree(seed=0):
    """One leaf of each kind that matters, of NumPy arrays and one typed key."""
    rng = np.random.default_rng(seed)
    return {
        "params": {
            "kernel": rng.standard_normal((5, 7)).astype(np.float32),
            "bias": rng.standard_normal(7).astype(jnp.bfloat16),
        },
        "moments": Moments(
            np.int32(seed).reshape(()), (rng.standard_normal((2, 3)), np.zeros((0, 4), np.float32))
        ),
        "seen": rng.random(9) < 0.5,
    }


def bits(tree):
    """Everything that makes two trees the same: paths, kinds of container, shapes, dtypes,
    generators of keys, and every bit.
    """

    def leaf(x):
        keyed = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
        return x.shape, x.dtype.name, np.asarray(jax.random.key_data(x) if keyed else x).tobytes()

    return jax.tree.structure(tree), [leaf(x) for x in jax.tree.leaves(tree)]


def save(folder, *steps, tree=small_tree, host=None, **settings):
    with Checkpoints(folder, **settings) as checkpoints:
        for step in steps:
            checkpoints.save(step, tree(step), {"step": step} if host is None else host)
    return folder


def restore(folder, like=None, **settings):
    options = {name: settings.pop(name) for name in ("step", "cast", "partial") if name in settings}
    with Checkpoints(folder, read_only=True, **settings) as checkpoints:
        return checkpoints.restore(small_tree() if like is None else like, **options)


# What is saved comes back.


def random_bits(dtype, shape, rng):
    """Any bit pattern of the dtype, NaN with payload and negative zero among them; whole numbers
    for types smaller than a byte.
    """
    dtype = jnp.dtype(dtype)
    if dtype.name in ("bool", "int4", "uint4", "float4_e2m1fn"):
        return rng.integers(0, 2, shape).astype(dtype)
    return (
        np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape).copy()
    )


@pytest.mark.parametrize(
    "asarray", [np.asarray, pytest.param(jnp.asarray, marks=pytest.mark.slow)], ids=["numpy", "jax"]
)
def test_every_dtype_comes_back_bit_for_bit(tmp_path, float64, asarray):
    rng = np.random.default_rng(0)
    shapes = {"matrix": (3, 50), "scalar": (), "empty": (0, 2), "vector": (1,)}
    tree = {
        dtype: {name: asarray(random_bits(dtype, shape, rng)) for name, shape in shapes.items()}
        for dtype in DTYPES
    }
    like = jax.tree.map(lambda x: asarray(np.zeros(x.shape, x.dtype)), tree)
    restored = restore(save(tmp_path, 3, tree=lambda step: tree), like)
    assert (restored.step, restored.host, restored.notes) == (3, {"step": 3}, [])
    assert bits(restored.tree) == bits(tree)
    assert all(
        type(a) is type(b)
        for a, b in zip(jax.tree.leaves(restored.tree), jax.tree.leaves(tree), strict=True)
    )


leaves = st.builds(
    lambda dtype, shape, seed: random_bits(dtype, tuple(shape), np.random.default_rng(seed)),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 4), max_size=3),
    st.integers(0, 99),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Moments, inner, inner),
        st.lists(inner),
    ),
    max_leaves=8,
)


@settings(max_examples=15)
@given(tree=trees)
def test_any_tree_comes_back(tmp_path_factory, tree):
    restored = restore(save(tmp_path_factory.mktemp("any"), 0, tree=lambda step: tree), tree)
    assert bits(restored.tree) == bits(tree)


def test_typed_keys_come_back_with_their_generator(tmp_path):
    tree = {
        "one": jax.random.key(5),
        "many": jax.random.split(jax.random.key(6, impl="rbg"), (2, 3)),
    }
    like = jax.eval_shape(lambda: tree)
    restored = restore(save(tmp_path, 1, tree=lambda step: tree), like).tree
    assert bits(restored) == bits(tree)
    np.testing.assert_array_equal(
        jax.random.normal(restored["many"][1, 2]), jax.random.normal(tree["many"][1, 2])
    )
    with pytest.raises(JnnError, match=re.escape("one: key<fry> in the checkpoint, key<rbg> here")):
        restore(tmp_path, {**tree, "one": jax.random.key(5, impl="rbg")})
    with pytest.raises(JnnError, match=re.escape("one: key<fry> in the checkpoint, uint32 here")):
        restore(tmp_path, {**tree, "one": jnp.zeros((), jnp.uint32)})


def test_what_is_donated_after_saving_is_saved_as_it_was(tmp_path):
    add = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.arange(100_000.0)
    with Checkpoints(tmp_path) as checkpoints:
        for step in range(5):
            checkpoints.save(step, x, {})
            x = add(x)
    np.testing.assert_array_equal(
        restore(tmp_path, np.zeros(100_000, np.float32), step=4).tree, np.arange(100_000.0) + 4
    )


def test_saving_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    disk_is_free, write = threading.Event(), storage.write_arrays
    monkeypatch.setattr(
        storage, "write_arrays", lambda *arguments: disk_is_free.wait() and write(*arguments)
    )
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, small_tree(1), {})
        checkpoints.check()
        assert checkpoints.steps() == []
        disk_is_free.set()
        checkpoints.wait()
        assert checkpoints.steps() == [1]


def test_numbers_of_the_loop_come_back_exactly(tmp_path):
    host = {
        "best": float("inf"),
        "window": [0.1, 1e-323, float("nan")],
        "big": 2**70,
        "text": "é\n",
        "none": None,
    }
    assert repr(restore(save(tmp_path, 0, host=host)).host) == repr(host)


def test_sharded_arrays_go_to_one_device_and_back(tmp_path):
    mesh = jax.make_mesh((4, 2), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    sharded = NamedSharding(mesh, PartitionSpec("model", "data"))
    tree = {
        "kernel": jax.device_put(
            np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32), sharded
        )
    }
    second = jax.devices()[1]
    alone = restore(
        save(tmp_path / "a", 0, tree=lambda step: tree),
        jax.device_put({"kernel": np.zeros((6, 8), np.float32)}, second),
    ).tree
    assert alone["kernel"].devices() == {second}
    again = restore(save(tmp_path / "b", 0, tree=lambda step: alone), tree).tree
    assert again["kernel"].sharding == sharded
    assert bits(again) == bits(alone) == bits(tree)
    described = {"kernel": jax.ShapeDtypeStruct((6, 8), jnp.float32, sharding=sharded)}
    assert restore(tmp_path / "b", described).tree["kernel"].sharding == sharded


def test_what_is_not_bound_to_a_device_comes_back_unbound(tmp_path):
    save(tmp_path, 0, tree=lambda step: np.ones(3, np.float32))
    for like in (jnp.ones(3), jax.device_put(jnp.ones(3), jax.devices()[0])):
        assert restore(tmp_path, like).tree.committed == like.committed


def test_float64_is_not_halved_in_silence(tmp_path):
    save(tmp_path, 0, tree=lambda step: np.ones(3))
    with jax.enable_x64(True):
        like = jnp.ones(3)
    with pytest.raises(JnnError, match=r"got float64 at .*JAX_ENABLE_X64"):
        restore(tmp_path, like)


# What is different is named.


def test_the_tree_must_be_the_same(tmp_path):
    tree = {
        "a.b": np.zeros(2, np.float32),
        "c": {"d": np.zeros((3, 4), np.float32)},
        "e": np.zeros(1, np.int32),
    }
    save(tmp_path, 7, tree=lambda step: tree)
    like = {
        "a": {"b": np.zeros(2, np.float32)},
        "c": {"d": np.zeros((3, 5), np.float32)},
        "e": np.zeros(1, np.uint32),
    }
    with pytest.raises(JnnError) as error:
        restore(tmp_path, like)
    assert str(error.value) == (
        f"checkpoint {tmp_path}/7: got 4 of 4 leaves that differ, "
        "expected the same paths, shapes and dtypes. "
        "Build the model and the optimizer as they were when it was saved:\n"
        "  a.b: in the checkpoint, not here\n"
        "  a/b: not in the checkpoint\n"
        "  c/d: shape [3, 4] in the checkpoint, [3, 5] here\n"
        "  e: int32 in the checkpoint, uint32 here"
    )


def test_many_differences_are_counted(tmp_path):
    save(tmp_path, 0, tree=lambda step: [np.zeros(2)] * 25)
    with pytest.raises(JnnError, match=r"25 of 25 leaves that differ(?s:.*)\n  and 15 more$"):
        restore(tmp_path, [np.zeros(3)] * 25)


def test_names_with_separators_do_not_collide(tmp_path):
    tree = {
        "a": {"b": np.zeros(1)},
        "a.b": np.ones(1),
        "a/b": np.full(1, 2.0),
        "0": np.full(1, 3.0),
        "": np.full(1, 4.0),
    }
    assert bits(restore(save(tmp_path, 0, tree=lambda step: tree), tree).tree) == bits(tree)


def test_cast_is_between_floating_dtypes_and_only_where_it_is_set(tmp_path):
    save(
        tmp_path,
        0,
        tree=lambda step: {"x": np.array([300.7, 1e-3], np.float32), "n": np.ones(2, np.int32)},
    )
    half = {"x": jnp.zeros(2, jnp.bfloat16), "n": jnp.zeros(2, jnp.int32)}
    with pytest.raises(JnnError, match="x: float32 in the checkpoint, bfloat16 here"):
        restore(tmp_path, half)
    restored = restore(tmp_path, half, cast=True)
    assert restored.notes == ["x: cast from float32 to bfloat16"]
    np.testing.assert_array_equal(
        restored.tree["x"], jnp.array([300.7, 1e-3], jnp.float32).astype(jnp.bfloat16)
    )
    for like in (
        {"x": np.zeros(2, np.int8), "n": np.ones(2, np.int32)},
        {"x": np.zeros(2, np.float32), "n": np.ones(2, np.float32)},
    ):
        with pytest.raises(JnnError, match="1 of 2 leaves that differ"):
            restore(tmp_path, like, cast=True)


def test_partial_keeps_what_is_missing_and_leaves_out_what_is_more(tmp_path):
    save(tmp_path, 0, tree=lambda step: {"body": np.ones(2), "old head": np.ones(3)})
    like = {"body": np.zeros(2), "new head": np.full(4, 7.0)}
    restored = restore(tmp_path, like, partial=True)
    assert bits(restored.tree) == bits({"body": np.ones(2), "new head": np.full(4, 7.0)})
    assert restored.notes == [
        "new head: not in the checkpoint, left as it was",
        "old head: in the checkpoint, not here, omitted",
    ]
    with pytest.raises(
        JnnError, match="new head: not in the checkpoint, and given without a value"
    ):
        restore(tmp_path, jax.eval_shape(lambda: like), partial=True)
    with pytest.raises(JnnError, match=re.escape("body: shape [2] in the checkpoint, [3] here")):
        restore(tmp_path, {"body": np.zeros(3)}, partial=True)


def test_another_run_is_refused(tmp_path):
    identity = {"config": {"seed": 0, "batch_size": 32}, "data": {"name": "digits", "size": 1797}}
    save(tmp_path, 4, fingerprint=identity)
    other = {"config": {"seed": 1, "batch_size": 64, "width": 8}, "data": {"name": "mnist"}}
    with pytest.raises(JnnError) as error:
        restore(tmp_path, fingerprint=other)
    assert str(error.value) == (
        f"checkpoint {tmp_path}/4: got one of another run, expected the same settings and data. "
        "Resume with the settings of that run, or start a new run in another folder:\n"
        "  config.batch_size: 32 in the checkpoint, 64 here\n"
        "  config.seed: 0 in the checkpoint, 1 here\n"
        "  config.width: not in the checkpoint, 8 here\n"
        "  data.name: 'digits' in the checkpoint, 'mnist' here\n"
        "  data.size: 1797 in the checkpoint, not here"
    )
    assert restore(tmp_path, fingerprint=identity).step == 4
    assert restore(tmp_path).step == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.save(-1, {}, {}), "got step=-1, expected an integer >= 0"),
        (
            lambda c: c.save(0, {"a": {"b": 1.5}}, {}),
            "step 0: got float at a/b, expected arrays of numbers. Wrap numbers in jnp",
        ),
        (
            lambda c: c.save(0, {"a": np.array(["x"])}, {}),
            "got ndarray at a, expected arrays of numbers",
        ),
        (
            lambda c: c.save(0, {}, {"shape": (1, 2)}),
            "host: got {'shape': (1, 2)}, expected values that JSON gives back unchanged",
        ),
        (
            lambda c: c.save(0, {}, {"best": np.float32(1)}),
            "expected values that JSON gives back unchanged",
        ),
        (lambda c: c.save(0, {}, {1: 2}), "expected values that JSON gives back unchanged"),
        (lambda c: c.restore({}, step=5), "got step=5, expected one of []"),
    ],
)
def test_mistakes_are_named(tmp_path, call, message):
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(JnnError, match=re.escape(message)):
        call(checkpoints)


def test_mistakes_in_the_settings_are_named(tmp_path):
    with pytest.raises(JnnError, match="got keep=0, expected an integer >= 1"):
        Checkpoints(tmp_path, keep=0)
    with pytest.raises(JnnError, match=r"fingerprint: got \{'betas': "):
        Checkpoints(tmp_path, fingerprint={"betas": (0.9, 0.99)})
    with pytest.raises(JnnError, match="read_only=True"):
        Checkpoints(tmp_path / "none", read_only=True).save(0, {}, {})
    assert Checkpoints(tmp_path / "none", read_only=True).restore({}) is None
    assert not (tmp_path / "none").exists()


# Which steps there are.


def test_the_newest_are_kept_and_what_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "007").mkdir()
    (tmp_path / ".saving-mine").mkdir()
    for stale in (".saving-3", ".removed-1"):
        (tmp_path / stale / "arrays").mkdir(parents=True)
    save(tmp_path, 1, 2, 3, 10, keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".saving-mine",
        "007",
        "10",
        "2",
        "3",
        "notes.txt",
    ]
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [2, 3, 10]
        assert checkpoints.restore(small_tree()).step == 10
        assert checkpoints.restore(small_tree(), step=2).host == {"step": 2}


def test_saving_again_replaces_and_going_back_drops_the_abandoned_future(tmp_path):
    save(tmp_path, 1, 2, 3, keep=3)
    with Checkpoints(tmp_path, keep=3) as checkpoints:
        with pytest.raises(
            JnnError,
            match=r"checkpoint of step 2: got .* with later steps \[3\], expected a folder without",
        ):
            checkpoints.save(2, small_tree(2), "again")
        checkpoints.restore(small_tree(), step=1)
        checkpoints.save(2, small_tree(2), "again")
    assert Checkpoints(tmp_path, read_only=True).steps() == [1, 2]
    assert restore(tmp_path).host == "again"


def test_a_step_that_was_being_replaced_is_put_back(tmp_path):
    save(tmp_path, 5)
    (tmp_path / "5").rename(tmp_path / ".replaced-5")
    with Checkpoints(tmp_path) as checkpoints:
        assert bits(checkpoints.restore(small_tree()).tree) == bits(small_tree(5))


def test_a_reader_changes_nothing(tmp_path):
    save(tmp_path, 5)
    (tmp_path / ".saving-6").mkdir()
    before = sorted(tmp_path.rglob("*"))
    restore(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
