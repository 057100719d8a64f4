"""Arrays in a folder, by Orbax; the only module that knows their format.

`read_arrays` verifies nothing, `read_verified` the files.
"""

import functools
import logging
import os
import re
import sys
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jnn.checkpoints.leaves import DamagedError


@functools.cache
def _orbax():
    """Orbax, imported when it is first needed, which takes 0.3 s.

    Its log messages are not shown, since failures are raised. After one, the writes that it did not
    wait for complain that its event loop is closed; neither are those.
    """
    import orbax.checkpoint as orbax

    logging.getLogger("absl").addFilter(
        lambda record: f"orbax{os.sep}checkpoint" not in record.pathname
    )
    report = sys.unraisablehook
    closed = lambda error: isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
    sys.unraisablehook = lambda event: None if closed(event.exc_value) else report(event)
    return orbax


def _checkpointer():
    orbax = _orbax()
    # the process that saves does not wait for others
    alone = None if jax.process_count() == 1 else {jax.process_index()}
    options = orbax.options.MultiprocessingOptions(
        primary_host=jax.process_index(),
        active_processes=alone,
        barrier_sync_key_prefix="jnn" if alone else None,
    )
    return orbax.Checkpointer(
        orbax.PyTreeCheckpointHandler(multiprocessing_options=options),
        multiprocessing_options=options,
    )


def _as_bytes(dtype: np.dtype) -> bool:
    """Whether ``dtype`` (float8, int4), which Orbax may not support, is stored as uint8."""
    return dtype.kind == "V" and dtype.itemsize == 1


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``{name: array}`` to a new folder, without empty arrays, which Orbax refuses."""
    bytes_or_array = lambda x: x.view(np.uint8) if _as_bytes(x.dtype) else x
    stored = {name: bytes_or_array(x) for name, x in arrays.items() if x.size}
    if stored:
        _checkpointer().save(folder, args=_orbax().args.PyTreeSave(stored))


def read_arrays(
    folder: Path, expected: Mapping[str, tuple[tuple[int, ...], str]]
) -> dict[str, np.ndarray]:
    """Read ``{name: array}`` for ``{name: (shape, dtype)}``.

    Arrays are returned as they are in the folder, even if of another shape or dtype.
    """
    dtypes = {name: jnp.dtype(dtype) for name, (_, dtype) in expected.items()}
    arrays = {
        name: np.empty(shape, dtypes[name]) for name, (shape, _) in expected.items() if 0 in shape
    }
    stored = expected.keys() - arrays.keys()
    for name, array in (_read(folder, stored) if stored else {}).items():
        as_bytes = _as_bytes(dtypes[name]) and array.dtype == np.uint8
        arrays[name] = array.view(dtypes[name]) if as_bytes else array
    return arrays


def _read(folder: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    orbax = _orbax()
    as_numpy = orbax.RestoreArgs(restore_type=np.ndarray)
    return _checkpointer().restore(
        folder, args=orbax.args.PyTreeRestore(restore_args=dict.fromkeys(names, as_numpy))
    )


def read_verified(
    folder: Path, files: Mapping[str, int], expected: Mapping[str, tuple[tuple[int, ...], str]]
) -> dict[str, np.ndarray]:
    """What `read_arrays` returns, once the CRC-32 of each of ``files`` is verified.

    Raises `DamagedError`. Orbax reports altered files by any exception, or not at all.
    """
    try:
        actual = checksums(folder)
        for file, checksum in files.items():
            if actual.get(file) != checksum:
                damage = "altered" if file in actual else "missing"
                raise DamagedError(f"file {folder.name}/{file} is {damage}")
        return read_arrays(folder, expected)
    except DamagedError:
        raise
    except Exception as error:
        raise DamagedError(f"its arrays cannot be read ({reason(error)})") from error


def checksums(folder: Path) -> dict[str, int]:
    """``{relative path: CRC-32}`` of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): _checksum(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def synchronize(*paths: Path) -> None:
    """Flush files and folders to the disk itself, so that a loss of power does not undo them."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def reason(error: Exception) -> str:
    """The cause of a failed read or write in one line, by the operating system where it has one."""
    code = error.errno if isinstance(error, OSError) else None
    if code is None and (match := re.search(r"os_error_code='(\d+)'", str(error))):
        code = int(match[1])
    if code is not None:
        file = getattr(error, "filename", None)
        return f"{os.strerror(code)}{f' ({file})' if file else ''}"
    first_line = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first_line[:200]}"
