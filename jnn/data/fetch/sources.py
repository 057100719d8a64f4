"""Fetching a data set once: find it on this machine, or download, verify and keep it.

Only the standard library is imported, so that the command line lists the sources at once.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from jnn.data.fetch.catalogue import SOURCES
from jnn.data.fetch.download import download
from jnn.data.fetch.records import File, Source
from jnn.errors import JnnError, MissingDataError, mistake
from jnn.files import replacing, writable
from jnn.wording import tell

__all__ = ["SOURCES", "MissingDataError", "Source", "data_folder", "fetch", "find", "source_named"]

Report = Callable[[str], None]


def data_folder() -> Path:
    """Where fetched data is kept: ``$JNN_DATA``, or ``jnn/data`` in the platform's cache folder."""
    if chosen := os.environ.get("JNN_DATA"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("jnn")) / "data"


def source_named(name: str) -> Source:
    """The source of that name; raises JnnError with similar names for an unknown one.

    >>> source_named("mnist5k").licence
    'CC BY-SA 3.0, as commonly given; the package BSD-3-Clause'
    """
    if name in SOURCES:
        return SOURCES[name]
    near = difflib.get_close_matches(name, SOURCES, n=3)
    remedy = f"Did you mean {' or '.join(near)}?" if near else ""
    raise mistake(
        "data", got=f"the name {name!r}", expected=f"one of {', '.join(SOURCES)}", remedy=remedy
    )


def find(source: Source, *, report: Report = tell) -> Path | None:
    """The local folder that has every file of ``source`` with the right sha256, or None.

    Searched are the folders where it may be installed (``source.folders``),
    ``data_folder()/NAME`` and ``data_folder()`` itself. A folder with a file that is damaged or
    cannot be read is skipped and reported.
    """
    for folder in _places(source):
        paths = {file.name: folder / file.name for file in source.files}
        try:
            if not all(path.is_file() for path in paths.values()):
                continue
            damages = _damages(source, {name: path.read_bytes() for name, path in paths.items()})
        except OSError as error:
            damages = [f"{error.filename} cannot be read: {error.strerror}"]
        if not damages:
            return folder
        report(f"{source.name}: skipping {folder}: {'; '.join(damages)}")
    return None


def fetch(source: Source, *, offline: bool = False, report: Report = tell) -> Path:
    """The folder with every file of ``source``, verified by its sha256; downloads it if needed.

    Each of ``source.origins`` is tried in turn; ``report`` is called once for each with its name
    and size. Files are written atomically. A data set that comes with scikit-learn has no files,
    and nothing is fetched.

    Raises MissingDataError (a JnnError) where ``offline`` is set or every origin failed; the
    message lists the attempts and the command that fetches the data.
    """
    if (folder := find(source, report=report)) is not None:
        return folder
    if offline:
        raise _missing(source, ["downloads are off"])
    target, tried = data_folder() / source.name, []
    for origin in source.origins:
        report(f"{source.name}: fetching {origin}, once; it will be kept in {target}")
        try:
            with tempfile.TemporaryDirectory(prefix="jnn-data-") as work:
                contents = download(origin, source.files, Path(work))
            if damages := _damages(source, contents):
                raise JnnError("; ".join(damages))
        except JnnError as error:
            tried.append(f"{origin}: {error}")
            continue
        for name, content in contents.items():
            _write(target / name, content)
        return target
    raise _missing(source, tried)


def _places(source: Source) -> list[Path]:
    folders = [os.path.expandvars(folder) for folder in source.folders]
    installed = [Path(folder) for folder in folders if not folder.startswith("$")]
    return [*installed, data_folder() / source.name, data_folder()]


def _damages(source: Source, contents: Mapping[str, bytes]) -> list[str]:
    """What is wrong with the files, one message for each that does not verify."""
    messages = [_damage(file, contents[file.name]) for file in source.files]
    return [message for message in messages if message]


def _damage(file: File, content: bytes) -> str | None:
    if file.gzipped:
        try:
            content = zlib.decompressobj(wbits=31).decompress(content, file.size + 1)
        except zlib.error as error:
            return f"{file.name} is damaged or altered: {error}"
    if len(content) != file.size:
        return f"{file.name} is damaged or altered: got {len(content)} bytes, expected {file.size}"
    digest = hashlib.sha256(content).hexdigest()
    if digest == file.sha256:
        return None
    return f"{file.name} is damaged or altered: got sha256 {digest}, expected {file.sha256}"


def _write(path: Path, content: bytes) -> None:
    remedy = "Set JNN_DATA to another folder."
    with writable(path.parent, remedy=remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, remedy=remedy) as temporary:
        temporary.write_bytes(content)


def _missing(source: Source, tried: list[str]) -> MissingDataError:
    places = ", ".join(str(place) for place in _places(source))
    return MissingDataError(
        f"data {source.name!r} is not on this machine. Looked in {places}. "
        f"Tried: {'; '.join(tried)}. With a network, `jnn data get {source.name}` gets it."
    )
