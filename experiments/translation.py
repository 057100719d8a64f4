"""Translate short English sentences to Spanish: with a recurrent network that attends to what it
reads, or a transformer.

Source    Attention: Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473; Luong et al. 2015, https://arxiv.org/abs/1508.04025.
          Transformer: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762. Byte pairs that both languages share: Sennrich et al. 2016,
          https://arxiv.org/abs/1508.07909.
Data      tatoeba_spanish: 85,589 pairs of at most 8 lower-cased words and punctuation marks on each side, of 70,521 English sentences,
          2,000 of which are the test part, with all their Spanish sides as references.
Baselines The first Spanish side of the nearest English sentence that is not test data, by TF-IDF of words and pairs of words; and the
          English sentence as it is.
Command   jnn run translation [--model rnn|transformer]; on a GPU, not measured yet:
          jnn run translation --width 512 --depth 3 --dropout 0.3 --epochs 30 --batch-size 256 --precision bfloat16
          jnn generate runs/translation/latest --prompt "where is the station ?"
Result    test BLEU of the rnn, mean and standard deviation over seeds 0, 1, 2: 0.421 +- 0.006 (nearest neighbour 0.258), after 23 min
          of processor time on an Intel Xeon with ``--keep-memory``. More helps: with ``--epochs 7`` 0.460 (seed 0 alone).
"""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses
from jnn.architectures.encoder_decoder import EncoderDecoderConfig, encoder_decoder
from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
from jnn.data.sequences import pad
from jnn.data.sets.translations import (
    Translation,
    TranslationSplits,
    load_tatoeba_spanish,
    pairs_of,
    split_translations,
)
from jnn.data.tokenizers import (
    Tokenizer,
    byte_pair_tokenizer,
    read_tokenizer,
    split_words,
    write_tokenizer,
)
from jnn.decoding.beam_search import beam_search
from jnn.decoding.generate import Request
from jnn.errors import MissingExtraError, mistake
from jnn.tables import table
from jnn.metrics import Metric
from jnn.runs import About, Run, trained
from jnn.train import (
    Fitted,
    Task,
    TrainingConfig,
    in_memory,
    make_evaluate,
    predict_all,
    seed_key,
    train,
)

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
MOST = 32  # tokens of a translation
SHOWN = 20  # translations in the report
ALIGNMENT = {"rnn": "decoder/attention", "transformer": "decoder/blocks/cross_attention"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. Pairs are trained on in one length: branches for several would each be
    compiled, and computed again for the gradient, which costs more than the padding does."""

    model: Literal["rnn", "transformer"] = "rnn"
    """The architecture."""
    vocabulary: int = 5000
    """Tokens of the byte-pair encoding of both languages."""
    width: int = 256
    """Features of each layer."""
    depth: int = 2
    """Layers of the encoder, and of the decoder."""
    heads: int = 4
    """Heads of attention (transformer)."""
    dropout: float = 0.2
    """Fraction of features that is dropped in training."""
    label_smoothing: float = 0.1
    """Share of the target's probability that is spread over all tokens."""
    beams: int = 5
    """Candidates of the beam search."""
    length_penalty: float = 1.0
    """Exponent of the length by which the beam search divides."""
    longest: int = 12
    """Tokens, on both sides, of the longest pair that is trained on."""
    epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 2e-3
    clip: float = 1.0
    average_decay: float = 0.998

    def __post_init__(self):
        """Make a smoke run short, and check."""
        self.shrink(epochs=2, vocabulary=300, width=16, depth=1, batch_size=16, longest=16)
        super().__post_init__()


def load_data(config: Config, *, offline: bool = False) -> TranslationSplits:
    """Sentences with their translations; for ``--smoke`` a few that are made up."""
    if not config.smoke:
        return load_tatoeba_spanish(offline=offline)
    who, does = (
        {"tom": "tom", "mary": "mary", "he": "él", "she": "ella"},
        {"eats": "come", "reads": "lee", "sings": "canta"},
    )
    when = {
        "now": "ahora",
        "here": "aquí",
        "today": "hoy",
        "again": "otra vez",
        "alone": "solo",
        "well": "bien",
    }
    made = [
        (f"{a} {b} {c} .", f"{who[a]} {does[b]} {when[c]} .")
        for a in who
        for b in does
        for c in when
    ]
    return split_translations(made, test=16, validation=0.2)


def make_tokenizer(config: Config, data: TranslationSplits) -> Tokenizer:
    """Byte pairs of both languages of the training part."""
    return byte_pair_tokenizer(
        (spaced(side) for pair in pairs_of(data.train) for side in pair),
        vocabulary=config.vocabulary,
        special=SPECIAL,
    )


def spaced(sentence: str) -> str:
    """With a space in front of the first word, as every other word has it: so that it is the same
    token wherever it stands.
    """
    return f" {sentence}"


def encode(
    tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], longest: int | None = None
) -> dict[str, np.ndarray]:
    """Pairs of sentences as arrays (N, T): what is read, what is written so far, and what is to be
    written next.

    They are padded to ``longest`` tokens, and pairs that are longer are left out; without it to the
    longest of them.
    """
    sources = [tokenizer.encode(spaced(source)) for source, _ in pairs]
    targets = [tokenizer.encode(spaced(target)) for _, target in pairs]
    lengths = np.array(
        [max(len(source), len(target) + 1) for source, target in zip(sources, targets, strict=True)]
    )
    longest = longest or int(lengths.max())
    kept = np.flatnonzero(lengths <= longest)
    padded = partial(pad, length=longest, value=tokenizer.padding)
    source = padded([sources[i] for i in kept])
    tokens = padded([np.append(tokenizer.start, targets[i]) for i in kept])
    following = padded([np.append(targets[i], tokenizer.end) for i in kept])
    return {
        "source": source.tokens,
        "source_mask": source.mask,
        "tokens": tokens.tokens,
        "targets": following.tokens,
        "target_mask": tokens.mask,
    }


