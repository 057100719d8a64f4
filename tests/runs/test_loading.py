"""What a run has learned can be loaded with its model alone."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn.checkpoints import Checkpoints
from jnn.runs import Run, trained
from jnn.train import fit, in_memory, init_train_state, make_step, seed_key

MODEL = jnn.chain(jnn.dense(2), jnn.batch_norm())
DATA = {"x": np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)}


def objective(params, state, batch, key):
    y, state = MODEL.apply(params, state, batch["x"], key=key, train=True)
    return jnp.mean(jnp.square(y - 1)), (state, {})


def train(folder, average=0.0, **settings):
    optimizer = optax.adam(0.1)
    start = init_train_state(seed_key(0), MODEL, optimizer, DATA["x"][0], average=average > 0)
    with Run.create("made_up", {"seed": 0}, out=folder) as run:
        step = make_step(objective, optimizer, average_decay=average)
        return fit(step, start, in_memory(DATA, 4), epochs=3, run=run, **settings)


@pytest.mark.parametrize(
    ("best", "average"),
    [
        (None, 0.9),
        pytest.param("validation/loss", 0.0, marks=pytest.mark.slow),
        pytest.param(None, 0.0, marks=pytest.mark.slow),
        pytest.param("validation/loss", 0.9, marks=pytest.mark.slow),
    ],
)
def test_the_best_params_of_a_run_are_loaded_or_else_the_last(tmp_path, best, average):
    losses = iter([2.0, 1.0, 3.0])
    fitted = train(
        tmp_path / "run",
        average,
        best=best,
        lowest=True,
        evaluate=lambda params, state: {"validation/loss": next(losses)},
    )
    params, state = trained(MODEL, jax.ShapeDtypeStruct((3,), jnp.float32), tmp_path / "run")
    jax.tree.map(np.testing.assert_array_equal, (params, state), (fitted.params, fitted.state))


def test_params_of_an_older_checkpoint_are_not_taken_for_those_of_the_run(tmp_path):
    train(tmp_path / "run", checkpoint_every=0.0)
    older, newest = sorted((tmp_path / "run/checkpoints").glob("[0-9]*"), key=lambda p: int(p.name))
    manifest = newest / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-9])
    message = rf"step {newest.name} does not verify: .* to take the params of step {older.name}\."
    with pytest.raises(jnn.JnnError, match=message):
        trained(MODEL, DATA["x"][0], tmp_path / "run")
    shutil.rmtree(newest)
    trained(MODEL, DATA["x"][0], tmp_path / "run")


def test_another_model_and_a_run_without_checkpoints_are_refused(tmp_path):
    train(tmp_path / "run")
    with pytest.raises(jnn.JnnError, match="1/0/first/kernel: not in the checkpoint"):
        trained(jnn.chain(first=jnn.dense(2)), DATA["x"][0], tmp_path / "run")
    with pytest.raises(jnn.JnnError, match="without checkpoints"):
        trained(MODEL, DATA["x"][0], tmp_path)


def test_what_is_missing_is_named_as_the_run_saves_it(tmp_path):
    """Of many missing leaves too, of which the message lists ten."""
    narrow, wide = (
        jnn.chain(**{f"m{i:02}": jnn.dense(2) for i in range(count)}) for count in (1, 11)
    )
    params, state = narrow.init(jax.random.key(0), DATA["x"][0])
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(1, ({"params": params, "state": state}, ()), {})
    with pytest.raises(jnn.JnnError, match="\n  0/params/m01/bias: not in the checkpoint"):
        trained(wide, DATA["x"][0], tmp_path)
