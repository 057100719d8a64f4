"""The part of a checkpoint that one process writes, and the parts of all as one manifest."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnn.checkpoints.leaves import DamagedError, Leaf, LeafPath
from jnn.checkpoints.shards import Shard, check_sizes, file_of, owned, write
from jnn.files import read_json, write_json

_EVERY = 0.02  # seconds between two looks for the parts of others


class Part(NamedTuple):
    """The shards of one process, and the description of all leaves."""

    process: int
    described: list[Leaf]
    shards: list[Shard]
    arrays: list[np.ndarray]

    @classmethod
    def of(cls, leaves: Mapping[LeafPath, Any], process: int) -> Part:
        """Copies in host memory of what ``process``, this one, is to write."""
        return cls(process, *owned(leaves, process))

    def write(self, folder: Path, token: str) -> None:
        """Write the shards, and once they are on the disk the list of them."""
        path = folder / file_of(self.process)
        write(path, self.arrays)
        shards = [shard._asdict() for shard in self.shards]
        record = {"token": token, "shards": shards, "bytes": path.stat().st_size}
        write_json(_list(folder, self.process), record)


def _list(folder: Path, process: int) -> Path:
    return folder / f"part-{process}.json"


def collected(folder: Path, token: str, count: int, described: list[Leaf]) -> dict[str, Any]:
    """``shards`` and ``files`` of all processes, once each has written its list of this save.

    Where one of them never does, it is gone, and with it this process: see `Lookout`.
    """
    files, shards = {}, []
    for process in range(count):
        path = _list(folder, process)
        while True:
            record = read_json(path) if path.exists() else {}
            if record.get("token") == token:
                break
            time.sleep(_EVERY)
        files[file_of(process)] = record["bytes"]
        shards += record["shards"]
        path.unlink()
    check_sizes(described, _from_json(shards))
    return {"files": files, "shards": shards}


def shards_of(body: Mapping[str, Any], saved: list[Leaf]) -> list[Shard]:
    """The shards of a manifest. Raises `DamagedError` where they are not as jnn writes them."""
    try:
        shards = list(_from_json(body["shards"]))
        check_sizes(saved, shards)
        return shards
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DamagedError(f"its shards are not as jnn writes them ({error})") from error


def _from_json(shards: Iterable[dict[str, Any]]) -> Iterable[Shard]:
    return (Shard.from_json(fields) for fields in shards)
