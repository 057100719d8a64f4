"""The task of classifying texts by a committee of models of their tokens."""

import functools
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn import losses, metrics
from jnn.data.buckets import bucket_lengths, shortest
from jnn.data.sets.labelled_texts import LabelledTexts, WordSplits
from jnn.data.token_augment import random_replace
from jnn.model import Model, child_key
from jnn.tasks.text_feeds import bucketed
from jnn.train.evaluate import Predict, make_evaluate, predict_all
from jnn.train.preparation import Preparation
from jnn.train.task import Task


def text_classification(
    model: Model,
    answer: Model,
    texts: WordSplits,
    *,
    trained: Sequence[str],
    batch_size: int,
    buckets: int = 3,
    longest: int | None = None,
    word_dropout: float = 0.0,
    balanced: bool = False,
) -> Task:
    """Cross entropy of each member of a committee, on batches of texts of like lengths.

    ``model``         tokens ``(..., T)`` -> ``{name: logits}``, of one member ``(..., classes)``,
                      of an ensemble ``(members, ..., classes)``
    ``answer``        with the params of ``model``, tokens -> log probabilities ``(..., classes)``,
                      such as `jnn.architectures.product_of_experts.product_of_experts`
    ``trained``       the names of the logits that are trained, the first of which has the accuracy
                      that is logged
    ``buckets``       lengths that batches are cut to
    ``longest``       tokens that are read of a text, by default all
    ``word_dropout``  fraction of words that the unknown token replaces in training
    ``balanced``      whether each class has the same total weight, however rare it is

    The loss is the sum over members of their mean loss: where they share no params, no member's
    gradient depends on another. Params are kept by the loss on the validation part, if that is not
    empty. Metrics are those of `jnn.metrics.of_classes`. The tokenizer and the names
    of the classes are saved with the run.

    >>> import jnn
    >>> from jnn.data.sets.labelled_texts import LabelledSplits, with_vectors
    >>> part = lambda *texts: LabelledTexts(texts, np.arange(len(texts), dtype=np.int32) % 2)
    >>> splits = LabelledSplits(part("good", "bad"), part(), part("so good"), ("for", "against"))
    >>> texts = with_vectors(splits, glove=False)
    >>> words = jnn.chain(jnn.embedding(len(texts.vectors), 2), lambda x: x.mean(axis=-2))
    >>> model = jnn.parallel(words=words)
    >>> answer = jnn.chain(model, lambda z: jax.nn.log_softmax(z["words"]))
    >>> task = text_classification(
    ...     model, answer, texts, trained=["words"], batch_size=2, buckets=1
    ... )
    >>> task.feed.steps_per_epoch, task.data["test"], task.best
    (1, 1, None)
    """
    splits, tokenizer = texts.splits, texts.tokenizer
    arrays = partial(LabelledTexts.to_arrays, tokenizer=tokenizer, longest=longest)
    train, classes = arrays(splits.train), len(splits.classes)
    lengths = bucket_lengths(train["mask"].sum(axis=1), buckets)
    weights = losses.balanced_weights(splits.train.labels, classes) if balanced else None
    loss = partial(losses.cross_entropy, class_weights=weights)
    replace = partial(random_replace, rate=word_dropout, replacement=tokenizer.unknown)

    def objective(params, state, batch, key):
        key, word_key = child_key(key, "model"), child_key(key, "words")
        mask, label = batch["mask"], batch["label"]

        def logits_of(tokens, mask):
            logits, new = model.apply(params, state, tokens, key=key, mask=mask, train=True)
            return {name: logits[name] for name in trained}, new

        tokens = replace(word_key, batch["tokens"], mask=mask)
        by_name, new = shortest(logits_of, lengths, tokens, mask)
        total, accuracy = [], {}
        for name, logits in by_name.items():
            labels = jnp.broadcast_to(label, logits.shape[:-1])
            members = math.prod(labels.shape) // math.prod(label.shape)
            total.append(members * jnp.mean(loss(logits, labels)))
            accuracy[name] = jnp.mean(jnp.argmax(logits, axis=-1) == labels)
        return sum(total[1:], total[0]), (new, {"accuracy": accuracy[trained[0]]})

    evaluate = partial(make_evaluate, _predict(answer), metrics.of_classes(classes), target="label")
    validated = len(splits.validation.texts) > 0
    example = jax.ShapeDtypeStruct((lengths[-1],), jnp.int32)
    return Task(
        model=model,
        objective=objective,
        feed=bucketed(train, lengths, batch_size),
        example=example,
        validate=evaluate(arrays(splits.validation), split="validation") if validated else None,
        best="validation/loss" if validated else None,
        lowest=True,
        test=evaluate(arrays(splits.test), split="test"),
        data=splits.sizes,
        preparation=Preparation(
            example, tokenizer=tokenizer, longest=longest, classes=tuple(splits.classes)
        ),
    )


def class_probabilities(
    answer: Model, params: Any, state: Any, arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
    """The probabilities ``(N, classes)`` of texts, ``arrays`` with ``tokens`` and ``mask``."""
    return np.exp(predict_all(_predict(answer), params, state, arrays))


@functools.lru_cache(maxsize=8)  # of one model one function, which `predict_all` compiles once
def _predict(answer: Model) -> Predict:
    def predict(params, state, batch):
        return answer.apply(params, state, batch["tokens"], mask=batch["mask"])[0]

    return predict
