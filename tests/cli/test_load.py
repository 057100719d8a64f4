"""A run's model in Python."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.cli import main
from jnn.errors import JnnError

OWN = (Path(__file__).parent / "own.py").read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    assert main(["run", "own.py", "--quiet", "--out", "out"]) == 0
    return tmp_path / "out"


def test_it_answers_new_inputs(run):
    loaded = jnn.load(run)
    x = np.ones((5, 3), np.float32)
    expected = x @ loaded.params["kernel"] + loaded.params["bias"]
    np.testing.assert_allclose(loaded.predict(x), expected, atol=1e-6)
    np.testing.assert_allclose(loaded.predict(jnp.ones(3)), expected[0], atol=1e-6)
    assert loaded.config.epochs == 2


def test_what_is_no_run_or_has_changed_is_named(run, tmp_path):
    with pytest.raises(JnnError, match="nowhere"):
        jnn.load(tmp_path / "nowhere")
    source = tmp_path / "own.py"
    source.write_text(OWN.replace("jnn.dense(2)", "jnn.chain(jnn.dense(2))"))
    with pytest.raises(JnnError):
        jnn.load(run)
    source.unlink()
    with pytest.raises(JnnError, match=r"own\.py"):
        jnn.load(run)
