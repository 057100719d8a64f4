"""A model that was trained here, as `jnn.interop.save` writes it for others to read."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jnn.architectures.encoder_decoder import EncoderDecoderConfig
from jnn.architectures.transformer import TransformerConfig
from jnn.data.tokenizers import Tokenizer
from jnn.data.tokenizers.byte_pairs import tokenizers_library
from jnn.data.tokenizers.pretrained import from_pretrained
from jnn.errors import mistake
from jnn.interop.families import FAMILIES, Family
from jnn.interop.folder import PretrainedModel
from jnn.interop.settings import read_settings, write_settings
from jnn.model import Params, State

_OF_TRAINING = {
    "dropout",
    "embedding_deviation",
    "fused",
    "kernel_deviation",
    "remat",
    "unroll",
    "zero_last_scale",
}
"""Settings that the function of a model does not depend on, nor the shapes of its params."""
_MEANT = {
    "hidden": lambda settings: settings.hidden or 4 * settings.width,
    "key_value_heads": lambda settings: settings.key_value_heads or settings.heads,
    "head_features": lambda settings: settings.head_features or settings.width // settings.heads,
    "attention_bias": lambda settings: _biases(settings),
    "decoder_depth": lambda settings: settings.decoder_depth or settings.depth,
    "embedding_projection": lambda settings: (
        settings.embedding_width and settings.embedding_projection
    ),
    "blocks": lambda settings: [stage.blocks for stage in settings.stages],
    "outputs_of_stages": lambda settings: [stage.outputs for stage in settings.stages],
}
"""What the value of a setting stands for, where that is another one."""


def as_pretrained(
    family: str,
    settings: Any,
    params: Params,
    *,
    state: State | None = None,
    tokenizer: Tokenizer | None = None,
) -> PretrainedModel:
    """A model of jnn as one of a family of Hugging Face's transformers.

    ``family``    a ``model_type``, such as ``"gpt2"``
    ``settings``  of the architecture, such as a `TransformerConfig`
    ``state``     of a model that has one, such as running statistics
    ``tokenizer`` of byte pairs, or that of a pretrained model; others have no file there

    Raises `JnnError` for a family that there is no map for, and for settings that it does not have,
    of which it names the first.

    >>> import jax, jax.numpy as jnp
    >>> from jnn.architectures.transformer import TransformerConfig, transformer
    >>> settings = TransformerConfig(vocabulary=9, length=8, width=4, depth=1, heads=2)
    >>> params, _ = jax.jit(transformer(settings).init)(jax.random.key(0), jnp.arange(3))
    >>> loaded = as_pretrained("gpt2", settings, params)
    >>> loaded.config["architectures"], loaded.config["n_embd"]
    (['GPT2LMHeadModel'], 4)
    """
    if family not in FAMILIES:
        expected = f"one of {', '.join(sorted(FAMILIES))}"
        raise mistake("as_pretrained", got=f"the family {family!r}", expected=expected)
    record = FAMILIES[family]
    if type(settings) is not record.config:
        got, expected = type(settings).__name__, getattr(record.config, "__name__", "others")
        raise mistake("as_pretrained", got=f"settings of type {got}", expected=expected)
    if tokenizer is not None and "tokenizer" not in tokenizer.definition:
        got = f"a tokenizer of {tokenizer.kind}"
        raise mistake("as_pretrained", got=got, expected="one of byte pairs")
    model = record.build(settings)
    _check_params(model, record.example(settings), params, state or {})
    return PretrainedModel(
        model=model,
        params=params,
        state=state or {},
        tokenizer=_for_files(tokenizer) if tokenizer else None,
        settings=settings,
        family=family,
        config={**_token_ids(record, tokenizer), **_config(record, settings)},
        tokenizer_config=_special(tokenizer) if tokenizer else {},
    )


def _config(family: Family, settings: Any) -> dict[str, Any]:
    """The ``config.json`` of the class that has these settings."""
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    values |= {name: meant(settings) for name, meant in _MEANT.items() if name in values}
    entries = {key: value for key, value in family.fixed.items() if value is not None}
    entries |= write_settings(family.settings, values) | family.derived(settings)
    closest: list[str] | None = None
    for name, of_class in family.architectures.items():
        config = {"model_type": family.name, "architectures": [name], **entries}
        read = read_settings(family.settings, family.fixed, config, "as_pretrained")
        candidate = family.config(
            **{**family.constants, **read, **_shown(family, values), **of_class}
        )
        other = differences(settings, candidate)
        if not other:
            return config
        closest = other if closest is None or len(other) < len(closest) else closest
    raise mistake(
        "as_pretrained",
        got=f"{', '.join(closest or [])}",
        expected=f"settings that {family.name} has",
        remedy="Choose another family, or these settings before training.",
    )


def _token_ids(family: Family, tokenizer: Tokenizer | None) -> dict[str, int | None]:
    """The numbers of special tokens in ``config.json``, null for none.

    Without them transformers take those of a published model, which may be beyond the vocabulary.
    """
    if family.config not in (TransformerConfig, EncoderDecoderConfig):
        return {}
    special = tokenizer.special if tokenizer else {}
    names = {"bos_token_id": "start", "eos_token_id": "end", "pad_token_id": "padding"}
    if family.config is EncoderDecoderConfig and "start" in special:  # null is refused there
        names["decoder_start_token_id"] = "start"
    return {key: special.get(name) for key, name in names.items()}


def _shown(family: Family, values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that keys of tensors show: they are what they are."""
    return {name: values[name] for name in family.seen(())}


