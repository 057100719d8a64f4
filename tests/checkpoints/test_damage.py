"""Checkpoints whose files, folder or process come to harm: the bits that were saved come back, or
none, and every failure is reported.
"""

import errno
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import time
import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from jnn.checkpoints import Checkpoints, manager, manifest, storage
from jnn.errors import JnnError
from tests.checkpoints.test_manager import bits, restore, save, small_tree
from tests.forks import forks


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


# Whatever happens to the files: the bits that were saved, or none.


def exact_or_refused(folder):
    """Whether the checkpoint still verifies; fails where something else than what was saved comes
    back.
    """
    with Checkpoints(folder, read_only=True) as checkpoints:
        try:
            restored = checkpoints.restore(small_tree())
        except JnnError as error:
            message = str(error)
        else:
            assert (bits(restored.tree), restored.host, restored.notes) == (
                bits(small_tree(9)),
                {"step": 9},
                [],
            )
            return True
    assert "step 9 does not verify: " in message
    return False


def flip_bits(folder, count):
    """How many of ``count`` bits flipped one after the other went unnoticed, and so did no harm."""
    rng = random.Random(0)
    paths = [path for path in files(save(folder, 9)) if path.stat().st_size]
    unnoticed = 0
    for _ in range(count):
        path = rng.choice(paths)
        good = path.read_bytes()
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        unnoticed += exact_or_refused(folder)
        path.write_bytes(good)
    assert exact_or_refused(folder)
    return unnoticed


# In the manifest alone a flip may leave the values as they were, as that from 1e-05 to 1E-05 does.
HARMLESS = 0.01


def test_200_flipped_bits(tmp_path):
    assert flip_bits(tmp_path, 200) <= 200 * HARMLESS


@pytest.mark.slow
def test_1000_flipped_bits(tmp_path):
    assert flip_bits(tmp_path, 1000) <= 1000 * HARMLESS


