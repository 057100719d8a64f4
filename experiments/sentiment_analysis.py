"""Tell whether a sentence of a film review is for or against the film: convolutional networks, with
naive Bayes at their side.

Source    Networks: Kim 2014, https://arxiv.org/abs/1408.5882, on the vectors of GloVe (Pennington et al. 2014,
          https://nlp.stanford.edu/projects/glove), of 50 features, which they share. Naive Bayes: Rennie et al. 2003, "Tackling the poor
          assumptions of naive Bayes text classifiers", with the weights of words that section 4 gives, on words and pairs of words.
Data      movie_sentences: 10,070 sentences whose mean rating by twenty readers, from -4 to 4, is half a point or more from neutral (Hutto &
          Gilbert 2014, https://github.com/cjhutto/vaderSentiment), test part 20 %, stratified.
Baselines The most frequent class; logistic regression, a linear support vector machine and complement naive Bayes on the TF-IDF of words
          and pairs of words, fitted on all that is not test data.
Command   jnn run sentiment_analysis
Result    test accuracy, mean and standard deviation over seeds 0, 1, 2, on two cores of an Intel Xeon:

          0.8284 +- 0.0015   complement naive Bayes 0.8183, linear support vector machine 0.8118,
                             logistic regression 0.8069

          A run took 2 to 7 minutes with much other work on the same cores.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn import losses, metrics
from jnn.architectures.bag_of_ngrams import BagOfNgramsConfig, bag_of_ngrams, naive_bayes
from jnn.architectures.text_cnn import TextCNNConfig, text_cnn
from jnn.baselines.text_classifiers import linear_classifiers
from jnn.data.buckets import bucket_lengths, shortest
from jnn.data.sequences import pad
from jnn.data.sets.labelled_texts import LabelledSplits, LabelledTexts, load_movie_sentences
from jnn.data.sets.word_vectors import GLOVE_FEATURES, load_glove50
from jnn.data.tokenizers import Tokenizer, word_tokenizer, write_tokenizer
from jnn.data.tokenizers.words import split_words
from jnn.errors import mistake
from jnn.runs import About, Run
from jnn.train import Task, TrainingConfig, make_evaluate, predict_all, seed_key, train
from jnn.train.text_feeds import bucketed

ABOUT = About(
    task="sentiment analysis",
    models=("cnn with naive Bayes",),
    data=("movie_sentences",),
    metric="test/accuracy",
    direction="highest",
    expected="0.8284 ± 0.0015",
    cost="about 2 min on 2 busy cores",
)
VOCABULARY = 15_755
CLASSES = 2
# of the first vectors of words that GloVe does not have; that of GloVe's own features is about 0.5
WORD_DEVIATION = 0.25
BUCKETS = 3
Loss = Callable[..., jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """The settings of a run. The defaults were chosen on a quarter of what is not test data, held
    out.
    """

    data: Literal["movie_sentences"] = "movie_sentences"
    """The sentences."""
    members: int = 4
    """Networks whose probabilities are averaged."""
    widths: tuple[int, ...] = (2, 3, 4)
    """The number of words in each kind of window."""
    channels: int = 40
    """Features of each kind of window."""
    bayes_share: float = 0.5
    """Weight of naive Bayes against that of the networks, from 0 (the networks alone) to 1 (naive
    Bayes alone).
    """
    bayes_scale: float = 0.6
    """Factor on the logits of naive Bayes, which takes words for independent of each other and so
    is too sure.
    """
    epochs: int = 7
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.5
    dropout: float = 0.3
    """Fraction of a sentence's features that is dropped in training."""
    word_dropout: float = 0.3
    """Fraction of words that are taken for unknown ones in training."""
    class_weights: Literal["none", "balanced"] = "none"
    """Whether each class has the same total weight in the networks' loss, however rare it is."""
    validation: bool = False
    """Whether a tenth of what is not test data is held out, and the params are kept whose loss on
    it is lowest; else all of it is trained on, and the last params are kept."""

    def __post_init__(self):
        """Make a smoke run short, and check."""
        self.shrink(epochs=2, channels=4, members=2, batch_size=8)
        super().__post_init__()
        if not 0 <= self.bayes_share <= 1:
            raise mistake(
                "config", got=f"bayes_share={self.bayes_share}", expected="a fraction in [0, 1]"
            )


class Sentences(NamedTuple):
    """Labelled sentences, the tokens they are made of, and the first vector of each token,
    ``(tokens, 50)`` float32.
    """

    splits: LabelledSplits
    tokenizer: Tokenizer
    vectors: np.ndarray


