"""Tiny archives with tiny flaws, made for the tests."""

import io
import stat
import tarfile
import zipfile


def zip_bytes(members, links=()):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        for name, target in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return stream.getvalue()


def tar_bytes(members, links=(), mode="w:gz"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return stream.getvalue()


def wheel_bytes(name, version, members):
    """A wheel that pip accepts."""
    about = f"{name}-{version}.dist-info"
    return zip_bytes(
        {
            **members,
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
            "Root-Is-Purelib: true\nTag: py3-none-any\n",
            f"{about}/RECORD": "",
        }
    )


_BACKEND = """
import os
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.makedirs(os.path.join(folder, "{about}"))
    with open(os.path.join(folder, "{about}", "METADATA"), "w") as stream:
        stream.write("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return "{about}"
def build_wheel(*arguments):
    raise RuntimeError("a download must not build")
"""


def sdist_bytes(name, version, members):
    """A source distribution that pip accepts without fetching anything to build it."""
    root = f"{name}-{version}"
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    backend = _BACKEND.format(about=f"{root}.dist-info", name=name, version=version)
    metadata = {
        "pyproject.toml": project.encode(),
        "backend.py": backend.encode(),
        "PKG-INFO": f"Name: {name}\nVersion: {version}\n".encode(),
    }
    members = {**metadata, **members}
    return tar_bytes({f"{root}/{path}": content for path, content in members.items()})
