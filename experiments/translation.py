"""Translate short English sentences to Spanish, by an RNN with attention or a transformer.

Source    Attention: Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473; Luong et al. 2015,
          https://arxiv.org/abs/1508.04025. Transformer: Vaswani et al. 2017,
          https://arxiv.org/abs/1706.03762. Byte pairs that both languages share: Sennrich et al.
          2016, https://arxiv.org/abs/1508.07909.
Data      tatoeba_spanish: 85,589 pairs of at most 8 lower-cased words and punctuation marks on each
          side, of 70,521 English sentences, 2,000 of which are the test part, with all their
          Spanish sides as references.
Baselines The first Spanish side of the nearest English sentence that is not test data, by TF-IDF of
          words and pairs of words; and the English sentence as it is.
Command   jnn run translation [--model rnn|transformer]; on a GPU, not measured yet:
          jnn run translation --width 512 --depth 3 --dropout 0.3 --epochs 30 --batch-size 256
          --precision bfloat16
          jnn generate runs/translation/latest --prompt "where is the station ?"
Result    test BLEU, mean and standard deviation over seeds 0, 1, 2, and processor time of a run on
          an Intel Xeon with ``--keep-memory``; the nearest neighbour has 0.258:

          rnn   0.421 +- 0.006   23 min

          More epochs help: with ``--epochs 7``, 0.460 (seed 0 alone).
"""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses, metrics
from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
from jnn.baselines.translations import nearest_translations
from jnn.data import tokenizers
from jnn.data.sequence_pairs import sequence_pairs
from jnn.data.sets.synthetic_texts import synthetic_translations
from jnn.data.sets.translations import TranslationSplits, load_tatoeba_spanish, pairs_of
from jnn.decoding.generate import Request
from jnn.decoding.text import translate
from jnn.errors import mistake
from jnn.runs import About, trained
from jnn.scores.translation import bleu, sacrebleu_module
from jnn.train import SUITED, Task, TrainingConfig, in_memory, make_evaluate, once

