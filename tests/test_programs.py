"""The compiled programs of one processor and one set of versions are never served to another."""

import os
from pathlib import Path

import jax
import pytest

from jnn import processor
from tests import programs

INTEL = "processor : 0\nmodel name : Xeon\nflags : avx2 avx512f\ncpu MHz : 2000.0\n"


@pytest.fixture
def folder_on(tmp_path, monkeypatch):
    """``folder_on(cpuinfo) -> path``: the folder on a machine that describes itself so."""
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")

    def folder(cpuinfo):
        processor.CPUINFO.write_text(cpuinfo)
        return programs.folder(Path("root"))

    return folder


@pytest.mark.parametrize(
    ("described", "other"),
    [("Xeon", "EPYC"), ("avx512f", "avx512f avx512_bf16"), ("flags", "Features")],
)
def test_another_processor_has_another_folder(folder_on, described, other):
    assert folder_on(INTEL) != folder_on(INTEL.replace(described, other))


def test_the_same_processor_keeps_its_folder(folder_on):
    another_day = INTEL.replace("2000.0", "3100.5") + INTEL.replace(
        "processor : 0", "processor : 1"
    )
    assert folder_on(INTEL) == folder_on(another_day)
    assert programs.folder(folder_on(INTEL)) == folder_on(INTEL)


@pytest.mark.parametrize("package", ["jax", "jaxlib"])
def test_another_version_has_another_folder(monkeypatch, package):
    here = programs.folder(Path("root"))
    monkeypatch.setattr(programs, "version", lambda name: "0" if name == package else "1")
    monkeypatch.setattr(processor, "description", lambda: "the same")
    other = programs.folder(Path("root"))
    monkeypatch.setattr(programs, "version", lambda name: "1")
    assert len({here, other, programs.folder(Path("root"))}) == 3


def test_the_tests_use_this_folder():
    used = Path(jax.config.jax_compilation_cache_dir)
    assert used == programs.folder(used.parent) == Path(os.environ["JAX_COMPILATION_CACHE_DIR"])
