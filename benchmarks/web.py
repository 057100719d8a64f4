"""``python -m benchmarks.web [NAME ...]``: what `jnn.web` writes, timed under Node.

A line for each function: milliseconds of a call (the median, after a second of warming up), the aim
on a core of 2 GHz, and the kilobytes of the source, which has no params: they are arguments.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jnn
from benchmarks.peers.of_jnn import objective_of
from jnn.architectures.cnn import CNNConfig, cnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.explain.playground.programs import functions
from jnn.train import init_train_state, make_step, seed_key
from jnn.web import javascript

MOST_KILOBYTES = 150
CHARACTERS, LENGTH = 65, 64
TIMER = """
import { readFileSync } from "node:fs";
import model from "./model.mjs";

const kinds = {
  float32: Float32Array, int32: Int32Array, uint32: Uint32Array, bool: Uint8Array,
};
const bytes = readFileSync(new URL("inputs.bin", import.meta.url));
let at = 0;
const inputs = model.inputs.map(({ shape, dtype }) => {
  const kind = kinds[dtype];
  const end = at + shape.reduce((a, b) => a * b, 1) * kind.BYTES_PER_ELEMENT;
  const part = new Uint8Array(bytes.subarray(at, end));
  at = end;
  return new kind(part.buffer);
});
const call = () => {
  const start = performance.now();
  model.call(...inputs);
  return performance.now() - start;
};
for (let spent = 0; spent < 1000; ) spent += call();
const times = [];
for (let spent = 0; times.length < 5 || spent < 1000; spent += times.at(-1)) times.push(call());
times.sort((a, b) => a - b);
console.log(JSON.stringify({ median: times[times.length >> 1], least: times[0] }));
"""


class Work(NamedTuple):
    """A function with its arguments, and the milliseconds that a call may take."""

    make: Callable[[], tuple[Callable, tuple[Any, ...]]]
    aim: float


def _gpt():
    config = TransformerConfig(vocabulary=CHARACTERS, length=LENGTH, width=128, depth=4, heads=4)
    tokens = np.arange(LENGTH, dtype=np.int32)[None] % CHARACTERS
    model = transformer(config)
    return model, *jax.jit(model.init)(jax.random.key(0), tokens), tokens


def _captured_text():
    model, params, state, tokens = _gpt()
    f = jnn.capture(lambda params, tokens: model.apply(params, state, tokens)[0])
    return f, (params, tokens)


def _character():
    model, params, state, tokens = _gpt()
    carry = model.carry(params, jnp.asarray(tokens[:, 0]), LENGTH)
    step = lambda params, carry, token: model.step(params, state, carry, token)
    return step, (params, carry, tokens[:, 0])


def _digit():
    config = CNNConfig(
        outputs=10, channels=(32,), convolutions=(2,), normalization="batch", hidden=(128,)
    )
    model, image = cnn(config), np.random.default_rng(0).random((1, 8, 8, 1), np.float32)
    params, state = jax.jit(model.init)(jax.random.key(0), image)
    return lambda *trees: model.apply(*trees)[0], (params, state, image)


def _training_step():
    model = mlp(MLPConfig(outputs=2, hidden=(8, 8, 8, 8), activation="tanh"))
    x = np.random.default_rng(0).standard_normal((32, 2)).astype(np.float32)
    label, optimizer = (x[:, 0] * x[:, 1] > 0).astype(np.int32), optax.adam(1e-2)
    start = init_train_state(seed_key(0), model, optimizer, x[0])
    return make_step(objective_of(model), optimizer), (start, {"x": x, "label": label})


def _playground():
    step, shapes = functions()["step32"]
    return step, (jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes),)


WORKS = {
    "GPT of 4 x 128, 64 characters, all captured": Work(_captured_text, 250),
    "one streamed character of it": Work(_character, 10),
    "CNN of the digits, one image": Work(_digit, 5),
    "training step, 4 x 8 neurons, batch 32, Adam": Work(_training_step, 0.3),
    "step of the playground, batch 32": Work(_playground, 0.3),
}


def measure(f: Callable, arguments: tuple[Any, ...]) -> dict[str, float]:
    """The median and the least milliseconds of a call, and the kilobytes of the source."""
    source = javascript(f, *arguments)
    arrays = (
        jax.random.key_data(leaf)
        if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key)
        else leaf
        for leaf in jax.tree.leaves(arguments)
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.mjs").write_text(source)
        (Path(folder) / "timer.mjs").write_text(TIMER)
        (Path(folder) / "inputs.bin").write_bytes(
            b"".join(np.asarray(array).tobytes() for array in arrays)
        )
        command = ["node", str(Path(folder) / "timer.mjs")]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed) | {"kilobytes": len(source.encode()) / 1000}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.web", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="NAME", help="parts of: " + "; ".join(WORKS))
    chosen = parser.parse_args().parts
    print(f"{'':45} {'median ms':>10} {'least ms':>10} {'aim ms':>8} {'kB':>6}")
    for name, work in WORKS.items():
        if chosen and not any(part in name for part in chosen):
            continue
        result = measure(*work.make())
        print(
            f"{name:45} {result['median']:10.2f} {result['least']:10.2f} {work.aim:8} "
            f"{result['kilobytes']:6.0f}{' too large' * (result['kilobytes'] > MOST_KILOBYTES)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
