"""GPT-2, and other decoders with plain feed-forward networks."""

from jnn.architectures.transformer import TransformerConfig
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.families.rope import rope
from jnn.interop.maps import Row
from jnn.interop.operations import SAME, TRANSPOSED, Operation, reshaped, split, then
from jnn.interop.settings import Setting, activation, entry, optional, periodic, tied

_INPUTS = ("query", "key", "value")
_MASK = "the causal mask"
_FREQUENCIES = "the frequencies of rotary positions"


def _paths(leaf: str) -> tuple[str, ...]:
    return tuple(f"attention/{name}/{leaf}" for name in _INPUTS)


def _fused(name: str, kernel: Operation, bias: Operation) -> dict:
    """One layer that makes queries, keys and values."""
    return {
        f"{name}.weight": (_paths("kernel"), kernel),
        f"{name}.bias": (_paths("bias"), bias),
    }


def _by_head(config: TransformerConfig) -> tuple[Operation, Operation]:
    """Kernel and bias of a layer that makes query, key and value of one head after the other."""
    D, H = config.width, config.heads
    d = D // H
    apart = lambda *first: then(
        reshaped((*first, 3 * D), (*first, H, 3 * d)),
        split(d, d, d),
        reshaped((*first, H, d), (*first, D)),
    )
    return then(TRANSPOSED, apart(D)), apart()


def _head(config: TransformerConfig, name: str = "lm_head") -> tuple[Row, ...]:
    """The read-out, where it is not the embedding."""
    return rows_of("", "", dense(name, "head", bias=False)) if config.head == "dense" else ()


def _gpt2_rows(config: TransformerConfig) -> tuple[Row, ...]:
    thirds = split(*[config.width] * 3)
    block = (  # of Conv1D, whose weight is not transposed
        norm("ln_1", "attention_norm")
        | _fused("attn.c_attn", thirds, thirds)
        | dense("attn.c_proj", "attention/output", kernel=SAME)
        | norm("ln_2", "feed_forward_norm")
        | dense("mlp.c_fc", "feed_forward/hidden", kernel=SAME)
        | dense("mlp.c_proj", "feed_forward/output", kernel=SAME)
    )
    around = {"wte.weight": "embedding/embedding", "wpe.weight": "positions/embedding"}
    return (
        *rows_of("transformer.", "", around | norm("ln_f", "norm")),
        *rows_of("transformer.h.{block}.", "blocks/", block),
        *_head(config),
    )


