"""Classify sentences of film reviews as for or against the film.

Source    Networks: Kim 2014, https://arxiv.org/abs/1408.5882, on the vectors of GloVe (Pennington
          et al. 2014, https://nlp.stanford.edu/projects/glove), of 50 features, which they share.
          Naive Bayes: Rennie et al. 2003, "Tackling the poor assumptions of naive Bayes text
          classifiers", with the weights of words that section 4 gives, on words and pairs of words.
          The mean probabilities of the networks are multiplied with those of naive Bayes.
Data      movie_sentences: 10,070 sentences whose mean rating by twenty readers, from -4 to 4, is
          half a point or more from neutral (Hutto & Gilbert 2014,
          https://github.com/cjhutto/vaderSentiment), test part 20 %, stratified.
Baselines The most frequent class; logistic regression, a linear support vector machine and
          complement naive Bayes on the TF-IDF of words and pairs of words, fitted on all that is
          not test data.
Command   jnn run sentiment_analysis
          jnn run sentiment_analysis --start FOLDER, of a pretrained BERT, RoBERTa or DistilBERT
Result    test accuracy, mean and standard deviation over seeds 0, 1, 2, on two cores of an Intel
          Xeon; a run took 2 to 7 minutes with much other work on the same cores:

          0.8284 +- 0.0015   complement naive Bayes 0.8183, linear support vector machine 0.8118,
                             logistic regression 0.8069
"""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

import jnn
from jnn.architectures.bag_of_ngrams import BagOfNgramsConfig, bag_of_ngrams, naive_bayes
from jnn.architectures.product_of_experts import product_of_experts
from jnn.architectures.text_cnn import TextCNNConfig, text_cnn
from jnn.data.sets.labelled_texts import WordSplits, load_movie_sentences
from jnn.data.sets.synthetic_texts import synthetic_labelled_texts
from jnn.data.sets.word_vectors import GLOVE_FEATURES
from jnn.interop.pretrained import encoder_settings
from jnn.runs import About
from jnn.tasks.pretrained_texts import log_probabilities, text_classifier
from jnn.tasks.text_committee import TextCommitteeConfig, committee_task, fine_tuning_task
from jnn.train import SUITED, Preparation, Task

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
CLASSES = ("negative", "positive")
USUAL = {"bayes_share": 0.5, "learning_rate": 3e-3, "dropout": 0.3, "word_dropout": 0.3}
USUAL |= {"epochs": 7, "channels": 40, "members": 4, "batch_size": 64}
SMALL = {"epochs": 2, "channels": 4, "members": 2, "batch_size": 8}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TextCommitteeConfig):
    """The settings of a run, chosen on a held-out quarter of what is not test data."""

    data: Literal["movie_sentences"] = "movie_sentences"
    """The sentences."""
    widths: tuple[int, ...] = (2, 3, 4)
    """The number of words in each kind of window."""
    channels: int = SUITED
    """Features of each kind of window."""
    weight_decay: float = 0.5
    bayes_share: float = SUITED
    """Weight of naive Bayes against that of the networks, from 0 (the networks alone) to 1 (naive
    Bayes alone)."""
    bayes_scale: float = 0.6
    """Factor on the logits of naive Bayes, which is overconfident, as it takes words for
    independent of each other."""

    def suited(self) -> dict[str, Any]:
        """Sizes, and those of a smoke run or of a pretrained encoder."""
        suited = {**USUAL, **(SMALL if self.smoke else {}), **super().suited()}
        if not self.pretrained:
            return suited
        return {**suited, "bayes_share": 0.0, "channels": encoder_settings(self.pretrained).width}

    def __post_init__(self):
        """Fill in what suits, and refuse what cannot be right."""
        super().__post_init__()
        self.require("bayes_share", least=0.0, most=1.0)
        if self.pretrained:
            unused = ["members", "channels", "bayes_share"]
            self.refuse(unused, "for a pretrained model", expected="that model alone")


