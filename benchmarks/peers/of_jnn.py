"""jnn, by its public functions and defaults."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jnn
from benchmarks import works
from benchmarks.peers.by_jnn import by_call, objective_of, perceptron
from jnn.architectures.cnn import CNNConfig, lenet5, small_vgg
from jnn.architectures.cnn import cnn as cnn_model
from jnn.architectures.resnet import ResNetConfig, resnet
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.decoding.generate import generate
from jnn.decoding.sampling import GREEDY
from jnn.losses import cross_entropy
from jnn.train import (
    Task,
    TrainingConfig,
    compiler_options,
    device_mesh,
    in_memory,
    init_train_state,
    make_step,
    on_each,
    seed_key,
)
from jnn.train.loop import compiled
from jnn.train.sweep import make_epoch, over_members

Call = Callable[[], Any]


def by_dispatch(model: jnn.Model, x: np.ndarray, label: np.ndarray) -> Call:
    """Many steps in one dispatch, as `jnn.train.fit` makes them, on batches drawn from memory."""
    optimizer = optax.adam(works.LEARNING_RATE)
    feed = in_memory({"x": x, "label": label}, len(x) // works.STEPS)
    kept = [init_train_state(seed_key(0), model, optimizer, x[:1])]
    steps = compiled(make_step(objective_of(model), optimizer), feed, kept[0])

    def call():
        kept[0], metrics = steps(kept[0], feed.data, works.STEPS)
        return metrics["loss"]

    return call


def convolutional() -> jnn.Model:
    """The model of cnn."""
    one, two = works.CHANNELS
    return jnn.chain(
        jnn.conv(one, (3, 3)),
        jax.nn.relu,
        jnn.conv(two, (3, 3)),
        jax.nn.relu,
        jnn.max_pool((2, 2)),
        jnn.flatten(3),
        jnn.dense(works.HIDDEN),
        jax.nn.relu,
        jnn.dense(10),
    )


def recurrent(layer: Callable[[int], jnn.Model]) -> jnn.Model:
    """The model of lstm and gru."""
    work = works.RECURRENT
    layers = (layer(work.features) for _ in range(2))
    return jnn.chain(
        jnn.embedding(work.vocabulary, work.embedding), *layers, jnn.dense(work.vocabulary)
    )


def decoder(work: works.GPT, length: int = 0) -> jnn.Model:
    """The model of a work."""
    return transformer(
        TransformerConfig(
            vocabulary=work.vocabulary,
            length=length or work.length,
            width=work.width,
            depth=work.depth,
            heads=work.heads,
            use_bias=False,
            dropout=work.dropout,
            unroll=True,
        )
    )


NETWORKS = {
    "mlp": (partial(perceptron, works.MLP), partial(works.examples, works.MLP)),
    "mlp_tiny": (partial(perceptron, works.MLP_TINY), partial(works.examples, works.MLP_TINY)),
    "cnn": (convolutional, lambda batches: works.images(128 * batches)),
    "lenet5": (lambda: cnn_model(lenet5()), lambda batches: works.images(128 * batches, 32)),
    "vgg16": (
        lambda: cnn_model(small_vgg(16, outputs=10)),
        lambda batches: works.images(32 * batches, 32, 3),
    ),
    "resnet18": (
        partial(resnet, ResNetConfig(outputs=10, stem="small")),
        lambda batches: works.images(32 * batches, 32, 3),
    ),
    "lstm": (partial(recurrent, jnn.lstm), partial(works.characters, works.RECURRENT)),
    "gru": (partial(recurrent, jnn.gru), partial(works.characters, works.RECURRENT)),
    "gpt_s": (partial(decoder, works.GPT_S), partial(works.characters, works.GPT_S)),
    "gpt_s_dropout": (
        partial(decoder, works.GPT_S_DROPOUT),
        partial(works.characters, works.GPT_S_DROPOUT),
    ),
    "gpt_m": (partial(decoder, works.GPT_M), partial(works.characters, works.GPT_M)),
}
"""The model of each workload, and its data for a number of batches."""


def train(name: str, devices: int = 1) -> Call:
    """A step of a workload, one call each."""
    model, data = NETWORKS[name]
    return by_call(model(), *data(1), devices)


def train_many_steps(name: str) -> Call:
    """Many steps of a workload in one dispatch."""
    model, data = NETWORKS[name]
    return by_dispatch(model(), *data(works.STEPS))


def predict(batch: int) -> Call:
    """The logits of images by the model of resnet18."""
    network, _ = NETWORKS["resnet18"]
    model, x = network(), jnp.asarray(works.images(batch, 32, 3)[0])
    params, state = jax.jit(model.init)(jax.random.key(0), x[:1])
    logits = lambda params, state, x: model.apply(params, state, x)[0]
    logits = jax.jit(logits, compiler_options=compiler_options())
    return lambda: logits(params, state, x)


def write(batch: int, devices: int = 1) -> Call:
    """The most probable token each time, as many as fit, in one program."""
    work = works.GPT_M
    model, prompt = decoder(work, work.length + 1), works.characters(work, batch)[0][:batch, :1]
    params, state = jax.jit(model.init)(jax.random.key(0), prompt)
    mesh = device_mesh(devices)
    split = jax.P(mesh.axis_names[0])
    written = lambda params, prompt: (
        generate(
            model, params, state, prompt, length=work.length, key=jax.random.key(0), sampling=GREEDY
        ).tokens
    )
    if devices > 1:
        params = on_each(mesh, params)
        prompt = jax.device_put(prompt, jax.NamedSharding(mesh, split))
        written = jax.shard_map(
            written, mesh=mesh, in_specs=(jax.P(), split), out_specs=split, check_vma=False
        )
    written = jax.jit(written)
    return lambda: written(params, prompt)


def member(name: str) -> tuple[jnn.Model, np.ndarray, np.ndarray]:
    """One of many networks, and the batch that all of them see."""
    if name == "mlps":
        return perceptron(works.MLP_OF_MANY), *works.examples(works.MLP_OF_MANY)
    settings = CNNConfig(outputs=10, channels=works.CHANNELS_OF_MANY, convolutions=1, hidden=())
    return cnn_model(settings), *works.images(32)


def ensemble(name: str) -> Call:
    """A step of `jnn.ensemble`, on the mean of the members' losses."""
    model, x, label = member(name)
    many, of_members = jnn.ensemble(model, works.MEMBERS), jax.vmap(cross_entropy, (0, None))
    optimizer = optax.adam(works.LEARNING_RATE)

    def objective(params, state, batch, key):
        logits, state = many.apply(params, state, batch["x"], key=key, train=True)
        return jnp.sum(jnp.mean(of_members(logits, batch["label"]), -1)), (state, {})

    step = make_step(objective, optimizer)
    step = jax.jit(step, donate_argnums=0, compiler_options=compiler_options())
    kept = [init_train_state(seed_key(0), many, optimizer, x[:1])]
    batch = jax.device_put({"x": x, "label": label})

    def call():
        kept[0], metrics = step(kept[0], batch)
        return metrics["loss"]

    return call