ABOUT = About(
    task="translation of sentences",
    models=("rnn", "transformer"),
    data=("tatoeba_spanish",),
    metric="test/bleu",
    direction="highest",
    expected="0.421 ± 0.006 (rnn)",
    cost="23 min of processor time",
)
SPECIAL = ("padding", "start", "end")
HEADS = 4
MOST = 32  # tokens of a translation
SHOWN = 20  # translations in the report
ALIGNMENT = {"rnn": "decoder/attention", "transformer": "decoder/blocks/cross_attention"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run.

    Training pairs are padded to one length: branches for several would each be compiled, and
    computed again for the gradient, which costs more than the padding does.
    """

    model: Literal["rnn", "transformer"] = "rnn"
    """The architecture."""
    vocabulary: int = SUITED
    """Tokens of the byte-pair encoding of both languages."""
    width: int = SUITED
    """Features of each layer."""
    depth: int = SUITED
    """Layers of the encoder, and of the decoder."""
    heads: int = SUITED
    """Heads of attention, of the transformer alone."""
    dropout: float = 0.2
    """Fraction of features that is dropped in training."""
    label_smoothing: float = 0.1
    """Share of the target's probability that is spread over all tokens."""
    beams: int = 5
    """Candidates of the beam search."""
    length_penalty: float = 1.0
    """Exponent of the length by which the beam search divides."""
    longest: int = SUITED
    """Tokens, on both sides, of the longest pair that is trained on."""
    epochs: int = SUITED
    batch_size: int = SUITED
    learning_rate: float = 2e-3
    clip: float = 1.0
    average_decay: float = 0.998

    def suited(self) -> dict[str, Any]:
        """Sizes, and those of a smoke run."""
        if self.smoke:
            sizes = {"vocabulary": 300, "width": 16, "depth": 1, "longest": 16}
            return {**sizes, "heads": HEADS, "epochs": 2, "batch_size": 16}
        sizes = {"vocabulary": 5000, "width": 256, "depth": 2, "longest": 12}
        return {**sizes, "heads": HEADS, "epochs": 5, "batch_size": 128}

    def __post_init__(self):
        """Fill in what suits, and refuse what the model does not have."""
        super().__post_init__()
        if self.model != "transformer":
            self.refuse(["heads"], f"for model={self.model!r}", expected="--model transformer")


class Sentences(NamedTuple):
    """Sentences with their translations, and the tokenizer of both languages."""

    splits: TranslationSplits
    tokenizer: tokenizers.Tokenizer


def load_data(config: Config, *, offline: bool = False) -> Sentences:
    """Sentences, and the byte pairs of their training part; synthetic in a smoke run."""
    load = partial(load_tatoeba_spanish, offline=offline)
    splits = synthetic_translations() if config.smoke else load()
    sides = (spaced(side) for pair in pairs_of(splits.train) for side in pair)
    settings = {"vocabulary": config.vocabulary, "special": SPECIAL}
    return Sentences(splits, tokenizers.byte_pair_tokenizer(sides, **settings))


def spaced(sentence: str) -> str:
    """A space before the first word too, so that a word is the same tokens wherever it stands."""
    return f" {sentence}"


def encode(
    tokenizer: tokenizers.Tokenizer, pairs: Sequence[tuple[str, str]], longest: int | None = None
) -> dict[str, np.ndarray]:
    """Pairs of sentences as the arrays of `jnn.data.sequence_pairs.sequence_pairs`."""
    sources, targets = zip(*pairs, strict=True)
    tokens = lambda sentences: [tokenizer.encode(spaced(sentence)) for sentence in sentences]
    special = {"start": tokenizer.start, "end": tokenizer.end, "padding": tokenizer.padding}
    return sequence_pairs(tokens(sources), tokens(targets), **special, longest=longest)


def build_model(config: Config, vocabulary: int) -> jnn.Model:
    """``{"tokens", "source", "source_mask"}``, ``(..., T)`` -> logits ``(..., T, vocabulary)``."""
    width, depth, dropout = config.width, config.depth, config.dropout
    if config.model == "rnn":
        sizes = Seq2SeqConfig(
            source_vocabulary=vocabulary, width=width, depth=depth, dropout=dropout
        )
        return config.cast(seq2seq(sizes))
    settings = EncoderDecoderConfig(
        source_vocabulary=vocabulary,
        width=width,
        depth=depth,
        heads=config.heads,
        dropout=dropout,
        positions="sinusoidal",
        scale_embeddings=True,
        embedding_deviation=width**-0.5,
    )
    return config.cast(encoder_decoder(settings))


def example() -> dict[str, jax.ShapeDtypeStruct]:
    """The shape of one example."""
    tokens = jax.ShapeDtypeStruct((8,), jnp.int32)
    return {"tokens": tokens, "source": tokens, "source_mask": jax.ShapeDtypeStruct((8,), bool)}


def describe(config: Config) -> tuple[jnn.Model, dict[str, jax.ShapeDtypeStruct]]:
    """The model, for a vocabulary that is full, and the shape of one example."""
    return build_model(config, config.vocabulary), example()


def search(config: Config) -> dict[str, Any]:
    """The settings of the beam search."""
    return {"length": MOST, "beams": config.beams, "length_penalty": config.length_penalty}


def task(config: Config, sentences: Sentences) -> Task:
    """Cross entropy of each next token; params are kept by the loss on validation sentences."""
    sacrebleu_module()  # missed before training, not after
    splits, tokenizer = sentences
    model = build_model(config, tokenizer.vocabulary)

    def losses_of(params, state, batch, *, label_smoothing=0.0, **options):
        """The cross entropy of each token of the translations, in nats, ``(..., T)``."""
        x = {name: batch[name] for name in ("tokens", "source", "source_mask")}
        logits, _ = model.apply(params, state, x, mask=batch["target_mask"], **options)
        return losses.cross_entropy(logits, batch["targets"], label_smoothing=label_smoothing)

    def objective(params, state, batch, key):
        options = {"key": key, "train": True, "label_smoothing": config.label_smoothing}
        loss = losses.mean(losses_of(params, state, batch, **options), batch["target_mask"])
        return loss, (state, {"weight": jnp.sum(batch["target_mask"])})

    def nats(params, state, batch):
        """The negative log-probability of each translation, ``(sentences,)``."""
        per_token = losses_of(params, state, batch)
        return jnp.sum(jnp.where(batch["target_mask"], per_token, 0), axis=-1)

    def evaluate(part, split: str):
        """The loss per token."""
        arrays = encode(tokenizer, pairs_of(part))
        metric = metrics.collection({"loss": metrics.sum_per(int(arrays["target_mask"].sum()))})
        return make_evaluate(nats, metric, arrays, target="targets", split=split)

    sources = [sentence.source for sentence in splits.test]
    references = [sentence.targets for sentence in splits.test]
    test_loss = evaluate(splits.test, "test")

    @once
    def translated(params, state):
        """The translations of the test sentences."""
        texts = [spaced(source) for source in sources]
        return translate(model, params, state, tokenizer, texts, **search(config))

    def test(params, state):
        score = bleu(translated(params, state), references)
        return {"test/bleu": score, **test_loss(params, state)}

    def sections(fitted) -> list:
        """Some translations, the alignment of the longest of them, and BLEU by length."""
        from jnn.explain.sections import translation as report

        params, state = fitted.params, fitted.state
        results = translated(params, state)
        chosen = np.random.default_rng(0).permutation(len(results))[:SHOWN].tolist()
        columns = [[column[i] for i in chosen] for column in (sources, results, references)]
        i = max(chosen, key=lambda i: len(results[i].split()))
        source, target = (tokenizer.encode(spaced(side[i])) for side in (sources, results))
        parts, path = (model, params, state), ALIGNMENT[config.model]
        return [
            *report.examples(*columns),
            *report.cross_attention(*parts, source, target, tokenizer, path=path),
            *report.bleu_by_length(sources, results, references),
        ]

    train = encode(tokenizer, pairs_of(splits.train), config.longest)
    sizes = {part: len(sentences) for part, sentences in splits._asdict().items()}
    return Task(
        model=model,
        objective=objective,
        feed=in_memory(train, config.batch_size),
        example=example(),
        validate=evaluate(splits.validation, "validation"),
        best="validation/loss",
        lowest=True,
        test=test,
        baselines=lambda: {
            "nearest neighbour": bleu(nearest_translations(splits), references),
            "copy": bleu(sources, references),
        },
        sections=sections,
        data={"name": "tatoeba_spanish", **sizes},
        save=lambda folder: tokenizers.keep_tokenizer(folder / "tokenizer.json", tokenizer),
    )


def generate(config: Config, folder: Path, request: Request) -> Iterator[str]:
    """The translation of a sentence."""
    sentence = " ".join(tokenizers.split_words(request.prompt, lower=True))
    if not sentence:
        got = f"prompt={request.prompt!r}"
        raise mistake("translation", got=got, expected="an English sentence")
    tokenizer = tokenizers.read_tokenizer(folder / "tokenizer.json")
    model = build_model(config, tokenizer.vocabulary)
    params, state = trained(model, example(), folder)
    settings = search(dataclasses.replace(config, beams=request.beams or config.beams))
    yield from translate(model, params, state, tokenizer, [spaced(sentence)], **settings)
