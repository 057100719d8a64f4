"""What is alike in the experiments of one kind: their task, with its scores, baselines and report.

Each returns a `jnn.train.Task`, as an experiment's own ``task`` does; experiments choose data and
model, and add what is their own with ``task._replace(...)``.
"""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "next_token": ["next_token_losses", "next_token_losses_by_rows"],
        "split_task": ["task_on_splits"],
        "supervised_task": ["supervised"],
        "text_classification_task": ["class_probabilities", "text_classification"],
        "text_feeds": ["bucketed", "language_model_feed"],
    },
)
