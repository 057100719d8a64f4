"""The report of a language model: what it predicts, remembers and attends to in a text.

``tokens`` are integers ``(T,)``, one text, which the model turns into logits ``(T, vocabulary)``.
"""

import functools
import textwrap
from collections.abc import Mapping

import jax
import numpy as np
from numpy.typing import ArrayLike

from jnn.data.tokenizers import Tokenizer
from jnn.decoding.sampling import Sampling
from jnn.explain.inside import attention, logit_lens, next_token, recurrent, through_time
from jnn.explain.page import coloured_text
from jnn.explain.page.report import Section
from jnn.explain.tokens import names
from jnn.model import Model, Params, State


def generated(text: str, caption: str) -> list[Section]:
    """Generated text, in lines of a readable length."""
    lines = [textwrap.fill(line) for line in text.splitlines()]
    return [Section("Generated text", caption, "\n".join(lines))]


def predictions(
    model: Model, params: Params, state: State, tokens: np.ndarray, tokenizer: Tokenizer
) -> list[Section]:
    """The probability of each token given those before it, and the distribution of the next."""
    logits = _logits(model, params, state, tokens)
    p = next_token.distribution(logits, Sampling())
    given = np.append(np.nan, p[np.arange(len(tokens) - 1), tokens[1:]])
    return [
        Section(
            "Token probabilities",
            "The beginning of the test text, coloured by the probability of each token given those "
            "before it.",
            coloured_text.coloured_text(
                names(tokenizer, tokens),
                {"": given},
                label="probability of each token",
                scale=1.0,
            ),
        ),
        Section(
            "Next-token distribution",
            "The probabilities after that text, and those that remain with other ways of sampling.",
            next_token.next_token(logits[-1], tokenizer.tokens, after=tokenizer.decode(tokens)),
        ),
    ]


def recurrent_units(
    model: Model, params: Params, state: State, tokens: np.ndarray, tokenizer: Tokenizer
) -> list[Section]:
    """Hidden units of the last recurrent layer over a text, and its gates where it has some."""
    text = names(tokenizer, tokens)
    layer, values = list(recurrent.activations(model, params, state, tokens).items())[-1]
    hidden = values["hidden"]
    units = recurrent.units_by_autocovariance(hidden).tolist()
    p = next_token.distribution(_logits(model, params, state, tokens), Sampling())
    sections = [
        Section(
            "Hidden units over the text",
            "The same text, coloured by the activity of the units with the largest autocovariance.",
            coloured_text.coloured_text(
                text,
                {f"unit {i} of {layer}": hidden[:, i] for i in units[:3]},
                label="activity of three units",
                scale=1.0,
            ),
        ),
        Section(
            "A hidden unit and the predictions",
            "Above, the activity of one unit; below each token, the most probable next ones.",
            coloured_text.predicted_text(
                text,
                hidden[:, units[0]],
                p,
                tokenizer.tokens,
                label="activity of a unit, and predictions",
                scale=1.0,
            ),
        ),
        Section(
            "Hidden states",
            "Each row is a unit, each column a token.",
            recurrent.hidden_states(hidden, text, units=units, layer=layer),
        ),
    ]
    if not any(name in values for name in recurrent.GATES):
        return sections
    gates = recurrent.gates(values, text, units=units[:12], layer=layer)
    caption = "Each gate ranges from closed (0, dark) to open (1, bright)."
    return [*sections, Section("Gates", caption, gates)]


def gradients(
    models: Mapping[str, tuple[Model, Params, State]], tokens: ArrayLike, targets: ArrayLike
) -> list[Section]:
    """How the gradient fades over time: a line for each of the models, by name.

    ``tokens`` ``(N, T)`` are windows of text, and ``targets`` ``(N,)`` the token after each.
    """
    norms = {
        name: through_time.loss_gradients(*trained, tokens, targets)
        for name, trained in models.items()
    }
    return [
        Section(
            "Gradient through time",
            "The gradient norm of the last token's loss with respect to each token before it; the "
            f"geometric mean over {len(np.asarray(tokens))} windows of test text.",
            through_time.gradient_through_time(norms),
        )
    ]


def gradients_and_untrained(
    model: Model,
    params: Params,
    state: State,
    tokens: ArrayLike,
    targets: ArrayLike,
    *,
    name: str,
    others: Mapping[str, Model],
) -> list[Section]:
    """`gradients` of a model called ``name``, beside those of ``others``, which are untrained."""
    models = {f"this {name}, trained": (model, params, state)}
    for other, untrained in others.items():
        first = jax.jit(untrained.init)(jax.random.key(0), np.asarray(tokens)[0])
        models[f"{other}, untrained"] = (untrained, *first)
    return gradients(models, tokens, targets)


def attention_and_lens(
    model: Model,
    params: Params,
    state: State,
    tokens: np.ndarray,
    tokenizer: Tokenizer,
    *,
    path: str = "blocks",
) -> list[Section]:
    """Attention maps of a transformer, and its prediction after each block.

    ``path`` is that of the stack of blocks.
    """
    text = names(tokenizer, tokens)
    weights = attention.attention_weights(model, params, state, tokens)[f"{path}/attention"]
    lens = logit_lens.layer_logits(model, params, state, tokens, path=path)
    title = f"Layer {len(weights) - 1}, head 0"
    return [
        Section(
            "Attention maps",
            "Each row of a map is a token, and bright are the tokens that it attends to.",
            attention.attention_maps(weights, text),
        ),
        Section(
            "Attention map of one head",
            "The first head of the last block, larger.",
            attention.attention_map(weights[-1, 0], text, title=title),
        ),
        Section(
            "Logit lens",
            "The prediction of the next token after each block.",
            logit_lens.logit_lens(lens, text, tokenizer.tokens),
        ),
    ]


def _logits(model: Model, params: Params, state: State, tokens: np.ndarray) -> np.ndarray:
    return np.asarray(_applied(model, params, state, tokens), np.float64)


@functools.partial(jax.jit, static_argnames="model")
def _applied(model: Model, params: Params, state: State, tokens: jax.Array) -> jax.Array:
    return model.apply(params, state, tokens)[0]
