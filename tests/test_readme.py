"""Every Python block of the README runs as it stands, and its transformer learns."""

import contextlib
import functools
import pathlib
import pkgutil
import re
import runpy

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tokenizers

from experiments import image_classification
from jnn.checkpoints import Checkpoints
from jnn.losses import cross_entropy
from jnn.runs.run import Run, RunOptions
from jnn.train.preparation import FILE, Preparation, keep_preparation
from tests.compiled import apply
from tests.interop.conftest import written
from tests.references import from_table
from tests.web import engine

README = pathlib.Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
SLOW = ("check_model", "pretrained_image_classifier")
"""What the blocks call that take seconds: it has tests of its own."""
SAME_IN_FLOAT32 = 1e-4  # logits of the order of 10, which a stream sums in another order


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """``run(block) -> names``: what a block defines; it runs once."""
    path = tmp_path_factory.mktemp("readme") / "block.py"
    pretrained = written(path.parent / "SmolLM2-135M", from_table("interop", "llama, tied"))
    written(path.parent / "vit-base-patch16-224", from_table("interop", "vit"))
    letters = {letter: i for i, letter in enumerate("To be,rnt")}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token="T"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("."), "isolated")
    tokenizer.save(str(pretrained / "tokenizer.json"))
    untrained(path.parent)

    @functools.cache
    def names(block):
        path.write_text(block, encoding="utf-8")
        with contextlib.chdir(path.parent):
            return runpy.run_path(str(path))

    return names


def untrained(folder):
    """A run of digits in ``folder/runs`` whose params are the initial ones."""
    config = image_classification.Config(model="mlp")
    model, example = image_classification.describe(config)
    preparation = Preparation(example, pixels=True, classes=tuple("0123456789"))
    kept = jax.jit(model.init)(jax.random.key(0), example)
    options = RunOptions(quiet=True)
    with Run.create("image_classification", config, root=folder / "runs", options=options) as run:
        run.own(FILE, keep_preparation(run.folder, preparation))
        with Checkpoints(run.folder / "checkpoints") as checkpoints:
            checkpoints.save(1, ((), kept), {})
            checkpoints.wait()


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(i, marks=[pytest.mark.slow] * any(name in block for name in SLOW))
        for i, block in enumerate(BLOCKS)
    ],
)
def test_the_block_runs(run, block, capsys):
    names = run(BLOCKS[block])
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
        alone, _ = apply(names["classifier"], names["params"], {}, names["texts"][0, :3])
        np.testing.assert_allclose(names["logits"][0], alone, atol=1e-6)
    if "pretrained" in names:
        assert names["logits"].shape == (len("To be, or not to be"), 13)
        assert capsys.readouterr().out.strip("\n") in "To be,rnt"
    if names.keys() >= {"answer", "load_digits"}:
        pictures = names["load_digits"]().test["image"][:5]
        logits = apply(*names["run"][:3], pictures)[0]
        assert names["answer"].label.tolist() == [str(row.argmax()) for row in logits]
    if "flower" in names:
        source = pathlib.Path(names["__file__"]).with_name("flower.js").read_text(encoding="utf-8")
        expected = jax.jit(names["saliency"])(names["flower"])
        for got, value in zip(engine.run(source, [names["flower"]]), expected, strict=True):
            np.testing.assert_allclose(got, value, atol=engine.TOLERANCE)
    if "written_BT" in names:
        assert names["logits_BTV"].shape == (1, 5, 16)
        assert names["written_BT"].shape == (1, 8)


def names_of_table(column, prefix):
    """The names in code in a column of the table of names of other libraries."""
    table = README.read_text(encoding="utf-8").split("## Coming from")[1].split("\n## ")[0]
    rows = [line.split("|")[1 + column] for line in table.splitlines() if line.startswith("| `")]
    return re.findall(rf"(?<![\w.]){prefix}(?:\.\w+)+", " ".join(rows))


@pytest.mark.parametrize(
    ("column", "prefix", "module", "least"),
    [
        (0, "jnn", "jnn", 25),
        (3, "nnx", "flax.nnx", 18),
        pytest.param(1, "nn", "torch.nn", 15, marks=pytest.mark.torch),
        pytest.param(1, "torch", "torch", 4, marks=pytest.mark.torch),
    ],
)
def test_each_name_in_the_table_of_other_libraries_is_there(column, prefix, module, least):
    if prefix in ("nn", "torch"):
        pytest.importorskip("torch")
    names = names_of_table(column, prefix)
    assert len(names) >= least
    for name in names:
        assert pkgutil.resolve_name(module + name.removeprefix(prefix)), name


def test_there_are_blocks():
    assert len(BLOCKS) == 11


@pytest.mark.slow
def test_the_transformer_learns_to_copy(run):
    (block,) = (block for block in BLOCKS if "def transformer(" in block)
    names = run(block)
    model, params, half = names["model"], names["params"], 6
    optimizer = optax.adam(5e-3)

    def sequences(seed, B):
        first = np.random.default_rng(seed).integers(0, 16, (B, half), np.int32)
        return np.concatenate([first, first], axis=-1)

    def predicted(params, tokens_BT):
        """Logits for the second half, each from what comes before it."""
        return model.apply(params, {}, tokens_BT[:, :-1])[0][:, half - 1 :]

    def loss(params, tokens_BT):
        return jnp.mean(cross_entropy(predicted(params, tokens_BT), tokens_BT[:, half:]))

    @jax.jit
    def train(params, batches):
        def step(carry, tokens_BT):
            params, moments = carry
            gradient = jax.grad(loss)(params, tokens_BT)
            updates, moments = optimizer.update(gradient, moments)
            return (optax.apply_updates(params, updates), moments), None

        return jax.lax.scan(step, (params, optimizer.init(params)), batches)[0][0]

    @jax.jit
    def accuracy(params, tokens_BT):
        return jnp.mean(predicted(params, tokens_BT).argmax(-1) == tokens_BT[:, half:])

    tested = sequences(0, 256)
    assert accuracy(params, tested) < 0.2  # 1/16 by chance
    params = train(params, sequences(1, 200 * 16).reshape(200, 16, 2 * half))
    assert accuracy(params, tested) > 0.99

    @jax.jit
    def streamed(params, tokens_BT):
        advance = lambda carry, token_B: model.step(params, {}, carry, token_B)[::-1]
        carry = model.carry(params, tokens_BT[:, 0], 2 * half)
        return jnp.swapaxes(jax.lax.scan(advance, carry, tokens_BT.T)[1], 0, 1)

    tokens_BT = tested[:4]
    parallel, _ = apply(model, params, {}, tokens_BT)
    np.testing.assert_allclose(streamed(params, tokens_BT), parallel, atol=SAME_IN_FLOAT32, rtol=0)
    generate = functools.partial(names["generate"], model, length=half, key=jax.random.key(0))
    written = jax.jit(generate)(params, {}, tokens_BT[:, :half]).tokens
    assert np.mean(written == tokens_BT[:, half:]) > 0.9
