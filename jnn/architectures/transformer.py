"""Decoder-only transformers, such as GPT-2 and Llama, and encoders, such as BERT."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jnn.architectures.transformer_block import (
    BlockConfig,
    blocks,
    kernel_init,
    norm,
    without_pairs,
)
from jnn.compose import chain
from jnn.errors import mistake
from jnn.initializers import normal
from jnn.layers.activation import activation
from jnn.layers.dense import added_bias, dense
from jnn.layers.dropout import dropout
from jnn.layers.embedding import embedding, unembed
from jnn.layers.position_vectors import learned_positions, sinusoidal_positions
from jnn.model import Model, Params, streams
from jnn.wiring import Run, wired


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig(BlockConfig):
    """The settings of a `transformer`. The defaults are GPT-2's."""

    vocabulary: int = 50_257
    """Tokens."""
    embedding_rows: int = 0
    """Rows of the table of embeddings, more than tokens where a mesh divides them, such as 50,304;
    0 for ``vocabulary``.
    """
    length: int = 1024
    """The longest sequence, where positions are learned."""
    causal: bool = True
    """Whether each element sees only itself and those before it (a decoder), or all (an
    encoder).
    """
    head: Literal["tied", "dense", "none"] = "tied"
    """What makes logits: the transposed embedding, a dense layer without bias, or nothing: the
    output is then features.
    """
    head_bias: bool = False
    """Whether logits have a bias, as in Phi and BERT."""
    head_transform: bool = False
    """Whether a dense layer, the activation and a norm come before the logits, as in BERT."""
    first_position: int = 0
    """Rows of the table of learned positions before the one of the first position, as in OPT."""
    segments: int = 0
    """Kinds of segments, each with a vector that is added, as in BERT; 0 for none; of 1, as in
    RoBERTa, x need not say which.
    """
    embedding_width: int = 0
    """Features of the embeddings, which a dense layer makes ``width`` of; 0 for ``width``."""
    embedding_projection: Literal["after_positions", "in_and_out"] = "after_positions"
    """Where that layer stands: behind positions, norm and dropout, as in ELECTRA; or, without bias,
    before them, with another one at the end of the features, which makes ``embedding_width`` of
    them again, as in OPT-350m.
    """
    embedding_deviation: float = 0.02
    """Standard deviation of the first embeddings."""
    scale_embeddings: bool = False
    """Whether embeddings are multiplied by ``sqrt(width)``, as in the first transformer."""
    embedding_norm: bool = False
    """Whether embeddings are normalized before the first block, as in BERT."""
    pooled: bool = False
    """Whether the output is ``f(dense(first real element))``, as in BERT, where f is tanh."""
    pooled_activation: Literal["tanh", "relu", "gelu"] = "tanh"
    """The f of ``pooled``."""
    outputs: int = 0
    """Classes of the whole sequence, of which a dense layer makes logits of the pooled vector; 0
    for the vector.
    """

    def __post_init__(self):
        """Refuse what does not fit together."""
        super().__post_init__()
        if self.pooled and (self.causal or self.head != "none"):
            got = f"pooled=True, causal={self.causal} and head={self.head!r}"
            raise mistake(
                "TransformerConfig",
                got=got,
                expected="causal=False and head='none' for a vector of the whole sequence",
            )
        if self.outputs and not self.pooled:
            got = f"outputs={self.outputs} and pooled=False"
            raise mistake("TransformerConfig", got=got, expected="pooled=True for classes")
        if self.embedding_width and self.head == "tied" and not self.projects_out:
            got = f"embedding_width={self.embedding_width} and head='tied'"
            remedy = "Set another head, or embedding_projection='in_and_out'."
            raise mistake("TransformerConfig", got=got, expected="the same width", remedy=remedy)
        if self.projects_out and (self.segments or self.pooled or self.head_transform):
            got = "embedding_projection='in_and_out' and segments, pooled or head_transform"
            raise mistake("TransformerConfig", got=got, expected="a model of tokens alone")
        if self.embedding_rows and self.embedding_rows < self.vocabulary:
            got = f"embedding_rows={self.embedding_rows} for vocabulary={self.vocabulary}"
            raise mistake("TransformerConfig", got=got, expected="at least a row for each token")

    @property
    def projects_out(self) -> bool:
        """Whether dense layers are before positions and at the end."""
        return bool(self.embedding_width) and self.embedding_projection == "in_and_out"

    @property
    def rows(self) -> int:
        """Those of the table of embeddings."""
        return self.embedding_rows or self.vocabulary


