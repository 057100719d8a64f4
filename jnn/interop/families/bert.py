"""BERT, and other encoders of text."""

from jnn.architectures.transformer import TransformerConfig
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.maps import Row
from jnn.interop.settings import Setting, activation, entry

_ENCODER = {
    "causal": False,
    "norm_first": False,
    "embedding_norm": True,
    "head": "none",
}
_MASKED = {"head": "tied", "head_bias": True, "head_transform": True}
_HEADS = {
    r"(.*\.)?pooler\..*": "the pooled vector, without which the model was loaded",
    r"cls\.seq_relationship\..*": "the head that tells whether two sentences follow each other",
    r"(.*\.)?embeddings\.position_ids": "the numbers of positions",
}
_OLD = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
_NO_DECODER = {
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
    "tie_word_embeddings": True,
}


def _sizes(vocabulary: int) -> tuple[Setting, ...]:
    return (
        entry("vocabulary", "vocab_size", int, vocabulary),
        entry("width", "hidden_size", int, 768),
        entry("depth", "num_hidden_layers", int, 12),
        entry("heads", "num_attention_heads", int, 12),
        entry("hidden", "intermediate_size", int, 3072),
        entry("norm_epsilon", "layer_norm_eps", float, 1e-12),
        activation("hidden_act", "gelu"),
    )


_LENGTH = entry("length", "max_position_embeddings", int, 512)


def _block() -> dict:
    block = dense("attention.output.dense", "attention/output")
    for name in ("query", "key", "value"):
        block |= dense(f"attention.self.{name}", f"attention/{name}")
    return (
        block
        | norm("attention.output.LayerNorm", "attention_norm")
        | dense("intermediate.dense", "feed_forward/hidden")
        | dense("output.dense", "feed_forward/output")
        | norm("output.LayerNorm", "feed_forward_norm")
    )


def _encoder(config: TransformerConfig, prefix: str) -> tuple[Row, ...]:
    around = {
        "word_embeddings.weight": "embedding/embedding",
        "position_embeddings.weight": "positions/embedding",
        "token_type_embeddings.weight": "segments/embedding",
    }
    if not config.segments:
        del around["token_type_embeddings.weight"]
    around |= norm("LayerNorm", "embedding_norm")
    pooler = dense("pooler.dense", "pooler") if config.pooled else {}
    return (
        *rows_of(f"{prefix}embeddings.", "", around),
        *rows_of(f"{prefix}encoder.layer.{{block}}.", "blocks/", _block()),
        *rows_of(prefix, "", pooler),
    )


def _head(config: TransformerConfig, layer: str, normal: str, bias: str) -> tuple[Row, ...]:
    if config.head != "tied":
        return ()
    transform = dense(layer, "transform/dense") | norm(normal, "transform/norm")
    return rows_of("", "", transform | {bias: "head/bias"})


def _bert_rows(config: TransformerConfig) -> tuple[Row, ...]:
    head = "cls.predictions."
    return _encoder(config, "bert.") + _head(
        config, f"{head}transform.dense", f"{head}transform.LayerNorm", f"{head}bias"
    )


def _pooled(keys):
    has_pooler = any(key.endswith("pooler.dense.weight") for key in keys)
    is_masked = any(key.startswith(("cls.predictions.", "lm_head.")) for key in keys)
    return {"pooled": has_pooler and not is_masked}


