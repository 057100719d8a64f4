"""Adversarial networks: how they know the class, what spectral normalization bounds, and that two
players learn in one step.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnn
from jnn.architectures.gan import GANConfig, discriminator, gan, generator
from jnn.losses.adversarial import HINGE
from jnn.paths import path_name

SINGLE = 1e-5  # float32: sums of a few dozen numbers of order one
CONFIG = GANConfig(shape=(8, 8, 1), classes=3, noise=4, channels=(8, 4), features=6)


def some(n=5):
    rng = np.random.default_rng(0)
    image, noise = (
        jnp.asarray(rng.normal(size=(n, *shape)), jnp.float32) for shape in ((8, 8, 1), (4,))
    )
    return {"image": image, "noise": noise, "label": jnp.arange(n) % 3}


def test_the_discriminator_projects_the_features_on_the_vector_of_the_class():
    model, x = (
        discriminator(
            GANConfig(shape=(8, 8, 1), classes=3, channels=(4,), features=6, spectral=False)
        ),
        some(),
    )
    params, state = jax.jit(model.init)(jax.random.key(0), x)
    (y, _), values = jnn.capture(model.apply)(params, state, x)
    h = np.asarray(values["body/output"], np.float64)
    v = np.asarray(params["embedding"]["embedding"], np.float64)[np.asarray(x["label"])]
    expected = (
        h @ np.asarray(params["out"]["kernel"])[:, 0]
        + np.asarray(params["out"]["bias"])
        + np.sum(h * v, axis=1)
    )
    np.testing.assert_allclose(y, expected, atol=SINGLE)


@pytest.mark.slow
def test_every_matrix_of_the_discriminator_has_a_largest_singular_value_of_one():
    model, x = discriminator(CONFIG), some()
    params, state = jax.jit(model.init)(jax.random.key(0), x)
    train = jax.jit(lambda state: model.apply(params, state, x, train=True)[1])
    for _ in range(100):
        state = train(state)
    matrices = {
        path: vectors for path, vectors in state["vectors"].items() if not path.endswith("bias")
    }
    assert {path.split("/")[-1] for path in matrices} == {"kernel", "embedding"}
    leaves = {path_name(path): leaf for path, leaf in jax.tree.leaves_with_path(params)}
    assert set(matrices) == {path for path, leaf in leaves.items() if leaf.ndim > 1}
    for path, vectors in matrices.items():
        matrix = np.asarray(leaves[path]).reshape(-1, leaves[path].shape[-1])
        norm = np.asarray(vectors["left"]) @ matrix @ np.asarray(vectors["right"])
        # power iteration has all but converged
        np.testing.assert_allclose(np.linalg.norm(matrix, 2), norm, rtol=1e-3)


def test_the_whole_is_its_players_with_their_part_of_the_params():
    model, x = gan(CONFIG), some()
    x = {name: x[name] for name in ("noise", "label")}
    params, state = jax.jit(model.init)(jax.random.key(0), x)
    assert set(params) == set(state) == {"generator", "discriminator"}
    y, _ = jax.jit(model.apply)(params, state, x)
    image, _ = jax.jit(generator(CONFIG).apply)(params["generator"], state["generator"], x)
    score, _ = jax.jit(discriminator(CONFIG).apply)(
        params["discriminator"], state["discriminator"], {"image": image, "label": x["label"]}
    )
    np.testing.assert_array_equal(y["image"], image)
    np.testing.assert_array_equal(y["score"], score)
    assert jnp.all(jnp.abs(image) < 1)


def test_parameters_by_hand():
    condition, image = 4 + 4, 2 * 2 * 8
    dense = condition * image + image
    norms = sum((condition + 1) * 2 * channels for channels in (8, 4))
    convolutions = 9 * 8 * (4 * 4) + 4 * 4 + 9 * 4 * 4 + 4
    embedding = 3 * 4
    assert parameters_of(generator(CONFIG), "noise") == dense + norms + convolutions + embedding
    convolutions = 16 * (1 * 4 + 4 * 8) + 4 + 8
    assert (
        parameters_of(discriminator(CONFIG), "image")
        == convolutions + (2 * 2 * 8 + 1) * 6 + (6 + 1) + 3 * 6
    )


def parameters_of(model, name):
    params, _ = jax.eval_shape(
        model.init, jax.random.key(0), {each: some()[each] for each in (name, "label")}
    )
    return sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.slow
@pytest.mark.parametrize("normalization", ["batch", "group"])
def test_two_players_learn_what_each_class_looks_like(normalization):
    config = GANConfig(
        shape=(4, 4, 1),
        classes=2,
        noise=2,
        channels=(8,),
        features=8,
        normalization=normalization,
        groups=2,
        activation="gelu",
    )
    makes, judges, label = generator(config), discriminator(config), jnp.arange(32) % 2
    # one class is dark, the other is bright
    real = jnp.broadcast_to((label - 0.5).reshape(32, 1, 1, 1), (32, 4, 4, 1))
    noise = jax.random.normal(jax.random.key(1), (32, 2))
    params, state = jax.jit(gan(config).init)(jax.random.key(0), {"noise": noise, "label": label})
    # momentum makes the players circle each other: their last params would depend on rounding
    optimizer = optax.adam(1e-2, b1=0.0)

    def objective(params, state, key):
        noise = jax.random.normal(key, (32, 2))
        fake, made = makes.apply(
            params["generator"],
            state.get("generator", {}),
            {"noise": noise, "label": label},
            train=True,
        )
        score = lambda params, image: judges.apply(
            params["discriminator"],
            state["discriminator"],
            {"image": image, "label": label},
            train=True,
        )
        real_score, judged = score(params, real)
        loss = jnp.mean(
            HINGE.discriminator(real_score, score(params, jax.lax.stop_gradient(fake))[0])
        )
        loss += jnp.mean(HINGE.generator(score(jax.lax.stop_gradient(params), fake)[0]))
        return loss, {
            player: new
            for player, new in {"generator": made, "discriminator": judged}.items()
            if new
        }

    @jax.jit
    def step(params, state, moments, key):
        gradient, state = jax.grad(objective, has_aux=True)(params, state, key)
        updates, moments = optimizer.update(gradient, moments)
        return optax.apply_updates(params, updates), state, moments

    moments = optimizer.init(params)
    for i in range(100):
        params, state, moments = step(params, state, moments, jax.random.key(i))
    image, _ = jax.jit(makes.apply)(
        params["generator"], state.get("generator", {}), {"noise": noise, "label": label}
    )
    means = [float(image[label == k].mean()) for k in range(2)]
    assert means[0] < -0.25
    assert means[1] > 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"shape": (30, 28, 1)},
            (
                r"got images of 30x28 for channels=\(128, 64\), expected sides "
                r"divisible by 4. Pad the images"
            ),
        ),
        (
            {"shape": (28, 28)},
            r"got shape=\(28, 28\), expected a tuple of 3 integers",
        ),
        (
            {"channels": ()},
            r"got channels=\(\), expected those of one layer at least",
        ),
        ({"channels": (8, 0)}, r"got channels\[1\]=0, expected an integer >= 1"),
        ({"noise": 0}, r"got noise=0, expected an integer >= 1"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match="GANConfig: " + message):
        GANConfig(**{"shape": (28, 28, 1), "classes": 10, **settings})


def test_bad_inputs():
    x = some()
    with pytest.raises(
        jnn.JnnError, match="generator: got a dict of image, expected a dict with noise and label"
    ):
        generator(CONFIG).init(jax.random.key(0), {"image": x["image"]})
    with pytest.raises(
        jnn.JnnError, match="discriminator: got an array, expected a dict with image and label"
    ):
        discriminator(CONFIG).init(jax.random.key(0), x["image"])
    with pytest.raises(
        jnn.JnnError,
        match=(
            r"images of shape \(5, 8, 8, 1\) and labels of shape \(4,\), "
            r"expected one label for each"
        ),
    ):
        discriminator(CONFIG).init(
            jax.random.key(0), {"image": x["image"], "label": x["label"][:4]}
        )