def load_data(config: Config, *, offline: bool = False) -> Sentences:
    """The sentences, and GloVe's vectors of all words that are in the training part; for
    ``--smoke`` made-up ones.
    """
    splits = made_up() if config.smoke else load_movie_sentences(offline=offline)
    splits = splits if config.validation else splits.without_validation()
    tokenizer = word_tokenizer(splits.train.texts, lower=True)
    vectors = (
        np.random.default_rng(0)
        .normal(0, WORD_DEVIATION, (tokenizer.vocabulary, GLOVE_FEATURES))
        .astype(np.float32)
    )
    if not config.smoke:
        known, found = load_glove50(tokenizer.tokens, offline=offline)
        vectors = np.where(found[:, None], known, vectors)
    return Sentences(splits, tokenizer, vectors)


def made_up() -> LabelledSplits:
    """Sentences of three lengths with a word that says it all."""
    label = np.arange(180, dtype=np.int32) % CLASSES
    telling = (("dull", "clumsy", "tired"), ("moving", "clever", "fresh"))
    texts = [
        f"{'well , ' * (i // 2 % 3)}film {i % 7} is {telling[c][i % 5 % 3]} ."
        for i, c in enumerate(label)
    ]
    part = lambda rows: LabelledTexts(tuple(texts[i] for i in rows), label[rows])
    train, validation, test = np.split(np.arange(len(texts)), [120, 150])
    return LabelledSplits(part(train), part(validation), part(test), ("negative", "positive"))


def to_arrays(tokenizer: Tokenizer, part: LabelledTexts) -> dict[str, np.ndarray]:
    """``tokens`` and ``mask`` (N, T), and ``label`` (N,)."""
    padded = pad([tokenizer.encode(text) for text in part.texts], value=tokenizer.padding)
    return {"tokens": padded.tokens, "mask": padded.mask, "label": part.labels}


def build_networks(config: Config, vectors: np.ndarray) -> jnn.Model:
    """Tokens ``(..., T)`` -> logits ``(members, ..., 2)``; the members share the vectors of words,
    which are trained on.
    """
    first = lambda key, shape, dtype: jnp.asarray(vectors, dtype)
    settings = TextCNNConfig(
        outputs=CLASSES, widths=config.widths, channels=config.channels, dropout=config.dropout
    )
    members = jnn.ensemble(text_cnn(settings), config.members)
    return config.cast(
        jnn.chain(embedding=jnn.embedding(*vectors.shape, embedding_init=first), members=members)
    )


def build_bayes(vocabulary: int, train: dict[str, np.ndarray] | None = None) -> jnn.Model:
    """Tokens ``(..., T)`` -> logits ``(..., 2)`` of naive Bayes on the training part, which no
    gradient changes; all zero without one.
    """
    settings = BagOfNgramsConfig(outputs=CLASSES, vocabulary=vocabulary, buckets=2**17)
    bag = bag_of_ngrams(settings)
    if train is None:
        return bag
    counted = naive_bayes(settings, train["tokens"], train["mask"], train["label"])
    return jnn.frozen(bag._replace(init=lambda key, x: (jax.tree.map(jnp.asarray, counted), {})))


