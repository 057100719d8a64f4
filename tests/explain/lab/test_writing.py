"""Writing on by the step: the text is that which the whole window writes."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.explain.lab.inputs import Example, Examples
from jnn.explain.lab.page import source_of
from jnn.explain.lab.program import Program
from jnn.explain.lab.subject import Subject, prepared
from jnn.explain.lab.writing import NO_STEP, Streamed, streamed
from tests.explain.lab.engine import Engine, Lab
from tests.explain.lab.subjects import drawn, writer

TOLERANCE = 1e-4  # relative to the largest logit, as the page promises for all numbers
WRITE = """
function written(prompt, count, logitsOf, change = () => {}) {
  for (const array of INPUTS) array.fill(1);
  const V = LAB.answers[0].shape.at(-1);
  const { length } = INPUTS[STREAM.place];
  const tokens = [...prompt];
  const found = [];
  for (let i = 0; i < count; i++) {
    const read = tokens.slice(startOf(tokens.length, length));
    INPUTS[STREAM.place].fill(0).set(read);
    const logits = logitsOf(read.length, V);
    found.push([...logits]);
    tokens.push(logits.indexOf(Math.max(...logits)));
    change(i);
  }
  return { tokens, logits: found };
}
const byWindow = (count, V) => MODEL.run(INPUTS).answers[0].slice((count - 1) * V, count * V);
const byStep = (count) => STREAM.logits(INPUTS, count);
"""


def lab_of(subject):
    lab = Lab(subject, has_gradients=False)
    subject = prepared(subject)
    found = streamed(subject, source_of(subject))
    lab.context.eval(f"LAB.steps = {json.dumps(found.scaled)};")
    lab.context.eval(f"const STREAM = new Stream(MODEL, {found.source}); {WRITE}")
    lab.context.eval(
        "const INPUTS = LAB.input.leaves.map(({ dtype, size }) => zeros(dtype, size));"
    )
    return lab


def check(lab, prompt, count, change="() => {}"):
    """Both write the same; ``change(i)`` is called after token i."""
    window, step = (
        lab.value(f"written({prompt}, {count}, {way}, {change})") for way in ("byWindow", "byStep")
    )
    assert step["tokens"] == window["tokens"]
    near = TOLERANCE * np.abs(window["logits"]).max()
    np.testing.assert_allclose(step["logits"], window["logits"], rtol=0, atol=near)
    return step["tokens"]


@pytest.fixture(scope="module")
def of_letters():
    return lab_of(writer())


def test_a_recurrent_model_writes_the_same_beyond_its_window(of_letters):
    tokens = check(of_letters, [3, 1, 2], 40)
    assert len(set(tokens)) > 2


def test_what_was_read_is_not_read_again(of_letters):
    of_letters.context.eval(
        "let steps = 0; const { step } = STREAM;"
        "STREAM.step = { call: (...arrays) => { steps++; return step.call(...arrays); } };"
    )
    of_letters.value("written([5, 1, 2], 9, byStep)")
    assert of_letters.value("steps") == 3 + 8
    of_letters.value("written([5, 1, 2], 9 + 6, byStep)")  # a window of 12 that moves on once
    assert of_letters.value("steps") == 11 + (3 + 9) + (7 + 4)


def test_other_params_are_read_anew(of_letters):
    halved = "() => { MODEL.params = MODEL.params.map((a) => a.map((w) => w / 2)); }"
    whole = "() => { MODEL.params = MODEL.kept; }"
    check(of_letters, [3, 1, 2], 6, f"(i) => (i === 2 ? ({halved})() : i === 4 && ({whole})())")


def test_it_writes_by_the_step_with_parts_switched_off(of_letters):
    plain = check(of_letters, [3, 1, 2], 30)
    off = "MODEL.scale('lstm/forget_gate', 1, 0); MODEL.scale('out/output', 3, -1)"
    change = f"(i) => {{ if (i === 4) {{ {off} }} if (i === 29) MODEL.restore(); }}"
    changed = check(of_letters, [3, 1, 2], 30, change)
    assert changed[:8] == plain[:8]
    assert changed != plain
    assert of_letters.value("[...MODEL.factors.keys()]") == of_letters.value("LAB.steps")


def subject_of(model, example, examples=()):
    params, state = drawn(model, example)
    scaled = jax.tree.map(lambda leaf: (0.4 * leaf).astype(leaf.dtype), params)
    return Subject("", model, scaled, state, example, examples=Examples("test", examples))


@pytest.mark.slow
def test_a_transformer_writes_the_same_beyond_its_window():
    config = TransformerConfig(vocabulary=8, length=12, width=8, depth=2, heads=2)
    subject = subject_of(transformer(config), jax.ShapeDtypeStruct((12,), jnp.int32))
    lab = lab_of(subject._replace(tokenizer=writer().tokenizer))
    plain = check(lab, [3, 1, 2], 30)
    assert lab.value("[...MODEL.factors.keys()]") == lab.value("LAB.steps")
    changes = [("attention/weights", 3), ("attention/query", 1), ("feed_forward/hidden/output", 40)]
    for path, part in [*changes, ("attention_norm/output", 9), ("output", 3)]:
        lab.context.eval(f"MODEL.scale('blocks/{path}', {part}, -1)")
    assert check(lab, [3, 1, 2], 30) != plain


@pytest.mark.slow
def test_a_translation_is_read_anew_with_another_source():
    model = seq2seq(Seq2SeqConfig(source_vocabulary=8, width=4, depth=1, cell="gru"))
    like = lambda n, dtype: jax.ShapeDtypeStruct((n,), dtype)
    example = {
        "tokens": like(9, jnp.int32),
        "source": like(5, jnp.int32),
        "source_mask": like(5, jnp.bool_),
    }
    x = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), example)
    subject = subject_of(model, example, [Example(x)])
    lab = lab_of(subject._replace(tokenizer=writer().tokenizer))
    other = "INPUTS[LAB.input.leaves.findIndex(({ path }) => path === 'source')]"
    check(lab, [3], 7, f"(i) => {{ {other}[1] = (3 * i) % 8; }}")


def test_what_does_not_stream_has_none():
    pooled = jnn.chain(embedding=jnn.embedding(8, 4), out=jnn.bidirectional(jnn.lstm(4)))
    subject = subject_of(pooled, jax.ShapeDtypeStruct((5,), jnp.int32))
    assert streamed(subject, Program("", (), (), ())) == Streamed(rereads=NO_STEP)
    without_rule = lambda params, state, carry, x: (jnp.linalg.eigh(jnp.eye(2)), carry)
    model = jnn.Model(pooled.init, pooled.apply, lambda params, x, length: (), without_rule)
    found = streamed(subject._replace(model=model), Program("", (), (), ()))
    assert not found.source
    assert "reads its text anew" in found.rereads
    assert "eigh" in found.rereads


@pytest.mark.parametrize("length", [1, 2, 5, 12, 64])
def test_a_long_text_is_read_from_a_start_that_moves_by_half_a_window(length):
    starts = Engine("stream.js").value(
        f"Array.from({{ length: 300 }}, (_, n) => startOf(n, {length}))"
    )
    read = np.arange(300) - starts
    assert starts[: length + 1] == [0] * (length + 1)
    assert (read <= length).all()
    assert (read[length:] > (length - 1) / 2).all()
    assert set(np.diff(starts)) <= {0, -(-length // 2)}
