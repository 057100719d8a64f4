"""Recurrent sequence-to-sequence networks with attention."""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jnn.architectures.rnn import CELLS
from jnn.architectures.settings import check_settings
from jnn.compose import chain
from jnn.errors import mistake
from jnn.initializers import normal
from jnn.layers.bidirectional import bidirectional
from jnn.layers.checks import check_names
from jnn.layers.cross_attention import cross_attention
from jnn.layers.dense import dense
from jnn.layers.dropout import dropout
from jnn.layers.embedding import embedding, unembed
from jnn.model import Model, apply_child, check_children, init_child, read_child, scope, where
from jnn.wiring import Run, wired


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig:
    """The settings of a `seq2seq`."""

    source_vocabulary: int
    """Tokens of the source."""
    target_vocabulary: int = 0
    """Tokens of the target; 0 if source and target share one vocabulary, and one embedding."""
    width: int = 256
    """Features of embeddings, decoder layers, and encoder outputs, half for each direction."""
    depth: int = 2
    """Recurrent layers of the encoder, and of the decoder."""
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    """The recurrent layer."""
    heads: int = 1
    """Heads of the attention."""
    dropout: float = 0.0
    """Fraction dropped in training: of embeddings, between layers, and before the logits."""

    def __post_init__(self):
        """Refuse what does not fit together."""
        check_settings(self)
        if self.width % 2 or self.width % self.heads:
            got = f"width={self.width}, heads={self.heads}"
            raise mistake(
                "Seq2SeqConfig", got=got, expected="an even width, which the heads divide"
            )


