"""Fetching a set of data once: found on this machine, or fetched from where it is published,
checked, and kept.

Only the standard library is used, so that the command line can list the sources at once.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from jnn.data.fetch.catalogue import SOURCES
from jnn.data.fetch.download import download
from jnn.data.fetch.records import File, Source
from jnn.errors import JnnError, MissingDataError, mistake

__all__ = ["SOURCES", "MissingDataError", "Source", "data_folder", "fetch", "find", "source_named"]

Report = Callable[[str], None]


def say(message: str) -> None:
    """Print to standard error, which leaves standard output to results."""
    print(message, file=sys.stderr)


def data_folder() -> Path:
    """The folder where fetched data is kept: ``$JNN_DATA``, else ``jnn/data`` in the platform's
    cache folder.
    """
    if chosen := os.environ.get("JNN_DATA"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("jnn")) / "data"


def source_named(name: str) -> Source:
    """The source of that name. Raises JnnError for an unknown one, with the nearest known names.

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


def find(source: Source, *, report: Report = say) -> Path | None:
    """The folder on this machine that holds every file of ``source`` with the right sha256, or
    None.

    Looked for where it may be installed (``source.folders``), in ``data_folder()/NAME`` and in
    ``data_folder()`` itself. A damaged file is reported and its folder passed over.
    """
    for folder in _places(source):
        if all((folder / file.name).is_file() for file in source.files):
            damage = [
                text
                for file in source.files
                if (text := _damage(file, (folder / file.name).read_bytes()))
            ]
            if not damage:
                return folder
            report(f"{source.name}: passing over {folder}: {'; '.join(damage)}")
    return None


def fetch(source: Source, *, offline: bool = False, report: Report = say) -> Path:
    """The folder that holds every file of ``source``, checked against its sha256; fetched first
    where it is not on this machine.

    Each of ``source.origins`` is tried in turn; ``report`` is told once what is fetched and how
    large it is. Files appear whole or not at all. A set that comes with scikit-learn has no files
    and nothing is fetched.

    Raises MissingDataError (a JnnError) where ``offline`` is set or every origin failed, with what
    was tried and the command that gets it.
    """
    if (found := find(source, report=report)) is not None:
        return found
    if offline:
        raise _missing(source, ["downloads are off"])
    target, tried = data_folder() / source.name, []
    for origin in source.origins:
        report(f"{source.name}: fetching {origin}, once; it will be kept in {target}")
        try:
            with tempfile.TemporaryDirectory(prefix="jnn-data-") as work:
                contents = download(origin, source.files, Path(work))
            if damage := [
                text for file in source.files if (text := _damage(file, contents[file.name]))
            ]:
                raise JnnError("; ".join(damage))
        except JnnError as error:
            tried.append(f"{origin}: {error}")
            continue
        for name, content in contents.items():
            _write(target / name, content)
        return target
    raise _missing(source, tried)


def _places(source: Source) -> list[Path]:
    installed = [
        Path(expanded)
        for folder in source.folders
        if not (expanded := os.path.expandvars(folder)).startswith("$")
    ]
    return [*installed, data_folder() / source.name, data_folder()]


def _damage(file: File, content: bytes) -> str | None:
    if file.gzipped:
        try:
            content = zlib.decompressobj(wbits=31).decompress(content, file.size + 1)
        except zlib.error as error:
            return f"{file.name} is damaged or altered: {error}"
    if len(content) != file.size:
        return f"{file.name} is damaged or altered: got {len(content)} bytes, expected {file.size}"
    digest = hashlib.sha256(content).hexdigest()
    return (
        None
        if digest == file.sha256
        else f"{file.name} is damaged or altered: got sha256 {digest}, expected {file.sha256}"
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: under another name first, renamed when it is on disk."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as stream:
            temporary = Path(stream.name)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise mistake(
            f"data folder {path.parent}",
            got=str(error),
            expected="a folder to write to",
            remedy="Set JNN_DATA to another folder.",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _missing(source: Source, tried: list[str]) -> MissingDataError:
    looked = ", ".join(str(place) for place in _places(source))
    return MissingDataError(
        f"data {source.name!r} is not on this machine. Looked in {looked}. Tried: {'; '.join(tried)}. "
        f"With a network, `jnn data get {source.name}` gets it."
    )