def differences(settings: Any, other: Any) -> list[str]:
    """The settings that make another function, and what they are in ``other``."""
    skipped = set(_OF_TRAINING)
    if getattr(settings, "positions", "learned") != "learned":
        skipped.add("length")
    pairs = ((field.name, getattr(settings, field.name)) for field in dataclasses.fields(settings))
    return [
        f"{name}={value!r} (there {getattr(other, name)!r})"
        for name, value in pairs
        if name not in skipped and not _same(name, settings, other)
    ]


def _same(name: str, settings: Any, other: Any) -> bool:
    """Whether a setting is the same, or means the same."""
    if getattr(settings, name) == getattr(other, name):
        return True
    return name in _MEANT and _MEANT[name](settings) == _MEANT[name](other)


def _biases(settings: Any) -> str:
    """The projections of attention with biases, by name."""
    if settings.attention_bias != "same":
        return settings.attention_bias
    return "all" if settings.use_bias else "none"


def _check_params(model: Any, example: Any, params: Params, state: State) -> None:
    like = jax.eval_shape(model.init, jax.random.key(0), example)
    shapes = lambda tree: jax.tree.map(jnp.shape, tree)
    for kind, given, needed in zip(("params", "state"), (params, state), like, strict=True):
        if shapes(needed) != shapes(given):
            got = f"{kind} of another model" if given else f"no {kind}"
            raise mistake("as_pretrained", got=got, expected="those of these settings")


def _for_files(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer of byte pairs with its decoder and its special tokens in the definition."""
    if tokenizer.kind != "byte pairs":
        return tokenizer
    library = tokenizers_library()
    backend = library.Tokenizer.from_str(json.dumps(tokenizer.definition["tokenizer"]))
    backend.decoder = library.decoders.ByteLevel()
    numbers = sorted(set(tokenizer.special.values()))
    backend.add_special_tokens([tokenizer.tokens[i] for i in numbers])
    if any(backend.token_to_id(tokenizer.tokens[i]) != i for i in numbers):
        got = f"the special tokens {dict(tokenizer.special)}"
        raise mistake("as_pretrained", got=got, expected="tokens after all others, in their order")
    return from_pretrained(json.loads(backend.to_str()), dict(tokenizer.special))


def _special(tokenizer: Tokenizer) -> dict[str, str]:
    """``tokenizer_config.json``: the names of special tokens, and that ``tokenizer.json`` has all.

    Without the class transformers take the family's, which has a vocabulary of another kind.
    """
    names = {"padding": "pad_token", "unknown": "unk_token", "start": "bos_token"}
    names |= {"end": "eos_token"}
    tokens = {names[name]: tokenizer.tokens[i] for name, i in tokenizer.special.items()}
    return {"tokenizer_class": "PreTrainedTokenizerFast", **tokens}
