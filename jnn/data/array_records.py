"""Examples in ArrayRecord files: one file for very many, each of which can be read alone.

The format keeps a checksum for every record (https://github.com/google/array_record). An example is
a dict of arrays in MessagePack, as `flax.serialization` writes it: names, dtypes, shapes and bytes,
which cannot carry code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import flax.serialization
import numpy as np

from jnn.data.checks import check_arrays
from jnn.data.fingerprint import fingerprint_files
from jnn.data.streams import grain_module
from jnn.errors import JnnError, mistake

SUFFIX = ".array_record"


def write_array_records(path: str | Path, examples: Iterable[Mapping[str, Any]]) -> int:
    """Write examples, dicts of arrays and numbers, into the file ``path``, and return how many
    there were.

    The file appears when it is complete. Write several files into one folder to make them in
    parallel. Raises JnnError for no examples, for values that are not numbers, and where the folder
    cannot be written to.
    """
    grain_module()
    from array_record.python.array_record_module import ArrayRecordWriter

    path = Path(path)
    if path.suffix != SUFFIX:
        raise mistake(
            "write_array_records", got=str(path), expected=f"a name that ends in {SUFFIX}"
        )
    unfinished, count = path.with_name(f".{path.name}.unfinished"), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # so that a record is read without its neighbours
        writer = ArrayRecordWriter(str(unfinished), "group_size:1")
        for count, example in enumerate(examples, 1):
            writer.write(encode(example, f"write_array_records: example {count - 1}"))
        writer.close()
        if count == 0:
            raise mistake("write_array_records", got="no examples", expected="at least one")
        unfinished.replace(path)
    except (OSError, RuntimeError) as error:
        raise mistake(str(path), got=str(error), expected="a file that can be written") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def encode(example: Mapping[str, Any], where: str = "example") -> bytes:
    """An example as bytes."""
    arrays = {name: np.asarray(value) for name, value in example.items()}
    check_arrays({name: array[None] for name, array in arrays.items()}, where)
    return flax.serialization.msgpack_serialize(arrays)


def decode(record: bytes) -> Any:
    """The example that `encode` made into bytes; its arrays are read-only.

    >>> decode(encode({"x": np.arange(3), "label": 1}))
    {'label': array(1), 'x': array([0, 1, 2])}
    """
    return flax.serialization.msgpack_restore(record)


class ArrayRecords:
    """The examples of some files, by their number; made by `array_records`."""

    def __init__(self, files: list[Path], decode: Callable[[bytes], Any], identity: dict[str, Any]):
        self.files, self.identity, self._decode = files, identity, decode
        try:
            self._records = grain_module().sources.ArrayRecordDataSource(
                [str(file) for file in files]
            )
            self._length = len(self._records)
        except RuntimeError as error:
            raise mistake(
                f"array records {files[0].parent}",
                got=str(error),
                expected="whole ArrayRecord files",
            ) from error

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        where = f"array records {self.files[0].parent}: record {index}"
        try:
            record = self._records[index]
        except RuntimeError as error:
            raise mistake(
                where,
                got=str(error),
                expected="the record that was written",
                remedy="Put a copy back.",
            ) from error
        try:
            return self._decode(record)
        except JnnError:
            raise
        except Exception as error:
            remedy = "Written by other tools? Pass decode=, a function from its bytes to a dict of arrays."
            expected = "an example as its decode function reads it"
            raise mistake(
                where, got=f"{type(error).__name__}: {error}", expected=expected, remedy=remedy
            ) from error


def array_records(
    path: str | Path, *, decode: Callable[[bytes], Any] = decode, contents: bool = True
) -> ArrayRecords:
    """The examples of an ArrayRecord file, or of all ``*.array_record`` files in a folder, in the
    order of their names.

    ``decode`` makes an example of a record's bytes, for files that other tools have written.
    ``contents`` reads every byte once now, so that a run on altered files is not resumed; without
    it their names and sizes tell them apart. Raises JnnError for a missing folder or file, files
    that are damaged, and records that cannot be decoded, and MissingExtraError without Grain.
    """
    grain_module()
    path = Path(path)
    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path] if path.is_file() else []
    if not files:
        got = f"no *{SUFFIX} file" if path.is_dir() else "no such file or folder"
        raise mistake(
            f"array records {path}", got=got, expected="an ArrayRecord file or a folder of them"
        )
    identity = {
        "kind": "array_records",
        "sha256": fingerprint_files(files[0].parent, files, contents=contents),
        "contents": contents,
    }
    return ArrayRecords(files, decode, identity)
