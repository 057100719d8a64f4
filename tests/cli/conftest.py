from pathlib import Path

import pytest

from jnn.runs import experiments


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with one experiment of the user's own, ``line.py``, and one that comes
    with jnn, ``straight_line``.
    """
    experiment = (Path(__file__).parent / "line.py").read_text(encoding="utf-8")
    (tmp_path / "line.py").write_text(experiment)
    (tmp_path / "built_in").mkdir()
    (tmp_path / "built_in" / "straight_line.py").write_text(experiment)
    (tmp_path / "built_in" / "helper.py").write_text(
        '"""A module without ABOUT is no experiment."""'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, "experiments_folder", lambda: tmp_path / "built_in")
    return tmp_path
