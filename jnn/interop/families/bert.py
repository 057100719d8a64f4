"""BERT, and other encoders of text."""

from jnn.architectures.transformer import TransformerConfig
from jnn.interop.families.family import Family, dense, norm, rows_of
from jnn.interop.families.labels import number_of_labels, write_labels
from jnn.interop.maps import Row
from jnn.interop.settings import Setting, activation, entry

_ENCODER = {
    "causal": False,
    "norm_first": False,
    "embedding_norm": True,
    "head": "none",
}
_MASKED = {"head": "tied", "head_bias": True, "head_transform": True, "pooled": False}
_HEADS = {
    r"(.*\.)?pooler\..*": "the pooled vector, without which the model was loaded",
    r"discriminator_predictions\..*": "the head that tells which tokens were replaced",
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


def _read_outputs(config):
    names = config.get("architectures") or ()
    is_classifier = any(str(name).endswith("ForSequenceClassification") for name in names)
    return number_of_labels(config) if is_classifier else 0


_OUTPUTS = Setting("outputs", _read_outputs, lambda n: write_labels(n) if n else {})


def _sizes(
    vocabulary: int, *, width: int = 768, heads: int = 12, hidden: int = 3072
) -> tuple[Setting, ...]:
    return (
        entry("vocabulary", "vocab_size", int, vocabulary),
        entry("width", "hidden_size", int, width),
        entry("depth", "num_hidden_layers", int, 12),
        entry("heads", "num_attention_heads", int, heads),
        entry("hidden", "intermediate_size", int, hidden),
        entry("norm_epsilon", "layer_norm_eps", float, 1e-12),
        activation("hidden_act", "gelu"),
        _OUTPUTS,
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
    inputs = dense("embeddings_project", "embedding_dense") if config.embedding_width else {}
    return (
        *rows_of(f"{prefix}embeddings.", "", around),
        *rows_of(prefix, "", inputs),
        *rows_of(f"{prefix}encoder.layer.{{block}}.", "blocks/", _block()),
    )


def _classes(
    config: TransformerConfig, pooler: str, out: str, *, alone: str = ""
) -> tuple[Row, ...]:
    """The rows of the classes of a text; ``alone`` is the pooler's name in a model without."""
    if config.outputs:
        return rows_of("", "", dense(pooler, "pooler") | dense(out, "out"))
    return rows_of("", "", dense(alone, "pooler")) if config.pooled else ()


def _head(config: TransformerConfig, layer: str, normal: str, bias: str) -> tuple[Row, ...]:
    if config.head != "tied":
        return ()
    transform = dense(layer, "transform/dense") | norm(normal, "transform/norm")
    return rows_of("", "", transform | {bias: "head/bias"})


def _bert_rows(config: TransformerConfig) -> tuple[Row, ...]:
    pooler, head = "bert.pooler.dense", "cls.predictions."
    names = (f"{head}transform.dense", f"{head}transform.LayerNorm", f"{head}bias")
    return (
        *_encoder(config, "bert."),
        *_classes(config, pooler, "classifier", alone=pooler),
        *_head(config, *names),
    )


def _pooled(keys):
    has_pooler = any(key.endswith("pooler.dense.weight") for key in keys)
    is_masked = any(key.startswith(("cls.predictions.", "lm_head.")) for key in keys)
    return {"pooled": has_pooler and not is_masked}


_BERT_TIED = "bert.embeddings.word_embeddings.weight"
BERT = Family(
    name="bert",
    architectures={
        "BertModel": {},
        "BertForMaskedLM": _MASKED,
        "BertForPreTraining": _MASKED,
        "BertForSequenceClassification": {"pooled": True},
    },
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


_OWN_POOLER = ("classifier.dense", "classifier.out_proj")


def _roberta_rows(config: TransformerConfig) -> tuple[Row, ...]:
    return (
        *_encoder(config, "roberta."),
        *_classes(config, *_OWN_POOLER, alone="roberta.pooler.dense"),
        *_head(config, "lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
    )


def _first_position(config):
    return entry("first_position", "pad_token_id", int, 1).read(config) + 1


def _roberta_length(config):
    rows = entry("length", "max_position_embeddings", int, 512).read(config)
    return rows - _first_position(config)


ROBERTA = Family(
    name="roberta",
    architectures={
        "RobertaModel": {},
        "RobertaForMaskedLM": _MASKED,
        "RobertaForSequenceClassification": {"pooled": True},
    },
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

XLM_ROBERTA = ROBERTA._replace(
    name="xlm-roberta",
    architectures={f"XLM{name}": values for name, values in ROBERTA.architectures.items()},
)
"""Conneau et al. 2019, https://arxiv.org/abs/1911.02116."""


def _electra_rows(config: TransformerConfig) -> tuple[Row, ...]:
    return (*_encoder(config, "electra."), *_classes(config, *_OWN_POOLER))


def _embedding_width(config):
    width = entry("width", "hidden_size", int, 256).read(config)
    its = entry("embedding_width", "embedding_size", int, 128).read(config)
    return 0 if its == width else its


ELECTRA = Family(
    name="electra",
    architectures={
        "ElectraModel": {},
        "ElectraForPreTraining": {},
        "ElectraForSequenceClassification": {"pooled": True, "pooled_activation": "gelu"},
    },
    settings=(
        *_sizes(30_522, width=256, heads=4, hidden=1024),
        _LENGTH,
        entry("segments", "type_vocab_size", int, 2),
        Setting("embedding_width", _embedding_width, lambda n: {"embedding_size": n} if n else {}),
    ),
    constants=_ENCODER,
    fixed={key: value for key, value in _NO_DECODER.items() if key != "tie_word_embeddings"},
    rows=_electra_rows,
    prefix="electra.",
    ignored=_HEADS,
    derived=lambda settings: {"embedding_size": settings.embedding_width or settings.width},
    old_names=_OLD,
)
"""Clark et al. 2020, https://arxiv.org/abs/2003.10555; the discriminator, without its head."""


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
        *_classes(config, "pre_classifier", "classifier"),
        *rows_of("distilbert.embeddings.", "", around | norm("LayerNorm", "embedding_norm")),
        *rows_of("distilbert.transformer.layer.{block}.", "blocks/", block),
        *_head(config, *names),
    )


DISTILBERT = Family(
    name="distilbert",
    architectures={
        "DistilBertModel": {},
        "DistilBertForMaskedLM": _MASKED,
        "DistilBertForSequenceClassification": {"pooled": True, "pooled_activation": "relu"},
    },
    settings=(
        entry("vocabulary", "vocab_size", int, 30_522),
        _LENGTH,
        entry("width", "dim", int, 768),
        entry("depth", "n_layers", int, 6),
        entry("heads", "n_heads", int, 12),
        entry("hidden", "hidden_dim", int, 3072),
        activation("activation", "gelu"),
        _OUTPUTS,
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
