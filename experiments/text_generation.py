"""Generate text by predicting the next character, or the next token of a byte-pair encoding.

Source    Recurrent networks: Karpathy 2015, http://karpathy.github.io/2015/05/21/rnn-effectiveness.
          The transformer is a small GPT-2 (Radford et al. 2019).
Data      tiny_shakespeare: 1,115,394 characters of his plays, test part the last tenth. wikitext2:
          articles of Wikipedia, 10.9 million characters, with the published parts (Merity et al.
          2016, https://arxiv.org/abs/1609.07843).
Baselines Interpolated n-grams of characters, learned from all that is not test data.
Command   jnn run text_generation [--data tiny_shakespeare|wikitext2]
          [--model rnn|lstm|gru|transformer]; on a GPU, not measured yet:
          jnn run text_generation --model transformer --width 384 --depth 6 --heads 6 --length 256
          --epochs 80 --learning-rate 1e-3 --precision bfloat16
          jnn run text_generation --preset gpt2 --data wikitext2 --precision bfloat16 --fused
          jnn run text_generation --preset gpt2 --tokens FOLDER, of jnn.data.token_files
          jnn run text_generation --start FOLDER [--lora 8], of a pretrained GPT-2 or Llama, say
          jnn generate runs/text_generation/latest --prompt "ROMEO:"
Result    test nats per character of tiny_shakespeare after 880 steps, mean and standard deviation
          over seeds 0, 1, 2, and processor time of a run on an Intel Xeon; a 5-gram has 1.669, a
          3-gram 2.049, a 1-gram 3.347:

          lstm         1.581 +- 0.008   11 min
          gru          1.547 +- 0.004   10 min
          transformer  1.637 (seed 0)   23 min
          rnn          1.697 (seed 0)    4 min

          More epochs help: seed 0 of the lstm had 1.419 on validation text at step 1,210 of
          ``--epochs 20``, where these 8 epochs end at 1.507. wikitext2, lstm, one epoch: 1.610
          (seed 0), 19 min; its 5-gram, which remembers all of the ten times longer text, has 1.484.
"""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import metrics
from jnn.architectures.presets import GPT2, GPT2_XL, LLAMA2_7B
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.transformer import (
    TransformerConfig,
    features_and_read_out,
    transformer,
)
from jnn.baselines.ngram import ngram_nats
from jnn.data import tokenizers
from jnn.data.sets.texts import Texts, load_tiny_shakespeare, load_wikitext2, split_text
from jnn.data.token_files import TokenFiles, file_windows, token_files
from jnn.data.token_windows import evaluation_windows, predicted_characters
from jnn.decoding.generate import Request
from jnn.decoding.sampling import Sampling
from jnn.decoding.text import stream_text
from jnn.errors import mistake
from jnn.interop.pretrained import Pretrained, decoder_settings, pretrained_decoder
from jnn.interop.text import within_positions
from jnn.runs import About, trained
from jnn.train import (
    SUITED,
    Feed,
    FineTuningConfig,
    Task,
    language_model_feed,
    make_evaluate,
    next_token_losses,
    next_token_losses_by_rows,
    seed_key,
    streamed,
)

