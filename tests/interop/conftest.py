"""Folders with the models of the reference tables."""

import pytest

from tests.references import from_table


def written(folder, case):
    """The files of a case, in a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_bytes(case["config"].tobytes())
    (folder / "model.safetensors").write_bytes(case["tensors"].tobytes())
    return folder


@pytest.fixture
def pretrained(tmp_path):
    """``pretrained(name)``: the folder of a case of the table."""
    return lambda name: written(tmp_path / name.replace(" ", "-"), from_table("interop", name))