def seq2seq(config: Seq2SeqConfig) -> Model:
    """Logits of the next target token given the source.

        m_1 ... m_S = encoder(source)                     bidirectional recurrent layers
        h_t = layer_0(target_t, h_{t-1}),                 h_0 = tanh(W mean_s m_s)
        c_t = Σ_s softmax_s(q(h_t)ᵀ k(m_s) / sqrt(d)) v(m_s)
        h_t <- layer_i([h_t, c_t], ...)                   i = 1 ... depth - 1
        logits_t = E tanh(C [h_t, c_t])                   E the embedding of the target

    x ``{"tokens": (..., T), "source": (..., S), "source_mask": (..., S)}``, the mask only if
    sources are padded; y ``(..., T, target vocabulary)``; ``mask`` ``(..., T)`` is that of the
    target. The weights of the attention are tagged as ``decoder/attention/weights``.

    It streams over the target: the carry has the keys and values of the encoded source, so that
    ``step`` and ``read`` need ``tokens`` alone. To generate, pass the source as ``context``:
    ``generate(model, params, state, start, context={"source": source}, ...)``.

    The state that attends does not depend on the context vector of the step before, as in Luong et
    al. 2015 without input feeding, https://arxiv.org/abs/1508.04025, so that all steps attend at
    once in training; the context goes to the layers above, as in Wu et al. 2016,
    https://arxiv.org/abs/1609.08144. Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473, attend
    before the recurrent step.

    >>> import jax, jax.numpy as jnp
    >>> model = seq2seq(Seq2SeqConfig(source_vocabulary=9, target_vocabulary=7, width=8))
    >>> x = {"tokens": jnp.arange(3), "source": jnp.arange(5)}
    >>> params, state = jax.jit(model.init)(jax.random.key(0), x)
    >>> sorted(params), jax.jit(model.apply)(params, state, x)[0].shape
    (['decoder', 'encoder', 'source_embedding', 'start', 'target_embedding'], (3, 7))
    """
    embed = {"source": _embedding(config, config.source_vocabulary)}
    embed["target"] = embed["source"]
    if config.target_vocabulary:
        embed["target"] = _embedding(config, config.target_vocabulary)
    shared = not config.target_vocabulary
    name = {kind: "embedding" if shared else f"{kind}_embedding" for kind in embed}
    encoder, decoder, start = _encoder(config), _decoder(config), dense(config.width)
    parts = (*name.values(), "encoder", "start", "decoder")

    def embedded(kind, params, tokens):
        with scope(name[kind]):
            return embed[kind].apply(params[name[kind]], {}, tokens)[0]

    def init(key, x):
        check_names("seq2seq", x, "tokens", "source")
        source, _, h = init_child(name["source"], embed["source"], key, x["source"])
        encoding, _, memory = init_child("encoder", encoder, key, h)
        mean = jax.ShapeDtypeStruct(memory.shape[-1:], memory.dtype)
        starting, _, _ = init_child("start", start, key, mean)
        target, _, h = init_child(name["target"], embed["target"], key, x["tokens"])
        decoding, _, _ = init_child("decoder", decoder, key, {"x": h, "memory": memory})
        return source | encoding | starting | target | decoding, {}

    def begin(params, x_t, length, **options):
        """The decoder's carry before its first token."""
        check_names("seq2seq", x_t, "tokens", "source")
        check_children("seq2seq", parts, params, {})
        real, source = x_t.get("source_mask"), embedded("source", params, x_t["source"])
        memory, _ = apply_child("encoder", encoder, params, {}, source, **options, mask=real)
        inputs = {"x": embedded("target", params, x_t["tokens"]), "memory": memory}
        if real is not None:
            inputs["memory_mask"] = real
        with scope("decoder"):
            carry = decoder.carry(params["decoder"], inputs, length)
        h = jnp.tanh(apply_child("start", start, params, {}, _mean(memory, real))[0])
        h = h.astype(carry["layer0"]["hidden"].dtype)
        return carry | {"layer0": carry["layer0"] | {"hidden": h}}

    def logits(params, h):
        return unembed(params[name["target"]], h)

    def step(params, state, carry, x_t):
        check_children("seq2seq", parts, params, state)
        check_names("seq2seq", x_t, "tokens")
        inputs = {"x": embedded("target", params, x_t["tokens"])}
        with scope("decoder"):
            h, carry = decoder.step(params["decoder"], {}, carry, inputs)
        return logits(params, h), carry

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        check_children("seq2seq", parts, params, state)
        check_names("seq2seq", x, "tokens")
        inputs = {"x": embedded("target", params, x["tokens"])}
        options = {"key": key, "train": train, "mask": mask}
        h, carry = read_child("decoder", decoder, params, {}, {"decoder": carry}, inputs, **options)
        return logits(params, h), carry

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_children("seq2seq", parts, params, state)
        check_names("seq2seq", x, "tokens", "source")
        tokens = x["tokens"]
        first, length = {**x, "tokens": tokens[..., 0]}, tokens.shape[-1]
        carry = begin(params, first, length, key=key, train=train)
        return read(params, state, carry, x, key=key, train=train, mask=mask)[0], state

    return Model(init, apply, begin, step, read)


def _embedding(config: Seq2SeqConfig, tokens: int) -> Model:
    """Vectors with a standard deviation that gives initial logits of the order of one."""
    start = normal(config.width**-0.5)
    return embedding(tokens, config.width, embedding_init=start)


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
        context = run("attention", {**x, "x": h}, mask=None)
        for i in range(1, config.depth):
            h = run(f"layer{i}", run("dropout", jnp.concatenate([h, context], axis=-1)))
        return run("dropout", jnp.tanh(run("combine", jnp.concatenate([h, context], axis=-1))))

    return wired(flow, parts)


def _mean(memory: jax.Array, real: jax.Array | None) -> jax.Array:
    """The mean over the real elements; 0 if there is none."""
    if real is None:
        return jnp.mean(memory, axis=-2)
    count = jnp.maximum(jnp.sum(real, axis=-1, keepdims=True), 1).astype(memory.dtype)
    return jnp.sum(where(real, memory, jnp.zeros_like(memory)), axis=-2) / count