def transformer(config: TransformerConfig) -> Model:
    """Embeddings, a stack of blocks, and logits, features, or a pooled vector.

    x is tokens ``(..., T)``, or a dict, all ``(..., T)``, of

    ``tokens``
    ``segments``   in [0, segments), if the model has them
    ``documents``  optional, numbers of the documents that are packed into a row one after the
                   other: each is read as if it were alone

    y is logits ``(..., T, vocabulary)``, features ``(..., T, width)``, pooled ``(..., width)``, or
    the logits of classes ``(..., outputs)``.
    ``mask`` is of elements, ``(..., T)``, or of pairs, ``(..., T, T)``, as in `attention`. A causal
    model streams, with a key-value cache as its carry.

    >>> import jax, jax.numpy as jnp
    >>> model = transformer(TransformerConfig(vocabulary=65, length=32, width=16, depth=2, heads=2))
    >>> tokens = jnp.arange(6)
    >>> params, state = jax.jit(model.init)(jax.random.key(0), tokens)
    >>> jax.jit(model.apply)(params, state, tokens)[0].shape
    (6, 65)
    """
    parts = {
        "embedding": _embedding(config, config.rows),
        "blocks": blocks(config, causal=config.causal),
    }
    if config.segments:
        parts["segments"] = _embedding(config, config.segments)
    parts |= vectors_of_positions(config)
    if config.embedding_norm:
        parts["embedding_norm"] = norm(config)
    if config.embedding_width:
        settings = {"use_bias": not config.projects_out, "kernel_init": kernel_init(config)}
        parts["embedding_dense"] = dense(config.width, **settings)
        if config.projects_out:
            parts["output_dense"] = dense(config.embedding_width, **settings)
    if config.dropout:
        parts["dropout"] = dropout(config.dropout)
    if config.norm_first:
        parts["norm"] = norm(config)
    parts |= _head(config)
    if config.pooled:
        parts["pooler"] = dense(config.width, kernel_init=kernel_init(config))
    if config.outputs:
        parts["out"] = dense(config.outputs, kernel_init=kernel_init(config))
    pooled_activation = activation(config.pooled_activation)

    def flow(run: Run, x: Any) -> jax.Array:
        x = _checked(x, config)
        h = run("embedding", x["tokens"]) * (config.width**0.5 if config.scale_embeddings else 1)
        if config.segments:
            h = h + run("segments", x["segments"])
        single, mask = without_pairs(run, h), run.mask
        if "documents" in x:
            same = x["documents"][..., :, None] == x["documents"][..., None, :]
            mask = _pairs(same, run.mask, h)
        h = single("embedding_dense", h) if config.projects_out else h
        if "positions" in parts:
            h = _placed(run, h, same) if "documents" in x else single("positions", h)
        for name in ("embedding_norm", "dropout"):
            h = single(name, h) if name in parts else h
        if config.embedding_width and not config.projects_out:
            h = single("embedding_dense", h)
        h = run("blocks", h, mask=mask)
        h = single("norm", h) if config.norm_first else h
        h = single("output_dense", h) if config.projects_out else h
        if config.pooled:
            h = pooled_activation(run("pooler", _first(h, single.mask), mask=None))
            h = run("dropout", h, mask=None) if config.outputs and config.dropout else h
            return run("out", h, mask=None) if config.outputs else h
        if config.head == "none":
            return h
        return _logits(single, run.params, h, config)[..., : config.vocabulary]

    model = wired(flow, parts, streaming=not config.pooled)
    if not streams(model):
        return model
    return Model(
        model.init,
        model.apply,
        *(_of_one_document(f) for f in (model.carry, model.step, model.read)),
    )


def features_and_read_out(config: TransformerConfig) -> tuple[Model, Model]:
    """A `transformer` in two: tokens -> features ``(..., T, width)``, and features -> logits.

    Both take the params of the whole, and one after the other they are the whole, but that there is
    a logit for each of ``embedding_rows``, which is ``-inf`` beyond the vocabulary: as many as a
    mesh divides. For a loss that makes the logits of some elements at a time, by
    `jnn.losses.by_rows`:

        features, read_out = features_and_read_out(config)
        h, state = features.apply(params, state, tokens, key=key, train=True)
        of_rows = lambda h, y: cross_entropy(read_out.apply(params, {}, h)[0], y)
        loss = by_rows(of_rows, h, targets, rows=1024, axes=2)

    Raises `JnnError` where ``config`` has no logits.

    >>> import jax, jax.numpy as jnp
    >>> config = TransformerConfig(vocabulary=9, length=8, width=4, depth=1, heads=2)
    >>> features, read_out = features_and_read_out(config)
    >>> params, state = jax.jit(transformer(config).init)(jax.random.key(0), jnp.arange(5))
    >>> h, _ = jax.jit(features.apply)(params, state, jnp.arange(5))
    >>> h.shape, read_out.apply(params, {}, h)[0].shape
    ((5, 4), (5, 9))
    """
    if config.head == "none":
        got, expected = "head='none'", "a config with logits"
        raise mistake("features_and_read_out", got=got, expected=expected)
    parts, init = _head(config), transformer(config).init
    without = dataclasses.replace(config, head="none", head_bias=False, head_transform=False)
    features = transformer(without)

    def apply(params, state, x, **options):
        feature_params = {name: part for name, part in params.items() if name not in parts}
        return features.apply(feature_params, state, x, **options)

    def read_out(params, state, x, *, key=None, train=False, mask=None):
        run = lambda name, h: parts[name].apply(params[name], {}, h)[0]
        y, is_token = _logits(run, params, x, config), jnp.arange(config.rows) < config.vocabulary
        return jnp.where(is_token, y, jnp.asarray(-jnp.inf, y.dtype)), state

    return Model(init, apply), Model(init, read_out)


