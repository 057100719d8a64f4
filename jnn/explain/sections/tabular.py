"""The report of a model of tables: predicted numbers, importance of features."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnn import losses
from jnn.explain.inside import importance
from jnn.explain.page.report import Section
from jnn.explain.results.regression import predicted_against_true
from jnn.explain.sections.classification import predicted_classes


def regression(
    predict: Callable[[Any], jax.Array],
    x: np.ndarray,
    target: np.ndarray,
    name: str,
    *,
    columns: Sequence[str],
) -> list[Section]:
    """Where predictions of a number are wrong, and which features they need.

    ``predict`` takes the features ``x`` ``(N, D)``, and is written in JAX; ``target`` ``(N,)`` has
    the ``name``, the features those of ``columns``.
    """
    negative_rmse = lambda x: -jnp.sqrt(jnp.mean((predict(x) - target) ** 2))
    return [
        *predicted_numbers(target, np.asarray(jax.jit(predict)(x)), name),
        *feature_importance(negative_rmse, x, columns, of="RMSE", lowest=True),
    ]


def classification(
    log_probabilities: Callable[[Any], jax.Array],
    x: np.ndarray,
    label: np.ndarray,
    *,
    classes: Sequence[str],
    columns: Sequence[str],
) -> list[Section]:
    """Which rows are classified wrongly, how probable they seemed, and which features it needs.

    ``log_probabilities`` takes the features ``x`` ``(N, D)``, and is written in JAX; ``label``
    ``(N,)`` are numbers of ``classes``, the features have the names ``columns``.
    """
    log_likelihood = lambda x: -jnp.mean(losses.cross_entropy(log_probabilities(x), label))
    probabilities = np.exp(jax.jit(log_probabilities)(x))
    return [
        *predicted_classes(label, probabilities, classes),
        *feature_importance(log_likelihood, x, columns, of="log-likelihood"),
    ]


def predicted_numbers(target: np.ndarray, prediction: np.ndarray, name: str) -> list[Section]:
    """Predictions and residuals of a regression: ``target`` (N,), ``prediction`` (N,)."""
    return [
        Section(
            "Predictions and residuals",
            "Each dot is a test example.",
            predicted_against_true(prediction, target, name=name),
        )
    ]


def feature_importance(
    score: Callable[[Any], Any],
    x: np.ndarray,
    names: Sequence[str],
    *,
    of: str,
    lowest: bool = False,
) -> list[Section]:
    """Permutation importance of the columns of ``x`` (N, D), whose names are ``names``.

    ``score(x)`` is a number of which more is better, written in JAX; ``of`` is its name, or, with
    ``lowest``, that of the error whose negation it is.
    """
    change = "rise" if lowest else "fall"
    falls = importance.permutation_importance(jax.jit(score), x)
    return [
        Section(
            "Permutation importance",
            f"The {change} of the {of} on the test part where one feature is shuffled. Correlated "
            "features share their importance.",
            importance.importances(falls, names, score=of, lowest=lowest),
        )
    ]
