"""GPT-2."""

from jnn.architectures.transformer import TransformerConfig
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.operations import SAME, split
from jnn.interop.settings import activation, entry, optional

_SETTINGS = (
    entry("vocabulary", "vocab_size", int, 50_257),
    entry("length", "n_positions", int, 1024),
    entry("width", "n_embd", int, 768),
    entry("depth", "n_layer", int, 12),
    entry("heads", "n_head", int, 12),
    optional("hidden", "n_inner"),
    entry("norm_epsilon", "layer_norm_epsilon", float, 1e-5),
    activation("activation_function", "gelu_new"),
)


def _rows(config: TransformerConfig):
    parts = [f"attention/{name}" for name in ("query", "key", "value")]
    thirds = split(*[config.width] * 3)
    block = (
        norm("ln_1", "attention_norm")
        | {
            # a Conv1D, whose weight is not transposed
            "attn.c_attn.weight": (tuple(f"{part}/kernel" for part in parts), thirds),
            "attn.c_attn.bias": (tuple(f"{part}/bias" for part in parts), thirds),
        }
        | dense("attn.c_proj", "attention/output", kernel=SAME)
        | norm("ln_2", "feed_forward_norm")
        | dense("mlp.c_fc", "feed_forward/hidden", kernel=SAME)
        | dense("mlp.c_proj", "feed_forward/output", kernel=SAME)
    )
    around = {"wte.weight": "embedding/embedding", "wpe.weight": "positions/embedding"}
    return (
        *rows_of("transformer.", "", around | norm("ln_f", "norm")),
        *rows_of("transformer.h.{block}.", "blocks/", block),
    )


GPT2 = Family(
    name="gpt2",
    architectures={"GPT2LMHeadModel": {"head": "tied"}, "GPT2Model": {"head": "none"}},
    settings=_SETTINGS,
    constants={},
    fixed={
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
    },
    rows=_rows,
    prefix="transformer.",
    ignored={r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias": "the causal mask"},
    copies={"lm_head.weight": "transformer.wte.weight"},
)
"""Radford et al. 2019, Language Models are Unsupervised Multitask Learners."""