GPT2 = Family(
    name="gpt2",
    architectures={"GPT2LMHeadModel": {}, "GPT2Model": {"head": "none"}},
    settings=(
        entry("vocabulary", "vocab_size", int, 50_257),
        entry("length", "n_positions", int, 1024),
        entry("width", "n_embd", int, 768),
        entry("depth", "n_layer", int, 12),
        entry("heads", "n_head", int, 12),
        optional("hidden", "n_inner"),
        entry("norm_epsilon", "layer_norm_epsilon", float, 1e-5),
        activation("activation_function", "gelu_new"),
        entry("scaled", "scale_attn_weights", bool, True),
        entry("scaled_by_depth", "scale_attn_by_inverse_layer_idx", bool, False),
        tied(True),
    ),
    constants={},
    fixed={"add_cross_attention": False},
    rows=_gpt2_rows,
    prefix="transformer.",
    ignored={r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias": _MASK},
    copies={"lm_head.weight": "transformer.wte.weight"},
)
"""Radford et al. 2019, Language Models are Unsupervised Multitask Learners."""


def _gpt_neo_rows(config: TransformerConfig) -> tuple[Row, ...]:
    block = norm("ln_1", "attention_norm") | norm("ln_2", "feed_forward_norm")
    for name in _INPUTS:
        block |= dense(f"attn.attention.{name[0]}_proj", f"attention/{name}", bias=False)
    block |= dense("attn.attention.out_proj", "attention/output")
    block |= dense("mlp.c_fc", "feed_forward/hidden") | dense("mlp.c_proj", "feed_forward/output")
    around = {"wte.weight": "embedding/embedding", "wpe.weight": "positions/embedding"}
    return (
        *rows_of("transformer.", "", around | norm("ln_f", "norm")),
        *rows_of("transformer.h.{block}.", "blocks/", block),
        *_head(config),
    )


def _gpt_neo_window(config):
    depth = entry("depth", "num_layers", int, 24).read(config)
    types = config.get("attention_types", [[["global", "local"], 12]])
    kinds = config.get("attention_layers") or [
        kind for several, count in types for _ in range(count) for kind in several
    ]
    if set(kinds) - {"global", "local"} or len(kinds) != depth:
        raise ValueError(f"attention_types={types!r} for {depth} layers")
    size = entry("window", "window_size", int, 256).read(config)
    length = entry("length", "max_position_embeddings", int, 2048).read(config)
    return periodic([size if kind == "local" and size < length else 0 for kind in kinds])


def _attention_types(settings: TransformerConfig) -> dict:
    kinds = ["local" if size else "global" for size in settings.windows]
    types = [[kinds, settings.depth // len(kinds)]]
    return {"attention_types": types, "window_size": max(settings.windows) or 256}


GPT_NEO = Family(
    name="gpt_neo",
    architectures={"GPTNeoForCausalLM": {}, "GPTNeoModel": {"head": "none"}},
    settings=(
        entry("vocabulary", "vocab_size", int, 50_257),
        entry("length", "max_position_embeddings", int, 2048),
        entry("width", "hidden_size", int, 2048),
        entry("depth", "num_layers", int, 24),
        entry("heads", "num_heads", int, 16),
        optional("hidden", "intermediate_size"),
        entry("norm_epsilon", "layer_norm_epsilon", float, 1e-5),
        activation("activation_function", "gelu_new"),
        Setting("window", _gpt_neo_window, lambda sizes: {}),
        tied(True),
    ),
    constants={"scaled": False, "attention_bias": "output"},
    fixed={},
    derived=_attention_types,
    rows=_gpt_neo_rows,
    prefix="transformer.",
    ignored={r"(transformer\.)?h\.\d+\.attn\.attention\.(masked_)?bias": _MASK},
    copies={"lm_head.weight": "transformer.wte.weight"},
)
"""Black et al. 2021, https://doi.org/10.5281/zenodo.5297715."""


def _gpt_neox_rows(config: TransformerConfig) -> tuple[Row, ...]:
    block = (
        norm("input_layernorm", "attention_norm")
        | norm("post_attention_layernorm", "feed_forward_norm")
        | _fused("attention.query_key_value", *_by_head(config))
        | dense("attention.dense", "attention/output")
        | dense("mlp.dense_h_to_4h", "feed_forward/hidden")
        | dense("mlp.dense_4h_to_h", "feed_forward/output")
    )
    around = {"embed_in.weight": "embedding/embedding"} | norm("final_layer_norm", "norm")
    return (
        *rows_of("gpt_neox.", "", around),
        *rows_of("gpt_neox.layers.{block}.", "blocks/", block),
        *_head(config, "embed_out"),
    )


GPT_NEOX = Family(
    name="gpt_neox",
    architectures={"GPTNeoXForCausalLM": {}, "GPTNeoXModel": {"head": "none"}},
    settings=(
        entry("vocabulary", "vocab_size", int, 50_432),
        entry("length", "max_position_embeddings", int, 2048),
        entry("width", "hidden_size", int, 6144),
        entry("depth", "num_hidden_layers", int, 44),
        entry("heads", "num_attention_heads", int, 64),
        entry("hidden", "intermediate_size", int, 24_576),
        entry("norm_epsilon", "layer_norm_eps", float, 1e-5),
        activation("hidden_act", "gelu"),
        *rope(fraction=0.25),
        tied(False),
        Setting(
            "branches",
            lambda config: (
                "parallel" if config.get("use_parallel_residual", True) else "sequential"
            ),
            lambda value: {"use_parallel_residual": value == "parallel"},
        ),
    ),
    constants={"positions": "rotary"},
    fixed={"attention_bias": True},
    rows=_gpt_neox_rows,
    prefix="gpt_neox.",
    ignored={
        r"(gpt_neox\.)?layers\.\d+\.attention\.(masked_)?bias": _MASK,
        r".*\.rotary_emb\.inv_freq": _FREQUENCIES,
    },
    copies={"embed_out.weight": "gpt_neox.embed_in.weight"},
)
"""Black et al. 2022, https://arxiv.org/abs/2204.06745."""


def _phi_rows(config: TransformerConfig) -> tuple[Row, ...]:
    block = norm("input_layernorm", "attention_norm")
    for name in _INPUTS:
        block |= dense(f"self_attn.{name[0]}_proj", f"attention/{name}")
    block |= dense("self_attn.dense", "attention/output")
    block |= dense("mlp.fc1", "feed_forward/hidden") | dense("mlp.fc2", "feed_forward/output")
    around = {"embed_tokens.weight": "embedding/embedding"} | norm("final_layernorm", "norm")
    head = dense("lm_head", "head") if config.head == "dense" else {}
    return (
        *rows_of("model.", "", around),
        *rows_of("model.layers.{block}.", "blocks/", block),
        *rows_of("", "", head),
    )


PHI = Family(
    name="phi",
    architectures={
        "PhiForCausalLM": {"head": "dense", "head_bias": True},
        "PhiModel": {"head": "none"},
    },
    settings=(
        entry("vocabulary", "vocab_size", int, 51_200),
        entry("length", "max_position_embeddings", int, 2048),
        entry("width", "hidden_size", int, 2048),
        entry("depth", "num_hidden_layers", int, 24),
        entry("heads", "num_attention_heads", int, 32),
        optional("key_value_heads", "num_key_value_heads"),
        entry("hidden", "intermediate_size", int, 8192),
        entry("norm_epsilon", "layer_norm_eps", float, 1e-5),
        activation("hidden_act", "gelu_new"),
        *rope(fraction=0.5),
    ),
    constants={"positions": "rotary", "branches": "shared_norm"},
    fixed={"qk_layernorm": False, "tie_word_embeddings": False},
    rows=_phi_rows,
    prefix="model.",
    ignored={r".*\.rotary_emb\.inv_freq": _FREQUENCIES},
)
"""Li et al. 2023, https://arxiv.org/abs/2309.05463."""


def _opt_rows(config: TransformerConfig) -> tuple[Row, ...]:
    block = norm("self_attn_layer_norm", "attention_norm") | norm(
        "final_layer_norm", "feed_forward_norm"
    )
    for name in _INPUTS:
        block |= dense(f"self_attn.{name[0]}_proj", f"attention/{name}")
    block |= dense("self_attn.out_proj", "attention/output")
    block |= dense("fc1", "feed_forward/hidden") | dense("fc2", "feed_forward/output")
    around = {
        "embed_tokens.weight": "embedding/embedding",
        "embed_positions.weight": "positions/embedding",
    } | (norm("final_layer_norm", "norm") if config.norm_first else {})
    if config.embedding_width:
        around |= dense("project_in", "embedding_dense", bias=False)
        around |= dense("project_out", "output_dense", bias=False)
    return (
        *rows_of("model.decoder.", "", around),
        *rows_of("model.decoder.layers.{block}.", "blocks/", block),
        *_head(config),
    )


def _opt_embedding_width(config):
    its = optional("embedding_width", "word_embed_proj_dim").read(config)
    return 0 if its == entry("width", "hidden_size", int, 768).read(config) else its


OPT = Family(
    name="opt",
    architectures={"OPTForCausalLM": {}, "OPTModel": {"head": "none"}},
    settings=(
        entry("vocabulary", "vocab_size", int, 50_272),
        entry("length", "max_position_embeddings", int, 2048),
        entry("width", "hidden_size", int, 768),
        entry("depth", "num_hidden_layers", int, 12),
        entry("heads", "num_attention_heads", int, 12),
        entry("hidden", "ffn_dim", int, 3072),
        activation("activation_function", "relu"),
        entry("norm_first", "do_layer_norm_before", bool, True),
        Setting("embedding_width", _opt_embedding_width, lambda value: {}),
        tied(True),
    ),
    constants={"first_position": 2, "embedding_projection": "in_and_out"},
    derived=lambda settings: {"word_embed_proj_dim": settings.embedding_width or settings.width},
    fixed={
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
        "_remove_final_layer_norm": False,
    },
    rows=_opt_rows,
    prefix="model.",
    copies={"lm_head.weight": "model.decoder.embed_tokens.weight"},
)
"""Zhang et al. 2022, https://arxiv.org/abs/2205.01068."""


def _bloom_rows(config: TransformerConfig) -> tuple[Row, ...]:
    block = (
        norm("input_layernorm", "attention_norm")
        | norm("post_attention_layernorm", "feed_forward_norm")
        | _fused("self_attention.query_key_value", *_by_head(config))
        | dense("self_attention.dense", "attention/output")
        | dense("mlp.dense_h_to_4h", "feed_forward/hidden")
        | dense("mlp.dense_4h_to_h", "feed_forward/output")
    )
    around = {"word_embeddings.weight": "embedding/embedding"}
    around |= norm("word_embeddings_layernorm", "embedding_norm") | norm("ln_f", "norm")
    return (
        *rows_of("transformer.", "", around),
        *rows_of("transformer.h.{block}.", "blocks/", block),
        *_head(config),
    )


def _first_of(name: str, keys: tuple[str, ...], default: int) -> Setting:
    """An integer that old files have under another key."""

    def read(config):
        key = next((key for key in keys if config.get(key) is not None), keys[0])
        return entry(name, key, int, default).read(config)

    return Setting(name, read, lambda value: {keys[0]: value})


BLOOM = Family(
    name="bloom",
    architectures={"BloomForCausalLM": {}, "BloomModel": {"head": "none"}},
    settings=(
        entry("vocabulary", "vocab_size", int, 250_880),
        _first_of("width", ("hidden_size", "n_embed"), 64),
        _first_of("depth", ("n_layer", "num_hidden_layers"), 2),
        _first_of("heads", ("n_head", "num_attention_heads"), 8),
        entry("norm_epsilon", "layer_norm_epsilon", float, 1e-5),
        tied(True),
    ),
    constants={"positions": "alibi", "embedding_norm": True},
    fixed={"apply_residual_connection_post_layernorm": False},
    rows=_bloom_rows,
    prefix="transformer.",
    copies={"lm_head.weight": "transformer.word_embeddings.weight"},
)
"""BigScience 2022, https://arxiv.org/abs/2211.05100."""


def _mpt_rows(config: TransformerConfig) -> tuple[Row, ...]:
    thirds = then(TRANSPOSED, split(*[config.width] * 3))
    block = (
        norm("norm_1", "attention_norm", bias=False)
        | {"attn.Wqkv.weight": (_paths("kernel"), thirds)}
        | dense("attn.out_proj", "attention/output", bias=False)
        | norm("norm_2", "feed_forward_norm", bias=False)
        | dense("ffn.up_proj", "feed_forward/hidden", bias=False)
        | dense("ffn.down_proj", "feed_forward/output", bias=False)
    )
    around = {"wte.weight": "embedding/embedding"} | norm("norm_f", "norm", bias=False)
    return (
        *rows_of("transformer.", "", around),
        *rows_of("transformer.blocks.{block}.", "blocks/", block),
        *_head(config),
    )


def _mpt_hidden(config):
    inner = config.get("attn_config") or {}
    fixed = {"alibi": True, "qk_ln": False, "clip_qkv": None, "softmax_scale": None}
    fixed |= {"alibi_bias_max": 8, "prefix_lm": False, "attn_type": "multihead_attention"}
    for key, value in fixed.items():
        if inner.get(key, value) != value:
            raise ValueError(f"attn_config with {key}={inner[key]!r} in place of {value!r}")
    return 4 * entry("width", "d_model", int, 2048).read(config)


MPT = Family(
    name="mpt",
    architectures={"MptForCausalLM": {}, "MptModel": {"head": "none"}},
    settings=(
        entry("vocabulary", "vocab_size", int, 50_368),
        entry("length", "max_seq_len", int, 2048),
        entry("width", "d_model", int, 2048),
        entry("depth", "n_layers", int, 24),
        entry("heads", "n_heads", int, 16),
        entry("norm_epsilon", "layer_norm_epsilon", float, 1e-5),
        Setting("hidden", _mpt_hidden, lambda value: {}),
        tied(True),
    ),
    constants={"positions": "alibi", "use_bias": False, "activation": "gelu"},
    fixed={"no_bias": True, "expansion_ratio": 4, "logit_scale": None},
    rows=_mpt_rows,
    prefix="transformer.",
    copies={"lm_head.weight": "transformer.wte.weight"},
)
"""MosaicML 2023, Introducing MPT-7B."""
