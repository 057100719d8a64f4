"""Transformers against those of PyTorch and Hugging Face, with their weights: the same values and
gradients.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.architectures.transformer_block import BlockConfig, block
from jnn.architectures.vision_transformer import VisionTransformerConfig, vision_transformer
from tests.references.cases_hugging_face import DEPTH, HEADS, HIDDEN, LENGTH, SAMPLED, TOKENS, WIDTH

FORWARD = 1e-10  # float64: the same sums in another order
GRADIENT = 1e-9  # float64: the same, twice as many operations
SIZES = {"width": WIDTH, "depth": DEPTH, "heads": HEADS, "hidden": HIDDEN}
BERT = {
    "causal": False,
    "activation": "gelu",
    "norm_first": False,
    "norm_epsilon": 1e-12,
    "segments": 2,
    "embedding_norm": True,
    "head": "none",
}


def loaded(model, x, vector):
    """The params whose leaves are the numbers of a vector, in the order of their names."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)[0]
    own, restore = ravel_pytree(
        jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float64), shapes)
    )
    assert own.shape == vector.shape
    return restore(jnp.asarray(vector, jnp.float64))


def same(got, expected, tolerance):
    scale = max(1, np.abs(expected).max())
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


def value_and_gradients(model, params, x, weights, mask):
    """y, and the gradients of ``sum(weights * y)``, of params as a vector."""

    def loss(params, x):
        y = model.apply(params, {}, x, mask=mask)[0]
        return jnp.sum(weights * (y["x"] if isinstance(y, dict) else y)), y

    (_, y), gradients = jax.jit(
        jax.value_and_grad(loss, argnums=(0, 1), has_aux=True, allow_int=True)
    )(params, x)
    return y, ravel_pytree(gradients[0])[0], gradients[1]


KINDS = [pytest.param("relu, post-norm", marks=pytest.mark.slow), "gelu, pre-norm"]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_is_an_encoder_layer_of_torch(reference, kind):
    case, (activation, norm) = reference("transformer", f"encoder, {kind}"), kind.split(", ")
    model = block(
        BlockConfig(
            width=WIDTH,
            heads=HEADS,
            hidden=HIDDEN,
            activation=activation,
            norm_first=norm == "pre-norm",
        ),
        causal=False,
    )
    params = loaded(model, case["x"], case["params"])
    y, of_params, of_x = value_and_gradients(
        model, params, jnp.asarray(case["x"]), case["weights"], case["real"]
    )
    same(y[case["real"]], case["y"][case["real"]], FORWARD)
    same(of_params, case["gradient/params"], GRADIENT)
    same(of_x, case["gradient/x"], GRADIENT)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_with_a_memory_is_a_decoder_layer_of_torch(reference, kind):
    case, (activation, norm) = reference("transformer", f"decoder, {kind}"), kind.split(", ")
    config = BlockConfig(
        width=WIDTH,
        heads=HEADS,
        hidden=HIDDEN,
        activation=activation,
        norm_first=norm == "pre-norm",
    )
    model = block(config, causal=True, cross=True)
    x = {
        "x": jnp.asarray(case["x"]),
        "memory": jnp.asarray(case["memory"]),
        "memory_mask": jnp.asarray(case["memory_real"]),
    }
    params = loaded(model, x, case["params"])
    y, of_params, of_x = value_and_gradients(model, params, x, case["weights"], case["real"])
    same(y["x"][case["real"]], case["y"][case["real"]], FORWARD)
    same(of_params, case["gradient/params"], GRADIENT)
    same(of_x["x"], case["gradient/x"], GRADIENT)
    same(of_x["memory"], case["gradient/memory"], GRADIENT)


@pytest.fixture
def hugging_face(reference, request):
    """The arrays of a case, from the table or live."""
    if request.node.callspec.params["reference"] == "live":
        pytest.importorskip("transformers", reason="the live comparison needs transformers==5.23.0")
    return lambda name: reference("hugging_face", name)


def compare(model, x, case, output, mask=None):
    params = loaded(model, x, case["params"])
    y, gradient, _ = value_and_gradients(model, params, x, case["weights"], mask)
    same(y, case[output], FORWARD)
    same(gradient[::SAMPLED], case["gradient"], GRADIENT)
    return params


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_gpt2(hugging_face):
    case = hugging_face("gpt2")
    model = transformer(
        TransformerConfig(vocabulary=TOKENS, length=LENGTH, **SIZES | {"hidden": 0})
    )
    compare(model, jnp.asarray(case["input_ids"]), case, "logits")


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_bert(hugging_face):
    case = hugging_face("bert")
    settings, real = (
        {"vocabulary": TOKENS, "length": LENGTH, **BERT, **SIZES},
        jnp.asarray(case["attention_mask"], bool),
    )
    x = {"tokens": jnp.asarray(case["input_ids"]), "segments": jnp.asarray(case["token_type_ids"])}
    params = compare(
        transformer(TransformerConfig(pooled=True, **settings)), x, case, "pooler_output", real
    )
    del params["pooler"]
    features = jax.jit(transformer(TransformerConfig(**settings)).apply)(params, {}, x, mask=real)[
        0
    ]
    same(features[real], case["last_hidden_state"][real], FORWARD)


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_t5(hugging_face):
    case = hugging_face("t5")
    settings = {
        "head_features": 3,
        "activation": "relu",
        "norm": "rms",
        "norm_epsilon": 1e-6,
        "positions": "relative",
    }
    settings |= {"scaled": False, "use_bias": False, "scale_logits": True}
    x = {"tokens": jnp.asarray(case["decoder_input_ids"]), "source": jnp.asarray(case["input_ids"])}
    x["source_mask"] = jnp.asarray(case["attention_mask"], bool)
    compare(
        encoder_decoder(EncoderDecoderConfig(source_vocabulary=TOKENS, **SIZES, **settings)),
        x,
        case,
        "logits",
    )


@pytest.mark.usefixtures("float64")
def test_llama(hugging_face):
    case = hugging_face("llama")
    settings = {
        "activation": "silu",
        "gated": True,
        "norm": "rms",
        "positions": "rotary",
        "rotary_base": 100.0,
        "use_bias": False,
    }
    settings |= {"heads": 4, "key_value_heads": 2, "head": "dense"}
    model = transformer(TransformerConfig(vocabulary=TOKENS, **SIZES | settings))
    compare(model, jnp.asarray(case["input_ids"]), case, "logits")


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_vision_transformer(hugging_face):
    case = hugging_face("vit")
    config = VisionTransformerConfig(
        outputs=3, image_size=(8, 12), patch_size=4, norm_epsilon=1e-12, **SIZES
    )
    compare(
        vision_transformer(config),
        jnp.moveaxis(jnp.asarray(case["pixel_values"]), 1, -1),
        case,
        "logits",
    )
