"""A run's model in Python."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

import jnn
from jnn.cli import main
from jnn.errors import JnnError
from jnn.runs import Run, RunOptions
from jnn.train import TrainingConfig

OWN = (Path(__file__).parent / "own.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return tmp_path_factory.mktemp("load") / "own.py"


@pytest.fixture(scope="module")
def run(source):
    source.write_text(OWN)
    assert main(["run", str(source), "--quiet", "--out", str(source.parent / "out")]) == 0
    return source.parent / "out"


def test_it_answers_new_inputs(run):
    loaded = jnn.load(run)
    x = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)
    logits = x @ loaded.params["kernel"] + loaded.params["bias"]
    answer = loaded.predict(x)
    np.testing.assert_allclose(answer.probabilities, jax.nn.softmax(logits), atol=1e-6)
    assert answer.label.tolist() == [str(row.argmax()) for row in np.asarray(logits)]
    assert loaded.predict(x[0].tolist()).label == answer.label[0]
    assert loaded.config.epochs == 2


def test_the_model_may_be_given_and_needs_no_experiment(run, source):
    x = np.ones((2, 3))
    source.write_text(OWN)
    expected = jnn.load(run).predict(x).probabilities
    source.unlink()
    answer = jnn.load(run, jnn.dense(2)).predict(x)
    np.testing.assert_array_equal(answer.probabilities, expected)
    with pytest.raises(JnnError):
        jnn.load(run, jnn.dense(3))


def test_a_run_that_failed_at_its_start_is_named_and_not_what_it_lacked(tmp_path, capsys):
    begins = "def load_data(config, *, offline=False):\n"
    assert begins in OWN
    fails = f"{begins}    from jnn import JnnError\n    raise JnnError('no data')\n"
    (tmp_path / "own.py").write_text(OWN.replace(begins, fails))
    out = tmp_path / "out"
    assert main(["run", str(tmp_path / "own.py"), "--quiet", "--out", str(out)]) == 2
    assert "no data" in capsys.readouterr().err
    with pytest.raises(JnnError, match="out: got a folder without checkpoints, expected a run"):
        jnn.load(out)


def test_what_is_no_run_or_has_changed_is_named(run, source, tmp_path):
    with pytest.raises(JnnError, match="nowhere"):
        jnn.load(tmp_path / "nowhere")
    with pytest.raises(JnnError, match="load: got None, expected the path of a run's folder"):
        jnn.load(None)
    source.write_text(OWN)
    loaded = jnn.load(run)
    with pytest.raises(JnnError, match=r"predict: got a traced x.*Use \.model, \.params"):
        jax.jit(loaded.predict)(np.ones(3))
    assert repr(loaded).startswith("<Loaded: <Model")
    source.write_text(OWN.replace("jnn.dense(2)", "jnn.chain(jnn.dense(2))"))
    with pytest.raises(JnnError):
        jnn.load(run)
    source.unlink()
    with pytest.raises(JnnError, match=r"got a run of .*own\.py, which is gone, expected the file"):
        jnn.load(run)
    with Run.create(
        "mine", TrainingConfig(), out=tmp_path / "mine", options=RunOptions(quiet=True)
    ):
        pass
    of_none = r"mine: got a run of 'mine', no experiment of jnn.* by `jnn\.load\(folder, model\)`"
    with pytest.raises(JnnError, match=of_none):
        jnn.load(tmp_path / "mine")


def test_the_advice_in_the_folder_of_a_run_works(run, source):
    source.write_text(OWN)
    advice = (run / "README.md").read_text()
    start, use = re.search(r"`(import jnn; .*?)`, then `(.*?)`", advice).groups()
    names = {"x": np.ones((2, 3))}
    exec(f"{start}\nanswer = {use}", names)
    assert len(names["answer"].label) == 2
    for field in re.findall(r"`(run\.\w+)`", advice):
        assert eval(field, names) is not None