def build_model(
    config: Config, vectors: np.ndarray, train: dict[str, np.ndarray] | None = None
) -> jnn.Model:
    """Tokens ``(..., T)`` -> logits of both kinds,
    ``{"bayes": (..., 2), "networks": (members, ..., 2)}``.
    """
    return jnn.parallel(
        bayes=build_bayes(len(vectors), train), networks=build_networks(config, vectors)
    )


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model, for as many words as the training part has, and the shape of one example."""
    return build_model(
        config, np.zeros((VOCABULARY, GLOVE_FEATURES), np.float32)
    ), jax.ShapeDtypeStruct((22,), jnp.int32)


def make_loss(config: Config, splits: LabelledSplits) -> Loss:
    """Cross entropy, ``(logits (..., classes), labels (...)) -> (...)``; balanced weights have the
    mean 1 over the training part.
    """
    weights = (
        losses.balanced_weights(splits.train.labels, len(splits.classes))
        if config.class_weights == "balanced"
        else None
    )
    return partial(losses.cross_entropy, class_weights=weights)


def objective(
    config: Config,
    model: jnn.Model,
    loss: Loss,
    buckets: tuple[int, ...],
    unknown: int,
    params,
    state,
    batch,
    key,
):
    """The sum over networks of the mean loss, where some words are taken for unknown ones: networks
    meet in the vectors of words alone.
    """
    is_dropped = jax.random.bernoulli(
        jnn.child_key(key, "words"), config.word_dropout, batch["tokens"].shape
    )
    tokens = jnp.where(is_dropped & batch["mask"], unknown, batch["tokens"])
    own = jnn.child_key(key, "model")
    run = lambda tokens, mask: model.apply(params, state, tokens, key=own, train=True, mask=mask)[
        0
    ]["networks"]
    logits = shortest(run, buckets, tokens, batch["mask"])
    label = jnp.broadcast_to(batch["label"], logits.shape[:-1])
    accuracy = jnp.mean(jnp.argmax(logits, axis=-1) == label)
    return config.members * jnp.mean(loss(logits, label)), (state, {"accuracy": accuracy})


def committee(config: Config, model: jnn.Model) -> jnn.Model:
    """Tokens -> logarithms of the classes' probabilities: a product of what the networks say in the
    mean and of what naive Bayes says,

    ``p ∝ ((1 / M) Σ_m softmax(z_m))^(1 - share) exp(share scale z_bayes)``.
    """

    def apply(params, state, x, **options):
        logits, state = model.apply(params, state, x, **options)
        networks = jax.nn.logsumexp(jax.nn.log_softmax(logits["networks"], axis=-1), axis=0)
        product = (
            1 - config.bayes_share
        ) * networks + config.bayes_share * config.bayes_scale * logits["bayes"]
        return jax.nn.log_softmax(product, axis=-1), state

    return jnn.Model(model.init, apply)


def predict(config: Config, model: jnn.Model, params, state, batch) -> jax.Array:
    """What the committee says of a batch."""
    return committee(config, model).apply(params, state, batch["tokens"], mask=batch["mask"])[0]


def sections(config: Config, sentences: Sentences, model: jnn.Model, params, state) -> list:
    """Pictures for the report: what the model gets wrong, whether it knows, and which words moved
    it.
    """
    from jnn.explain.results.text_classification import classified_texts

    splits, test = sentences.splits, to_arrays(sentences.tokenizer, sentences.splits.test)
    p = np.exp(predict_all(partial(predict, config, model), params, state, test))
    split = [split_words(text) for text in splits.test.texts]
    settings = {
        "split": split,
        "classes": splits.classes,
        "replacement": sentences.tokenizer.unknown,
    }
    return classified_texts(
        committee(config, model), params, state, test, p, called="sentences", **settings
    )


def task(config: Config, sentences: Sentences) -> Task:
    """What is trained, and how it is judged."""
    splits, tokenizer = sentences.splits, sentences.tokenizer
    loss, train_arrays = make_loss(config, splits), to_arrays(tokenizer, splits.train)
    model = build_model(config, sentences.vectors, train_arrays)
    buckets = bucket_lengths(train_arrays["mask"].sum(axis=1), BUCKETS)
    measured = {"loss": metrics.mean_of(losses.cross_entropy), "accuracy": metrics.accuracy()}
    measured |= {
        "balanced_accuracy": metrics.recall(len(splits.classes)),
        "calibration_error": metrics.expected_calibration_error(),
    }
    evaluate = lambda part, split: make_evaluate(
        partial(predict, config, model),
        metrics.collection(measured),
        to_arrays(tokenizer, part),
        target="label",
        split=split,
    )
    return Task(
        model=model,
        objective=partial(objective, config, model, loss, buckets, tokenizer.unknown),
        feed=bucketed(train_arrays, buckets, config.batch_size),
        example=jax.ShapeDtypeStruct((buckets[-1],), jnp.int32),
        validate=evaluate(splits.validation, "validation") if config.validation else None,
        test=evaluate(splits.test, "test"),
        best="validation/loss" if config.validation else None,
        lowest=True,
    )


def main(config: Config, run: Run) -> dict[str, Any]:
    """Train, and test once."""
    sentences = load_data(config, offline=run.options.offline)
    write_tokenizer(run.folder / "tokenizer.json", sentences.tokenizer)
    what = task(config, sentences)
    fitted = train(what, config, seed_key(config.seed), run)
    return {
        "metrics": what.test(fitted.params, fitted.state),
        "baselines": linear_classifiers(sentences.splits),
        **fitted.counts,
        "data": {
            "name": config.data,
            "sha256": what.feed.identity["sha256"],
            **{
                part: len(getattr(sentences.splits, part).texts)
                for part in ("train", "validation", "test")
            },
        },
        "sections": sections(config, sentences, what.model, fitted.params, fitted.state),
    }
