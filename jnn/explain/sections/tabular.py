"""The report of a model of tables: predicted numbers, importance of features."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jnn.explain.inside import importance
from jnn.explain.page.report import Section
from jnn.explain.results import regression


def predicted_numbers(target: np.ndarray, prediction: np.ndarray, name: str) -> list[Section]:
    """Predictions and residuals of a regression: ``target`` (N,), ``prediction`` (N,)."""
    return [
        Section(
            "Predictions and residuals",
            "Each dot is a test example.",
            regression.predicted_against_true(prediction, target, name=name),
        )
    ]


def feature_importance(
    score: Callable[[Any], Any], x: np.ndarray, names: Sequence[str], *, of: str
) -> list[Section]:
    """Permutation importance of the columns of ``x`` (N, D), whose names are ``names``.

    ``score(x)`` is a number of which more is better, written in JAX; ``of`` is its name.
    """
    falls = importance.permutation_importance(jax.jit(score), x)
    return [
        Section(
            "Permutation importance",
            f"The fall of the {of} on the test part where one feature is shuffled. Correlated "
            "features share their importance.",
            importance.importances(falls, names, score=of),
        )
    ]
