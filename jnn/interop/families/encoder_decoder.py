"""T5, and the original transformer as Marian and BART have it."""

import jax.numpy as jnp

from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.maps import Row
from jnn.interop.operations import SAME, TRANSPOSED, reshaped
from jnn.interop.settings import ACTIVATIONS, Setting, activation, entry

_STACKS = ("encoder", "decoder")


def _example(settings: EncoderDecoderConfig) -> dict:
    return {"tokens": jnp.zeros(1, jnp.int32), "source": jnp.zeros(1, jnp.int32)}


def _both(name: str, keys: tuple[str, str], default: int) -> Setting:
    """An integer that encoder and decoder have alike."""
    first, second = (entry(name, key, int, default) for key in keys)

    def read(config):
        size = first.read(config)
        other = second.read(config) if config.get(keys[1]) is not None else size
        if size != other:
            raise ValueError(f"{keys[0]}={size} and {keys[1]}={other} in place of equal ones")
        return size

    return Setting(name, read, lambda value: dict.fromkeys(keys, value))


def _depths(keys: tuple[str, str], default: int) -> tuple[Setting, Setting]:
    """The blocks of the encoder, and those of the decoder if it has others."""
    first, second = (entry("depth", key, int, default) for key in keys)

    def of_decoder(config):
        depth = first.read(config)
        its = second.read(config) if config.get(keys[1]) is not None else depth
        return 0 if its == depth else its

    write = lambda depth: {keys[1]: depth} if depth else {}
    return first, Setting("decoder_depth", of_decoder, write)


def _t5_rows(config: EncoderDecoderConfig) -> tuple[Row, ...]:
    rows = list(rows_of("", "", {"shared.weight": "embedding/embedding"}))
    for stack in _STACKS:
        last = 2 if stack == "decoder" else 1
        wi = "DenseReluDense.wi"
        parts = {"attention": "0.SelfAttention"}
        norms = {"attention_norm": "0.layer_norm", "feed_forward_norm": f"{last}.layer_norm"}
        if stack == "decoder":
            parts["cross_attention"] = "1.EncDecAttention"
            norms["cross_attention_norm"] = "1.layer_norm"
        block = dense(f"{last}.DenseReluDense.wo", "feed_forward/output", bias=False)
        if config.gated:
            block |= dense(f"{last}.{wi}_0", "feed_forward/hidden/gate", bias=False)
            block |= dense(f"{last}.{wi}_1", "feed_forward/hidden/value", bias=False)
        else:
            block |= dense(f"{last}.{wi}", "feed_forward/hidden", bias=False)
        for path, key in parts.items():
            for name in ("query", "key", "value", "output"):
                block |= dense(f"{key}.{name[0]}", f"{path}/{name}", bias=False)
        for path, key in norms.items():
            block |= norm(key, path, bias=False)
        table = {
            "block.0.layer.0.SelfAttention.relative_attention_bias.weight": (
                "blocks/attention/positions/embedding",
                SAME,
            )
        }
        rows += rows_of(f"{stack}.block.{{block}}.layer.", f"{stack}/blocks/", block)
        rows += rows_of(
            f"{stack}.", f"{stack}/", table | norm("final_layer_norm", "norm", bias=False)
        )
    head = {} if config.tied else {"lm_head.weight": ("head/kernel", TRANSPOSED)}
    return (*rows, *rows_of("", "", head))


def _read_gated(config):
    return str(config.get("feed_forward_proj", "relu")).startswith("gated-")


