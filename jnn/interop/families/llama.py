"""Llama, and the families whose blocks are like its own."""

from jnn.architectures.transformer import TransformerConfig
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.families.rope import rope
from jnn.interop.maps import Row
from jnn.interop.operations import TRANSPOSED, split, then
from jnn.interop.settings import (
    Setting,
    activation,
    entry,
    layers_with_windows,
    optional,
    tied,
    window,
    windows,
)

CONSTANTS = {"gated": True, "norm": "rms", "positions": "rotary", "use_bias": False}
SIZES = (
    entry("vocabulary", "vocab_size", int),
    entry("width", "hidden_size", int),
    entry("depth", "num_hidden_layers", int),
    entry("heads", "num_attention_heads", int),
    optional("key_value_heads", "num_key_value_heads"),
    entry("hidden", "intermediate_size", int),
)
IGNORED = {r".*\.rotary_emb\.inv_freq": "the frequencies of rotary positions"}
COPIES = {"lm_head.weight": "model.embed_tokens.weight"}


def decoder(name: str, model: str, **parts) -> Family:
    """A family with the keys of Llama; ``model`` begins the names of its classes."""
    return Family(
        name=name,
        architectures={f"{model}ForCausalLM": {}, f"{model}Model": {"head": "none"}},
        prefix="model.",
        ignored=IGNORED,
        copies=COPIES,
        **({"fixed": {}, "rows": rows} | parts),
    )


def length(default: int) -> Setting:
    """The longest sequence of the training."""
    return entry("length", "max_position_embeddings", int, default)


def epsilon(default: float) -> Setting:
    """What norms add to the variance."""
    return entry("norm_epsilon", "rms_norm_eps", float, default)


def attention(config: TransformerConfig) -> dict:
    """The four projections, and the norms of queries and keys."""
    inputs = config.attention_bias in ("inputs", "all") or (
        config.attention_bias == "same" and config.use_bias
    )
    output = config.attention_bias in ("output", "all") or (
        config.attention_bias == "same" and config.use_bias
    )
    norms = {
        f"self_attn.{letter}_norm.weight": f"attention/{name}_norm/scale"
        for letter, name in (("q", "query"), ("k", "key"))
    }
    return (
        dense("self_attn.q_proj", "attention/query", bias=inputs)
        | dense("self_attn.k_proj", "attention/key", bias=inputs)
        | dense("self_attn.v_proj", "attention/value", bias=inputs)
        | dense("self_attn.o_proj", "attention/output", bias=output)
        | (norms if config.query_norm else {})
    )


def feed_forward(config: TransformerConfig) -> dict:
    """SwiGLU."""
    bias = config.use_bias
    return (
        dense("mlp.gate_proj", "feed_forward/hidden/gate", bias=bias)
        | dense("mlp.up_proj", "feed_forward/hidden/value", bias=bias)
        | dense("mlp.down_proj", "feed_forward/output", bias=bias)
    )


def around(config: TransformerConfig, block: dict) -> tuple[Row, ...]:
    """The rows of blocks, with norms, and of what is around them."""
    has_norm = config.norm_scale != "none"
    bias = config.norm == "layer" and config.use_bias
    norms = norm("input_layernorm", "attention_norm", bias=bias) | norm(
        "post_attention_layernorm", "feed_forward_norm", bias=bias
    )
    head = {"lm_head.weight": ("head/kernel", TRANSPOSED)} if config.head == "dense" else {}
    return (
        *rows_of("model.", "", {"embed_tokens.weight": "embedding/embedding"}),
        *rows_of("model.layers.{block}.", "blocks/", block | (norms if has_norm else {})),
        *(rows_of("model.", "", norm("norm", "norm", bias=bias)) if has_norm else ()),
        *rows_of("", "", head),
    )


def rows(config: TransformerConfig) -> tuple[Row, ...]:
    """The map of Llama."""
    return around(config, attention(config) | feed_forward(config))


def _phi3_rows(config: TransformerConfig) -> tuple[Row, ...]:
    d = config.head_features or config.width // config.heads
    shared = d * (config.key_value_heads or config.heads)
    inputs = tuple(f"attention/{name}/kernel" for name in ("query", "key", "value"))
    halves = tuple(f"feed_forward/hidden/{name}/kernel" for name in ("gate", "value"))
    block = {
        "self_attn.qkv_proj.weight": (
            inputs,
            then(TRANSPOSED, split(d * config.heads, shared, shared)),
        ),
        "mlp.gate_up_proj.weight": (halves, then(TRANSPOSED, split(*[config.hidden] * 2))),
    }
    output = dense("self_attn.o_proj", "attention/output", bias=False)
    down = dense("mlp.down_proj", "feed_forward/output", bias=False)
    return around(config, block | output | down)


def _starcoder2_rows(config: TransformerConfig) -> tuple[Row, ...]:
    bias = config.use_bias
    return around(
        config,
        attention(config)
        | dense("mlp.c_fc", "feed_forward/hidden", bias=bias)
        | dense("mlp.c_proj", "feed_forward/output", bias=bias),
    )


def _mixtral_rows(config: TransformerConfig) -> tuple[Row, ...]:
    names = {"w1": "hidden/gate", "w3": "hidden/value", "w2": "output"}
    experts = {
        f"block_sparse_moe.experts.{{expert}}.{key}.weight": (
            f"feed_forward/experts/{path}/kernel",
            TRANSPOSED,
        )
        for key, path in names.items()
    }
    router = dense("block_sparse_moe.gate", "feed_forward/router", bias=False)
    return around(config, attention(config) | router | experts)