def build_model(config: Config, vocabulary: int) -> jnn.Model:
    """``{"tokens", "source", "source_mask"}``, each ``(..., T)`` -> logits of the next tokens
    ``(..., T, vocabulary)``.
    """
    if config.model == "rnn":
        settings = Seq2SeqConfig(
            source_vocabulary=vocabulary,
            width=config.width,
            depth=config.depth,
            dropout=config.dropout,
        )
        return config.cast(seq2seq(settings))
    settings = EncoderDecoderConfig(
        source_vocabulary=vocabulary,
        width=config.width,
        depth=config.depth,
        heads=config.heads,
        dropout=config.dropout,
        positions="sinusoidal",
        scale_embeddings=True,
        embedding_deviation=config.width**-0.5,
    )
    return config.cast(encoder_decoder(settings))


def example() -> dict[str, jax.ShapeDtypeStruct]:
    """The shape of one example."""
    tokens = jax.ShapeDtypeStruct((8,), jnp.int32)
    return {"tokens": tokens, "source": tokens, "source_mask": jax.ShapeDtypeStruct((8,), bool)}


def describe(config: Config) -> tuple[jnn.Model, dict[str, jax.ShapeDtypeStruct]]:
    """The model, for a vocabulary that is full, and the shape of one example."""
    return build_model(config, config.vocabulary), example()


def logits_of(model: jnn.Model, params, state, batch, **options) -> jax.Array:
    """Of each next token of the translations, ``(..., T, vocabulary)``."""
    x = {name: batch[name] for name in ("tokens", "source", "source_mask")}
    return model.apply(params, state, x, mask=batch["target_mask"], **options)[0]


def objective(config: Config, model: jnn.Model, params, state, batch, key):
    """The mean cross entropy of the tokens of the translations, with label smoothing, in nats."""
    logits = logits_of(model, params, state, batch, key=key, train=True)
    each = losses.cross_entropy(logits, batch["targets"], label_smoothing=config.label_smoothing)
    return losses.mean(each, batch["target_mask"]), (state, {})


