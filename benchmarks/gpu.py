"""What jnn does on a GPU, in some five minutes, the most telling first: one JSON file.

    python -m benchmarks.gpu --out gpu.json

In order: the laws on small models; GPT-2 124M in training, in tokens per second and as a share of
the peak; experiments from the command line; attention in all its variants against its formula in
float64. What fails is told in its place, and what no time is left for is named. ``--small`` shrinks
all of it, to try the script itself on a CPU.

The share of the peak (model FLOPs utilization, Chowdhery et al. 2022,
https://arxiv.org/abs/2204.02311) counts ``6 N + 12 L d T`` operations a token, for N params, L
blocks of width d and T tokens, whatever the program computes, over the dense bfloat16 peak.
"""

import argparse
import dataclasses
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jnn
from benchmarks import machine
from benchmarks.peers.of_jnn import objective_of
from jnn.architectures.cnn import CNNConfig, cnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.architectures.presets import GPT2
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.testing import check_model
from jnn.train import init_train_state, make_step, seed_key

PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "B200": 2250e12}
"""Dense bfloat16 operations a second, by a word of the device's name, as NVIDIA states them."""
PADDED_VOCABULARY = 50_304  # the next multiple of 128
TIMED = 10  # steps


def laws(small: bool) -> dict[str, Any]:
    """The laws of `jnn.testing.check_model`, for one model of each kind."""
    tokens = jnp.arange(12) % 7
    decoder = TransformerConfig(vocabulary=7, length=12, width=16, depth=2, heads=2)
    features = lambda *shape: jax.random.normal(jax.random.key(0), shape)
    models = {
        "mlp": (mlp(MLPConfig(outputs=3, hidden=(8,))), features(5), False),
        "cnn": (cnn(CNNConfig(outputs=3, channels=(4, 8), hidden=())), features(8, 8, 1), False),
        "lstm": (jnn.chain(jnn.lstm(8), jnn.dense(3)), features(6, 4), True),
        "transformer": (transformer(decoder), tokens, True),
    }
    results = {}
    for name in list(models)[: 1 if small else None]:
        model, x, sequence = models[name]
        try:
            check_model(model, x, sequence=sequence)
            results[name] = "hold"
        except AssertionError as error:
            results[name] = str(error)[:1000]
    return results


def gpt2(small: bool) -> dict[str, Any]:
    """Training steps of GPT-2 124M on 1,024 tokens, in bfloat16 on float32 params, fused attention,
    at several batch sizes.
    """
    settings = {"vocabulary": PADDED_VOCABULARY, "fused": True, "unroll": True}
    if small:
        settings |= {"vocabulary": 128, "length": 32, "width": 32, "depth": 2, "heads": 2}
    config = dataclasses.replace(GPT2, **settings)
    return {
        f"batch {batch}": attempt(train_gpt, config, batch)
        for batch in ([2] if small else [8, 16, 32, 64])
    }


def train_gpt(config: TransformerConfig, batch: int) -> dict[str, Any]:
    """Tokens a second, the share of the peak, and memory, of a batch size."""
    model, optimizer = jnn.cast(transformer(config)), optax.adamw(6e-4)
    text = np.random.default_rng(0).integers(config.vocabulary, size=(batch, config.length + 1))
    text = jnp.asarray(text, jnp.int32)
    text = {"x": text[:, :-1], "label": text[:, 1:]}
    train_state = init_train_state(seed_key(0), model, optimizer, text["x"][:1])
    params = sum(leaf.size for leaf in jax.tree.leaves(train_state.params))
    started = time.perf_counter()
    step = jax.jit(make_step(objective_of(model), optimizer), donate_argnums=0)
    step = step.lower(train_state, text).compile()
    compiled = time.perf_counter() - started
    losses = []
    for timed in (False, True):
        started = time.perf_counter()
        for _ in range(TIMED if timed else 2):
            train_state, metrics = step(train_state, text)
            losses.append(metrics["loss"])
        jax.block_until_ready(train_state)
        seconds = (time.perf_counter() - started) / TIMED
    rate = batch * config.length / seconds
    operations = 6 * params + 12 * config.depth * config.width * config.length
    return {
        "params": params,
        "compile_seconds": round(compiled, 1),
        "step_seconds": float(f"{seconds:.4g}"),
        "tokens_per_second": round(rate),
        "operations_per_token": operations,
        "share_of_peak": float(f"{operations * rate / peak():.3g}") if peak() else None,
        "first_loss": float(losses[0]),
        "last_loss": float(losses[-1]),
        "calls_of_cudnn": step.as_text().count("__cudnn$fmha"),
        "memory": memory(step),
    }


def experiments(small: bool) -> dict[str, Any]:
    """Runs from the command line; Fashion-MNIST only where its files are at hand."""
    options = {"digits": [], "fashion_mnist": ["--data", "fashion_mnist", "--offline"]}
    results = {}
    for data in ["digits"] if small else options:
        command = [sys.executable, "-m", "jnn", "run", "image_classification", *options[data]]
        command += ["--smoke"] if small else []
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            command += ["--out", f"{folder}/run"]
            done = subprocess.run(command, capture_output=True, text=True)
        last = (done.stdout if done.returncode == 0 else done.stderr).splitlines()[-8:]
        results[data] = {
            "exit": done.returncode,
            "seconds": round(time.perf_counter() - started, 1),
            "said": last,
        }
    return results


def attention(small: bool) -> dict[str, Any]:
    """Values and gradients of attention against the formula in float64, and what computed them."""
    results, shape = {}, (2, 64 if small else 512, 4, 64)
    kinds = itertools.product(("float32", "bfloat16"), (False, True), (False, True))
    for dtype, causal, fused in kinds:
        for extra in ("", "window", "mask", "bias", "grouped"):
            if extra == "window" and not causal:
                continue
            name = f"{dtype}{', causal' * causal}{', fused' * fused}{f', {extra}' if extra else ''}"
            results[name] = attempt(one_attention, shape, dtype, causal, fused, extra)
    return results


