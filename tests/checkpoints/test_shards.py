"""Checkpoints that several processes write: each the shards on its devices, here as threads."""

import json
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jnn.checkpoints import Checkpoints, manifest, parts, shards
from jnn.errors import JnnError
from jnn.sharding import make_mesh
from tests.checkpoints.test_manager import bits
from tests.processes import ring

MESHES = ("data=8", "data=2,fsdp=4", "data=2,fsdp=2,tensor=2", "fsdp=2", "data=1")


def tree(mesh, seed=0):
    """A kernel that is split over all axes, one over one, keys, scalars, and what is not on it."""
    rng = np.random.default_rng(seed)
    mesh = make_mesh(mesh)
    put = lambda x, *spec: jax.device_put(x, NamedSharding(mesh, PartitionSpec(*spec)))
    return {
        "kernel": put(rng.standard_normal((8, 4)).astype(np.float32), "fsdp", "tensor"),
        "embedding": put(rng.standard_normal((16, 3)).astype(jnp.bfloat16), ("data", "fsdp")),
        "bias": put(rng.standard_normal(4).astype(np.float32)),
        "step": put(np.int32(seed)),
        "key": put(jax.random.key(seed)),
        "empty": put(np.zeros((0, 4), np.float32)),
        "best": np.float32(0.5),
    }


@pytest.fixture
def two(monkeypatch):
    """``save(folder, step, tree)``: by two processes, the second of which has the last devices."""

    alone = threading.Lock()

    def of_process(array, process):
        if not isinstance(array, jax.Array) or len(array.devices()) == 1:
            return [((0,) * array.ndim, np.asarray(array))] if process == 0 else []
        half = len(array.devices()) // 2
        with alone:  # JAX counts the copies of a shard as it goes, in one thread
            addressable = array.addressable_shards
        return [
            (shards._start(shard.index, array.shape), np.asarray(shard.data))
            for shard in addressable
            if shard.replica_id == 0 and shard.device.id // half == process
        ]

    monkeypatch.setattr(shards, "_parts", of_process)

    def save(folder, *steps):
        def one(processes):
            with Checkpoints(folder, processes=processes) as checkpoints:
                for step, saved in steps:
                    checkpoints.save(step, saved, {"rows": step})

        for done in ring.run(monkeypatch, 2, one):
            done.result(60)

    return save


def restored(folder, like):
    with Checkpoints(folder, read_only=True) as checkpoints:
        return checkpoints.restore(like)


@pytest.mark.parametrize("mesh", MESHES)
def test_what_two_processes_saved_comes_back_on_any_mesh(tmp_path, two, mesh):
    two(tmp_path, (3, tree("data=2,fsdp=2,tensor=2")))
    like = tree(mesh, seed=1)
    back = restored(tmp_path, like)
    assert bits(back.tree) == bits(tree(mesh))
    for name, leaf in like.items():
        if isinstance(leaf, jax.Array):
            assert back.tree[name].sharding == leaf.sharding, name
    assert (back.step, back.host, back.notes) == (3, {"rows": 3}, [])


def test_each_shard_is_written_once_and_by_the_process_that_has_it(tmp_path, two):
    two(tmp_path, (3, tree("data=2,fsdp=2,tensor=2")))
    body, leaves = manifest.read(tmp_path / "3", 3)
    saved = list(leaves.values())
    kernels = [
        shard for shard in parts.shards_of(body, saved) if saved[shard.leaf].path == ("kernel",)
    ]
    assert sorted(shard.start for shard in kernels) == [(0, 0), (0, 2), (4, 0), (4, 2)]
    embeddings = [
        shard.process
        for shard in parts.shards_of(body, saved)
        if saved[shard.leaf].path == ("embedding",)
    ]
    assert sorted(embeddings) == [0, 0, 1, 1]
    assert not list((tmp_path / "3").glob("part-*"))


def test_steps_follow_each_other_and_old_ones_go(tmp_path, two):
    two(tmp_path, *((step, tree("data=8", step)) for step in (1, 2, 3)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]
    assert bits(restored(tmp_path, tree("data=8")).tree) == bits(tree("data=8", 3))


def lose(folder):
    (folder / "shards-1.bin").unlink()
    return "file shards-1.bin is missing"


def cut(folder):
    path = folder / "shards-1.bin"
    path.write_bytes(path.read_bytes()[:-1])
    return "in shards-1.bin has "


def flip(folder):
    path = folder / "shards-1.bin"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return "the shard of kernel from ["


def rewrite(folder, change):
    """Change the manifest, and its own checksum to fit."""
    document = json.loads((folder / "manifest.json").read_text())
    change(document["manifest"])
    document["crc32"] = manifest.zlib.crc32(manifest._canonical(document["manifest"]))
    (folder / "manifest.json").write_text(json.dumps(document))


def drop(folder):
    rewrite(folder, lambda body: body["shards"].pop())
    return "of its elements"


def alter(folder):
    def change(body):
        body["shards"][-1]["crc32"] ^= 1

    rewrite(folder, change)
    return "in shards-1.bin is altered: its CRC-32 is "


@pytest.mark.parametrize("damage", [lose, cut, flip, drop, alter])
def test_a_shard_that_is_missing_or_altered_is_named_and_the_older_step_taken(
    tmp_path, two, damage
):
    two(tmp_path, (1, tree("fsdp=8", 1)), (2, tree("fsdp=8", 2)))
    text = damage(tmp_path / "2")
    back = restored(tmp_path, tree("fsdp=8"))
    assert back.step == 1
    assert bits(back.tree) == bits(tree("fsdp=8", 1))
    assert back.notes[0].startswith("step 2 does not verify: ")
    assert text in back.notes[0]
    damage(tmp_path / "1")
    with pytest.raises(JnnError, match="none that verifies"):
        restored(tmp_path, tree("fsdp=8"))


def test_processes_take_the_same_step_where_one_finds_damage(tmp_path, two, monkeypatch):
    """Each verifies what it reads: here the second one alone meets the fault."""
    two(tmp_path, (1, tree("fsdp=8", 1)), (2, tree("fsdp=8", 2)))
    read = shards.read

    def one(processes):
        with Checkpoints(tmp_path, processes=processes) as checkpoints:

            def read_here(folder, *arguments):
                if processes.index == 1 and folder.name == "2":
                    raise shards.DamagedError("a bad disk")
                return read(folder, *arguments)

            reads[processes.index] = read_here
            return checkpoints.restore(tree("fsdp=8"))

    reads, owner = {}, threading.local()
    monkeypatch.setattr(shards, "read", lambda *a: reads[owner.index](*a))

    def with_owner(processes):
        owner.index = processes.index
        return one(processes)

    for done in ring.run(monkeypatch, 2, with_owner):
        back = done.result(60)
        assert back.step == 1
        assert back.notes[0] == "step 2 does not verify: a bad disk"


def test_a_folder_with_later_steps_is_refused_on_all(tmp_path, two):
    two(tmp_path, (5, tree("data=2")))
    with pytest.raises(JnnError, match="with later steps"):
        two(tmp_path, (3, tree("data=2")))
    assert [path.name for path in tmp_path.iterdir()] == ["5"]


def test_lists_of_an_interrupted_save_are_not_taken_for_those_of_this_one(tmp_path, two):
    saved = tree("fsdp=8", 1)
    stale = tmp_path / ".saving-4"
    stale.mkdir(parents=True)
    (stale / "part-1.json").write_text(json.dumps({"token": "old", "shards": [], "files": {}}))
    two(tmp_path, (4, saved))
    assert bits(restored(tmp_path, saved).tree) == bits(saved)
