"""A training step of a character LSTM by jnn, by a plain ``lax.scan``, by Flax NNX and by PyTorch,
each in a process of its own.

PyTorch is left out where it is not installed. On AMD processors its MKL takes a slow path unless
LD_PRELOAD holds a library that defines ``int mkl_serv_intel_cpu_true(void) { return 1; }``.
"""

import importlib.util
from collections.abc import Callable
from functools import partial

import numpy as np
from measure import Comparison, main
from peers import CORES, DEVICE_EACH_CORE, KEEP_MEMORY, Process, serve

VOCABULARY, EMBEDDING, FEATURES, LENGTH, BATCH = 65, 128, 256, 128, 64
LEARNING_RATE = 1e-3


def characters() -> np.ndarray:
    """Random characters, one more than are read: each is to be foretold from those before."""
    return np.random.default_rng(0).integers(VOCABULARY, size=(BATCH, LENGTH + 1)).astype(np.int32)


def network(make: Callable | None = None):
    """A chain of jnn with ``make(features)``, LSTMs unless given, for its two recurrent layers."""
    import jnn

    layers = ((make or jnn.lstm)(FEATURES) for _ in range(2))
    return jnn.chain(jnn.embedding(VOCABULARY, EMBEDDING), *layers, jnn.dense(VOCABULARY))


def of_jnn(make: Callable | None = None, devices: int = 1) -> Callable[[], float]:
    """Steps of a `network`; each of ``devices`` has a part of the batch, by ``jax.shard_map``."""
    import jax

    model = network(make)
    params, state = jax.jit(model.init)(jax.random.key(0), characters()[:, :-1])
    return _adam(params, lambda params, x: model.apply(params, state, x)[0], devices)


def _adam(params, logits_of, devices):
    """Steps of Adam on the mean cross entropy, one call each."""
    import jax
    import optax

    from jnn.train.devices import AXIS, device_mesh, on_each

    optimizer, mesh, every, split = (
        optax.adam(LEARNING_RATE),
        device_mesh(devices),
        jax.P(),
        jax.P(AXIS),
    )

    def loss_of(params, text):
        return optax.softmax_cross_entropy_with_integer_labels(
            logits_of(params, text[:, :-1]), text[:, 1:]
        ).mean()

    def of_part(params, text):
        return jax.lax.pmean(jax.value_and_grad(loss_of)(params, text), AXIS)

    gradient_of = jax.shard_map(
        of_part, mesh=mesh, in_specs=(every, split), out_specs=(every, every), check_vma=False
    )

    def step(params, state, text):
        loss, gradient = (gradient_of if devices > 1 else jax.value_and_grad(loss_of))(params, text)
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), loss

    step, text = (
        jax.jit(step, donate_argnums=(0, 1)),
        jax.device_put(characters(), jax.NamedSharding(mesh, split)),
    )
    kept = [on_each(mesh, (params, optimizer.init(params)))]

    def call():
        kept[0], loss = step(*kept[0], text)
        return float(loss)

    return call


def by_scan():
    """The same equations in a plain ``lax.scan``, differentiated by JAX."""
    import jax
    import jax.numpy as jnp

    import jnn
    from jnn.layers.lstm import lstm

    def plain(features):
        def apply(params, state, x, **options):
            def step(memory, a_t):
                h, c = memory
                i, f, g, o = jnp.split(a_t + h @ params["recurrent_kernel"], 4, axis=-1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
                return (h, c), h

            zeros = jnp.zeros((x.shape[0], features))
            a = jnp.moveaxis(x @ params["kernel"] + params["bias"], 1, 0)
            return jnp.moveaxis(jax.lax.scan(step, (zeros, zeros), a)[1], 0, 1), state

        return jnn.Model(lstm(features).init, apply)

    return of_jnn(plain)


def by_nnx():
    """Flax NNX's ``RNN`` of its ``OptimizedLSTMCell``."""
    import jax.numpy as jnp
    import optax
    from flax import nnx

    rngs, text = nnx.Rngs(0), jnp.asarray(characters())
    lstm = lambda inputs: nnx.RNN(nnx.OptimizedLSTMCell(inputs, FEATURES, rngs=rngs), rngs=rngs)
    parts = (
        nnx.Embed(VOCABULARY, EMBEDDING, rngs=rngs),
        lstm(EMBEDDING),
        lstm(FEATURES),
        nnx.Linear(FEATURES, VOCABULARY, rngs=rngs),
    )
    model = nnx.Sequential(*parts)
    optimizer = nnx.Optimizer(model, optax.adam(LEARNING_RATE), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        loss_of = lambda model: optax.softmax_cross_entropy_with_integer_labels(
            model(text[:, :-1]), text[:, 1:]
        ).mean()
        loss, gradient = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradient)
        return loss

    return lambda: float(step(model, optimizer))


def by_torch():
    """PyTorch's ``nn.LSTM`` of two layers."""
    import torch

    text = torch.tensor(characters(), dtype=torch.long)
    embedding, lstm = (
        torch.nn.Embedding(VOCABULARY, EMBEDDING),
        torch.nn.LSTM(EMBEDDING, FEATURES, num_layers=2, batch_first=True),
    )
    head = torch.nn.Linear(FEATURES, VOCABULARY)
    optimizer = torch.optim.Adam(
        [*embedding.parameters(), *lstm.parameters(), *head.parameters()], LEARNING_RATE
    )

    def call():
        optimizer.zero_grad()
        logits = head(lstm(embedding(text[:, :-1]))[0])
        loss = torch.nn.functional.cross_entropy(
            logits.reshape(-1, VOCABULARY), text[:, 1:].reshape(-1)
        )
        loss.backward()
        optimizer.step()
        return loss.item()

    return call


PEERS = {
    "jnn": of_jnn,
    "split": partial(of_jnn, devices=CORES),
    "scan": by_scan,
    "nnx": by_nnx,
    "torch": by_torch,
}


def steps(environment: dict[str, str]) -> Comparison:
    """A step of each; other initial weights, so that losses differ."""
    names = {
        "jnn": "jnn",
        "jnn, a device for each core": "split",
        "`lax.scan`": "scan",
        "Flax NNX": "nnx",
    }
    names |= {"PyTorch": "torch"} if importlib.util.find_spec("torch") else {}
    own = {"split": DEVICE_EACH_CORE}
    ways = {
        way: Process(__file__, name, **environment, **own.get(name, {}))
        for way, name in names.items()
    }
    return Comparison(
        f"step, character LSTM{', freed memory kept by glibc' if environment else ''}",
        ways,
        tolerance=None,
    )


if __name__ == "__main__" and not serve(PEERS):
    main(__file__, [partial(steps, {}), partial(steps, KEEP_MEMORY)])
