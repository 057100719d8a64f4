"""What is called again, on arguments of the same shapes, is not compiled again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnn
from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.data.sets.synthetic_series import synthetic_recording
from jnn.data.tokenizers import word_tokenizer
from jnn.decoding.beam_search import beam_search
from jnn.decoding.text import translate
from jnn.detection.boxes import non_maximum_suppression
from jnn.explain.inside.attention import attention_weights
from jnn.explain.inside.logit_lens import layer_logits
from jnn.explain.inside.recurrent import activations
from jnn.explain.inside.through_time import loss_gradients
from jnn.explain.inside.words import integrated_words, leave_one_out
from jnn.scores.anomaly import forecast_score
from jnn.tasks import class_probabilities
from jnn.tasks.next_token import likelihood
from jnn.tasks.window_detector import WindowDetector
from jnn.train import predict_all
from tests.compiled import init

WRITER = transformer(TransformerConfig(vocabulary=5, length=8, width=4, depth=2, heads=2))
READER = jnn.chain(embedding=jnn.embedding(5, 4), memory=jnn.gru(4), out=jnn.dense(5))
CLASSIFIER = jnn.chain(READER, jnn.last_element())
TOKENIZER = word_tokenizer("good day buen día", special=("padding", "start", "end"))
TRANSLATOR = seq2seq(Seq2SeqConfig(source_vocabulary=TOKENIZER.vocabulary, width=4, depth=1))
TOKENS, TEXTS = jnp.array([1, 2, 3]), jnp.array([[1, 2, 3], [3, 2, 1]])
PAIR = {"tokens": TOKENS, "source": TOKENS, "source_mask": jnp.ones(3, bool)}
TARGETS, BOXES = jnp.array([1, 2]), jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0]])
TOKENS_AND_MASKS = {"tokens": np.array(TEXTS), "mask": np.ones((2, 3), bool)}
AUTOENCODER = WindowDetector(jnn.ensemble(jnn.dense(1), 2), length=4)
FORECASTER = AUTOENCODER._replace(horizon=1, cleaning=3.0)
WINDOWS, PAIRS = (of.windows(synthetic_recording()) for of in (AUTOENCODER, FORECASTER))


def last_value(window):
    """Persistence."""
    return window[-1]


def predict(params, state, batch):
    """The logits of texts."""
    return CLASSIFIER.apply(params, state, batch["tokens"])[0]


CALLS = {
    predict_all: lambda: predict_all(predict, *init(CLASSIFIER, TOKENS), TOKENS_AND_MASKS),
    class_probabilities: lambda: class_probabilities(
        CLASSIFIER, *init(CLASSIFIER, TOKENS), TOKENS_AND_MASKS
    ),
    AUTOENCODER.score: lambda: AUTOENCODER.score(
        *init(AUTOENCODER.model, WINDOWS.train["inputs"]), WINDOWS
    ),
    forecast_score: lambda: forecast_score(last_value, WINDOWS.x, length=4),
    beam_search: lambda: beam_search(WRITER, *init(WRITER, TOKENS), TOKENS, length=3, beams=2),
    translate: lambda: translate(
        TRANSLATOR, *init(TRANSLATOR, PAIR), TOKENIZER, ["good day"], length=3
    ),
    attention_weights: lambda: attention_weights(WRITER, *init(WRITER, TOKENS), TOKENS),
    layer_logits: lambda: layer_logits(WRITER, *init(WRITER, TOKENS), TOKENS),
    activations: lambda: activations(READER, *init(READER, TOKENS), TOKENS),
    loss_gradients: lambda: loss_gradients(READER, *init(READER, TOKENS), TEXTS, TARGETS),
    integrated_words: lambda: integrated_words(
        CLASSIFIER, *init(CLASSIFIER, TOKENS), TEXTS, TARGETS
    ),
    leave_one_out: lambda: leave_one_out(
        CLASSIFIER, *init(CLASSIFIER, TOKENS), TEXTS, TARGETS, replacement=0
    ),
    non_maximum_suppression: lambda: non_maximum_suppression(BOXES, jnp.array([0.8, 0.9])),
}


def compilations(call):
    """How many programs a call compiles."""
    events = []
    listen = lambda event, seconds, **_: events.append(event)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        call()
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return sum(event.endswith("backend_compile_duration") for event in events)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("call", CALLS.values(), ids=[function.__name__ for function in CALLS])
def test_a_second_call_compiles_nothing(call):
    call()
    assert not compilations(call)


def test_scores_of_forecasts_by_other_params_compile_nothing():
    """Params, and the limit that follows from their errors, are arguments of the program."""
    one, other = (init(FORECASTER.model, PAIRS.train["inputs"], seed) for seed in (0, 1))
    scores = [FORECASTER.score(*one, PAIRS).score]
    assert not compilations(lambda: scores.append(FORECASTER.score(*other, PAIRS).score))
    assert not np.array_equal(*scores)


def test_the_likelihood_of_texts_is_one_model_for_each_language_model():
    assert likelihood(WRITER) is likelihood(WRITER)