def vmapped(name: str) -> Call:
    """A step under ``jax.vmap``, as `jnn sweep` makes it."""
    model, x, label = member(name)
    optimizer = optax.adam(works.LEARNING_RATE)
    step = make_step(objective_of(model), optimizer, guarded=False)
    steps = jax.vmap(step, (0, None))
    steps = jax.jit(steps, donate_argnums=0, compiler_options=compiler_options())
    init = jax.vmap(lambda key: init_train_state(key, model, optimizer, x[:1]))
    kept = [init(jax.random.split(seed_key(0), works.MEMBERS))]
    batch = jax.device_put({"x": x, "label": label})

    def call():
        kept[0], metrics = steps(kept[0], batch)
        return metrics["loss"]

    return call


def swept(name: str) -> Call:
    """An epoch of all networks, as `jnn sweep` has it, on batches drawn from memory."""
    model, x, label = member(name)
    arrays = {
        "x": np.tile(x, (works.STEPS, *[1] * (x.ndim - 1))),
        "label": np.tile(label, works.STEPS),
    }
    task = Task(model, objective_of(model), in_memory(arrays, len(x)), x[:1])
    config = TrainingConfig(learning_rate=works.LEARNING_RATE, warmup=0.0, schedule="constant")
    begin, epoch = make_epoch(task, config)
    traced = {"learning_rate": jnp.full(works.MEMBERS, works.LEARNING_RATE)}
    kept = [jax.jit(jax.vmap(begin))(jax.random.split(seed_key(0), works.MEMBERS), traced)]
    advance = over_members(epoch, task)

    def call():
        kept[0], row = advance(kept[0], traced, task.feed.data)
        return row["train/loss"]

    return call
