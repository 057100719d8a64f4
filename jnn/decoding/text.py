"""From text to text: a language model between a tokenizer's two ends."""

from collections.abc import Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jnn.data.batches import padded_batches
from jnn.data.sequences import pad
from jnn.data.tokenizers import Tokenizer
from jnn.decoding.beam_search import beam_search
from jnn.decoding.checks import check_chosen
from jnn.decoding.generate import stream
from jnn.decoding.sampling import Sampling
from jnn.model import Model, Params, State


def stream_text(
    model: Model,
    params: Params,
    state: State,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    length: int,
    key: jax.Array,
    sampling: Sampling = Sampling(),
) -> Iterator[str]:
    """The text after a prompt, piece by piece; ``length`` counts the tokens.

    A piece is the text of a token, or of several where a character is made of several.

    The arguments are those of `jnn.decoding.generate.stream`, but for the text. A prompt has one
    token at least.

    >>> import jnn
    >>> from jnn.data.tokenizers import character_tokenizer
    >>> tokenizer = character_tokenizer("abc")
    >>> model = jnn.chain(jnn.embedding(3, 8), jnn.dense(3))
    >>> params, state = model.init(jax.random.key(0), jnp.array([1]))
    >>> pieces = stream_text(
    ...     model, params, state, tokenizer, "ab", length=4, key=jax.random.key(1)
    ... )
    >>> len("".join(pieces))
    4
    """
    before = tokenizer.encode(prompt)
    tokens = stream(
        model, params, state, jnp.asarray(before), length=length, key=key, sampling=sampling
    )
    yield from pieces(tokenizer, before, tokens)


def pieces(tokenizer: Tokenizer, before: Iterable, tokens: Iterable) -> Iterator[str]:
    """The text of ``tokens`` that come one by one after the tokens ``before`` them.

    A character of which only the first bytes have come is held back until it is complete, or the
    tokens end.

    >>> from jnn.data.tokenizers import byte_pair_tokenizer
    >>> tokenizer = byte_pair_tokenizer("a", vocabulary=256)
    >>> list(pieces(tokenizer, [], tokenizer.encode("né")))
    ['n', 'é']
    """
    window = [int(token) for token in before]
    written = text = tokenizer.decode(window)
    for token in tokens:
        window.append(int(token))
        text = tokenizer.decode(window)
        if text == written or text.endswith("\ufffd"):
            continue
        yield text[len(written) :]
        written = text
        if last := tokenizer.decode(window[-1:]):  # the text before it does not change any more
            window, written, text = window[-1:], last, last
    if len(text) > len(written):
        yield text[len(written) :]


def translate(
    model: Model,
    params: Params,
    state: State,
    tokenizer: Tokenizer,
    sources: Sequence[str],
    *,
    length: int,
    beams: int = 4,
    length_penalty: float = 0.6,
    batch_size: int = 250,
) -> list[str]:
    """The best translation of each source text that `jnn.decoding.beam_search.beam_search` finds.

    ``model`` gives logits of the next tokens from ``{"tokens", "source", "source_mask"}``, as
    `jnn.architectures.seq2seq.seq2seq` does. The tokenizer has the special tokens start, end and
    padding. A translation has at most ``length`` tokens; the batches are one compiled program.

    >>> from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
    >>> from jnn.data.tokenizers import word_tokenizer
    >>> tokenizer = word_tokenizer("good day buen día", special=("padding", "start", "end"))
    >>> model = seq2seq(Seq2SeqConfig(source_vocabulary=tokenizer.vocabulary, width=8, depth=1))
    >>> x = {"tokens": jnp.zeros(3, int), "source": jnp.zeros(3, int)}
    >>> x = {**x, "source_mask": jnp.ones(3, bool)}
    >>> params, state = jax.jit(model.init)(jax.random.key(0), x)
    >>> len(translate(model, params, state, tokenizer, ["good day", "good"], length=4))
    2
    """
    source = pad([tokenizer.encode(text) for text in sources], value=tokenizer.padding)
    arrays = {"source": source.tokens, "source_mask": source.mask}
    batches, _ = padded_batches(arrays, min(batch_size, len(sources)))
    settings = {"length": length, "beams": beams, "length_penalty": length_penalty}

    @jax.jit
    def search(params, state, batches):
        def best(batch):
            start = jnp.full((*batch["source"].shape[:-1], 1), tokenizer.start)
            options = {"context": batch, "stop": (tokenizer.end,), **settings}
            candidates = beam_search(model, params, state, start, **options)
            return candidates.tokens[..., 0, :], candidates.lengths[..., 0]

        return jax.lax.map(best, batches)

    tokens, lengths = jax.device_get(search(params, state, batches))
    starts = np.full((len(sources), 1), tokenizer.start)
    best = tokens.reshape(-1, length)[: len(sources)]
    check_chosen("translate", best, starts, None, lambda: (tokenizer.vocabulary,))
    rows = zip(best, lengths.ravel()[: len(sources)], strict=True)
    return [tokenizer.decode(row[:n]).strip() for row, n in rows]