def nats(model: jnn.Model, params, state, batch) -> jax.Array:
    """The negative logarithm of the probability of each translation, ``(sentences,)``."""
    each = losses.cross_entropy(logits_of(model, params, state, batch), batch["targets"])
    return jnp.sum(jnp.where(batch["target_mask"], each, 0), axis=-1)


def per_token(tokens: int) -> Metric:
    """The sum of nats over the tokens of all translations."""
    return Metric(
        measure=lambda nats, targets, weights=None: jnp.sum(
            nats if weights is None else weights * nats
        ),
        compute=lambda total: {"loss": total / tokens},
    )


def task(config: Config, data: TranslationSplits, tokenizer: Tokenizer | None = None) -> Task:
    """What is trained, and how it is judged: params are kept where the loss on validation sentences
    is lowest.
    """
    tokenizer = tokenizer or make_tokenizer(config, data)
    model = build_model(config, tokenizer.vocabulary)

    def evaluate(part: Sequence[Translation], split: str):
        arrays = encode(tokenizer, pairs_of(part))
        return make_evaluate(
            partial(nats, model),
            per_token(arrays["target_mask"].sum()),
            arrays,
            target="targets",
            split=split,
        )

    return Task(
        model=model,
        objective=partial(objective, config, model),
        feed=in_memory(encode(tokenizer, pairs_of(data.train), config.longest), config.batch_size),
        example=example(),
        validate=evaluate(data.validation, "validation"),
        test=evaluate(data.test, "test"),
        best="validation/loss",
        lowest=True,
    )


def translate(
    config: Config, model: jnn.Model, params, state, tokenizer: Tokenizer, sentences: Sequence[str]
) -> list[str]:
    """The best translation of each sentence that a beam search finds."""
    source = pad(
        [tokenizer.encode(spaced(sentence)) for sentence in sentences], value=tokenizer.padding
    )

    def search(params, state, batch):
        start = jnp.full((*batch["source"].shape[:-1], 1), tokenizer.start)
        settings = {
            "length": MOST,
            "beams": config.beams,
            "stop": (tokenizer.end,),
            "length_penalty": config.length_penalty,
        }
        found = beam_search(model, params, state, start, context=batch, **settings)
        return {"tokens": found.tokens[..., 0, :], "length": found.lengths[..., 0]}

    found = predict_all(
        search, params, state, {"source": source.tokens, "source_mask": source.mask}, batch_size=250
    )
    written = [
        tokens[:length] for tokens, length in zip(found["tokens"], found["length"], strict=True)
    ]
    return [tokenizer.decode(tokens).strip() for tokens in written]


def generate(config: Config, folder: Path, request: Request) -> Iterator[str]:
    """The translation of a sentence."""
    sentence = " ".join(split_words(request.prompt, lower=True))
    if not sentence:
        raise mistake(
            "translation", got=f"prompt={request.prompt!r}", expected="an English sentence"
        )
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    model = build_model(config, tokenizer.vocabulary)
    params, state = trained(model, example(), folder)
    config = dataclasses.replace(config, beams=request.beams or config.beams)
    yield from translate(config, model, params, state, tokenizer, [sentence])


def bleu(translations: Sequence[str], part: Sequence[Translation]) -> float:
    """Corpus BLEU of at most four words, as a fraction, with every known translation as a reference
    (Papineni et al. 2002).
    """
    references = [sentence.targets for sentence in part]
    columns = [
        [known[i] if i < len(known) else None for known in references]
        for i in range(max(map(len, references)))
    ]
    return (
        _sacrebleu()
        .corpus_bleu(translations, columns, tokenize="none", smooth_method="none", force=True)
        .score
        / 100
    )


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ImportError:
        raise MissingExtraError('BLEU needs sacrebleu: pip install "jnn[text]".') from None
    return sacrebleu


