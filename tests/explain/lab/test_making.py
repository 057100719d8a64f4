"""How numbers are made: an explanation is shown where it gives the numbers of the model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.data.tokenizers import character_tokenizer
from jnn.layers.activation import ACTIVATIONS
from jnn.layers.pooling import max_pool
from tests.explain.lab.makings import found, lab_of

LINEAR, TANH = "Σ w x + b", "tanh(x)"


@pytest.fixture(scope="module")
def pictures():
    model = jnn.chain(
        conv=jnn.conv(4, (3, 3), use_bias=True),
        norm=jnn.batch_norm(),
        relu=jax.nn.relu,
        pool=max_pool((2, 2)),
        grouped=jnn.conv(4, (3, 3), groups=2, dilation=2),
        flatten=jnn.flatten(3),
        out=jnn.dense(3),
    )
    x = np.random.default_rng(0).standard_normal((8, 8, 2)).astype(np.float32)
    return lab_of(model, jax.ShapeDtypeStruct((8, 8, 2), jnp.float32), x)


def test_numbers_of_a_convolutional_network_are_explained(pictures):
    assert found(pictures) == {
        "conv/output": "Σ w x + b",
        "norm/output": "(x − mean) / deviation · scale + bias",
        "relu/output": "relu(x)",
        "pool/output": "the largest of a window",
        "grouped/output": "Σ w x + b",
        "flatten/output": "the same number, in a row",
        "out/output": "Σ w x + b",
    }


def test_windows_of_other_heights_than_widths_are_explained():
    model = jnn.chain(
        wide=jnn.conv(4, (1, 3), dilation=(1, 2)),
        uneven=jnn.conv(4, (3, 2), strides=(2, 1), padding="VALID", groups=2),
        large=jnn.conv(2, (4, 5), padding="VALID"),
    )
    x = np.random.default_rng(0).standard_normal((9, 8, 2)).astype(np.float32)
    lab = lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x)
    assert found(lab) == dict.fromkeys(("wide/output", "uneven/output", "large/output"), LINEAR)


def test_pools_of_what_does_not_divide_and_the_end_of_a_sequence_are_explained():
    pools = jnn.chain(
        odd=max_pool((2, 2)), overlap=max_pool((3, 3), strides=2), flatten=jnn.flatten(3)
    )
    x = np.random.default_rng(0).standard_normal((11, 14, 2)).astype(np.float32)
    texts = found(lab_of(pools, jax.ShapeDtypeStruct(x.shape, jnp.float32), x))
    assert texts["odd/output"] == texts["overlap/output"] == "the largest of a window"
    ends = jnn.chain(conv=jnn.conv(3, (1,)), last=jnn.last_element(), out=jnn.dense(2))
    x = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    texts = found(lab_of(ends, jax.ShapeDtypeStruct(x.shape, jnp.float32), x))
    assert texts["last/output"] == "the last step"


def test_of_functions_that_are_nearly_right_the_nearest_is_shown():
    model = jnn.chain(scale=lambda x: x / 50, tanh=jnp.tanh)
    x = np.random.default_rng(0).uniform(1, 2, 8).astype(np.float32)
    assert found(lab_of(model, jax.ShapeDtypeStruct((8,), jnp.float32), x))["tanh/output"] == TANH


@pytest.mark.parametrize(
    "name", ["relu", "sigmoid", "tanh", "gelu", "gelu_tanh", "silu", "elu", "softplus"]
)
def test_a_function_that_is_named_gives_the_numbers_of_the_model(name):
    model = jnn.chain(half=lambda x: x / 2, act=ACTIVATIONS[name])
    x = np.linspace(-8, 8, 16, dtype=np.float32)
    lab = lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x)
    lab.context.eval("const ACT = MAKING.of(LAB.values.find((v) => v.path === 'act/output'));")
    assert lab.value("ACT.text") == {"gelu_tanh": "gelu (tanh)(x)"}.get(name, f"{name}(x)")
    numbers = [lab.value(f"ACT.number({{ unit: {i}, stack: 0 }})") for i in range(len(x))]
    np.testing.assert_allclose(numbers, ACTIVATIONS[name](x / 2), atol=1e-6)


def test_an_explanation_is_right_at_the_number_that_is_looked_at():
    model = jnn.chain(half=lambda x: x / 2, relu=jax.nn.relu, twice=lambda x: 2 * x)
    x = np.arange(1, 101, dtype=np.float32)
    x[5] = -1  # which is not among those that are checked always
    lab = lab_of(model, jax.ShapeDtypeStruct((100,), jnp.float32), x)
    value = "LAB.values.find((v) => v.path === 'relu/output')"
    place = f"{{ [{value}.axes[0]]: 5 }}"
    assert lab.value(f"MAKING.of({value}, {place}).text") == "relu(x)"


def test_the_terms_of_a_sum_add_up_to_the_number(pictures):
    value = "LAB.values.find((v) => v.path === 'conv/output')"
    place = "{ row: 0, column: 3, unit: 2 }"
    terms = pictures.value(f"MAKING.of({value}).terms({place}).map((t) => t.value * t.weight)")
    bias = pictures.value(f"MAKING.of({value}).bias({place})")
    _, values = pictures.run("PAGE.inputs")
    assert len(terms) == 3 * 3 * 2
    np.testing.assert_allclose(sum(terms) + bias, values["conv/output"][0, 3, 2], atol=1e-5)


def test_numbers_of_recurrence_and_attention_are_explained():
    tokenizer = character_tokenizer("abcdefgh")
    block = jnn.chain(norm=jnn.layer_norm(), attend=jnn.attention(3, causal=True))
    rotary = jnn.attention(1, causal=True, positions=jnn.rotary())
    model = jnn.chain(
        embedding=jnn.embedding(8, 6),
        lstm=jnn.lstm(4),
        gru=jnn.gru(6),
        blocks=jnn.repeat(jnn.residual(block), 2),
        rotary=rotary,
        out=jnn.dense(8),
    )
    x = np.array([3, 1, 4, 1, 5], np.int32)
    lab = lab_of(model, jax.ShapeDtypeStruct((5,), jnp.int32), x, tokenizer)
    texts = found(lab)
    assert texts["embedding/output"] == "the token's row of the table"
    assert texts["lstm/forget_gate"] == "sigmoid(Σ w x + Σ u h + b)"
    assert texts["lstm/candidate"] == "tanh(Σ w x + Σ u h + b)"
    assert texts["lstm/cell"] == "f c + i g"
    assert texts["lstm/hidden"] == "o tanh(c)"
    assert texts["gru/reset_gate"] == "sigmoid(Σ w x + Σ u h + b)"
    assert texts["gru/candidate"] == "tanh(Σ w x + r (Σ u h + d) + b)"
    assert texts["gru/hidden"] == "u h + (1 − u) n"
    ends = lambda end: next(text for path, text in texts.items() if path.endswith(end))
    assert ends("/query") == "Σ w x + b"
    assert ends("/weights") == "softmax(q k / √d), up to the query"
    assert texts["rotary/weights"] == "softmax(q k / √d), up to the query, q and k rotated"
    assert texts["rotary/output"] == texts["out/output"] == "Σ w x + b"


def test_the_memory_of_a_gru_is_reset_before_or_after_its_sum():
    model = jnn.chain(after=jnn.gru(3), before=jnn.gru(3, reset="before"), out=jnn.dense(2))
    x = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    texts = found(lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x))
    assert texts["after/candidate"] == "tanh(Σ w x + r (Σ u h + d) + b)"
    assert texts["before/candidate"] == "tanh(Σ w x + Σ u r h + b)"
