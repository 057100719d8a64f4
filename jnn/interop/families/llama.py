"""Llama, and what has its block."""

from jnn.architectures.transformer import TransformerConfig
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.operations import TRANSPOSED
from jnn.interop.settings import activation, entry, optional, rotary_base, tied

_SETTINGS = (
    entry("vocabulary", "vocab_size", int, 32_000),
    entry("length", "max_position_embeddings", int, 2048),
    entry("width", "hidden_size", int, 4096),
    entry("depth", "num_hidden_layers", int, 32),
    entry("heads", "num_attention_heads", int, 32),
    optional("key_value_heads", "num_key_value_heads"),
    optional("head_features", "head_dim"),
    entry("hidden", "intermediate_size", int, 11_008),
    entry("norm_epsilon", "rms_norm_eps", float, 1e-6),
    activation("hidden_act", "silu"),
    rotary_base(10_000.0),
    tied(False),
)


def _rows(config: TransformerConfig):
    block = (
        norm("input_layernorm", "attention_norm", bias=False)
        | dense("self_attn.q_proj", "attention/query", bias=False)
        | dense("self_attn.k_proj", "attention/key", bias=False)
        | dense("self_attn.v_proj", "attention/value", bias=False)
        | dense("self_attn.o_proj", "attention/output", bias=False)
        | norm("post_attention_layernorm", "feed_forward_norm", bias=False)
        | dense("mlp.gate_proj", "feed_forward/hidden/gate", bias=False)
        | dense("mlp.up_proj", "feed_forward/hidden/value", bias=False)
        | dense("mlp.down_proj", "feed_forward/output", bias=False)
    )
    head = {"lm_head.weight": ("head/kernel", TRANSPOSED)} if config.head == "dense" else {}
    return (
        *rows_of("model.", "", {"embed_tokens.weight": "embedding/embedding"}),
        *rows_of("model.layers.{block}.", "blocks/", block),
        *rows_of("model.", "", norm("norm", "norm", bias=False)),
        *rows_of("", "", head),
    )


LLAMA = Family(
    name="llama",
    architectures={"LlamaForCausalLM": {}, "LlamaModel": {"head": "none"}},
    settings=_SETTINGS,
    constants={
        "gated": True,
        "norm": "rms",
        "positions": "rotary",
        "use_bias": False,
    },
    fixed={"attention_bias": False, "mlp_bias": False},
    rows=_rows,
    prefix="model.",
    ignored={r".*\.rotary_emb\.inv_freq": "the frequencies of rotary positions"},
    copies={"lm_head.weight": "model.embed_tokens.weight"},
)
"""Touvron et al. 2023, https://arxiv.org/abs/2302.13971."""
