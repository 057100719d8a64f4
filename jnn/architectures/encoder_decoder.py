"""Encoder-decoder transformers: the original transformer, and T5."""

import dataclasses
from typing import Any

import jax

from jnn.architectures.transformer import vectors_of_positions
from jnn.architectures.transformer_block import BlockConfig, blocks, kernel_init, norm
from jnn.compose import chain
from jnn.initializers import normal
from jnn.layers.checks import check_names
from jnn.layers.dense import added_bias, dense
from jnn.layers.dropout import dropout
from jnn.layers.embedding import embedding, unembed
from jnn.model import Model, apply_child, check_children, init_child, named, read_child, scope
from jnn.wiring import Run, wired


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig(BlockConfig):
    """The settings of an `encoder_decoder`; those of blocks apply to both stacks."""

    source_vocabulary: int
    """Tokens of the source."""
    target_vocabulary: int = 0
    """Tokens of the target; 0 if source and target share one vocabulary, and one embedding."""
    decoder_depth: int = 0
    """Blocks of the decoder; 0 for as many as the encoder has, which are ``depth``."""
    length: int = 512
    """The longest sequence, if positions are learned."""
    tied: bool = True
    """Whether the target's embedding is the read-out too, or else a dense layer without bias."""
    scale_embeddings: bool = False
    """Whether embeddings are multiplied by ``sqrt(width)``, as in the first transformer."""
    scale_logits: bool = False
    """Whether tied logits are multiplied by ``1 / sqrt(width)``, as in T5."""
    logits_bias: bool = False
    """Whether logits have a bias of their own, as in BART."""
    embedding_norm: bool = False
    """Whether embeddings with positions are normalized before the first block, as in BART."""
    first_position: int = 0
    """Rows of the tables of learned positions before the one of the first position, as in BART."""
    embedding_deviation: float = 0.02
    """Standard deviation of the first embeddings."""