ABOUT = About(
    task="text generation",
    models=("rnn", "lstm", "gru", "transformer"),
    data=("tiny_shakespeare", "wikitext2"),
    metric="test/nats_per_character",
    direction="lowest",
    expected="1.581 ± 0.008 (tiny_shakespeare, lstm)",
    cost="11 min of processor time",
)
EPOCHS = {"tiny_shakespeare": 8, "wikitext2": 1}
# of the training parts, and one for all others
CHARACTERS = {"tiny_shakespeare": 66, "wikitext2": 1014}
LOAD = {"tiny_shakespeare": load_tiny_shakespeare, "wikitext2": load_wikitext2}
# of a smoke run
PANGRAMS = {
    "tiny_shakespeare": "the quick brown fox jumps over the lazy dog. ",
    "wikitext2": "pack my box with five dozen liquor jugs. ",
}
HEADS = 4
PRESETS = {"gpt2": GPT2, "gpt2_xl": GPT2_XL, "llama2_7b": LLAMA2_7B}
RATES = {"gpt2": 6e-4, "gpt2_xl": 2e-4, "llama2_7b": 3e-4}
TILE = 128
"""A table of embeddings has a multiple of so many rows, which a mesh divides."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(FineTuningConfig):
    """The settings of a run. An epoch has as many windows as it takes to see the text once."""

    data: Literal["tiny_shakespeare", "wikitext2"] = "tiny_shakespeare"
    """The text."""
    tokens: str = ""
    """A folder of tokens in files, with their tokenizer, as jnn.data.token_files writes it, to
    train on in place of the training part of the text.
    """
    model: Literal["rnn", "lstm", "gru", "transformer"] = SUITED
    """The architecture: an lstm, or that of the pretrained model."""
    preset: Literal["none", "gpt2", "gpt2_xl", "llama2_7b"] = "none"
    """A published transformer, to be trained from scratch: its sizes, positions and norms, byte
    pairs, and what saves memory. --smoke makes it small.
    """
    vocabulary: int = SUITED
    """Most tokens of a byte-pair encoding; 0 for a token for each character."""
    length: int = SUITED
    """Tokens in a window: how far gradients, and the attention of a transformer, reach back."""
    width: int = SUITED
    """Features of each layer."""
    depth: int = SUITED
    """Layers, or blocks."""
    heads: int = SUITED
    """Heads of attention, of the transformer alone."""
    remat: Literal["none", "products", "projections", "full"] = SUITED
    """What a transformer recomputes in the backward pass, to save memory: see `jnn.remat`."""
    loss_rows: int = SUITED
    """Tokens for which a transformer makes logits at a time on each device, to save memory; 0 for
    all.
    """
    fused: bool = False
    """Attention of a transformer by a fused kernel, where a GPU has one; without dropout."""
    dropout: float = SUITED
    """Fraction of features that is dropped in training."""
    epochs: int = SUITED
    batch_size: int = SUITED
    learning_rate: float = SUITED
    weight_decay: float = 0.1
    clip: float = 1.0

    def suited(self) -> dict[str, Any]:
        """The epochs that suit the data, and the sizes of a smoke run or of a published model."""
        if self.pretrained:
            sizes = self.pretrained_sizes()
        elif self.smoke:
            sizes = {"length": 16, "width": 24, "depth": 1, "epochs": 1, "batch_size": 16}
        else:
            sizes = {"length": 128, "width": 256, "depth": 2, "batch_size": 64}
        any_size = {"model": "lstm", "vocabulary": 0, "dropout": 0.2, "learning_rate": 3e-3}
        saving = {"remat": "none", "loss_rows": 0}
        preset = self.preset_sizes() if self.preset != "none" else {}
        epochs = {"epochs": 1 if self.tokens else EPOCHS[self.data]}
        return {**epochs, "heads": HEADS, **any_size, **saving, **sizes, **preset}

    def preset_sizes(self) -> dict[str, Any]:
        """Those of the published model, but for a smoke run, and what saves memory."""
        its = PRESETS[self.preset]
        sizes = {"length": its.length, "width": its.width, "depth": its.depth, "heads": its.heads}
        sizes |= {"vocabulary": its.vocabulary, "learning_rate": RATES[self.preset]}
        sizes |= {"loss_rows": 8192, "batch_size": 64}
        if self.smoke:
            small = {"length": 16, "width": 24, "depth": 1, "heads": HEADS, "vocabulary": 300}
            sizes |= {**small, "learning_rate": 3e-3, "loss_rows": 64, "batch_size": 16}
        return {"model": "transformer", "dropout": 0.0, "remat": "full", **sizes}

    def pretrained_sizes(self) -> dict[str, Any]:
        """Those of the pretrained model, and of steps that change it slowly."""
        its = decoder_settings(self.pretrained)
        length, epochs = min(its.length, 16 if self.smoke else 128), {"epochs": 1}
        rates = {"learning_rate": 2e-4 if self.lora else 5e-5, "dropout": 0.0, "batch_size": 8}
        sizes = {"width": its.width, "depth": its.depth, "heads": its.heads, "length": length}
        return {"model": "transformer", "vocabulary": 0, **sizes, **rates, **epochs}

    def __post_init__(self):
        """Fill in what suits, and refuse what the model does not have."""
        if self.tokens and self.pretrained:
            got = f"tokens={self.tokens!r} and a pretrained model"
            raise mistake("config", got=got, expected="one of them: each has its tokenizer")
        super().__post_init__()
        self.require("vocabulary", "loss_rows", least=0)
        if self.pretrained:
            of_its_own = ["model", "vocabulary", "width", "depth", "heads", "remat", "loss_rows"]
            self.refuse(of_its_own, "for a pretrained model", expected="what that has")
        if self.preset != "none":
            self.refuse(["model"], f"for preset={self.preset!r}", expected="--model transformer")
        if self.model != "transformer":
            only = ["heads", "remat", "loss_rows"]
            self.refuse(only, f"for model={self.model!r}", expected="--model transformer")
        if self.fused and (self.model != "transformer" or self.pretrained or self.dropout):
            got = f"fused=True, model={self.model!r}, dropout={self.dropout}"
            expected = "a transformer that is trained from scratch, with --dropout 0"
            raise mistake("config", got=got, expected=expected)


class Corpus(NamedTuple):
    """The three parts of a text, and the tokenizer."""

    texts: Texts
    tokenizer: tokenizers.Tokenizer
    files: TokenFiles | None = None
    """Tokens to train on in place of those of ``texts.train``."""


def load_data(config: Config, *, offline: bool = False) -> Corpus:
    """The text, and the tokens of its training part; synthetic in a smoke run.

    Characters have one more token, for all that the training part does not have.
    """
    if config.smoke:
        texts = split_text(100 * PANGRAMS[config.data])
    else:
        texts = LOAD[config.data](offline=offline)
    if config.tokens:
        files = token_files(config.tokens)
        return Corpus(texts, files.read_tokenizer(), files)
    if config.pretrained:
        tokenizer = of_folder(config).tokenizer
        assert tokenizer, "a decoder has one"
        return Corpus(texts, tokenizer)
    if vocabulary := config.vocabulary:
        return Corpus(texts, tokenizers.byte_pair_tokenizer(texts.train, vocabulary=vocabulary))
    return Corpus(texts, tokenizers.character_tokenizer(texts.train, special=("unknown",)))


def of_folder(config: Config) -> Pretrained:
    """The pretrained model."""
    return config.adapted(pretrained_decoder(config.pretrained, dropout=config.dropout))


def build_model(config: Config, vocabulary: int) -> jnn.Model:
    """Tokens ``(..., T)`` -> logits of the next ones ``(..., T, vocabulary)``."""
    if config.pretrained:
        return config.cast(of_folder(config).model)
    if config.model == "transformer":
        return config.cast(transformer(transformer_settings(config, vocabulary)))
    settings = RNNConfig(
        outputs=vocabulary,
        vocabulary=vocabulary,
        embedding=config.width // 2,
        cell=config.model,
        width=config.width,
        depth=config.depth,
        dropout=config.dropout,
    )
    return config.cast(rnn(settings))


def transformer_settings(config: Config, vocabulary: int) -> TransformerConfig:
    """Those of the preset, or of a small GPT-2 with rotary positions."""
    names = ("length", "width", "depth", "heads", "dropout", "remat", "fused")
    sizes: dict[str, Any] = {name: getattr(config, name) for name in names}
    if config.preset != "none":
        its = PRESETS[config.preset]
        sizes["hidden"] = its.hidden * config.width // its.width
        sizes["embedding_rows"] = -(-vocabulary // TILE) * TILE
        return dataclasses.replace(its, vocabulary=vocabulary, **sizes)
    # in a longer text too, no token attends further back than in training
    sizes |= {"positions": "rotary", "window": config.length}
    return TransformerConfig(vocabulary=vocabulary, kernel_deviation=0.02, **sizes)


def losses_of(config: Config, model: jnn.Model, vocabulary: int) -> Callable:
    """``(params, state, batch, key=, train=) -> losses, state``, some rows at a time if asked."""
    if not config.loss_rows:
        return next_token_losses(model)
    halves = features_and_read_out(transformer_settings(config, vocabulary))
    return next_token_losses_by_rows(*map(config.cast, halves), rows=config.loss_rows)


def example(config: Config) -> jax.ShapeDtypeStruct:
    """The shape of one example."""
    return jax.ShapeDtypeStruct((config.length,), jnp.int32)


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model, for as many tokens as the training part has, and the shape of one example."""
    return build_model(config, tokens_of(config)), example(config)


