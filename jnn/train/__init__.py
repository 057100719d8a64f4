"""Training: the state, the step, the loop, and the run that holds its records."""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "config": ["SUITED", "TrainingConfig"],
        "devices": ["device_mesh", "on_each", "on_one"],
        "evaluate": ["make_evaluate", "predict_all"],
        "experiment": ["once", "run_task"],
        "fine_tuning": ["FineTuningConfig"],
        "feed": ["Feed", "in_memory", "streamed"],
        "loop": ["Fitted", "fit"],
        "next_token": ["next_token_losses", "next_token_losses_by_rows"],
        "optimizers": ["make_optimizer", "make_schedule"],
        "preparation": ["Classified", "Preparation", "read_preparation"],
        "split_task": ["task_on_splits"],
        "state": ["LossScale", "TrainState", "init_train_state", "seed_key"],
        "supervised_task": ["supervised"],
        "text_classification_task": ["class_probabilities", "text_classification"],
        "task": ["Task", "start", "train"],
        "text_feeds": ["bucketed", "language_model_feed"],
        "step": ["Objective", "Step", "make_step", "make_steps"],
    },
)