@pytest.mark.parametrize("harm", ["truncated", "emptied", "removed", "doubled"])
def test_harmed_files(tmp_path, harm):
    save(tmp_path, 9)
    for path in files(tmp_path):
        good = path.read_bytes()
        if harm == "removed":
            path.unlink()
        else:
            path.write_bytes(
                {"truncated": good[: len(good) // 2], "emptied": b"", "doubled": 2 * good}[harm]
            )
        assert not exact_or_refused(tmp_path) or (not good and harm != "removed")
        path.write_bytes(good)


def test_falling_back_is_said(tmp_path):
    save(tmp_path, 1, 2, 3, 4, keep=9)
    manifest = tmp_path / "4" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"step": 4', '"step": 5', 1))
    (tmp_path / "3" / "arrays" / "manifest.ocdbt").unlink()
    (tmp_path / "2" / "arrays" / "_METADATA").write_bytes(b"")
    restored = restore(tmp_path)
    assert (restored.step, bits(restored.tree)) == (1, bits(small_tree(1)))
    assert restored.notes == [
        "step 4 does not verify: manifest.json is altered: its CRC-32 is not the one written in it",
        "step 3 does not verify: file arrays/manifest.ocdbt is missing",
        "step 2 does not verify: file arrays/_METADATA is altered",
        "step 1 is restored instead",
    ]


def test_a_leaf_that_was_stored_wrongly_is_named(tmp_path, monkeypatch):
    write = storage.write_arrays
    monkeypatch.setattr(
        storage,
        "write_arrays",
        lambda folder, arrays: write(folder, {name: x + 1 for name, x in arrays.items()}),
    )
    tree = {"kernel": np.zeros(8, np.float32)}
    save(tmp_path, 0, tree=lambda step: tree)
    with pytest.raises(JnnError) as error:
        restore(tmp_path, tree)
    heading, line = str(error.value).split("\n")
    assert heading == (
        f"checkpoints in {tmp_path}: got none that verifies, expected the bits that were saved. "
        "Put a copy of these files back, or start a new run in another folder:"
    )
    assert re.fullmatch(
        "  step 0 does not verify: leaf kernel is altered: "
        "its CRC-32 is [0-9a-f]{8}, the manifest says [0-9a-f]{8}",
        line,
    )


def test_a_renamed_step_does_not_verify(tmp_path):
    save(tmp_path, 1)
    (tmp_path / "1").rename(tmp_path / "2")
    with pytest.raises(
        JnnError, match="step 2 does not verify: it is step 1 in the folder of step 2"
    ):
        restore(tmp_path)


# Whatever happens to the folder: a failure is reported.


def next_failure(checkpoints):
    """The failure as a training loop meets it."""
    for _ in range(10_000):
        checkpoints.check()
        time.sleep(0.001)


def test_a_vanished_folder_is_reported_at_a_next_step_and_only_once(tmp_path):
    folder = tmp_path / "run"
    with Checkpoints(folder) as checkpoints:
        shutil.rmtree(folder)
        checkpoints.save(3, small_tree(), {})
        with pytest.raises(JnnError) as error:
            next_failure(checkpoints)
        assert str(error.value) == (
            f"checkpoint of step 3 in {folder}: "
            f"got No such file or directory ({folder}/.saving-3), "
            "expected a folder that can be written to, with room for the checkpoint. "
            "Make room or repair the folder, then resume: no step is on disk yet."
        )
        checkpoints.check()
        folder.mkdir()
        checkpoints.save(4, small_tree(), {})
        checkpoints.wait()
        assert checkpoints.steps() == [4]


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        JnnError,
        match=r"checkpoints in .*file: got File exists .*expected a folder that can be written to",
    ):
        Checkpoints(tmp_path / "file")
    checkpoints = Checkpoints(tmp_path / "run")
    (tmp_path / "run").rmdir()
    (tmp_path / "run").write_text("")
    for tell in (
        checkpoints.wait,
        lambda: checkpoints.save(6, small_tree(), {}),
        checkpoints.close,
    ):
        checkpoints.save(5, small_tree(), {})
        with pytest.raises(JnnError, match=r"checkpoint of step 5 in .*run: got Not a directory"):
            tell()


def save_as_nobody(folder, answers):
    """A user without any rights, if this process may become one."""
    if os.getuid() == 0:
        os.setuid(65534)
    for make in (lambda: Checkpoints(folder / "new"), lambda: save(folder, 2)):
        try:
            make()
        except JnnError as error:
            answers.send(str(error))


@pytest.mark.slow  # below, writing fails in this process
def test_an_unwritable_folder_is_reported_and_left_as_it_was(tmp_path):
    folder = tmp_path / "run"
    save(folder, 1)
    for path in (tmp_path, *tmp_path.parents):
        if not path.stat().st_mode & 0o001:  # pytest's own folders are closed to others
            path.chmod(0o755)
    folder.chmod(0o555)
    ours, theirs = forks.Pipe()
    process = forks.Process(target=save_as_nobody, args=(folder, theirs))
    process.start()
    assert ours.poll(60)
    assert ours.recv() == (
        f"checkpoints in {folder}/new: got Permission denied ({folder}/new), "
        "expected a folder that can be written to."
    )
    assert ours.poll(60)
    assert ours.recv() == (
        f"checkpoint of step 2 in {folder}: got Permission denied ({folder}/.saving-2), "
        "expected a folder that can be written to, with room for the checkpoint. "
        "Make room or repair the folder, then resume: step 1 is on disk."
    )
    process.join()
    folder.chmod(0o755)
    assert bits(restore(folder).tree) == bits(small_tree(1))


def fill_the_disk(folder, answers):
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(1, small_tree(1), {"step": 1})
        checkpoints.wait()
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        checkpoints.save(2, {"x": np.random.default_rng(0).random(100_000)}, {})
        try:
            next_failure(checkpoints)
        except JnnError as error:
            answers.send(str(error))


@pytest.mark.slow
def test_a_full_disk_is_reported_and_leaves_the_last_step(tmp_path):
    ours, theirs = forks.Pipe()
    process = forks.Process(target=fill_the_disk, args=(tmp_path, theirs))
    process.start()
    assert ours.poll(60)
    assert ours.recv() == (
        f"checkpoint of step 2 in {tmp_path}: got File too large, "
        "expected a folder that can be written to, with room for the checkpoint. "
        "Make room or repair the folder, then resume: step 1 is on disk."
    )
    process.join()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert bits(restore(tmp_path).tree) == bits(small_tree(1))


def test_what_a_failed_save_still_writes_is_removed(tmp_path, monkeypatch):
    late = []

    def fail(folder, arrays):
        def write():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "late").write_text("")

        late.append(write)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sleep(seconds):
        if late:
            late.pop()()

    monkeypatch.setattr(storage, "write_arrays", fail)
    monkeypatch.setattr(manager, "time", SimpleNamespace(sleep=sleep))
    with pytest.raises(JnnError, match="got No space left on device"):
        save(tmp_path, 1)
    assert not late
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_renamed_during_a_save_is_not_made_again(tmp_path, monkeypatch):
    folder, write = tmp_path / "run", storage.write_arrays

    def rename(arrays_folder, arrays):
        folder.rename(tmp_path / "elsewhere")
        write(arrays_folder, arrays)

    monkeypatch.setattr(storage, "write_arrays", rename)
    with pytest.raises(
        JnnError, match=r"checkpoint of step 1 in .*: got No such file or directory"
    ):
        save(folder, 1)
    assert not list(folder.glob("**/manifest.json"))


