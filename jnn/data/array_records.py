"""Examples in ArrayRecord files: many examples in one file, with random access.

The format has a checksum for every record (https://github.com/google/array_record). An example is a
dict of arrays in MessagePack, as `flax.serialization` writes it: names, dtypes, shapes and bytes,
which cannot carry code.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import flax.serialization
import numpy as np

from jnn.data.checks import check_arrays
from jnn.data.fingerprint import fingerprint_files
from jnn.data.streams import grain_module
from jnn.errors import JnnError, mistake
from jnn.files import TEMPORARY, replacing, writable

SUFFIX = ".array_record"


def write_array_records(path: str | Path, examples: Iterable[Mapping[str, Any]]) -> int:
    """Write examples, dicts of arrays and numbers, to the file ``path``, and return their number.

    The file appears when it is complete. To write in parallel, write several files into one folder.
    Raises JnnError for no examples, for values that are not numbers, and where the folder cannot be
    written to.
    """
    grain_module()
    from array_record.python.array_record_module import ArrayRecordWriter

    path = Path(path)
    if path.suffix != SUFFIX:
        expected = f"a name that ends in {SUFFIX}"
        raise mistake("write_array_records", got=str(path), expected=expected)
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with replacing(path) as temporary:
        try:
            # a group size of 1, so that a record is read without its neighbours
            writer = ArrayRecordWriter(str(temporary), "group_size:1")
            for count, example in enumerate(examples, 1):
                writer.write(encode(example, f"write_array_records: example {count - 1}"))
            writer.close()
        except RuntimeError as error:
            expected = "a file that can be written"
            raise mistake(str(path), got=str(error), expected=expected) from error
        if count == 0:
            raise mistake("write_array_records", got="no examples", expected="at least one")
    return count


def encode(example: Mapping[str, Any], caller: str = "example") -> bytes:
    """An example as bytes."""
    arrays = {name: np.asarray(value) for name, value in example.items()}
    check_arrays({name: array[None] for name, array in arrays.items()}, caller)
    return flax.serialization.msgpack_serialize(arrays)


def decode(record: bytes) -> Any:
    """The example that `encode` made into bytes; its arrays are read-only.

    >>> decode(encode({"x": np.arange(3), "label": 1}))
    {'label': array(1), 'x': array([0, 1, 2])}
    """
    return flax.serialization.msgpack_restore(record)


class ArrayRecords:
    """The examples of some files, by their index; made by `array_records`."""

    def __init__(self, files: list[Path], decode: Callable[[bytes], Any], identity: dict[str, Any]):
        self.files, self.identity, self._decode = files, identity, decode
        try:
            source = grain_module().sources.ArrayRecordDataSource
            self._records = source([str(file) for file in files])
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
        index = range(len(self))[operator.index(index)]  # an IndexError ends an iteration
        name = f"array records {self.files[0].parent}: record {index}"
        try:
            record = self._records[index]
        except RuntimeError as error:
            expected, remedy = "the record that was written", "Put a copy back."
            raise mistake(name, got=str(error), expected=expected, remedy=remedy) from error
        try:
            return self._decode(record)
        except (JnnError, MemoryError):
            raise
        except Exception as error:
            raise mistake(
                name,
                got=f"{type(error).__name__}: {error}",
                expected="an example as its decode function reads it",
                remedy=(
                    "Written by other tools? "
                    "Pass decode=, a function from its bytes to a dict of arrays."
                ),
            ) from error


def array_records(
    path: str | Path, *, decode: Callable[[bytes], Any] = decode, contents: bool = True
) -> ArrayRecords:
    """The examples of an ArrayRecord file, or of all ``*.array_record`` files in a folder.

    The files of a folder come in the order of their names. ``decode`` makes an example of a
    record's bytes, for files that other tools have written. ``contents`` reads every byte once now,
    so that a run on altered files is not resumed; without it files are identified by their names
    and sizes.

    Raises JnnError for a missing folder or file, files that are damaged, and records that cannot be
    decoded, and MissingExtraError without Grain.
    """
    grain_module()
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob(f"*{SUFFIX}"))
    files = [file for file in files if not file.name.startswith(TEMPORARY)]
    if not files:
        got = f"no *{SUFFIX} file" if path.is_dir() else "no such file or folder"
        expected = "an ArrayRecord file or a folder of them"
        raise mistake(f"array records {path}", got=got, expected=expected)
    identity = {
        "kind": "array_records",
        "sha256": fingerprint_files(files[0].parent, files, contents=contents),
        "contents": contents,
    }
    return ArrayRecords(files, decode, identity)