def _head(config: TransformerConfig) -> dict[str, Model]:
    """The parts that make logits of features."""
    parts = {}
    if config.head == "dense":
        parts["head"] = dense(
            config.rows, use_bias=config.head_bias, kernel_init=kernel_init(config)
        )
    elif config.head == "tied" and config.head_bias:
        parts["head"] = added_bias()
    if config.head_transform:
        parts["transform"] = chain(
            dense=dense(config.width, kernel_init=kernel_init(config)),
            activation=activation(config.activation),
            norm=norm(config),
        )
    return parts


def _logits(
    run: Callable[[str, jax.Array], jax.Array],
    params: Params,
    h: jax.Array,
    config: TransformerConfig,
) -> jax.Array:
    """Features as a logit for each row of the table; ``run`` is of the parts of `_head`."""
    h = run("transform", h) if config.head_transform else h
    y = unembed(params["embedding"], h) if config.head == "tied" else h
    return run("head", y) if config.head == "dense" or config.head_bias else y


def vectors_of_positions(config: Any) -> dict[str, Model]:
    """The part ``positions`` that adds vectors to embeddings, if the config has such."""
    match config.positions:
        case "learned":
            return {"positions": learned_positions(config.length, first=config.first_position)}
        case "sinusoidal" | "sinusoidal_halves":
            return {"positions": sinusoidal_positions(interleaved=config.positions == "sinusoidal")}
    return {}


def _embedding(config: TransformerConfig, tokens: int) -> Model:
    width = config.embedding_width or config.width
    initial = normal(config.embedding_deviation)
    return embedding(tokens, width, embedding_init=initial)


def _checked(x: Any, config: TransformerConfig) -> Mapping[str, jax.Array]:
    """x as a dict that has what the model reads, and no segments that it would not."""
    x = x if isinstance(x, Mapping) else {"tokens": x}
    if config.segments == 1:
        x = {"segments": jnp.zeros_like(x["tokens"]), **x} if "tokens" in x else x
    names = ("tokens", "segments") if config.segments else ("tokens",)
    if missing := [name for name in names if name not in x]:
        raise mistake(
            "transformer",
            got=f"x without {missing[0]}",
            expected=f"a dict of {' and '.join(names)}, each (..., T)",
        )
    if "segments" in x and not config.segments:
        remedy = "Set segments=, their number; sequences that are packed into a row are documents."
        raise mistake(
            "transformer",
            got="x with segments",
            expected="none, as the settings have segments=0",
            remedy=remedy,
        )
    return x


def _first(h: jax.Array, mask: jax.Array | None) -> jax.Array:
    """The first element that is real."""
    if mask is None:
        return h[..., 0, :]
    place = jnp.argmax(mask, axis=-1)[..., None, None]
    return jnp.take_along_axis(h, place, axis=-2)[..., 0, :]


def _pairs(same: jax.Array, mask: jax.Array | None, h: jax.Array) -> jax.Array:
    """Which elements may look at which: those of one document, and those that the mask allows."""
    if mask is None:
        return same
    return same & (mask if mask.ndim == h.ndim else mask[..., None, :])


def _placed(run: Run, h: jax.Array, same: jax.Array) -> jax.Array:
    """h and the vectors of positions, which begin anew with each document."""
    place = jnp.arange(h.shape[-2]).reshape((1,) * (h.ndim - 2) + (-1,)) - jnp.argmax(same, axis=-1)
    return h + jnp.take_along_axis(
        run("positions", jnp.zeros_like(h), mask=None), place[..., None], axis=-2
    )


def _of_one_document(stream: Callable) -> Callable:
    """``carry``, ``step`` or ``read``, which refuse documents: what streams is one."""

    def checked(*arguments: Any, **options: Any) -> Any:
        if any(isinstance(argument, Mapping) and "documents" in argument for argument in arguments):
            remedy = "Call apply, or read one document at a time."
            raise mistake(
                "transformer",
                got="x with documents, read as a stream",
                expected="one document",
                remedy=remedy,
            )
        return stream(*arguments, **options)

    return checked