def save_until_killed(folder, start, answers):
    with Checkpoints(folder) as checkpoints:
        for step in range(start, start + 1000):
            checkpoints.save(step, small_tree(step), {"step": step})
            checkpoints.wait()
            answers.send(step)


@pytest.mark.slow
def test_killed_200_times(tmp_path):
    folder, rng = tmp_path, random.Random(0)
    start = 0
    for _ in range(200):
        ours, theirs = forks.Pipe(duplex=False)
        process = forks.Process(target=save_until_killed, args=(folder, start, theirs))
        process.start()
        theirs.close()
        assert ours.poll(60)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        process.join()
        committed = start
        while True:
            try:
                committed = ours.recv()
            except EOFError:
                break
        with Checkpoints(folder) as checkpoints:
            restored = checkpoints.restore(small_tree())
        assert restored.step >= committed
        assert (bits(restored.tree), restored.host, restored.notes) == (
            bits(small_tree(restored.step)),
            {"step": restored.step},
            [],
        )
        assert all(path.name.isdigit() for path in folder.iterdir())
        start = restored.step  # saved again, as by a run that resumes


PROGRAM = """
import sys, time
import numpy as np
from pathlib import Path
from jnn.checkpoints import Checkpoints

folder = Path(sys.argv[1])
checkpoints = Checkpoints(folder)
def save():
    checkpoints.save(8, {"x": np.arange(2_000_000.0)}, {})
"""


def run_program(folder, then):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + then, folder], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_a_program_that_never_asks_ends_well_where_all_is_well(tmp_path):
    assert run_program(
        tmp_path,
        """save()
while not checkpoints.steps():
    time.sleep(0.01)
""",
    ) == (0, "", "")
    np.testing.assert_array_equal(
        restore(tmp_path, {"x": np.zeros(2_000_000)}).tree["x"], np.arange(2e6)
    )


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (
            "save()",
            "the end of the program before it was written, expected close() or wait() first",
        ),
        pytest.param(
            "folder.rmdir(); folder.write_text(''); save()",
            "Not a directory",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_program_that_never_asks_does_not_end_as_if_all_were_well(tmp_path, then, reason):
    code, out, errors = run_program(tmp_path / "run", then)
    assert (code, out, errors.count("\n")) == (1, "", 1)
    assert errors.startswith(f"error: checkpoint of step 8 in {tmp_path}/run: got {reason}")
    assert errors.endswith("then resume: no step is on disk yet.\n")


@pytest.mark.parametrize(
    "body",
    [[], {}, {"format": 1, "step": 1}, {"format": 1, "step": 1, "leaves": [5], "files": {}}, "x"],
    ids=repr,
)
def test_a_manifest_of_another_kind_does_not_verify(tmp_path, body):
    save(tmp_path, 1)
    crc32 = zlib.crc32(manifest._canonical(body))
    (tmp_path / "1" / manifest.FILE).write_text(json.dumps({"crc32": crc32, "manifest": body}))
    with pytest.raises(JnnError, match=r"step 1 does not verify|expected format 1"):
        restore(tmp_path)