def encoder_decoder(config: EncoderDecoderConfig) -> Model:
    """Logits of the next target token given the source: ``decoder(target, encoder(source))``.

    x ``{"tokens": (..., T), "source": (..., S), "source_mask": (..., S)}``, the mask only if
    sources are padded; y ``(..., T, target vocabulary)``; ``mask`` ``(..., T)`` is that of the
    target.

    It streams over the target: the carry has the keys and values of the encoded source, so that
    ``step`` and ``read`` need ``tokens`` alone. To generate, pass the source as ``context``:
    ``generate(model, params, state, start, context={"source": source}, ...)``.

    Sources: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; Raffel et al. 2020,
    https://arxiv.org/abs/1910.10683.

    >>> import jax, jax.numpy as jnp
    >>> sizes = {"width": 8, "depth": 1, "heads": 2, "length": 16}
    >>> config = EncoderDecoderConfig(source_vocabulary=9, target_vocabulary=7, **sizes)
    >>> model = encoder_decoder(config)
    >>> x = {"tokens": jnp.arange(3), "source": jnp.arange(5)}
    >>> params, state = jax.jit(model.init)(jax.random.key(0), x)
    >>> jax.jit(model.apply)(params, state, x)[0].shape
    (3, 7)
    """
    shared = not config.target_vocabulary
    embed = {"source": _embedding(config, config.source_vocabulary)}
    embed["target"] = embed["source"] if shared else _embedding(config, config.target_vocabulary)
    encoder, decoder = _encoder(config), _decoder(config)
    scale = config.width**0.5 if config.scale_embeddings else 1.0

    names = {kind: "embedding" if shared else f"{kind}_embedding" for kind in embed}
    outputs = config.target_vocabulary or config.source_vocabulary
    head = dense(outputs, use_bias=False, kernel_init=kernel_init(config))
    bias = added_bias()
    parts = (*names.values(), "encoder", "decoder", *(() if config.tied else ("head",)))
    parts += ("logits",) if config.logits_bias else ()

    def embedded(kind: str, params, tokens):
        return scale * apply_child(names[kind], embed[kind], params, {}, tokens)[0]

    def logits(params, h):
        if config.tied:
            y = unembed(params[names["target"]], h)
        else:
            y, _ = apply_child("head", head, params, {}, h)
        y = y / config.width**0.5 if config.scale_logits else y
        return apply_child("logits", bias, params, {}, y)[0] if config.logits_bias else y

    def init(key, x):
        check_names("encoder_decoder", x, "tokens", "source")
        source_params, _, h = init_child(names["source"], embed["source"], key, x["source"])
        encoder_params, encoder_state, memory = init_child("encoder", encoder, key, h)
        target_params, _, h = init_child(names["target"], embed["target"], key, x["tokens"])
        decoder_params, decoder_state, h = init_child(
            "decoder", decoder, key, {"x": h, "memory": memory}
        )
        head_params = {} if config.tied else init_child("head", head, key, h)[0]
        if config.logits_bias:
            like = jax.ShapeDtypeStruct((outputs,), h.dtype)
            head_params |= init_child("logits", bias, key, like)[0]
        return (
            source_params | encoder_params | target_params | decoder_params | head_params,
            encoder_state | decoder_state,
        )

    def encode(params, state, x, **options):
        """The memory of the decoder, with its mask if there is one."""
        check_children("encoder_decoder", parts, params, state)
        mask, h = x.get("source_mask"), embedded("source", params, x["source"])
        memory, state = apply_child("encoder", encoder, params, state, h, mask=mask, **options)
        return {"memory": memory} | ({} if mask is None else {"memory_mask": mask}), state

    def apply(params, state, x, *, key=None, train=False, mask=None):
        check_names("encoder_decoder", x, "tokens", "source")
        memory, encoder_state = encode(params, state, x, key=key, train=train)
        inputs = {"x": embedded("target", params, x["tokens"]), **memory}
        h, decoder_state = apply_child(
            "decoder", decoder, params, state, inputs, key=key, train=train, mask=mask
        )
        return logits(params, h), encoder_state | decoder_state

    def carry(params, x_t, length):
        check_names("encoder_decoder", x_t, "tokens", "source")
        inputs = {"x": embedded("target", params, x_t["tokens"]), **encode(params, {}, x_t)[0]}
        with scope("decoder"):
            return decoder.carry(params["decoder"], inputs, length)

    def step(params, state, carry, x_t):
        check_names("encoder_decoder", x_t, "tokens")
        inputs = {"x": embedded("target", params, x_t["tokens"])}
        with scope("decoder"):
            h, carry = decoder.step(params["decoder"], state.get("decoder", {}), carry, inputs)
        return logits(params, h), carry

    def read(params, state, carry, x, *, key=None, train=False, mask=None):
        check_names("encoder_decoder", x, "tokens")
        inputs = {"x": embedded("target", params, x["tokens"])}
        options = {"key": key, "train": train, "mask": mask}
        carry = named("decoder", carry)
        h, carry = read_child("decoder", decoder, params, state, carry, inputs, **options)
        return logits(params, h), carry

    return Model(init, apply, carry, step, read)


def _embedding(config: EncoderDecoderConfig, tokens: int) -> Model:
    return embedding(tokens, config.width, embedding_init=normal(config.embedding_deviation))


def _before(config: EncoderDecoderConfig) -> dict[str, Model]:
    """The parts between an embedding and the first block."""
    parts = vectors_of_positions(config)
    parts |= {"embedding_norm": norm(config)} if config.embedding_norm else {}
    return parts | ({"dropout": dropout(config.dropout)} if config.dropout else {})


def _encoder(config: EncoderDecoderConfig) -> Model:
    after = {"norm": norm(config)} if config.norm_first else {}
    return chain(**_before(config), blocks=blocks(config, causal=False), **after)


def _decoder(config: EncoderDecoderConfig) -> Model:
    """From ``{"x", "memory", "memory_mask"}`` to features."""
    its = dataclasses.replace(config, depth=config.decoder_depth or config.depth, decoder_depth=0)
    parts = {**_before(config), "blocks": blocks(its, causal=True, cross=True)}
    if config.norm_first:
        parts["norm"] = norm(config)

    def flow(run: Run, x: dict[str, Any]) -> jax.Array:
        h = x["x"]
        for name in ("positions", "embedding_norm", "dropout"):
            h = run(name, h) if name in parts else h
        h = run("blocks", {**x, "x": h})["x"]
        return run("norm", h) if config.norm_first else h

    def carry(params, x_t, length):
        # All parts keep the shape of x. `wired` would infer it from x_t as a sequence of one
        # element, but the memory has no axis of target elements.
        return {
            name: part.carry(params.get(name, {}), x_t if name == "blocks" else x_t["x"], length)
            for name, part in parts.items()
        }

    return wired(flow, parts)._replace(carry=carry)