def one_attention(shape, dtype: str, causal: bool, fused: bool, extra: str) -> dict[str, Any]:
    """The largest errors of y and of the gradients, relative to the largest value."""
    rng = np.random.default_rng(0)
    B, T, H, d = shape
    G = H // 2 if extra == "grouped" else H
    q, k, v = (rng.standard_normal((B, T, heads, d)) for heads in (H, G, G))
    options = {
        "window": {"window": T // 4},
        "mask": {"mask": rng.random((B, 1, T, T)) < 0.8},
        "bias": {"bias": rng.standard_normal((1, H, T, T))},
    }.get(extra, {})

    def loss(operands, options):
        y = jnn.dot_product_attention(*operands, causal=causal, fused=fused, **options)
        return jnp.sum(jnp.sin(y.astype(jnp.float32))), y

    narrow = lambda a: a if a.dtype == bool else jnp.asarray(a, dtype)
    operands = jax.tree.map(narrow, (q, k, v))
    arrays = {name: narrow(a) for name, a in options.items() if name != "window"}
    sizes = {name: a for name, a in options.items() if name == "window"}
    f = jax.jit(
        lambda operands, arrays: jax.value_and_grad(loss, has_aux=True)(operands, arrays | sizes)
    )
    compiled = f.lower(operands, arrays).compile()
    (_, y), slopes = compiled(operands, arrays)
    expected_y, expected = by_formula(
        *(np.asarray(a, np.float64) for a in operands),
        causal,
        {name: np.asarray(a) for name, a in (arrays | sizes).items()},
    )
    error = lambda a, b: float(np.abs(np.asarray(a, np.float64) - b).max() / np.abs(b).max())
    text = compiled.as_text()
    return {
        "computed_by": "cuDNN" if "__cudnn$fmha" in text else "XLA",
        "error": float(f"{error(y, expected_y):.2g}"),
        "gradient_errors": [
            float(f"{error(a, b):.2g}") for a, b in zip(slopes, expected, strict=True)
        ],
    }


def by_formula(q, k, v, causal: bool, options) -> tuple[np.ndarray, list[np.ndarray]]:
    """y, and the gradients of sum(sin(y)), by NumPy alone, in float64."""
    groups = q.shape[2] // k.shape[2]
    wide_k, wide_v = (np.repeat(a, groups, axis=2) for a in (k, v))
    scale, T = q.shape[-1] ** -0.5, q.shape[1]
    logits = np.einsum("bthd,bshd->bhts", q, wide_k) * scale + np.float64(options.get("bias", 0))
    distance = np.arange(T)[None] - np.arange(T)[:, None]
    allowed = distance <= 0 if causal else np.ones((T, T), bool)
    if "window" in options:
        allowed = allowed & (np.abs(distance) < options["window"])
    allowed = allowed & options.get("mask", True)
    logits = np.where(allowed, logits, -np.inf)
    largest = logits.max(-1, keepdims=True)
    e = np.exp(logits - np.where(np.isfinite(largest), largest, 0))
    weights = e / np.maximum(e.sum(-1, keepdims=True), 1e-300)
    y = np.einsum("bhts,bshd->bthd", weights, wide_v)
    dy = np.cos(y)
    dw = np.einsum("bthd,bshd->bhts", dy, wide_v)
    da = weights * (dw - (weights * dw).sum(-1, keepdims=True))
    by_group = lambda a: a.reshape(*k.shape[:3], groups, -1).sum(3)
    dq = np.einsum("bhts,bshd->bthd", da, wide_k) * scale
    dk = by_group(np.einsum("bhts,bthd->bshd", da, q) * scale)
    return y, [dq, dk, by_group(np.einsum("bhts,bthd->bshd", weights, dy))]


def peak() -> float:
    """The operations a second of this device in bfloat16, 0 if unknown."""
    kind = jax.devices()[0].device_kind
    return next((rate for word, rate in PEAKS.items() if word in kind), 0.0)


def memory(compiled) -> dict[str, int]:
    """Bytes of a program's arguments, results, temporaries, and what results share with
    arguments.
    """
    sizes = compiled.memory_analysis()
    names = ("argument", "output", "temp", "alias")
    return {name: getattr(sizes, f"{name}_size_in_bytes") for name in names} if sizes else {}


def attempt(f, *arguments) -> dict[str, Any]:
    """The result, or what went wrong: the next measurement may still go."""
    try:
        return f(*arguments)
    except Exception as error:  # such as memory that does not suffice, which has many classes
        return {"failed": f"{type(error).__name__}: {str(error)[:500]}"}


SECTIONS = {"laws": laws, "gpt2": gpt2, "experiments": experiments, "attention": attention}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--seconds", type=float, default=300.0, help="after them nothing is begun")
    parser.add_argument("--small", action="store_true", help="small sizes, to try the script")
    arguments, started = parser.parse_args(), time.perf_counter()
    device = jax.devices()[0]
    results: dict[str, Any] = {
        "device": device.device_kind,
        "devices": jax.device_count(),
        "memory": (device.memory_stats() or {}).get("bytes_limit"),
        "peak": peak(),
        "machine": machine.describe(),
    }
    for name, section in SECTIONS.items():
        if time.perf_counter() - started > arguments.seconds:
            results[name] = "not begun: no time was left"
        else:
            began = time.perf_counter()
            results[name] = attempt(section, arguments.small)
            results[name]["seconds"] = round(time.perf_counter() - began, 1)
        print(json.dumps({name: results[name]}, indent=1), flush=True)
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
