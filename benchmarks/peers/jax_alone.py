"""JAX and Optax alone: plain functions of dictionaries of arrays."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from benchmarks import works

Call = Callable[[], Any]
draw = jax.nn.initializers.lecun_normal()
MOST_STEPS = 64  # in one program
DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def step_of(logits_of: Callable, optimizer) -> Callable:
    """``(params, optimizer state), x, label -> the same, loss``."""

    loss_of = loss_by(logits_of)

    def step(held, x, label):
        loss, gradient = jax.value_and_grad(loss_of)(held[0], x, label)
        return updated(optimizer, held, gradient), loss

    return step


def loss_by(logits_of: Callable) -> Callable:
    """``params, x, label -> loss``."""

    def loss_of(params, x, label):
        return optax.softmax_cross_entropy_with_integer_labels(logits_of(params, x), label).mean()

    return loss_of


def updated(optimizer, held, gradient):
    """Params and optimizer state after a step."""
    params, state = held
    updates, state = optimizer.update(gradient, state, params)
    return optax.apply_updates(params, updates), state


def ready(init: Callable, logits_of: Callable, x, label, members: int = 0) -> Call:
    """The compilation of a step of Adam."""
    step, held, x, label = _prepared(init, logits_of, x, label, members)
    return lambda: step.lower(held, x, label).compile()


def ready_of_many(init: Callable, logits_of: Callable, x, label, members: int = 0) -> Call:
    """The compilation of many steps in one program, with what `jnn.train.fit` has of each.

    That is its batch out of all examples, its loss and the norm of its gradient, no update where
    these are not finite, the first leaf that is not, and the end of the program there.
    """
    optimizer = optax.adam(works.LEARNING_RATE)
    _, held, x, label = _prepared(init, logits_of, x, label, members)
    order = jnp.zeros((MOST_STEPS, len(x)), int)
    loss_of = loss_by(logits_of)

    def step(held, x, label):
        loss, gradient = jax.value_and_grad(loss_of)(held[0], x, label)
        squares = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient)]
        good = jnp.isfinite(jnp.stack([loss, *squares]))
        take = lambda held: updated(optimizer, held, gradient)
        held = lax.cond(good.all(), take, lambda held: held, held)
        return held, (good.all(), loss, jnp.sqrt(sum(squares)), jnp.argmin(good))

    def many(held, x, label, order, count):
        empty = jax.eval_shape(step, held, x[order[0]], label[order[0]])[1]
        rows = jax.tree.map(lambda value: jnp.zeros(MOST_STEPS, value.dtype), empty)

        def one(carry):
            held, _, i, rows = carry
            held, row = step(held, x[order[i]], label[order[i]])
            return held, row[0], i + 1, jax.tree.map(lambda a, b: a.at[i].set(b), rows, row)

        goes_on = lambda carry: carry[1] & (carry[2] < count)
        return lax.while_loop(goes_on, one, (held, True, 0, rows))

    many = jax.jit(many, donate_argnums=0)
    return lambda: many.lower(held, x, label, order, 1).compile()


def training(
    init: Callable, logits_of: Callable, x, label, members: int = 0, *, shared: bool = True
) -> Call:
    """Steps of Adam, one call each; with members, of all under ``jax.vmap``.

    They see the same batch, or, where it is not ``shared``, each one of its own.
    """
    step, held, x, label = _prepared(init, logits_of, x, label, members, shared)
    kept = [held]

    def call():
        kept[0], loss = step(kept[0], x, label)
        return loss

    return call


def _prepared(init: Callable, logits_of: Callable, x, label, members: int, shared: bool = True):
    """The step, what it updates, and its batch."""
    optimizer = optax.adam(works.LEARNING_RATE)
    step, start = step_of(logits_of, optimizer), lambda key: _with_state(optimizer, init(key))
    key = jax.random.key(0)
    if members:
        axis = None if shared else 0
        step, start = jax.vmap(step, (0, axis, axis)), jax.vmap(start)
        x, label = (x, label) if shared else (jnp.stack([a] * members) for a in (x, label))
        key = jax.random.split(key, members)
    step, x, label = jax.jit(step, donate_argnums=0), jnp.asarray(x), jnp.asarray(label)
    return step, jax.jit(start)(key), x, label


def _with_state(optimizer, params):
    return params, optimizer.init(params)


def dense_init(key, *sizes: int):
    """Kernels and biases of dense layers, by their order."""
    shapes = enumerate(itertools.pairwise(sizes))
    return {
        str(i): {"w": draw(jax.random.fold_in(key, i), shape), "b": jnp.zeros(shape[1])}
        for i, shape in shapes
    }


def perceptron(params, x):
    """Dense layers with relu between them."""
    for i in range(len(params)):
        x = (jax.nn.relu(x) if i else x) @ params[str(i)]["w"] + params[str(i)]["b"]
    return x


def mlps_apart() -> Call:
    """A step of many MLPs, each on a batch of its own."""
    return mlp(works.MLP_OF_MANY, works.MEMBERS, partial(training, shared=False))


def mlp(work: works.Perceptron, members: int = 0, make: Callable = training) -> Call:
    """A step of mlp, mlp_tiny, or of many MLPs."""
    init = lambda key: dense_init(key, *work.sizes)
    return make(init, perceptron, *works.examples(work), members)


def conv(params, x):
    """A convolution that keeps the size."""
    y = lax.conv_general_dilated(x, params["w"], (1, 1), "SAME", dimension_numbers=DIMENSIONS)
    return y + params["b"]


def conv_init(key, channels: int, features: int):
    """A 3x3 kernel and a bias."""
    return {"w": draw(key, (3, 3, channels, features)), "b": jnp.zeros(features)}


def pool(x):
    """The maximum of each 2x2 window."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def cnn(make: Callable = training) -> Call:
    """A step of cnn."""
    one, two = works.CHANNELS

    def init(key):
        first, second, rest = jax.random.split(key, 3)
        dense = dense_init(rest, 14 * 14 * two, works.HIDDEN, 10)
        return {"one": conv_init(first, 1, one), "two": conv_init(second, one, two), "dense": dense}

    def logits_of(params, x):
        h = jax.nn.relu(conv(params["two"], jax.nn.relu(conv(params["one"], x))))
        return perceptron(params["dense"], pool(h).reshape(len(x), -1))

    return make(init, logits_of, *works.images(128))


