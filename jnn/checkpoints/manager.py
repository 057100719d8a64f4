"""The checkpoints of a run: saved in the background, committed atomically, verified when read."""

import contextlib
import errno
import importlib.metadata
import operator
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jnn.checkpoints import leaves, manifest, parts, shards, storage
from jnn.checkpoints.background import Background
from jnn.checkpoints.leaves import DamagedError, DifferentError, Leaf, LeafPath
from jnn.checkpoints.manifest import JSON
from jnn.errors import JnnError, mistake
from jnn.files import check_text
from jnn.processes.together import Processes

_ARRAYS = "arrays"
_ATTEMPTS = 100  # to remove what a failed save may still be writing, 20 ms apart
_TEMPORARY = re.compile(r"\.(saving|replaced|removed)-(\d+)")
_PACKAGES = ("jnn", "jax", "numpy", "orbax-checkpoint")


class Restored(NamedTuple):
    """A checkpoint that was read and verified."""

    step: int
    tree: Any
    host: dict[str, Any]
    notes: list[str]
    """Messages about damaged steps that were skipped, and leaves that were cast or omitted."""


class Checkpoints:
    """The checkpoints of one run, in one directory: a folder for each step, named by its number.

    A folder has the arrays, stored by Orbax, and ``manifest.json``: path, shape, dtype and CRC-32
    of each leaf, the CRC-32 of each file, ``host``, ``fingerprint`` and versions. It appears under
    its name only when it is complete and on the disk.

    Args:
        directory: created if it is missing.
        keep: the number of newest steps that are kept.
        fingerprint: what a run must share with the run that saved (settings, data, seed); None for
            no check.
        read_only: write, create and clean up nothing.
        processes: those that write it together, each the shards on its own devices, to a folder
            that they share. Each then calls every method, and in the same order.

    Saving is asynchronous, and its failure is raised by the next ``save``, ``check``, ``wait`` or
    ``close``. A program that ends without them exits with code 1 if a save failed or was not
    finished, since Python starts no threads while it shuts down. Only one process may write to a
    directory at a time, which is not checked.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Checkpoints(Path(folder), fingerprint={"seed": 0}) as checkpoints:
    ...         checkpoints.save(100, {"kernel": np.arange(3.0)}, host={"best": 0.5})
    ...         restored = checkpoints.restore(like={"kernel": np.zeros(3)})
    >>> restored
    Restored(step=100, tree={'kernel': array([0., 1., 2.])}, host={'best': 0.5}, notes=[])
    """

    def __init__(
        self,
        directory: Path,
        *,
        keep: int = 2,
        fingerprint: dict[str, JSON] | None = None,
        read_only: bool = False,
        processes: Processes | None = None,
    ):
        if keep < 1:
            raise mistake("checkpoints", got=f"keep={keep}", expected="an integer >= 1")
        self._directory = check_text(Path(directory).absolute())
        self._keep = keep
        self._fingerprint = manifest.as_json(fingerprint, "checkpoints: fingerprint")
        self._read_only = read_only
        self._processes = processes or Processes()
        self._resumed = False
        self._background = Background()
        if not read_only:
            self._processes.told(self._make)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _make(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise mistake(
                f"checkpoints in {self._directory}",
                got=storage.reason(error),
                expected="a folder that can be written to",
            ) from error

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, in ascending order; `restore` verifies them."""
        if not self._directory.is_dir():
            return []
        return sorted(
            int(path.name)
            for path in self._directory.iterdir()
            if re.fullmatch("0|[1-9][0-9]*", path.name) and path.is_dir()
        )

    def save(self, step: int, tree: Any, host: dict[str, JSON]) -> None:
        """Copy ``tree`` to host memory, so that its arrays may be donated, and write it later.

        ``tree`` is a pytree of JAX or NumPy arrays and typed PRNG keys; ``host`` is the other state
        of the loop, as JSON (infinite and NaN numbers are fine). The previous save is waited for.
        An existing checkpoint of this step is replaced.

        Once the step is on disk, steps too old to keep are removed, and so are later steps, which a
        restored run has left behind by going back. Raises `JnnError` for later steps of a run that
        was not restored here.
        """
        if self._read_only:
            got = "save(...) with read_only=True"
            raise mistake("checkpoints", got=got, expected="read_only=False")
        if (step := operator.index(step)) < 0:
            raise mistake("checkpoints", got=f"step={step}", expected="an integer >= 0")
        name = f"checkpoint of step {step}"
        host_copy = manifest.as_json(host, f"{name}: host")
        by_path = leaves.flatten(tree, name)
        self._background.wait()
        if self._processes.count > 1:
            token = self._processes.told(lambda: self._begin(step, name))
            part = parts.Part.of(by_path, self._processes.index)
            self._background.submit(self._write_part, step, token, part, host_copy)
            return
        self._check_later(step, name)
        described, arrays = leaves.describe(by_path), leaves.to_host(by_path, name)
        self._background.submit(self._write, step, described, arrays, host_copy)

    def _check_later(self, step: int, name: str) -> None:
        later = [other for other in self.steps() if other > step]
        if later and not self._resumed:
            raise mistake(
                name,
                got=f"{self._directory} with later steps {later}",
                expected="a folder without",
                remedy="Restore from it first to resume that run, or save to another folder.",
            )

    def check(self) -> None:
        """Raise the failure of a save that has ended; fast enough to be called at every step."""
        self._background.check()

    def wait(self) -> None:
        """Wait until everything is on disk; raise the failure of a save."""
        self._background.wait()

    def close(self) -> None:
        """Wait, and end the background thread."""
        self._background.close()

    def restore(
        self, like: Any, *, step: int | None = None, cast: bool = False, partial: bool = False
    ) -> Restored | None:
        """Read the newest step that verifies, or ``step``; None where there is no checkpoint.

        ``like`` is a tree with the expected paths, shapes and dtypes, of arrays or
        ``jax.ShapeDtypeStruct``. Each leaf is returned as a NumPy array where ``like`` has one,
        else with the sharding of ``like`` or on the default device.

        Every bit that is returned is verified against the manifest. ``cast`` allows a change
        between floating dtypes. ``partial`` keeps the values of ``like`` for leaves that are not in
        the checkpoint, and omits leaves that are not in ``like``.

        Raises `JnnError` where paths, shapes, dtypes or the fingerprint differ, and where there are
        checkpoints but none verifies.
        """
        self._background.wait()
        wanted = leaves.flatten(like, "restore")
        damaged: list[str] = []
        for candidate in self._processes.told(lambda: self._candidates(step)):
            folder, damage = self._directory / str(candidate), None
            body, values, notes = {}, {}, []
            try:
                body, saved = manifest.read(folder, candidate)
                self._check_fingerprint(folder, body["fingerprint"])
                notes = _check_leaves(folder, saved, wanted, cast=cast, partial=partial)
                values = _read(folder, body, list(saved.values()), wanted)
            except DamagedError as error:
                damage = str(error)
            if reasons := [text for text in self._processes.gather(damage) if text]:
                damaged.append(f"step {candidate} does not verify: {reasons[0]}")
                continue
            leaves_of_tree = [values.get(path, target) for path, target in wanted.items()]
            tree = jax.tree.unflatten(jax.tree.structure(like), leaves_of_tree)
            self._resumed = True
            fallback = [f"step {candidate} is restored instead"] if damaged else []
            return Restored(candidate, tree, body["host"], damaged + fallback + notes)
        if not damaged:
            return None
        heading = "Put a copy of these files back, or start a new run in another folder:"
        raise mistake(
            f"checkpoints in {self._directory}",
            got="none that verifies",
            expected="the bits that were saved",
            remedy=_listed(heading, damaged),
        )

    def _candidates(self, step: int | None) -> list[int]:
        steps = self.steps()
        if step is None:
            return steps[::-1]
        if step not in steps:
            name = f"checkpoints in {self._directory}"
            raise mistake(name, got=f"step={step}", expected=f"one of {steps}")
        return [step]

    def _check_fingerprint(self, folder: Path, saved: dict[str, JSON] | None) -> None:
        if self._fingerprint is None:
            return
        changes = manifest.changes(saved or {}, self._fingerprint)
        if changes:
            heading = "Resume with the settings of that run, or start a new run in another folder:"
            raise mistake(
                f"checkpoint {folder}",
                got="one of another run",
                expected="the same settings and data",
                remedy=_listed(heading, changes),
            )

    def _write(
        self, step: int, described: list[Leaf], arrays: list[np.ndarray], host: JSON
    ) -> None:
        saving = self._directory / f".saving-{step}"
        try:
            shutil.rmtree(saving, ignore_errors=True)
            saving.mkdir()
            begun = saving.stat()
            storage.write_arrays(saving / _ARRAYS, {_name(i): x for i, x in enumerate(arrays)})
            body = self._body(step, host) | {"files": storage.checksums(saving / _ARRAYS)}
            checksummed = [leaf.of(x) for leaf, x in zip(described, arrays, strict=True)]
            manifest.write(saving, body, checksummed)
            storage.synchronize(*saving.rglob("*"), saving)
            # Orbax makes missing folders: one that was removed in the meantime would be back
            if not os.path.samestat(begun, saving.stat()):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(saving))
            self._commit(saving, step)
            self._retire(step)
        except Exception as error:
            with contextlib.suppress(OSError):
                self._sweep()
                # Orbax may still be writing other files
                for _ in range(_ATTEMPTS):
                    time.sleep(0.02)
                    if not saving.exists():
                        break
                    shutil.rmtree(saving, ignore_errors=True)
            raise self._failure(step, error) from error

    def _body(self, step: int, host: JSON) -> dict[str, Any]:
        fingerprint, versions = self._fingerprint, _versions()
        return {"step": step, "host": host, "fingerprint": fingerprint, "versions": versions}

    def _begin(self, step: int, name: str) -> str:
        """Make the folder that all processes write into; returns what distinguishes this save."""
        self._check_later(step, name)
        saving = self._directory / f".saving-{step}"
        try:
            shutil.rmtree(saving, ignore_errors=True)
            saving.mkdir()
        except OSError as error:
            raise self._failure(step, error) from error
        return os.urandom(8).hex()

    def _write_part(self, step: int, token: str, part: parts.Part, host: JSON) -> None:
        """Write the shards of this process; the first commits the step once all have written."""
        saving = self._directory / f".saving-{step}"
        try:
            part.write(saving, token)
            if self._processes.is_first:
                written = parts.collected(saving, token, self._processes.count, part.described)
                manifest.write(saving, self._body(step, host) | written, part.described)
                storage.synchronize(saving / manifest.FILE, saving)
                self._commit(saving, step)
                self._retire(step)
        except Exception as error:
            if self._processes.is_first:
                shutil.rmtree(saving, ignore_errors=True)
            raise self._failure(step, error) from error

    def _failure(self, step: int, error: Exception) -> JnnError:
        name = f"checkpoint of step {step} in {self._directory}"
        steps = self.steps()
        latest = f"step {steps[-1]} is on disk" if steps else "no step is on disk yet"
        if "interpreter shutdown" in str(error):
            return mistake(
                name,
                got="the end of the program before it was written",
                expected="close() or wait() first",
                remedy=f"Write `with Checkpoints(...) as checkpoints:`, then resume: {latest}.",
            )
        return mistake(
            name,
            got=storage.reason(error),
            expected="a folder that can be written to, with room for the checkpoint",
            remedy=f"Make room or repair the folder, then resume: {latest}.",
        )

    def _commit(self, saving: Path, step: int) -> None:
        final = self._directory / str(step)
        replaced = self._directory / f".replaced-{step}"
        if final.exists():
            final.rename(replaced)
        saving.rename(final)
        storage.synchronize(self._directory)
        shutil.rmtree(replaced, ignore_errors=True)

    def _retire(self, step: int) -> None:
        steps = self.steps()
        kept = [other for other in steps if other <= step][-self._keep :]
        for other in set(steps) - set(kept):
            removed = self._directory / f".removed-{other}"
            # renamed first: a folder under its final name is never half removed
            (self._directory / str(other)).rename(removed)
            shutil.rmtree(removed, ignore_errors=True)

    def _sweep(self) -> None:
        """Clean up after an interrupted save, and put back a step that was about to be replaced."""
        if not self._directory.is_dir():
            return
        for path in list(self._directory.iterdir()):
            if match := _TEMPORARY.fullmatch(path.name):
                final = self._directory / match[2]
                if match[1] == "replaced" and not final.exists():
                    path.rename(final)
                else:
                    shutil.rmtree(path, ignore_errors=True)


def _name(index: int) -> str:
    return f"{index:04d}"


def _listed(heading: str, lines: list[str], most: int = 10) -> str:
    more = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return "\n  ".join([heading, *lines[:most], *more])


def _check_leaves(
    folder: Path,
    saved: dict[LeafPath, Leaf],
    wanted: dict[LeafPath, Any],
    *,
    cast: bool,
    partial: bool,
) -> list[str]:
    forbidden, allowed = leaves.differences(saved, wanted, cast=cast, partial=partial)
    if forbidden:
        heading = "Build the model and the optimizer as they were when it was saved:"
        error = mistake(
            f"checkpoint {folder}",
            got=f"{len(forbidden)} of {len(saved | wanted)} leaves that differ",
            expected="the same paths, shapes and dtypes",
            remedy=_listed(heading, forbidden),
        )
        missing = len([path for path in wanted if path not in saved])
        raise DifferentError(str(error), missing)
    return allowed


def _read(
    folder: Path, body: dict[str, Any], saved: list[Leaf], wanted: dict[LeafPath, Any]
) -> dict[LeafPath, Any]:
    """The leaves that are wanted, as their targets are, by path.

    Each file is verified before it is read, and each leaf or shard after.
    """
    if "shards" in body:
        return shards.read(folder, saved, parts.shards_of(body, saved), wanted)
    stored = {_name(i): leaf.stored for i, leaf in enumerate(saved)}
    arrays = storage.read_verified(folder / _ARRAYS, body["files"], stored)
    for i, leaf in enumerate(saved):
        leaves.verify(leaf, arrays[_name(i)])
    return {
        leaf.path: leaves.place(leaf, arrays[_name(i)], wanted[leaf.path])
        for i, leaf in enumerate(saved)
        if leaf.path in wanted
    }


def _versions() -> dict[str, JSON]:
    versions: dict[str, JSON] = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions
