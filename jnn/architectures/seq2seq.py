"""Recurrent networks that read one sequence and write another, with attention from what is written
to what was read.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jnn.architectures.rnn import CELLS
from jnn.compose import chain
from jnn.errors import mistake
from jnn.layers.bidirectional import bidirectional
from jnn.layers.checks import check_fraction, check_positive
from jnn.layers.cross_attention import cross_attention
from jnn.layers.dense import dense
from jnn.layers.dropout import dropout
from jnn.layers.embedding import embedding, unembed
from jnn.model import Model, apply_child, init_child, read_child, scope, where
from jnn.wiring import Run, wired


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig:
    """The settings of a `seq2seq`."""

    source_vocabulary: int
    """Tokens that are read."""
    target_vocabulary: int = 0
    """Tokens that are written; 0 where both languages share one vocabulary, and one embedding."""
    width: int = 256
    """Features of embeddings, of the encoder's outputs, half of them for each direction, and of the
    decoder's layers.
    """
    depth: int = 2
    """Recurrent layers of the encoder, and of the decoder."""
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    """The recurrent layer."""
    heads: int = 1
    """Heads of the attention."""
    dropout: float = 0.0
    """Fraction that is dropped in training: of embeddings, between layers, and before the
    logits.
    """

    def __post_init__(self):
        """Refuse what does not fit together."""
        sizes = {"width": self.width, "depth": self.depth, "heads": self.heads}
        check_positive("Seq2SeqConfig", source_vocabulary=self.source_vocabulary, **sizes)
        check_fraction("Seq2SeqConfig", dropout=self.dropout)
        if self.cell not in CELLS:
            raise mistake(
                "Seq2SeqConfig", got=f"cell={self.cell!r}", expected=f"one of {', '.join(CELLS)}"
            )
        if self.width % 2 or self.width % self.heads:
            got = f"width={self.width}, heads={self.heads}"
            raise mistake(
                "Seq2SeqConfig", got=got, expected="an even width, which the heads divide"
            )


def seq2seq(config: Seq2SeqConfig) -> Model:
    """Logits for the next token of the target, given the source:

        m_1 ... m_S = encoder(source)                     bidirectional recurrent layers
        h_t = layer_0(target_t, h_{t-1}),                 h_0 = tanh(W mean_s m_s)
        c_t = Σ_s softmax_s(q(h_t)ᵀ k(m_s) / sqrt(d)) v(m_s)
        h_t <- layer_i([h_t, c_t], ...)                   i = 1 ... depth - 1
        logits_t = E tanh(C [h_t, c_t])                   E the embedding of the target

    x ``{"tokens": (..., T), "source": (..., S), "source_mask": (..., S)}``, the mask where sources
    are padded; y ``(..., T, target vocabulary)``; ``mask`` ``(..., T)`` is that of the target. It
    streams over the target: the memory has the keys and values of the source, which the encoder
    reads once, so that ``step`` and ``read`` need ``tokens`` alone. To generate, give the source as
    ``context``: ``generate(model, params, state, start, context={"source": source}, ...)``. The
    weights of the attention are tagged as ``decoder/attention/weights``.

    The state that attends is not given what it saw at the step before, as in Luong et al. 2015
    without input feeding, https://arxiv.org/abs/1508.04025; Bahdanau et al. 2015,
    https://arxiv.org/abs/1409.0473, attend before the recurrent step. So all steps attend at once
    in training; what was seen goes through the layers above, as in Wu et al. 2016,
    https://arxiv.org/abs/1609.08144.

    >>> import jax, jax.numpy as jnp
    >>> model = seq2seq(Seq2SeqConfig(source_vocabulary=9, target_vocabulary=7, width=8))
    >>> x = {"tokens": jnp.arange(3), "source": jnp.arange(5)}
    >>> params, state = jax.jit(model.init)(jax.random.key(0), x)
    >>> sorted(params), jax.jit(model.apply)(params, state, x)[0].shape
    (['decoder', 'encoder', 'source_embedding', 'start', 'target_embedding'], (3, 7))
    """
    embed = {"source": _embedding(config, config.source_vocabulary)}
    embed["target"] = (
        _embedding(config, config.target_vocabulary)
        if config.target_vocabulary
        else embed["source"]
    )
    name = {
        kind: f"{kind}_embedding" if config.target_vocabulary else "embedding" for kind in embed
    }
    encoder, decoder, start = _encoder(config), _decoder(config), dense(config.width)

    def embedded(kind, params, tokens):
        with scope(name[kind]):
            return embed[kind].apply(params[name[kind]], {}, tokens)[0]

    def init(key, x):
        _check(x, "tokens", "source")
        params: dict[str, Any] = {}
        for kind, tokens in (("source", x["source"]), ("target", x["tokens"])):
            found, _, h = init_child(name[kind], embed[kind], key, tokens)
            params |= found
            if kind == "source":
                found, _, memory = init_child("encoder", encoder, key, h)
                params |= found
                params |= init_child(
                    "start", start, key, jax.ShapeDtypeStruct(memory.shape[-1:], memory.dtype)
                )[0]
        return params | init_child("decoder", decoder, key, {"x": h, "memory": memory})[0], {}

    def begin(params, x_t, length, **options):
        """The decoder's memory before its first token."""
        _check(x_t, "tokens", "source")
        real = x_t.get("source_mask")
        memory, _ = apply_child(
            "encoder",
            encoder,
            params,
            {},
            embedded("source", params, x_t["source"]),
            **options,
            mask=real,
        )
        inputs = {"x": embedded("target", params, x_t["tokens"]), "memory": memory}
        carry = decoder.carry(
            params["decoder"], inputs if real is None else inputs | {"memory_mask": real}, length
        )
        h = jnp.tanh(apply_child("start", start, params, {}, _mean(memory, real))[0])
        return carry | {
            "layer0": carry["layer0"] | {"hidden": h.astype(carry["layer0"]["hidden"].dtype)}
        }

    def logits(params, h):
        return unembed(params[name["target"]], h)

    def step(params, state, carry, x_t):
        _check(x_t, "tokens")
        with scope("decoder"):
            h, carry = decoder.step(
                params["decoder"], {}, carry, {"x": embedded("target", params, x_t["tokens"])}
            )
        return logits(params, h), carry

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        _check(x, "tokens")
        inputs, options = (
            {"x": embedded("target", params, x["tokens"])},
            {"key": key, "train": train, "mask": mask},
        )
        h, carry = read_child("decoder", decoder, params, {}, {"decoder": carry}, inputs, **options)
        return logits(params, h), carry

    def apply(params, state, x, *, key=None, train=False, mask=None):
        _check(x, "tokens", "source")
        carry = begin(
            params,
            {**x, "tokens": x["tokens"][..., 0]},
            x["tokens"].shape[-1],
            key=key,
            train=train,
        )
        return read(params, state, carry, x, key=key, train=train, mask=mask)[0], state

    return Model(init, apply, begin, step, read)


