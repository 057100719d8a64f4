"""Every Python block of the README runs as it stands, and its transformer learns."""

import pathlib
import re
import runpy

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jnn.losses import cross_entropy

README = pathlib.Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
SAME_IN_FLOAT32 = 1e-4  # logits of the order of 10, which a stream sums in another order


def run(tmp_path, block):
    path = tmp_path / "block.py"
    path.write_text(block, encoding="utf-8")
    return runpy.run_path(str(path))


@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_the_block_runs(tmp_path, block, capsys):
    names = run(tmp_path, BLOCKS[block])
    if "check_model" in names:
        assert "'purity': 'holds'" in capsys.readouterr().out
    if "fitted" in names:
        losses = [row["train/loss"] for row in names["fitted"].history if "train/loss" in row]
        assert losses[-1] < losses[0]
    if "committee" in names:
        assert names["values"]["relu/output"].shape == (32, 128)
    if "written" in names:
        assert names["written"].shape == (1, 20)
    if "classifier" in names:
        alone, _ = names["classifier"].apply(names["params"], {}, names["texts"][0, :3])
        np.testing.assert_allclose(names["logits"][0], alone, atol=1e-6)
    if "written_BT" in names:
        assert names["logits_BTV"].shape == (1, 5, 16)
        assert names["written_BT"].shape == (1, 8)


def test_there_are_blocks():
    assert len(BLOCKS) == 6


def test_the_transformer_learns_to_copy(tmp_path):
    (block,) = (block for block in BLOCKS if "def transformer(" in block)
    names = run(tmp_path, block)
    model, params, half = names["model"], names["params"], 8
    optimizer = optax.adam(3e-3)

    def sequences(key, B):
        first = jax.random.randint(key, (B, half), 0, 16)
        return jnp.concatenate([first, first], axis=1)

    def predicted(params, tokens_BT):
        """Logits for the second half, each from what comes before it."""
        return model.apply(params, {}, tokens_BT[:, :-1])[0][:, half - 1 :]

    def loss(params, tokens_BT):
        return jnp.mean(cross_entropy(predicted(params, tokens_BT), tokens_BT[:, half:]))

    @jax.jit
    def train(params):
        def step(carry, i):
            params, moments = carry
            gradient = jax.grad(loss)(params, sequences(jax.random.key(i), 64))
            updates, moments = optimizer.update(gradient, moments)
            return (optax.apply_updates(params, updates), moments), None

        start = params, optimizer.init(params)
        return jax.lax.scan(step, start, jnp.arange(250))[0][0]

    def accuracy(params):
        tokens_BT = sequences(jax.random.key(10**6), 256)
        return jnp.mean(predicted(params, tokens_BT).argmax(-1) == tokens_BT[:, half:])

    assert accuracy(params) < 0.2  # 1/16 by chance
    params = train(params)
    assert accuracy(params) > 0.99

    tokens_BT = sequences(jax.random.key(10**6), 4)
    carry, logits = model.carry(params, tokens_BT[:, 0], 2 * half), []
    step = jax.jit(model.step)
    for t in range(2 * half):
        y, carry = step(params, {}, carry, tokens_BT[:, t])
        logits.append(y)
    parallel, _ = model.apply(params, {}, tokens_BT)
    np.testing.assert_allclose(jnp.stack(logits, axis=1), parallel, atol=SAME_IN_FLOAT32, rtol=0)

    written = names["generate"](
        model, params, {}, tokens_BT[:, :half], length=half, key=jax.random.key(0)
    ).tokens
    assert np.mean(written == tokens_BT[:, half:]) > 0.9