def nearest(data: TranslationSplits) -> list[str]:
    """For each test sentence the first translation of the sentence most like it that is not test
    data.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = data.train + data.validation
    words_and_pairs = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", lowercase=False)
    a = words_and_pairs.fit_transform([sentence.source for sentence in known])
    b = words_and_pairs.transform([sentence.source for sentence in data.test])
    found = np.concatenate(
        [
            np.asarray((b[i : i + 100] @ a.T).argmax(axis=1)).ravel()
            for i in range(0, len(data.test), 100)
        ]
    )
    return [known[i].targets[0] for i in found]


def sections(
    config: Config,
    fitted: Fitted,
    model: jnn.Model,
    tokenizer: Tokenizer,
    test: Sequence[Translation],
    found: list[str],
) -> list:
    """For the report: translations, where the decoder looked, and how hard sentences of each length
    are.
    """
    from jnn.explain.inside.attention import alignment, attention_weights
    from jnn.explain.page.report import Section

    chosen = np.random.default_rng(0).permutation(len(found))[:SHOWN].tolist()
    i = max(chosen, key=lambda i: len(found[i].split()))
    source, target = (tokenizer.encode(spaced(sentence)) for sentence in (test[i].source, found[i]))
    x = {"source": jnp.asarray(source), "tokens": jnp.asarray([tokenizer.start, *target])}
    weights = attention_weights(model, fitted.params, fitted.state, x)[ALIGNMENT[config.model]]
    read, written = (
        [tokenizer.tokens[token].strip() for token in tokens]
        for tokens in (source, [*target, tokenizer.end])
    )
    drawn = "Drawn from the test part; a = marks what is one of the references."
    looked = "Each row is a token that was written, and where the decoder looked then: the mean over the heads of the last layer."
    lengths = "BLEU of the test sentences of each length, in words and punctuation marks."
    return [
        Section("What it makes of sentences", drawn, examples(chosen, test, found)),
        Section("Where it looked", looked, alignment(weights[-1], read, written)),
        Section("Which lengths are hard", lengths, by_length(test, found)),
    ]


def examples(chosen: Sequence[int], test: Sequence[Translation], found: Sequence[str]) -> str:
    """A table: the sentence, what was made of it, and a reference."""
    rows = [["", "English", "translation", "reference"]]
    for i in chosen:
        right = found[i] in test[i].targets
        rows.append(
            [
                "=" if right else "",
                test[i].source,
                found[i],
                found[i] if right else test[i].targets[0],
            ]
        )
    return "\n".join(table(rows))


def by_length(test: Sequence[Translation], found: Sequence[str]) -> str:
    """A table with the BLEU of the sentences of each length, and of how many there are."""
    lengths = np.array([len(sentence.source.split()) for sentence in test])
    rows = [["words", "sentences", "BLEU", ""]]
    for length in np.unique(lengths):
        own = np.flatnonzero(lengths == length).tolist()
        score = bleu([found[i] for i in own], [test[i] for i in own])
        rows.append([str(length), f"{len(own):,}", f"{score:.3f}", "█" * round(50 * score)])
    return "\n".join(table(rows, numbers=range(3)))


def main(config: Config, run: Run) -> dict[str, Any]:
    """Train, keep what is best on validation sentences, and translate the test sentences once."""
    _sacrebleu()
    data = load_data(config, offline=run.options.offline)
    tokenizer = make_tokenizer(config, data)
    write_tokenizer(run.folder / "tokenizer.json", tokenizer)
    what = task(config, data, tokenizer)
    fitted = train(what, config, seed_key(config.seed), run)
    found = translate(
        config,
        what.model,
        fitted.params,
        fitted.state,
        tokenizer,
        [sentence.source for sentence in data.test],
    )
    return {
        "metrics": {"test/bleu": bleu(found, data.test), **what.test(fitted.params, fitted.state)},
        "baselines": {
            "nearest neighbour": bleu(nearest(data), data.test),
            "copy": bleu([sentence.source for sentence in data.test], data.test),
        },
        **fitted.counts,
        "data": {
            "name": "tatoeba_spanish",
            "sha256": what.feed.identity["sha256"],
            **{part: len(sentences) for part, sentences in data._asdict().items()},
        },
        "sections": sections(config, fitted, what.model, tokenizer, data.test, found),
    }
