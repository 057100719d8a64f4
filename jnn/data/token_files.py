"""Tokens in files, for texts larger than memory: written once, read in windows by memory map.

A set is a folder of raw files, ``tokens-00000.bin``, ... and a header ``tokens.json``:

    {"format": 1, "dtype": "uint16", "vocabulary": 50257, "tokenizer": null,
     "parts": {"train": [0, 9000000], "validation": [9000000, 9500000], ...},
     "files": [{"tokens": 268435456, "sha256": "..."}, ...], "sha256": "..."}

The files have the tokens alone, little-endian, one after the other, and are one long sequence
together, of which each part is a range. Each file has its sha256 in the header, which has its own.
The header is written last: a folder without one is not complete.

The split belongs to the set, so that all who train on it test on the same tokens. Validation and
test are texts of their own where the writer has some, or else the end of the training text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jnn.data.fingerprint import READERS, file_sha256
from jnn.data.tokenizers.record import Tokenizer
from jnn.data.tokenizers.saved import read_tokenizer, write_tokenizer
from jnn.errors import mistake
from jnn.files import read_json, replacing, writable, write_json
from jnn.integers import as_integer, check_integer

HEADER, TOKENIZER = "tokens.json", "tokenizer.json"
FORMAT = 1
MOST_TOKENS = 2**28
"""In one file: half a gigabyte of 16-bit tokens."""
HELD_OUT, MOST_HELD_OUT = 20, 2**19
"""Of a set without a text for it, validation and test are each a twentieth, if no more tokens."""
_LARGEST = {"uint16": 2**16, "uint32": 2**31}  # vocabularies; JAX has tokens in int32
_REMEDY = "Put a copy back, or write the set again."


def write_token_files(
    folder: str | Path,
    pieces: Iterable[ArrayLike],
    *,
    vocabulary: int,
    tokenizer: Tokenizer | None = None,
    validation: Iterable[ArrayLike] = (),
    test: Iterable[ArrayLike] = (),
    file_tokens: int = MOST_TOKENS,
) -> int:
    """Write a sequence of tokens, piece by piece, into ``folder``, and return its length.

    ``pieces``       arrays (T,) of integers in [0, vocabulary), such as those of
                     `tokens_of_texts`; one at a time is in memory
    ``validation``   those of a part that is not trained on, and so ``test``. Where one is empty,
                     the last tokens of ``pieces`` are that part: a twentieth, at most 2**19
    ``tokenizer``    what made them, which is kept beside them, for `TokenFiles.read_tokenizer`
    ``file_tokens``  the tokens in a file; the last file has fewer

    Raises JnnError for pieces that are no integers, a token outside the vocabulary, no tokens at
    all, and a folder that has a set already or cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     count = write_token_files(folder, [[3, 1, 4], [1, 5]], vocabulary=6)
    ...     print(count, token_files(folder).read(2, 5))
    5 [4 1 5]
    """
    folder = Path(folder)
    vocabulary = check_integer("write_token_files", "vocabulary", vocabulary)
    file_tokens = check_integer("write_token_files", "file_tokens", file_tokens)
    kinds = [name for name, largest in _LARGEST.items() if vocabulary <= largest]
    if not kinds:
        got, expected = f"vocabulary={vocabulary}", f"at most {_LARGEST['uint32']}"
        raise mistake("write_token_files", got=got, expected=expected)
    check_new(folder)
    dtype = np.dtype(kinds[0]).newbyteorder("<")
    given = {"train": pieces, "validation": validation, "test": test}
    counts = dict.fromkeys(given, 0)
    named_pieces = ((name, piece) for name, those in given.items() for piece in those)
    checked = _checked(named_pieces, vocabulary, dtype, counts)
    files: list[dict[str, Any]] = []
    rest = next(checked, None)
    while rest is not None:
        digest, count = hashlib.sha256(), 0
        with replacing(folder / _name(len(files))) as temporary, temporary.open("wb") as stream:
            while rest is not None and count < file_tokens:
                part, rest = rest[: file_tokens - count], rest[file_tokens - count :]
                content = part.tobytes()
                digest.update(content)
                stream.write(content)
                count += len(part)
                rest = rest if len(rest) else next(checked, None)
        files.append({"tokens": count, "sha256": digest.hexdigest()})
    if not files:
        raise mistake(f"tokens {folder}", got="no tokens", expected="at least one")
    if tokenizer:
        write_tokenizer(folder / TOKENIZER, tokenizer)
    header = {
        "format": FORMAT,
        "dtype": kinds[0],
        "vocabulary": vocabulary,
        "tokenizer": tokenizer.fingerprint if tokenizer else None,
        "parts": _parts(**counts),
        "files": files,
    }
    write_json(folder / HEADER, {**header, "sha256": _digest(header)})
    return sum(file["tokens"] for file in files)


def check_new(folder: Path) -> None:
    """Make a folder for a set; raises JnnError where it has one, or cannot be written to."""
    if (folder / HEADER).exists():
        remedy = "Choose another folder, or remove that one."
        got = "a folder that has a set of tokens"
        raise mistake(f"tokens {folder}", got=got, expected="a new folder", remedy=remedy)
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _parts(train: int, validation: int = 0, test: int = 0) -> dict[str, list[int]]:
    """The range of each part of a sequence, in which the tokens of these texts follow each other.

    >>> _parts(100), _parts(100, validation=9)["test"]
    ({'train': [0, 90], 'validation': [90, 95], 'test': [95, 100]}, [95, 100])
    """
    share = min(train // HELD_OUT, MOST_HELD_OUT)
    tests = train + validation
    ranges = {"validation": [train, tests], "test": [tests, tests + test]}
    for name, given in (("test", test), ("validation", validation)):
        if not given:
            ranges[name] = [train - share, train]
            train -= share
    return {"train": [0, train], **ranges}


def _checked(
    pieces: Iterable[tuple[str, ArrayLike]],
    vocabulary: int,
    dtype: np.dtype,
    counts: dict[str, int],
) -> Iterator[np.ndarray]:
    """The pieces that are not empty, as ``dtype``; their tokens are added to the part's count."""
    position = 0
    for number, (part, piece) in enumerate(pieces):
        array = np.asarray(piece)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise mistake(
                f"write_token_files: piece {number}",
                got=f"{array.dtype} of shape {array.shape}",
                expected="integers of shape (T,)",
            )
        check_range(array, vocabulary, "write_token_files", position)
        position += len(array)
        counts[part] += len(array)
        if len(array):
            yield array.astype(dtype)


