"""How numbers of sequences are made: in both directions, padded, and at their start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.architectures.vision_transformer import VisionTransformerConfig, vision_transformer
from jnn.data.tokenizers import character_tokenizer
from jnn.layers.position_vectors import learned_positions, sinusoidal_positions
from tests.explain.lab.makings import found, lab_of

GATES = {
    "reset_gate": "sigmoid(Σ w x + Σ u h + b)",
    "update_gate": "sigmoid(Σ w x + Σ u h + b)",
    "candidate": "tanh(Σ w x + r (Σ u h + d) + b)",
    "hidden": "u h + (1 − u) n",
}


def series(length, columns):
    x = np.random.default_rng(0).standard_normal((length, columns)).astype(np.float32)
    return jax.ShapeDtypeStruct(x.shape, jnp.float32), x


def test_the_state_of_an_elman_network_is_a_function_of_a_sum():
    model = jnn.chain(relu=jnn.elman(3, activation="relu"), tanh=jnn.elman(4), out=jnn.dense(2))
    example, x = series(6, 2)
    signs = np.float32([[9], [-9]] * 3)  # so that the relu is zero at every other step
    texts = found(lab_of(model, example, signs * np.abs(x)))
    assert texts["relu/hidden"] == "relu(Σ w x + Σ u h + b)"
    assert texts["tanh/hidden"] == "tanh(Σ w x + Σ u h + b)"


def padded(model):
    """The model, for which token 0 is padding."""

    def apply(params, state, x, **options):
        return model.apply(params, state, x, **options | {"mask": x != 0})

    return jnn.Model(model.init, apply)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("tokens", [[3, 1, 4, 1, 5, 2, 6], [3, 1, 4, 1, 0, 0, 0]])
def test_both_directions_are_explained_where_the_input_is_real(tokens):
    model = jnn.chain(embedding=jnn.embedding(8, 2), both=jnn.bidirectional(jnn.gru(3)))
    x = np.array(tokens, np.int32)
    example, tokenizer = jax.ShapeDtypeStruct(x.shape, jnp.int32), character_tokenizer("abcdefgh")
    texts = found(lab_of(padded(model), example, x, tokenizer, real=int((x > 0).sum())))
    for direction in ("forward", "backward"):
        gates = {name: texts[f"both/{direction}/{name}"] for name in GATES}
        assert gates == GATES, direction
    assert texts["both/output"] == "a beside b, which is read from the end"


def test_attention_ends_and_means_of_a_padded_sequence_are_of_what_is_real():
    attend = jnn.residual(jnn.attention(1))
    ends = jnn.parallel(last=jnn.last_element(), mean=jnn.global_average_pool(1))
    x = np.array([3, 1, 4, 1, 0, 0, 0], np.int32)
    example, tokenizer = jax.ShapeDtypeStruct(x.shape, jnp.int32), character_tokenizer("abcdefgh")
    model = padded(jnn.chain(embedding=jnn.embedding(8, 2), attend=attend, ends=ends))
    texts = found(lab_of(model, example, x, tokenizer, real=4))
    weights = next(text for path, text in texts.items() if path.endswith("/weights"))
    assert weights == "softmax(q k / √d)"
    assert texts["ends/last/output"] == "the last step"
    assert texts["ends/mean/output"] == "the mean of a window"


def test_a_table_that_two_sequences_share_explains_both():
    words = jnn.embedding(8, 3)

    def init(key, x):
        return {"embedding": words.init(key, x["tokens"])[0]}, {}

    def apply(params, state, x, **options):
        vectors = lambda name: words.apply(params["embedding"], {}, x[name])[0]
        return {name: jnn.tag(vectors(name), f"{name}/vectors") for name in x}, state

    x = {"source": np.array([2, 0, 1], np.int32), "tokens": np.array([3, 1, 4, 1], np.int32)}
    example = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), x)
    texts = found(lab_of(jnn.Model(init, apply), example, x))
    for name in x:
        assert texts[f"{name}/vectors"] == "the token's row of the table"


def test_where_the_memory_begins_with_something_unseen_only_its_start_is_not_explained():
    layer = jnn.gru(3)

    def apply(params, state, x, **options):
        memory = {"hidden": jnp.full(3, 0.5)}
        return layer.read(params, state, memory, x, **options)[0], state

    lab = lab_of(jnn.Model(layer.init, apply), *series(6, 2))
    assert found(lab) == GATES
    value = "LAB.values.find((v) => v.path === 'hidden')"
    at = f"[0, 1, 5].map((time) => MAKING.of({value}, {{ time, unit: 1 }})?.text ?? '')"
    assert lab.value(at) == ["", GATES["hidden"], GATES["hidden"]]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (learned_positions(9), "x + the row of its position"),
        (learned_positions(9, first=2), "x + the row of its position"),
        (sinusoidal_positions(), "x + the sine or cosine of its position"),
        (sinusoidal_positions(interleaved=False), "x + the sine or cosine of its position"),
    ],
)
def test_vectors_of_positions_are_explained(layer, text):
    example, x = series(6, 4)
    assert found(lab_of(jnn.chain(positions=layer), example, x))["positions/output"] == text


def test_norms_of_what_blocks_add_up_are_explained():
    """The sum of what enters a block and of what its first part adds is not captured itself."""
    config = TransformerConfig(vocabulary=8, length=6, width=4, depth=2, heads=2)
    x = np.array([3, 1, 4, 1, 5, 2], np.int32)
    example, tokenizer = jax.ShapeDtypeStruct(x.shape, jnp.int32), character_tokenizer("abcdefgh")
    texts = found(lab_of(transformer(config), example, x, tokenizer))
    norm = "(x − mean) / deviation · scale + bias"
    norms = {path: text for path, text in texts.items() if "norm" in path}
    assert set(norms.values()) == {norm}
    assert len(norms) == 3
    assert texts["blocks/output"] == "the same number"  # as what leaves the last copy


def test_attention_to_the_patches_of_a_picture_is_explained():
    sizes = {"image_size": (4, 6), "patch_size": 2, "width": 4, "depth": 2, "heads": 2}
    model = vision_transformer(VisionTransformerConfig(outputs=3, **sizes))
    x = np.random.default_rng(0).standard_normal((4, 6, 1)).astype(np.float32)
    texts = found(lab_of(model, jax.ShapeDtypeStruct(x.shape, jnp.float32), x))
    assert texts["blocks/attention/weights"] == "softmax(q k / √d)"
    assert texts["blocks/attention/output"] == "Σ w x + b"
    assert texts["positions/output"] == "x + the row of its position"