def _check(x: Any, *names: str) -> None:
    if not isinstance(x, Mapping) or any(name not in x for name in names):
        got = (
            f"a dict of {', '.join(map(str, x))}"
            if isinstance(x, Mapping)
            else f"x of type {type(x).__name__}"
        )
        raise mistake("seq2seq", got=got, expected=f"a dict with {' and '.join(names)}")


def _embedding(config: Seq2SeqConfig, tokens: int) -> Model:
    """Vectors with a standard deviation for which logits start at the order of one."""
    return embedding(
        tokens, config.width, embedding_init=jax.nn.initializers.normal(config.width**-0.5)
    )


def _encoder(config: Seq2SeqConfig) -> Model:
    parts = {}
    for i in range(config.depth):
        parts[f"dropout{i}"] = dropout(config.dropout)
        parts[f"layer{i}"] = bidirectional(CELLS[config.cell](config.width // 2))
    return chain(**parts)


def _decoder(config: Seq2SeqConfig) -> Model:
    """From ``{"x", "memory", "memory_mask"}`` to features."""
    parts = {f"layer{i}": CELLS[config.cell](config.width) for i in range(config.depth)}
    parts |= {
        "attention": cross_attention(config.heads, use_bias=False),
        "combine": dense(config.width),
        "dropout": dropout(config.dropout),
    }

    def flow(run: Run, x: dict[str, Any]) -> jax.Array:
        h = run("layer0", run("dropout", x["x"]))
        seen = run("attention", {**x, "x": h}, mask=None)
        for i in range(1, config.depth):
            h = run(f"layer{i}", run("dropout", jnp.concatenate([h, seen], axis=-1)))
        return run("dropout", jnp.tanh(run("combine", jnp.concatenate([h, seen], axis=-1))))

    return wired(flow, parts)


def _mean(memory: jax.Array, real: jax.Array | None) -> jax.Array:
    """The mean over the elements that are real; 0 where there is none."""
    if real is None:
        return jnp.mean(memory, axis=-2)
    count = jnp.maximum(jnp.sum(real, axis=-1, keepdims=True), 1).astype(memory.dtype)
    return jnp.sum(where(real, memory, jnp.zeros_like(memory)), axis=-2) / count