def _read_t5_activation(config):
    name = str(config.get("feed_forward_proj", "relu"))
    name = "gelu_new" if name == "gated-gelu" else name.removeprefix("gated-")
    if name not in ACTIVATIONS:
        raise ValueError(f"feed_forward_proj={name!r} in place of one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _feed_forward(settings: EncoderDecoderConfig) -> dict:
    tanh = "gelu" if settings.gated else "gelu_new"  # there "gated-gelu" is the approximation
    name = tanh if settings.activation == "gelu_tanh" else settings.activation
    return {"feed_forward_proj": f"gated-{name}" if settings.gated else name}


def _scale_logits(config):
    # what was once said by whether they are tied
    return config.get("scale_decoder_outputs", config.get("tie_word_embeddings") is not False)


T5 = Family(
    name="t5",
    architectures={"T5ForConditionalGeneration": {}},
    settings=(
        entry("source_vocabulary", "vocab_size", int, 32_128),
        entry("width", "d_model", int, 512),
        entry("head_features", "d_kv", int, 64),
        entry("hidden", "d_ff", int, 2048),
        *_depths(("num_layers", "num_decoder_layers"), 6),
        entry("heads", "num_heads", int, 8),
        entry("norm_epsilon", "layer_norm_epsilon", float, 1e-6),
        Setting("gated", _read_gated, lambda value: {}),
        Setting("activation", _read_t5_activation, lambda value: {}),
        Setting("scale_logits", _scale_logits, lambda value: {"scale_decoder_outputs": value}),
    ),
    constants={"norm": "rms", "positions": "relative", "scaled": False, "use_bias": False},
    fixed={"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128},
    derived=_feed_forward,
    rows=_t5_rows,
    copies={f"{stack}.embed_tokens.weight": "shared.weight" for stack in _STACKS},
    config=EncoderDecoderConfig,
    build=encoder_decoder,
    example=_example,
    seen=lambda keys: {"tied": "lm_head.weight" not in keys},
)
"""Raffel et al. 2020, https://arxiv.org/abs/1910.10683; with gates version 1.1."""


def _bart_rows(config: EncoderDecoderConfig) -> tuple[Row, ...]:
    V = config.source_vocabulary
    rows = list(rows_of("", "", {"model.shared.weight": "embedding/embedding"}))
    rows += rows_of("", "", {"final_logits_bias": ("logits/bias", reshaped((1, V), (V,)))})
    for stack in _STACKS:
        around = {}
        if config.positions == "learned":
            around["embed_positions.weight"] = "positions/embedding"
        if config.embedding_norm:
            around |= norm("layernorm_embedding", "embedding_norm")
        parts = {"attention": "self_attn"}
        if stack == "decoder":
            parts["cross_attention"] = "encoder_attn"
        block = dense("fc1", "feed_forward/hidden") | dense("fc2", "feed_forward/output")
        block |= norm("final_layer_norm", "feed_forward_norm")
        for path, key in parts.items():
            block |= norm(f"{key}_layer_norm", f"{path}_norm")
            block |= dense(f"{key}.out_proj", f"{path}/output")
            for name in ("query", "key", "value"):
                block |= dense(f"{key}.{name[0]}_proj", f"{path}/{name}")
        rows += rows_of(f"model.{stack}.", f"{stack}/", around)
        rows += rows_of(f"model.{stack}.layers.{{block}}.", f"{stack}/blocks/", block)
    return tuple(rows)


_BART_SIZES = (
    entry("source_vocabulary", "vocab_size", int, 50_265),
    entry("width", "d_model", int, 1024),
    *_depths(("encoder_layers", "decoder_layers"), 12),
    _both("heads", ("encoder_attention_heads", "decoder_attention_heads"), 16),
    _both("hidden", ("encoder_ffn_dim", "decoder_ffn_dim"), 4096),
    entry("length", "max_position_embeddings", int, 1024),
    entry("scale_embeddings", "scale_embedding", bool, False),
    activation("activation_function", "gelu"),
)
_POST_NORM = {"norm_first": False, "logits_bias": True}
_SHARED = {f"model.{stack}.embed_tokens.weight": "model.shared.weight" for stack in _STACKS}
_SHARED |= {"lm_head.weight": "model.shared.weight"}

BART = Family(
    name="bart",
    architectures={"BartForConditionalGeneration": {}},
    settings=_BART_SIZES,
    constants=_POST_NORM | {"embedding_norm": True, "first_position": 2},
    fixed={"tie_word_embeddings": True, "normalize_before": False, "add_final_layer_norm": False},
    rows=_bart_rows,
    copies=_SHARED,
    config=EncoderDecoderConfig,
    build=encoder_decoder,
    example=_example,
)
"""Lewis et al. 2020, https://arxiv.org/abs/1910.13461."""

MARIAN = Family(
    name="marian",
    architectures={"MarianMTModel": {}},
    settings=_BART_SIZES,
    constants=_POST_NORM | {"positions": "sinusoidal_halves"},
    fixed={"tie_word_embeddings": True, "share_encoder_decoder_embeddings": True},
    rows=_bart_rows,
    ignored={r"model\.(en|de)coder\.embed_positions\.weight": "sines and cosines"},
    copies=_SHARED,
    config=EncoderDecoderConfig,
    build=encoder_decoder,
    example=_example,
)
"""Junczys-Dowmunt et al. 2018, https://arxiv.org/abs/1804.00344."""
