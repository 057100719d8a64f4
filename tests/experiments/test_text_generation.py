"""What is particular to `text_generation`."""

import jax
import numpy as np

from experiments.text_generation import Config, build_model
from tests.compiled import apply, init


def test_in_a_long_text_the_transformer_attends_as_far_back_as_in_training():
    config = Config(model="transformer", smoke=True)
    model, text = build_model(config, 9), np.arange(3 * config.length) % 9
    params, state = init(model, text)
    other = np.where(np.arange(text.size), text, 5)
    logits, changed = jax.device_get([apply(model, params, state, x)[0] for x in (text, other)])
    differs = np.any(logits != changed, axis=-1)
    assert differs[: config.length].all()
    assert not differs[config.length :].any()