def check_range(tokens: np.ndarray, vocabulary: int, caller: str, position: int = 0) -> None:
    """Raise JnnError for the first token that is not in [0, vocabulary).

    ``position`` is that of the first of ``tokens`` in the whole sequence.
    """
    if not len(tokens) or (tokens.min() >= 0 and tokens.max() < vocabulary):
        return
    wrong = int(np.flatnonzero((tokens < 0) | (tokens >= vocabulary))[0])
    raise mistake(
        caller,
        got=f"the token {tokens[wrong]} at position {position + wrong:,}",
        expected=f"integers from 0 to {vocabulary - 1}",
        remedy="Use a larger vocabulary, or the tokenizer that belongs to the model.",
    )


def tokens_of_texts(
    texts: Iterable[str], tokenizer: Tokenizer, *, end: bool = True
) -> Iterator[np.ndarray]:
    """The tokens of each text, with ``end`` followed by the tokenizer's token of an end.

    >>> from jnn.data.tokenizers import character_tokenizer
    >>> tokenizer = character_tokenizer("ab", special=("end",))
    >>> [tokens.tolist() for tokens in tokens_of_texts(["ab", "b"], tokenizer)]
    [[1, 2, 0], [2, 0]]
    """
    last = np.array([tokenizer.end] if end else [], np.int32)
    for text in texts:
        yield np.concatenate([tokenizer.encode(text), last])


def tokens_of_documents(
    documents: Iterable[Iterable[str]], tokenizer: Tokenizer
) -> Iterator[np.ndarray]:
    """The tokens of documents in pieces, `jnn.data.text_pieces.documents`, a piece at a time.

    Each document is followed by the token of an end, if the tokenizer has one.

    >>> from jnn.data.tokenizers import character_tokenizer
    >>> tokenizer = character_tokenizer("ab", special=("end",))
    >>> [tokens.tolist() for tokens in tokens_of_documents([["a", "b"], []], tokenizer)]
    [[1], [2], [0], [0]]
    """
    last = [np.array([tokenizer.end], np.int32)] if "end" in tokenizer.special else []
    for document in documents:
        for piece in document:
            yield tokenizer.encode(piece)
        yield from last