def tokens_of(config: Config) -> int:
    """How many tokens there are, without loading the text."""
    if config.tokens:
        return token_files(config.tokens, contents=False).vocabulary
    return config.vocabulary or CHARACTERS[config.data]


def task(config: Config, corpus: Corpus) -> Task:
    """Cross entropy of each next token; params are kept by the loss on validation text."""
    texts, tokenizer, files = corpus
    model = build_model(config, tokenizer.vocabulary)

    losses = losses_of(config, model, tokenizer.vocabulary)

    def nats(params, state, batch):
        """What each window adds to the negative log-probability of the text, ``(windows,)``."""
        return jnp.sum(batch["weight"] * losses(params, state, batch)[0], axis=-1)

    def evaluate(text: str, split: str):
        """Nats per character, whatever the tokens are."""
        tokens, length = tokenizer.encode(text), config.length
        count = predicted_characters(text, tokenizer)
        metric = metrics.collection({"nats_per_character": metrics.sum_per(count)})
        windows = evaluation_windows(tokens, length, stride=length // 2)
        options = {"target": "targets", "split": split, "batch_size": config.batch_size}
        return make_evaluate(nats, metric, windows, **options)

    if files is not None:
        feed = streamed(file_windows(files, config.length), config.batch_size)
    else:
        train = tokenizer.encode(texts.train)
        feed = language_model_feed(train, config.length, config.batch_size)
    return Task(
        model=model,
        objective=mean_of(losses),
        feed=feed,
        example=example(config),
        validate=evaluate(texts.validation, "validation"),
        best="validation/nats_per_character",
        lowest=True,
        test=evaluate(texts.test, "test"),
        baselines=partial(baselines, texts),
        sections=partial(sections, config, corpus, model),
        data={part: len(text) for part, text in texts._asdict().items()},
        save=lambda folder: tokenizers.keep_tokenizer(folder / "tokenizer.json", tokenizer),
        pretrained=of_folder(config) if config.pretrained else None,
    )


def mean_of(losses: Callable) -> Callable:
    """The objective: the mean of the losses of all tokens."""

    def objective(params, state, batch, key):
        each, state = losses(params, state, batch, key, train=True)
        return jnp.mean(each), (state, {})

    return objective


def outline(config: Config) -> Task:
    """The task of any text that is long enough, for `jnn plan`."""
    vocabulary = tokens_of(config)
    model = build_model(config, vocabulary)
    losses = losses_of(config, model, vocabulary)
    windows = jax.ShapeDtypeStruct((config.batch_size, config.length), jnp.int32)
    batch = {"tokens": windows, "targets": windows}
    feed = Feed(batch, lambda data, key, step: data, steps_per_epoch=1000, identity={})
    return Task(model, mean_of(losses), feed, example(config))


def baselines(texts: Texts) -> dict[str, float]:
    """Nats per character of interpolated n-grams."""
    characters = lambda text: np.frombuffer(text.encode("utf-32-le"), np.uint32)
    train, test = characters(texts.validation + texts.train), characters(texts.test)
    return {f"{order}-gram": float(np.mean(ngram_nats(train, test, order))) for order in (1, 3, 5)}


def generate(config: Config, folder: Path, request: Request) -> Iterator[str]:
    """What a trained model writes after a prompt, piece by piece."""
    tokenizer = tokenizers.read_tokenizer(folder / "tokenizer.json")
    model = build_model(config, tokenizer.vocabulary)
    params, state = trained(model, example(config), folder)
    yield request.prompt
    prompt, key = request.prompt or "\n", seed_key(request.seed)
    length = most_tokens(config, tokenizer, prompt, request.length)
    settings = {"length": length, "key": key, "sampling": request.sampling}
    yield from stream_text(model, params, state, tokenizer, prompt, **settings)


def most_tokens(config: Config, tokenizer: tokenizers.Tokenizer, prompt: str, length: int) -> int:
    """As many of ``length`` tokens as the model has positions for, after a prompt."""
    if config.model != "transformer":
        return length
    its = transformer_settings(config, tokenizer.vocabulary)
    its = decoder_settings(config.pretrained) if config.pretrained else its
    return within_positions(its, len(tokenizer.encode(prompt)), length)


def sections(config: Config, corpus: Corpus, model: jnn.Model, fitted) -> list:
    """What it writes and predicts, what its units remember or its heads attend to."""
    from jnn.explain.sections import language_model

    (texts, tokenizer, _), trained = corpus, (model, fitted.params, fitted.state)
    tokens = tokenizer.encode(texts.test[: 8 * config.length])[: config.length]
    length = most_tokens(config, tokenizer, "\n", 400)
    settings = {"length": length, "key": seed_key(0), "sampling": Sampling(temperature=0.8)}
    sample = "".join(stream_text(*trained, tokenizer, "\n", **settings))
    of_any = [
        *language_model.generated(sample, "After a line break, at temperature 0.8."),
        *language_model.predictions(*trained, tokens, tokenizer),
    ]
    if config.model == "transformer":
        # a fused kernel has no weights to look at
        seen = build_model(dataclasses.replace(config, fused=False), tokenizer.vocabulary)
        looked_into = seen, fitted.params, fitted.state
        return [*of_any, *language_model.attention_and_lens(*looked_into, tokens[:32], tokenizer)]
    windows = evaluation_windows(tokenizer.encode(texts.test), config.length)
    models = {f"this {config.model.upper()}, trained": trained}
    for name in ("rnn", "lstm", "gru"):
        other = build_model(dataclasses.replace(config, model=name), tokenizer.vocabulary)
        models[f"{name.upper()}, untrained"] = (
            other,
            *jax.jit(other.init)(jax.random.key(0), tokens),
        )
    return [
        *of_any,
        *language_model.recurrent_units(*trained, tokens, tokenizer),
        *language_model.gradients(models, windows["tokens"][:16], windows["targets"][:16, -1]),
    ]