_BERT_TIED = "bert.embeddings.word_embeddings.weight"
BERT = Family(
    name="bert",
    architectures={"BertModel": {}, "BertForMaskedLM": _MASKED, "BertForPreTraining": _MASKED},
    settings=(*_sizes(30_522), _LENGTH, entry("segments", "type_vocab_size", int, 2)),
    constants=_ENCODER,
    fixed=_NO_DECODER,
    rows=_bert_rows,
    prefix="bert.",
    ignored=_HEADS,
    copies={
        "cls.predictions.decoder.weight": _BERT_TIED,
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    seen=_pooled,
    old_names=_OLD,
)
"""Devlin et al. 2018, https://arxiv.org/abs/1810.04805."""


def _roberta_rows(config: TransformerConfig) -> tuple[Row, ...]:
    return _encoder(config, "roberta.") + _head(
        config, "lm_head.dense", "lm_head.layer_norm", "lm_head.bias"
    )


def _first_position(config):
    return entry("first_position", "pad_token_id", int, 1).read(config) + 1


def _roberta_length(config):
    rows = entry("length", "max_position_embeddings", int, 512).read(config)
    return rows - _first_position(config)


ROBERTA = Family(
    name="roberta",
    architectures={"RobertaModel": {}, "RobertaForMaskedLM": _MASKED},
    settings=(
        *_sizes(50_265),
        entry("segments", "type_vocab_size", int, 2),
        Setting("first_position", _first_position, lambda value: {"pad_token_id": value - 1}),
        Setting("length", _roberta_length, lambda value: {"max_position_embeddings": value + 2}),
    ),
    constants=_ENCODER,
    fixed=_NO_DECODER,
    rows=_roberta_rows,
    prefix="roberta.",
    ignored=_HEADS,
    copies={
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
    seen=_pooled,
    old_names=_OLD,
)
"""Liu et al. 2019, https://arxiv.org/abs/1907.11692."""


ELECTRA = Family(
    name="electra",
    architectures={"ElectraModel": {}},
    settings=(
        *_sizes(30_522),
        _LENGTH,
        entry("segments", "type_vocab_size", int, 2),
        Setting(
            "width",
            lambda config: _electra_width(config),
            lambda value: {"hidden_size": value, "embedding_size": value},
        ),
    ),
    constants=_ENCODER,
    fixed={key: value for key, value in _NO_DECODER.items() if key != "tie_word_embeddings"},
    rows=lambda config: _encoder(config, "electra."),
    prefix="electra.",
    ignored=_HEADS,
    old_names=_OLD,
)
"""Clark et al. 2020, https://arxiv.org/abs/2003.10555; the discriminator, without its head."""


def _electra_width(config):
    width = entry("width", "hidden_size", int, 256).read(config)
    if config.get("embedding_size", 128) != width:
        raise ValueError(f"embedding_size={config.get('embedding_size', 128)} for width={width}")
    return width


def _distilbert_rows(config: TransformerConfig) -> tuple[Row, ...]:
    around = {
        "word_embeddings.weight": "embedding/embedding",
        "position_embeddings.weight": "positions/embedding",
    }
    block = dense("attention.out_lin", "attention/output")
    for name in ("query", "key", "value"):
        block |= dense(f"attention.{name[0]}_lin", f"attention/{name}")
    block |= norm("sa_layer_norm", "attention_norm")
    block |= dense("ffn.lin1", "feed_forward/hidden") | dense("ffn.lin2", "feed_forward/output")
    block |= norm("output_layer_norm", "feed_forward_norm")
    names = ("vocab_transform", "vocab_layer_norm", "vocab_projector.bias")
    return (
        *rows_of("distilbert.embeddings.", "", around | norm("LayerNorm", "embedding_norm")),
        *rows_of("distilbert.transformer.layer.{block}.", "blocks/", block),
        *_head(config, *names),
    )


DISTILBERT = Family(
    name="distilbert",
    architectures={"DistilBertModel": {}, "DistilBertForMaskedLM": _MASKED},
    settings=(
        entry("vocabulary", "vocab_size", int, 30_522),
        _LENGTH,
        entry("width", "dim", int, 768),
        entry("depth", "n_layers", int, 6),
        entry("heads", "n_heads", int, 12),
        entry("hidden", "hidden_dim", int, 3072),
        activation("activation", "gelu"),
    ),
    constants=_ENCODER | {"norm_epsilon": 1e-12},
    fixed={"tie_word_embeddings": True},  # sines are kept as a table of positions
    rows=_distilbert_rows,
    prefix="distilbert.",
    ignored=_HEADS,
    copies={"vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"},
    old_names=_OLD,
)
"""Sanh et al. 2019, https://arxiv.org/abs/1910.01108."""