def load_data(config: Config, *, offline: bool = False) -> WordSplits:
    """Sentences, with GloVe's vectors of the training part's words; synthetic in a smoke run."""
    if config.smoke:
        return config.words(synthetic_labelled_texts(sentence, 180, CLASSES))
    return config.words(load_movie_sentences(offline=offline), offline=offline)


def sentence(i: int, label: int) -> str:
    """A synthetic sentence of one of three lengths, with a word that tells its class."""
    words = (("dull", "clumsy", "tired"), ("moving", "clever", "fresh"))
    return f"{'well , ' * (i // 2 % 3)}film {i % 7} is {words[label][i % 5 % 3]} ."


def build_networks(config: Config, vectors: np.ndarray) -> jnn.Model:
    """Tokens ``(..., T)`` -> logits ``(members, ..., 2)``.

    The members share the vectors of words, which are trained too.
    """
    initial = lambda key, shape, dtype: jnp.asarray(vectors, dtype)
    windows = {"widths": config.widths, "channels": config.channels}
    network = text_cnn(TextCNNConfig(outputs=len(CLASSES), dropout=config.dropout, **windows))
    words = jnn.embedding(*vectors.shape, embedding_init=initial)
    return config.cast(jnn.chain(embedding=words, members=jnn.ensemble(network, config.members)))


def build_bayes(vocabulary: int, train: dict[str, np.ndarray] | None = None) -> jnn.Model:
    """Tokens ``(..., T)`` -> logits ``(..., 2)`` of naive Bayes, which no gradient changes.

    Its params are counted in ``train``; without it they are zero.
    """
    settings = BagOfNgramsConfig(outputs=len(CLASSES), vocabulary=vocabulary, buckets=2**17)
    bag = bag_of_ngrams(settings)
    if train is None:
        return bag
    counted = naive_bayes(settings, train["tokens"], train["mask"], train["label"])
    return jnn.frozen(bag._replace(init=lambda key, x: (jax.tree.map(jnp.asarray, counted), {})))


def build_model(
    config: Config, vectors: np.ndarray, train: dict[str, np.ndarray] | None = None
) -> jnn.Model:
    """Tokens ``(..., T)`` -> ``{"bayes": (..., 2), "networks": (members, ..., 2)}``, logits.

    A pretrained model has ``"networks"`` alone, of which there is one.
    """
    if config.pretrained:
        return text_classifier(config, len(CLASSES), config.dropout).model
    bayes, networks = build_bayes(len(vectors), train), build_networks(config, vectors)
    return jnn.parallel(bayes=bayes, networks=networks)


def describe(config: Config) -> tuple[jnn.Model, jax.ShapeDtypeStruct]:
    """The model, for as many words as the training part has, and the shape of one example."""
    vectors = np.zeros((VOCABULARY, GLOVE_FEATURES), np.float32)
    return build_model(config, vectors), jax.ShapeDtypeStruct((22,), jnp.int32)


def committee(config: Config, model: jnn.Model) -> jnn.Model:
    """Tokens ``(..., T)`` -> logarithms of the classes' probabilities ``(..., 2)``."""
    if config.pretrained:
        return log_probabilities(model)
    weights = {"share": config.bayes_share, "scale": config.bayes_scale}
    return product_of_experts(model, ensemble="networks", other="bayes", **weights)


def predictor(config: Config, preparation: Preparation) -> jnn.Model:
    """The committee, whose vectors and counts of words are among the params."""
    assert preparation.tokenizer, "texts are prepared by one"
    vectors = np.zeros((preparation.tokenizer.vocabulary, GLOVE_FEATURES), np.float32)
    return committee(config, build_model(config, vectors))


def task(config: Config, sentences: WordSplits) -> Task:
    """Cross entropy of each network, on batches of like lengths; naive Bayes is counted."""
    if config.pretrained:
        return fine_tuning_task(config, sentences, name="sentences")
    counted = sentences.splits.train.to_arrays(sentences.tokenizer)
    model = build_model(config, sentences.vectors, counted)
    parts = model, committee(config, model)
    return committee_task(config, sentences, *parts, trained=["networks"], name="sentences")
