"""Tensors in ``*.safetensors`` files: one, or several with an index.

The format is JSON and raw bytes, and carries no code. Files are mapped into memory, and tensors
read one at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jnn.errors import missing_extra, mistake
from jnn.files import read_json, replacing, write_json

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
_CONVERT = (
    "Convert it where transformers is installed: "
    "AutoModel.from_pretrained(FOLDER).save_pretrained(NEW, safe_serialization=True), with the "
    "Auto class of its architecture."
)


class TensorFolder:
    """The tensors of the safetensors files of a folder.

    Raises `JnnError` where there are none, where they are damaged, and where the index names files
    or tensors that are not there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._files: dict[str, Any] = {}
        self._shapes: dict[str, jax.ShapeDtypeStruct] = {}
        for path in _paths(folder):
            file = _opened(path)
            for key in file.keys():  # noqa: SIM118 (it is no dict)
                part = file.get_slice(key)
                if key in self._files:
                    raise mistake(
                        str(path), got=f"{key} a second time", expected="each tensor in one file"
                    )
                self._files[key] = file
                self._shapes[key] = jax.ShapeDtypeStruct(
                    tuple(part.get_shape()), _dtype(path, key, part.get_dtype())
                )
        _check_index(folder, self._files)

    def shapes(self) -> Mapping[str, jax.ShapeDtypeStruct]:
        """The shape and dtype of each tensor."""
        return self._shapes

    def read(self, key: str) -> np.ndarray:
        """One tensor."""
        return self._files[key].get_tensor(key)


def write_tensors(
    folder: Path, tensors: Iterable[tuple[str, np.ndarray]], *, shard_bytes: int = 5 * 10**9
) -> None:
    """Write tensors as one file, or with an index as several of at most ``shard_bytes``."""
    shards: list[dict[str, np.ndarray]] = [{}]
    size = 0
    for key, tensor in tensors:
        if shards[-1] and size + tensor.nbytes > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][key] = tensor
        size += tensor.nbytes
    if len(shards) == 1:
        return _write_file(folder / SINGLE, shards[0])
    weight_map, total = {}, 0
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        _write_file(folder / name, shard)
        weight_map |= dict.fromkeys(shard, name)
        total += sum(tensor.nbytes for tensor in shard.values())
    write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})
    return None


def _write_file(path: Path, tensors: dict[str, np.ndarray]) -> None:
    library = _library()
    from safetensors.numpy import save_file

    with replacing(path) as temporary:
        try:
            # transformers reads no file that does not name the layout of its tensors
            save_file(tensors, temporary, {"format": "pt"})
        except library.SafetensorError as error:
            if system := re.search(r"\(os error (\d+)\)", str(error)):
                number = int(system[1])
                raise OSError(number, os.strerror(number)) from error
            raise


def _paths(folder: Path) -> list[Path]:
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).exists():
        names = sorted(set(_weight_map(folder).values()))
        if outside := [name for name in names if Path(name).name != name]:
            raise mistake(
                str(folder / INDEX), got=f"the file {outside[0]!r}", expected="names in its folder"
            )
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise mistake(
                str(folder / INDEX),
                got=f"the file {missing[0]!r}, which is not there",
                expected=f"all {len(names)} files that it names",
                remedy="Fetch the missing ones.",
            )
        return [folder / name for name in names]
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if pickled:
        raise mistake(
            str(folder),
            got=f"{pickled[0]}, and no {SINGLE}",
            expected="safetensors: a pickled file may run any code when it is read",
            remedy=_CONVERT,
        )
    raise mistake(str(folder), got=f"no {SINGLE} and no {INDEX}", expected="a folder with weights")


def _weight_map(folder: Path) -> Mapping[str, str]:
    weight_map = read_json(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(
        isinstance(name, str) for name in weight_map.values()
    ):
        raise mistake(
            str(folder / INDEX), got="no weight_map of names of files", expected="one by tensor"
        )
    return weight_map


def _check_index(folder: Path, files: Mapping[str, Any]) -> None:
    if (folder / SINGLE).is_file():
        return
    weight_map = _weight_map(folder)
    if wrong := sorted(set(weight_map) ^ set(files)):
        where = "index" if wrong[0] in weight_map else "files"
        raise mistake(
            str(folder / INDEX),
            got=f"{wrong[0]} in the {where} alone",
            expected="the tensors that the files have",
        )


def _opened(path: Path) -> Any:
    library = _library()
    try:
        return library.safe_open(path, framework="numpy")
    except library.SafetensorError as error:
        raise mistake(
            str(path),
            got=f"a damaged file ({str(error).removeprefix('Error while deserializing ')})",
            expected="the header, and then as many bytes as it says",
            remedy="Fetch it again.",
        ) from None
    except OSError as error:
        got = error.strerror or str(error)
        raise mistake(str(path), got=got, expected="a file that can be read") from None


def _dtype(path: Path, key: str, name: str) -> np.dtype:
    import ml_dtypes

    dtypes = {
        "F64": np.float64,
        "F32": np.float32,
        "F16": np.float16,
        "BF16": ml_dtypes.bfloat16,
        "I64": np.int64,
        "I32": np.int32,
        "I16": np.int16,
        "I8": np.int8,
        "U8": np.uint8,
        "BOOL": np.bool_,
    }
    if name not in dtypes:
        got, names = f"{key} of dtype {name}", ", ".join(dtypes)
        raise mistake(str(path), got=got, expected=f"one of {names}")
    return np.dtype(dtypes[name])


def _library() -> Any:
    try:
        import safetensors
    except ImportError:
        raise missing_extra("Weights in files need safetensors", "interop") from None
    return safetensors
