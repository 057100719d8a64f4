"""A training step on one device, and on a device for each core, each of which has a part of the
batch: ``jnn run --devices``.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import recurrent
import transformer
from measure import Comparison, main
from peers import CORES, DEVICE_EACH_CORE, Process, serve

LEARNING_RATE = 1e-3


def text(network: Callable, characters: Callable[[], np.ndarray]) -> tuple:
    """The network of another benchmark, and what it reads and foretells."""
    read = characters()
    return network(), read[:, :-1], read[:, 1:]


def images(convolutional: bool) -> tuple:
    """A network for images, and a batch of 128."""
    from jnn.architectures.cnn import CNNConfig, cnn
    from jnn.architectures.mlp import MLPConfig, mlp

    convolutions = {"channels": (32, 48, 96), "convolutions": (1, 2, 2), "hidden": (128,)}
    model = (
        cnn(CNNConfig(outputs=10, **convolutions))
        if convolutional
        else mlp(MLPConfig(outputs=10, hidden=(1024, 1024), input_rank=3))
    )
    rng = np.random.default_rng(0)
    return (
        model,
        rng.standard_normal((128, 28, 28, 1)).astype(np.float32),
        rng.integers(10, size=128).astype(np.int32),
    )


def train(work: Callable[[], tuple], devices: int) -> Callable[[], float]:
    """Steps of Adam, as `jnn.train.make_step` makes them."""
    import jax
    import jax.numpy as jnp
    import optax

    from jnn.losses import cross_entropy
    from jnn.train import device_mesh, init_train_state, make_step, on_each, seed_key

    (model, x, label), optimizer, mesh = work(), optax.adam(LEARNING_RATE), device_mesh(devices)

    def objective(params, state, batch, key):
        logits, state = model.apply(params, state, batch["x"], key=key, train=True)
        return jnp.mean(cross_entropy(logits, batch["label"])), (state, {})

    kept, batch = on_each(
        mesh, ([init_train_state(seed_key(0), model, optimizer, x[:1])], {"x": x, "label": label})
    )
    step = jax.jit(
        make_step(objective, optimizer, mesh=mesh if devices > 1 else None), donate_argnums=0
    )

    def call():
        kept[0], metrics = step(kept[0], batch)
        return float(metrics["loss"])

    return call


WORKS = {
    "convolutional network, 128 images of 28x28": partial(images, True),
    "MLP 784-1024-1024-10, batch 128": partial(images, False),
    "character LSTM": partial(text, recurrent.network, recurrent.characters),
    f"GPT of {transformer.DEPTH} x {transformer.WIDTH}": partial(
        text, transformer.gpt, transformer.characters
    ),
}
PEERS = {
    f"{work} on {devices}": partial(train, make, devices)
    for work, make in WORKS.items()
    for devices in (1, CORES)
}


def steps(work: str) -> Comparison:
    """A step on one device and on several."""
    several = Process(__file__, f"{work} on {CORES}", **DEVICE_EACH_CORE)
    ways = {"one device": Process(__file__, f"{work} on 1"), f"{CORES} devices": several}
    return Comparison(f"step, {work}", ways, tolerance=1e-2)


if __name__ == "__main__" and not serve(PEERS):
    main(__file__, [partial(steps, work) for work in WORKS])
