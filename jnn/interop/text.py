"""The text that a pretrained model writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.tokenizers.pretrained import from_pretrained
from jnn.decoding.generate import Request, stream
from jnn.decoding.text import pieces
from jnn.errors import mistake
from jnn.interop.folder import PretrainedModel, load
from jnn.model import streams


def write_text(folder: str | Path, request: Request) -> Iterator[str]:
    """The prompt and what the model in a folder writes after it, piece by piece.

    A model of pairs, such as Marian's, writes what the prompt is to become. It ends with the end
    token, and where its positions do. Raises `JnnError` for a model that writes no text, and for a
    folder without tokenizer.
    """
    loaded = load(folder)
    tokenizer, settings, caller = loaded.tokenizer, loaded.settings, str(folder)
    if not streams(loaded.model) or getattr(settings, "head", "tied") == "none":
        got = f"a {loaded.family} that has no next token"
        raise mistake(caller, got=got, expected="a model that writes text")
    if tokenizer is None:
        raise mistake(caller, got="no tokenizer.json", expected="one to read the prompt with")
    if request.beams:
        raise mistake("--beams", got=str(request.beams), expected="sampling, for a folder")
    definition, special = tokenizer.definition["tokenizer"], tokenizer.special
    tokenizer = from_pretrained(definition, special, ends=True, vocabulary=_vocabulary(settings))
    tokens = tokenizer.encode(request.prompt)
    context = None
    if hasattr(settings, "source_vocabulary"):
        context, tokens = {"source": jnp.asarray(tokens)}, _start(loaded, caller)
    elif not len(tokens):
        raise mistake("--prompt", got="no token", expected="the beginning of a text")
    length = within_positions(settings, len(tokens), request.length)
    written = stream(
        loaded.model,
        loaded.params,
        loaded.state,
        jnp.asarray(tokens),
        length=length,
        key=jax.random.key(request.seed),
        sampling=request.sampling,
        stop=(tokenizer.end,) if "end" in tokenizer.special else (),
        context=context,
    )
    if context is None:
        yield request.prompt
    yield from pieces(tokenizer, tokens, written)


def within_positions(settings: Any, prompt: int, length: int) -> int:
    """As many of ``length`` tokens as the model has positions for, after a prompt of ``prompt``.

    Raises `JnnError` where there are none.

    >>> from jnn.architectures.transformer import TransformerConfig
    >>> within_positions(TransformerConfig(length=32), 30, 300)
    2
    """
    if settings.positions != "learned":
        return length
    if prompt >= settings.length:
        got, most = f"{prompt} tokens", settings.length - 1
        raise mistake("--prompt", got=got, expected=f"at most {most}, to write one more")
    return min(length, settings.length - prompt)


def _vocabulary(settings: Any) -> int:
    """The tokens that the model may write."""
    if hasattr(settings, "source_vocabulary"):
        return settings.target_vocabulary or settings.source_vocabulary
    return settings.vocabulary


def _start(loaded: PretrainedModel, caller: str) -> np.ndarray:
    token = loaded.config.get("decoder_start_token_id")
    if type(token) is not int:
        got = f"decoder_start_token_id={token!r} in config.json"
        raise mistake(caller, got=got, expected="the token that a target begins with")
    return np.array([token], np.int32)
