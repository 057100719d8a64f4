"""Every Python block of the README runs as it stands."""

import pathlib
import re
import runpy

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_the_block_runs(tmp_path, block, capsys):
    path = tmp_path / "block.py"
    path.write_text(BLOCKS[block], encoding="utf-8")
    names = runpy.run_path(str(path))
    if "check_model" in names:
        assert "'purity': 'holds'" in capsys.readouterr().out
    if "fitted" in names:
        losses = [row["train/loss"] for row in names["fitted"].history if "train/loss" in row]
        assert losses[-1] < losses[0]
    if "committee" in names:
        assert names["values"]["relu/output"].shape == (32, 128)
    if "written" in names:
        assert names["written"].shape == (1, 20)


def test_there_are_blocks():
    assert len(BLOCKS) == 4
