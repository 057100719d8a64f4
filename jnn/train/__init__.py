"""Training: the state, the step, the loop, and the run that holds its records."""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "compilation": ["compiler_options"],
        "config": ["SUITED", "TrainingConfig"],
        "devices": ["device_mesh", "on_each", "on_one"],
        "evaluate": ["make_evaluate", "predict_all"],
        "experiment": ["once", "run_task"],
        "fine_tuning": ["FineTuningConfig"],
        "feed": ["Feed", "in_memory", "streamed"],
        "loop": ["Fitted", "fit"],
        "memory": ["keep_memory"],
        "optimizers": ["make_optimizer", "make_schedule"],
        "preparation": ["Classified", "Preparation", "read_preparation"],
        "state": ["LossScale", "TrainState", "init_train_state", "seed_key"],
        "task": ["Task", "start", "train"],
        "step": ["Objective", "Step", "make_step", "make_steps"],
    },
)
