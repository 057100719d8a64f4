"""How names and numbers of metrics are written for people."""

import math
from collections.abc import Mapping
from typing import Any

LOWER_IS_BETTER = (
    "loss",
    "error",
    "rmse",
    "mse",
    "mae",
    "nats",
    "bits",
    "perplexity",
    "frechet",
    "eer",
    "distance",
    "ece",
    "calibration",
    "sample",
    "qlike",
)
"""Parts of the names of metrics of which less is better; a two-sample accuracy is that of a judge
who tells generated from real.
"""

CAPITALS = {
    "rmse": "RMSE",
    "mse": "MSE",
    "mae": "MAE",
    "r2": "R²",
    "auc": "AUC",
    "bleu": "BLEU",
    "eer": "EER",
    "f1": "F1",
    "map": "mAP",
    "map50": "mAP50",
    "ap50": "AP50",
    "frechet": "Frechet",
    "qlike": "QLIKE",
    "lstm": "LSTM",
    "tcn": "TCN",
    "tar": "TAR",
}


def metric_name(metric: str) -> str:
    """A metric's name in words.

    >>> metric_name("test/rmse_24h"), metric_name("validation/nats_per_character")
    ('test RMSE 24h', 'validation nats per character')
    """
    words = metric.replace("/", " ").replace("_", " ").split()
    return " ".join(CAPITALS.get(word, word) for word in words)


def sentence(text: str) -> str:
    """The text with a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def lower_is_better(metric: str) -> bool:
    """Whether less of a metric is better, judged by its name.

    >>> lower_is_better("test/rmse_24h"), lower_is_better("test/accuracy"), lower_is_better("test/two_sample_accuracy")
    (True, False, True)
    """
    words = metric.rsplit("/", 1)[-1].lower().split("_")
    return any(word in LOWER_IS_BETTER for word in words)


def number(value: Any) -> str:
    """A value of a metric with four significant digits; what is no finite number is said in words.

    >>> number(0.991234), number(1234567), number(float("nan")), number(None)
    ('0.9912', '1,234,567', 'not a number', 'not a number')
    """
    if not is_finite(value):
        return (
            str(value)
            if isinstance(value, str) and value.lower() not in ("nan", "")
            else "not a number"
        )
    if float(value) == int(value) and abs(value) >= 1:
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def is_finite(value: Any) -> bool:
    """Whether a value from a JSON file is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def ranked(values: Mapping[str, Any], lowest: bool) -> list[str]:
    """The names from the best value to the worst; what is no finite number comes last."""
    worst = math.inf
    key = lambda name: (
        (float(values[name]) if lowest else -float(values[name]))
        if is_finite(values[name])
        else worst
    )
    return sorted(values, key=key)
