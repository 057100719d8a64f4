"""No setting without effect: each changes what is trained, how, or what is measured, or is refused.

What is trained is compared as programs: the jaxprs of the first train state, of a step and of the
evaluation, with the data they are given, traced for a smoke run and for one with another setting.
"""

import dataclasses
import hashlib
import typing

import jax
import numpy as np
import pytest

import jnn.train.task as tasks
from jnn.cli.verbs.new import TEMPLATES, write
from jnn.errors import JnnError
from jnn.runs.experiments import find, listings, load
from jnn.train import Fitted, TrainingConfig, seed_key

NAMES = [listing.name for listing in listings()]
CHOSEN = {
    "optimizer": ["sgd"],
    "schedule": ["constant"],
    "activation": ["relu"],
    "optimizer_options": [{"nesterov": True}],
    "schedule_options": [{"alpha": 0.5}],
    "warmup": [0.5],
    "skip_bad": [2],
    "patience": [3],
    "accumulate": [2],
    "devices": [2],
    "mesh": ["data=2"],
    "tokens": ["a folder"],
    "pretrained": ["a folder"],
    "adapted_run": ["a folder"],
    "lora_paths": [".*"],
    "frozen": ["a path"],
}
"""Other values, where halves and doubles will not do."""
MEASURED = {
    "anomaly_detection": {"smoothing", "quantile", "cleaning"},
    "image_generation": {"guidance", "sampling_steps", "samples"},
    "sentiment_analysis": {"bayes_scale", "bayes_share"},
    "text_classification": {"linear_share"},
    "object_detection": {"overlap", "candidates"},
    "translation": {"beams", "length_penalty"},
}
"""Settings of what is measured after training; a whole run shows their effect."""
OF_A_MODEL = {
    "anomaly_detection": {
        **{name: {"model": "forecaster"} for name in ("horizon", "dropout")},
        "latent": {"model": "autoencoder"},
    },
    "image_generation": {
        "penalty": {"model": "wgan_gp"},
        "unlabelled": {"model": "diffusion"},
    },
    "text_generation": {"heads": {"model": "transformer"}},
    "translation": {"heads": {"model": "transformer"}},
    "autoencoder": {"channels": {"model": "convolutional"}},
}
"""Settings that only one model has."""
FILES = ("file", "folder", "smoke", "target")  # of a template: see test_contract


def others(config, name, hint):
    """Other values of a setting."""
    value = getattr(config, name)
    if typing.get_origin(hint) is typing.Literal:
        return [choice for choice in typing.get_args(hint) if choice != value]
    if name in CHOSEN:
        return CHOSEN[name]
    match value:
        case bool():
            return [not value]
        case int():
            return [2 * value or 1]
        case float():
            return [value / 2 or 0.25]
        case (*_, last):
            return [(*value[:-1], last + 1), (*value[:-1], 2 * last)]
    raise AssertionError(f"another value of {name}={value!r} of type {hint}?")


def fingerprint(module, config, monkeypatch):
    """What a run of the config is: programs, data, and what the loop is told."""
    task = module.task(config, module.load_data(config, offline=True))
    step = None

    def begin(key):
        nonlocal step
        train_state, step = tasks.start(task, config, key)
        return train_state

    key = seed_key(config.seed)
    train_state = jax.eval_shape(begin, key)
    data = task.feed.data

    def one(train_state, data):
        return step(train_state, task.feed.batch_of(data, train_state.key, train_state.step))

    told = {}

    def fit(*arguments, **settings):
        told.update(settings)
        return Fitted(*(None for _ in Fitted._fields))

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "fit", fit)
        patch.setattr(tasks, "start", lambda *arguments, **options: (None, None))
        tasks.train(task, config, key)
    programs = [jax.make_jaxpr(begin)(key), jax.make_jaxpr(one)(train_state, data)]
    if task.validate:
        programs.append(jax.make_jaxpr(task.validate)(train_state.params, train_state.state))
    digest = hashlib.sha256(np.asarray(jax.random.key_data(key)).tobytes())
    for program in programs:
        digest.update(str(program.jaxpr).encode())
        for constant in program.consts:
            digest.update(np.asarray(jax.device_get(constant)).tobytes())
    loop = {name: told[name] for name in ("epochs", "best", "lowest", "patience", "skip_bad")}
    return digest.hexdigest(), str(task.feed.identity), task.feed.steps_per_epoch, str(loop)


def without_effect(module, name, monkeypatch, skip=()):
    """The settings of an experiment whose other values change nothing."""
    config = module.Config(smoke=True)
    base, idle = fingerprint(module, config, monkeypatch), []
    hints = typing.get_type_hints(module.Config)
    for field in dataclasses.fields(config):
        setting = field.name
        if setting in skip or setting == "smoke":
            continue
        chosen = OF_A_MODEL.get(name, {}).get(setting, {})
        start = module.Config(smoke=True, **chosen) if chosen else config
        before = fingerprint(module, start, monkeypatch) if chosen else base
        for value in others(start, setting, hints[setting]):
            try:
                other = type(start)(**{"smoke": True, **chosen, setting: value})
                found = fingerprint(module, other, monkeypatch)
            except JnnError:
                continue  # refused
            if found == before:
                idle.append(f"{setting}={value!r}")
    return idle


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_an_experiment_has_an_effect(name, monkeypatch):
    module = load(find(name))
    assert without_effect(module, name, monkeypatch, MEASURED.get(name, ())) == []


@pytest.mark.slow
@pytest.mark.parametrize("data", TEMPLATES)
def test_every_setting_of_a_template_has_an_effect(data, tmp_path, monkeypatch):
    write(tmp_path / f"of_{data}.py", data)
    module = load(find(str(tmp_path / f"of_{data}.py")))
    assert without_effect(module, data, monkeypatch, {*FILES, "side"}) == []


def test_a_setting_that_is_ignored_is_found(monkeypatch):
    """The test can fail: a config with a setting that nothing reads."""
    module = load(find("tabular_classification"))

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(module.Config):
        ignored: float = 1.0

    monkeypatch.setattr(module, "Config", Config)
    shared = {field.name for field in dataclasses.fields(TrainingConfig)}
    own = {field.name for field in dataclasses.fields(Config)} - {"ignored"}
    assert without_effect(module, "tabular_classification", monkeypatch, shared | own) == [
        "ignored=0.5"
    ]