def cnns(in_sequence: bool) -> Call:
    """A step of many CNNs, under ``jax.vmap`` or one after the other."""
    one, two = works.CHANNELS_OF_MANY

    def init(key):
        first, second, rest = jax.random.split(key, 3)
        dense = dense_init(rest, 7 * 7 * two, 10)
        return {"one": conv_init(first, 1, one), "two": conv_init(second, one, two), "dense": dense}

    def logits_of(params, x):
        for name in ("one", "two"):
            x = pool(jax.nn.relu(conv(params[name], x)))
        return perceptron(params["dense"], x.reshape(len(x), -1))

    if not in_sequence:
        return training(init, logits_of, *works.images(32), members=works.MEMBERS)
    calls = [training(init, logits_of, *works.images(32)) for _ in range(works.MEMBERS)]
    return lambda: [call() for call in calls]


def lstm(make: Callable = training) -> Call:
    """A step of lstm, by ``lax.scan`` over the input's products."""
    work = works.RECURRENT

    def init(key):
        keys = jax.random.split(key, 6)
        layer = lambda i, inputs: {
            "w": draw(keys[i], (inputs, 4 * work.features)),
            "u": draw(keys[i + 1], (work.features, 4 * work.features)),
            "b": jnp.zeros(4 * work.features),
        }
        return {
            "embedding": jax.random.normal(keys[0], (work.vocabulary, work.embedding)),
            "one": layer(1, work.embedding),
            "two": layer(3, work.features),
            "out": dense_init(keys[5], work.features, work.vocabulary),
        }

    def layer(params, x):
        def step(memory, a):
            h, c = memory
            i, f, g, o = jnp.split(a + h @ params["u"], 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((x.shape[1], work.features))
        return lax.scan(step, (zeros, zeros), x @ params["w"] + params["b"])[1]

    def logits_of(params, tokens):
        x = jnp.swapaxes(params["embedding"][tokens], 0, 1)
        h = jnp.swapaxes(layer(params["two"], layer(params["one"], x)), 0, 1)
        return perceptron(params["out"], h)

    return make(init, logits_of, *works.characters(work))


def gpt(work: works.GPT, make: Callable = training) -> Call:
    """A step of gpt_s and gpt_m."""
    d = work.width

    def init(key):
        keys = iter(jax.random.split(key, 2 + 4 * work.depth))
        normal = lambda *shape: 0.02 * jax.random.normal(next(keys), shape)
        shapes = {"qkv": (d, 3 * d), "merge": (d, d), "up": (d, 4 * d), "down": (4 * d, d)}
        block = lambda: {
            **{name: normal(*shape) for name, shape in shapes.items()},
            "norm1": jnp.ones(d),
            "norm2": jnp.ones(d),
        }
        return {
            "token": normal(work.vocabulary, d),
            "place": normal(work.length, d),
            "blocks": [block() for _ in range(work.depth)],
            "norm": jnp.ones(d),
        }

    def normalized(scale, x):
        return jax.nn.standardize(x, epsilon=1e-5) * scale

    def attention(params, x):
        b, t, _ = x.shape
        q, k, v = jnp.split((x @ params["qkv"]).reshape(b, t, 3 * work.heads, -1), 3, axis=2)
        return jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape)

    def logits_of(params, tokens):
        x = params["token"][tokens] + params["place"]
        for block in params["blocks"]:
            x = x + attention(block, normalized(block["norm1"], x)) @ block["merge"]
            x = x + jax.nn.gelu(normalized(block["norm2"], x) @ block["up"]) @ block["down"]
        return normalized(params["norm"], x) @ params["token"].T

    return make(init, logits_of, *works.characters(work))