def _experts_each(config):
    number = entry("experts_each", "num_experts_per_tok", int, 2).read(config)
    if number < 2:  # jnn's gate of a single expert is its probability, Mixtral's is 1
        raise ValueError(f"num_experts_per_tok={number} in place of at least 2")
    return number


def _read_biases(config):
    return "all" if config.get("attention_bias") else "none"


def _gelu_of_gemma(config):
    # old files have the name that counts under another key, and "gelu" for the approximation
    name = config.get("hidden_activation") or config.get("hidden_act")
    return "gelu_pytorch_tanh" if name == "gelu" else name


_biases = Setting("attention_bias", _read_biases, lambda value: {"attention_bias": value == "all"})
_silu = activation("hidden_act", "silu")
_gelu = activation("hidden_act", "gelu_pytorch_tanh")
_gelu = _gelu._replace(
    read=lambda config, read=_gelu.read: read({**config, "hidden_act": _gelu_of_gemma(config)})
)
_head_features = optional("head_features", "head_dim")

LLAMA = decoder(
    "llama",
    "Llama",
    settings=(
        *SIZES,
        _head_features,
        length(2048),
        epsilon(1e-6),
        _silu,
        *rope(),
        tied(False),
        _biases,
        entry("use_bias", "mlp_bias", bool, False),
    ),
    constants={key: value for key, value in CONSTANTS.items() if key != "use_bias"},
)
"""Touvron et al. 2023, https://arxiv.org/abs/2302.13971."""

MISTRAL = decoder(
    "mistral",
    "Mistral",
    settings=(
        *SIZES,
        _head_features,
        length(131_072),
        epsilon(1e-6),
        _silu,
        *rope(),
        tied(False),
        window(4096),
    ),
    constants=CONSTANTS,
)
"""Jiang et al. 2023, https://arxiv.org/abs/2310.06825."""

MIXTRAL = decoder(
    "mixtral",
    "Mixtral",
    settings=(
        *SIZES,
        _head_features,
        length(131_072),
        epsilon(1e-5),
        _silu,
        *rope(1e6),
        tied(False),
        window(),
        entry("experts", "num_local_experts", int, 8),
        Setting("experts_each", _experts_each, lambda value: {"num_experts_per_tok": value}),
    ),
    constants=CONSTANTS,
    rows=_mixtral_rows,
)
"""Jiang et al. 2024, https://arxiv.org/abs/2401.04088."""

QWEN2 = decoder(
    "qwen2",
    "Qwen2",
    settings=(
        *SIZES,
        length(32_768),
        epsilon(1e-6),
        _silu,
        *rope(),
        tied(False),
        windows(4096),
    ),
    constants=CONSTANTS | {"attention_bias": "inputs"},
    derived=layers_with_windows,
)
"""Yang et al. 2024, https://arxiv.org/abs/2407.10671."""

QWEN3 = decoder(
    "qwen3",
    "Qwen3",
    settings=(
        *SIZES,
        entry("head_features", "head_dim", int, 128),
        length(32_768),
        epsilon(1e-6),
        _silu,
        *rope(),
        tied(False),
        windows(4096),
        _biases,
    ),
    constants=CONSTANTS | {"query_norm": True},
    derived=layers_with_windows,
)
"""Yang et al. 2025, https://arxiv.org/abs/2505.09388."""

GEMMA = decoder(
    "gemma",
    "Gemma",
    settings=(
        *SIZES,
        entry("head_features", "head_dim", int, 256),
        length(8192),
        epsilon(1e-6),
        _gelu,
        *rope(),
        tied(True),
    ),
    constants=CONSTANTS | {"norm_scale": "one_plus", "scale_embeddings": True},
    fixed={"attention_bias": False, "use_bidirectional_attention": False},
)
"""Gemma Team 2024, https://arxiv.org/abs/2403.08295."""

PHI3 = decoder(
    "phi3",
    "Phi3",
    settings=(
        *SIZES,
        length(4096),
        epsilon(1e-5),
        _silu,
        *rope(fraction=1.0),
        tied(False),
        window(),
    ),
    constants=CONSTANTS,
    rows=_phi3_rows,
)
"""Abdin et al. 2024, https://arxiv.org/abs/2404.14219."""

OLMO = decoder(
    "olmo",
    "Olmo",
    settings=(
        *SIZES,
        length(2048),
        _silu,
        *rope(),
        tied(False),
        _biases,
    ),
    constants=CONSTANTS | {"norm": "layer", "norm_scale": "none", "norm_epsilon": 1e-5},
    fixed={"clip_qkv": None},
)
"""Groeneveld et al. 2024, https://arxiv.org/abs/2402.00838."""

STARCODER2 = decoder(
    "starcoder2",
    "Starcoder2",
    settings=(
        *SIZES,
        length(4096),
        entry("norm_epsilon", "norm_epsilon", float, 1e-5),
        activation("hidden_act", "gelu_pytorch_tanh"),
        *rope(),
        tied(True),
        window(),
    ),
    constants={"positions": "rotary"},
    fixed={"use_bias": True},
    rows=_starcoder2_rows,
)
"""Lozhkov et al. 2024, https://arxiv.org/abs/2402.19173."""
