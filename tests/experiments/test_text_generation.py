"""What is particular to `text_generation`."""

import jax
import jax.numpy as jnp

from experiments.text_generation import Config, build_model


def test_in_a_long_text_the_transformer_attends_as_far_back_as_in_training():
    config = Config(model="transformer", smoke=True)
    model, text = build_model(config, 9), jnp.arange(3 * config.length) % 9
    params, state = model.init(jax.random.key(0), text)
    logits, changed = (
        model.apply(params, state, tokens)[0] for tokens in (text, text.at[0].set(5))
    )
    differs = jnp.any(logits != changed, axis=-1)
    assert differs[: config.length].all()
    assert not differs[config.length :].any()