def text_of_tokens(tokens: np.ndarray, tokenizer: Tokenizer) -> str:
    """The text of documents, as tokens with their ends, each end as a line break.

    >>> from jnn.data.tokenizers import character_tokenizer
    >>> text_of_tokens(np.array([1, 2, 0, 2]), character_tokenizer("ab", special=("end",)))
    'ab\\nb'
    """
    end = tokenizer.special.get("end", -1)
    documents = np.split(tokens, np.flatnonzero(tokens == end))
    first, *others = [tokenizer.decode(document[document != end]) for document in documents]
    return "\n".join([first, *others])


@dataclass(frozen=True, kw_only=True)
class TokenFiles:
    """One long sequence of tokens in files, or a range of it; made by `token_files`."""

    folder: Path
    vocabulary: int
    tokenizer: str | None
    """The fingerprint of the tokenizer, where the writer gave it."""
    identity: dict[str, Any]
    parts: dict[str, list[int]]
    """The range of ``train``, ``validation`` and ``test``, first token and the one after the last.
    """
    maps: tuple[np.ndarray, ...] = field(repr=False)
    start: int = 0
    """The position of the first token in the files."""

    def __len__(self) -> int:
        return sum(map(len, self.maps))

    def part(self, name: str) -> TokenFiles:
        """The tokens of ``train``, ``validation`` or ``test``, of the whole sequence."""
        return self.cut(*self.parts[name])

    def shortened(self, most: Mapping[str, int]) -> TokenFiles:
        """With at most so many tokens in parts of these names, the first ones."""
        shorter = {
            name: [start, min(stop, start + most.get(name, stop - start))]
            for name, (start, stop) in self.parts.items()
        }
        return replace(self, parts=shorter)

    def cut(self, start: int, stop: int) -> TokenFiles:
        """The tokens ``start`` to ``stop - 1``, as a sequence of its own; nothing is read."""
        at = self.start + start
        identity = {**self.identity, "range": [at, self.start + stop]}
        return replace(self, maps=tuple(self._between(start, stop)), start=at, identity=identity)

    def read_tokenizer(self) -> Tokenizer:
        """What made the tokens; raises JnnError where it was not kept, and for another one."""
        path = self.folder / TOKENIZER
        if self.tokenizer is None:
            remedy = "Write them with write_token_files(..., tokenizer=tokenizer)."
            got, expected = "tokens without a tokenizer", f"{TOKENIZER} beside them"
            raise mistake(f"tokens {self.folder}", got=got, expected=expected, remedy=remedy)
        tokenizer = read_tokenizer(path)
        if tokenizer.fingerprint != self.tokenizer or tokenizer.vocabulary > self.vocabulary:
            got = f"a tokenizer with fingerprint {tokenizer.fingerprint[:12]}"
            expected = f"that of the tokens, {self.tokenizer[:12]}"
            raise mistake(str(path), got=got, expected=expected, remedy=_REMEDY)
        return tokenizer

    def read(self, start: int, stop: int) -> np.ndarray:
        """The tokens ``start`` to ``stop - 1``, (stop - start,) int32.

        What is not in memory is read from the files. Raises JnnError for a place that there is
        not, and for a token outside the vocabulary, as an altered file has.
        """
        joined = np.concatenate([np.empty(0, np.uint16), *self._between(start, stop)])
        check_range(joined, self.vocabulary, f"tokens {self.folder}", self.start + start)
        return joined.astype(np.int32)

    def _between(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """What the files have of a range."""
        if not 0 <= start <= stop <= len(self):
            got, expected = f"{start} to {stop}", f"a part of 0 to {len(self)}"
            raise mistake(f"tokens {self.folder}", got=got, expected=expected)
        begin = 0
        for tokens in self.maps:
            end = begin + len(tokens)
            if begin < stop and start < end:
                yield tokens[max(start - begin, 0) : stop - begin]
            begin = end


@dataclass(frozen=True, kw_only=True)
class FileWindows:
    """Windows of some `TokenFiles`, a source for `jnn.train.streamed`; made by `file_windows`.

    An example is ``{"tokens": (length,), "targets": (length,)}`` int32, where the targets are the
    tokens that follow each.
    """

    files: TokenFiles
    length: int

    @property
    def identity(self) -> dict[str, Any]:
        """The set, and the length of a window."""
        return {**self.files.identity, "length": self.length}

    def __len__(self) -> int:
        return (len(self.files) - 1) // self.length

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        start = range(len(self))[index] * self.length  # an IndexError ends an iteration
        tokens = self.files.read(start, start + self.length + 1)
        return {"tokens": tokens[:-1], "targets": tokens[1:]}


def file_windows(files: TokenFiles, length: int) -> FileWindows:
    """Windows of ``length`` tokens, one after the other, so that each target occurs once.

    Raises JnnError for fewer tokens than one window and its last target.
    """
    length = check_integer("file_windows", "length", length)
    if len(files) < length + 1:
        raise mistake(
            f"tokens {files.folder}",
            got=f"{len(files):,} tokens",
            expected=f"at least {length + 1:,}, a window and its last target",
            remedy="Choose shorter windows.",
        )
    return FileWindows(files=files, length=length)


def token_files(folder: str | Path, *, contents: bool = True) -> TokenFiles:
    """The tokens that `write_token_files` wrote into ``folder``.

    ``contents`` reads every byte once now, and compares the checksums; without it only the sizes of
    files are compared, and a run on altered files would not be noticed.

    Raises JnnError for a missing or altered header, and for files that are missing, truncated or
    altered.
    """
    folder = Path(folder)
    header = _header(folder / HEADER)
    paths = [folder / _name(i) for i in range(len(header["files"]))]
    dtype = np.dtype(header["dtype"]).newbyteorder("<")
    for path, record in zip(paths, header["files"], strict=True):
        _check_size(path, record["tokens"] * dtype.itemsize)
    if contents:
        with ThreadPoolExecutor(READERS) as readers:
            for path, record, digest in zip(
                paths, header["files"], readers.map(file_sha256, paths), strict=True
            ):
                if digest != record["sha256"]:
                    got, expected = f"sha256 {digest[:12]}...", f"{record['sha256'][:12]}..."
                    raise mistake(str(path), got=got, expected=expected, remedy=_REMEDY)
    return TokenFiles(
        folder=folder,
        vocabulary=header["vocabulary"],
        tokenizer=header["tokenizer"],
        identity={"kind": "token_files", "sha256": header["sha256"]},
        parts=header.get("parts") or _parts(sum(file["tokens"] for file in header["files"])),
        maps=tuple(np.memmap(path, dtype, mode="r") for path in paths),
    )


def _header(path: Path) -> dict[str, Any]:
    """The header of a set, checked."""
    if not path.is_file():
        got = f"no {HEADER}" if path.parent.is_dir() else "no such folder"
        expected = "a set that write_token_files has written whole"
        raise mistake(f"tokens {path.parent}", got=got, expected=expected)
    header = read_json(path)
    digest = header.pop("sha256", None)
    if digest != _digest(header) or not _is_header(header):
        expected = "the header that was written"
        raise mistake(str(path), got="an altered header", expected=expected, remedy=_REMEDY)
    return {**header, "sha256": digest}


def _is_header(header: dict[str, Any]) -> bool:
    """Whether a header whose checksum is right is one of this format."""
    files, kind = header.get("files"), header.get("dtype")
    vocabulary = as_integer(header.get("vocabulary")) or 0
    return (
        header.get("format") == FORMAT
        and kind in _LARGEST
        and 0 < vocabulary <= _LARGEST[kind]
        and isinstance(header.get("tokenizer"), str | None)
        and _are_parts(header.get("parts"))
        and isinstance(files, list)
        and all(
            isinstance(file, dict)
            and (as_integer(file.get("tokens")) or 0) > 0
            and isinstance(file.get("sha256"), str)
            for file in files
        )
    )


def _are_parts(parts: Any) -> bool:
    """Whether there are ranges; a set that was written before there were parts has none."""
    if parts is None:
        return True
    is_range = lambda pair: isinstance(pair, list) and len(pair) == 2 and pair[0] <= pair[1]
    return (
        isinstance(parts, dict)
        and set(parts) == set(_parts(0))
        and all(is_range(pair) for pair in parts.values())
    )


def _check_size(path: Path, size: int) -> None:
    try:
        there = path.stat().st_size
    except OSError as error:
        got = error.strerror or str(error)
        raise mistake(str(path), got=got, expected=f"{size:,} bytes", remedy=_REMEDY) from error
    if there != size:
        got = f"{there:,} bytes"
        raise mistake(str(path), got=got, expected=f"{size:,} bytes", remedy=_REMEDY)


def _name(number: int) -> str:
    return f"tokens-{number:05d}.bin"


def _digest(header: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
