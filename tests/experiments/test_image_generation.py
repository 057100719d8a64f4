"""image_generation: each player has the gradient of its own loss; images of one class."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import image_generation as experiment
from jnn.cli import main
from jnn.decoding.generate import Request
from jnn.decoding.sampling import Sampling
from jnn.errors import JnnError
from jnn.train import seed_key, start
from tests.compiled import init

SMALL = {"data": "digits", "smoke": True}


def set_up(**settings):
    config = experiment.Config(**SMALL, **settings)
    splits = experiment.load_data(config)
    task = experiment.task(config, splits)
    batch = {name: jnp.asarray(array[: config.batch_size]) for name, array in splits.train.items()}
    return config, task, batch, start(task, config, seed_key(0))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["dcgan", "wgan_gp"])
def test_each_player_has_the_gradient_of_its_own_loss_alone(model):
    _, task, batch, (train_state, _) = set_up(model=model)
    run = partial(task.objective, state=train_state.state, batch=batch, key=jax.random.key(1))
    of = lambda name: lambda params: run(params)[1][1][name]
    joint = jax.jit(jax.grad(lambda params: run(params)[0]))(train_state.params)
    for player, other in (("generator", "discriminator"), ("discriminator", "generator")):
        own = jax.jit(jax.grad(of(f"{player}_loss")))(train_state.params)
        assert all(not np.any(leaf) for leaf in jax.tree.leaves(own[other]))
        # float32: other fusions
        jax.tree.map(
            partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), own[player], joint[player]
        )


@pytest.mark.slow
def test_the_generator_moves_in_the_last_of_the_discriminators_steps():
    _, _, batch, (train_state, step) = set_up(model="dcgan", discriminator_steps=3)
    step, moved = jax.jit(step), []
    for _ in range(6):
        before, (train_state, _) = train_state.params, step(train_state, batch)
        moved.append({name: differ(before[name], train_state.params[name]) for name in before})
    assert [moves["generator"] for moves in moved] == [False, False, True] * 2
    assert all(moves["discriminator"] for moves in moved)


def differ(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return any(not np.array_equal(x, y) for x, y in leaves)


def test_a_setting_that_was_given_is_kept():
    config = experiment.Config(model="wgan_gp", epochs=3, channels=(8, 4), learning_rate=1e-4)
    assert (config.epochs, config.channels, config.learning_rate) == (3, (8, 4), 1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"discriminator_steps": 0}, "discriminator_steps=0, expected an integer >= 1"),
        ({"samples": 150}, "samples=150, expected a multiple of 100"),
        ({"model": "vae", "discriminator_rate": 1.0}, "discriminator_rate=1.0 of vae, expected a"),
        ({"penalty": 1.0}, "penalty=1.0 of dcgan, expected a model of wgan_gp"),
        ({"model": "diffusion", "noise": 8}, "noise=8 of diffusion"),
    ],
)
def test_settings_of_other_models_and_impossible_ones_are_refused(settings, message):
    with pytest.raises(JnnError, match=f"config: got {message}"):
        experiment.Config(**settings)


@pytest.mark.parametrize("model", experiment.ABOUT.models)
def test_the_settings_of_a_run_are_accepted_again(model):
    config = experiment.Config(model=model, **SMALL)
    assert experiment.Config(**dataclasses.asdict(config)) == config


def test_a_picture_of_the_class_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "trained", lambda model, example, folder: init(model, example))
    config = experiment.Config(model="vae", **SMALL)
    draw = lambda prompt, seed=0: experiment.generate(
        config, tmp_path, Request(prompt=prompt, length=1, sampling=Sampling(), seed=seed)
    )
    rows = lambda figure: [label.get_text() for label in figure.axes[0].get_yticklabels()]
    pixels = lambda figure: np.asarray(figure.axes[0].images[0].get_array())
    assert rows(draw("")) == list(experiment.images.DIGIT_CLASSES)
    seven = draw(" 7 ")
    assert rows(seven) == ["7"]
    np.testing.assert_array_equal(pixels(draw("7")), pixels(seven))
    assert not np.array_equal(pixels(draw("7", seed=1)), pixels(seven))
    message = "generate: got prompt='ten', expected nothing, or one of 0, 1, 2"
    with pytest.raises(JnnError, match=message):
        draw("ten")


@pytest.mark.slow  # a whole run
def test_a_run_keeps_samples_of_each_epoch_and_draws_pictures_of_a_class(tmp_path, capsys):
    folder = str(tmp_path / "run")
    words = ["--model", "vae", "--data", "digits", "--smoke", "--quiet", "--out", folder]
    assert main(["run", "image_generation", *words]) == 0
    assert len(list((tmp_path / "run/samples").glob("*.npy"))) == 2
    assert main(["generate", folder, "--prompt", "7"]) == 0
    assert capsys.readouterr().out.endswith("\n")
