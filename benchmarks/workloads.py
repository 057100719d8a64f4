"""The workloads, and their ways, by name."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks import works

CORES = os.cpu_count() or 1
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_ARENA_MAX": "1",
}
"""glibc then keeps what XLA frees, as `jnn.train.keep_memory` has it."""
DEVICE_EACH_CORE = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={CORES}"}
"""JAX then takes each core of the CPU for a device, as ``jnn run --devices`` has it."""
FLAGS = (
    "xla_cpu_use_fusion_emitters=false",
    "xla_cpu_prefer_vector_width=512",
    "xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_RUNTIME",
    "xla_cpu_enable_fast_math=true",
    "xla_cpu_experimental_onednn_fusion_type=LIBRARY_FUSION_TYPE_DOT",
    "xla_cpu_experimental_xnn_fusion_type=LIBRARY_FUSION_TYPE_DOT",
    "xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT",
    "xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_REDUCE",
    "xla_cpu_experimental_ynn_fusion_type=-individual_convolution",
)
"""What XLA's compiler for CPUs may be told, of what could make training faster."""
OF_RESNET18 = 555_422_720
"""The products of a number with another for one image by the model of resnet18."""
SAMPLING = {"all": "a token", "top_k": "one of 50 tokens", "top_p": "a token of a nucleus of 0.9"}
"""How a token is drawn."""
PEERS = {
    "jnn": "of_jnn",
    "JAX alone": "jax_alone",
    "torch": "pytorch",
    "flax_nnx": "flax_nnx",
    "flax_linen": "flax_linen",
    "equinox": "with_equinox",
    "haiku": "with_haiku",
    "keras": "with_keras",
}
"""The file of each library in ``peers``."""


class Way(NamedTuple):
    """One way to do a workload."""

    make: str
    """``"peers.pytorch:mlp"``: the function that makes it ready and returns a call."""
    arguments: tuple = ()
    environment: Mapping[str, str] = {}
    units: int = 1
    """How many of the workload one call does, such as steps of a dispatch."""


class Workload(NamedTuple):
    """Ways to do one thing, the first of which is the measure of the others."""

    about: str
    ways: Mapping[str, Way]
    tolerance: float | None = None
    """How much results may differ, relative to their size; None where they are not to be the
    same, as with other initial params.
    """
    flops: int = 0
    """The operations of one unit in products and convolutions, if they are known."""


def _peers(names: str, function: str, *arguments, units: Mapping[str, int] = {}) -> dict[str, Way]:
    return {
        name: Way(f"peers.{PEERS[name]}:{function}", arguments, {}, units.get(name, 1))
        for name in names.split()
    }


def _training(name: str, about: str, ways: Mapping[str, Way], flops: int) -> Workload:
    """A step of jnn, one call each and many in one dispatch, beside other ways."""
    of_jnn = {
        "jnn": Way("peers.of_jnn:train", (name,)),
        "jnn, many steps": Way("peers.of_jnn:train_many_steps", (name,), {}, works.STEPS),
    }
    return Workload(about, {**of_jnn, **ways}, None, flops)


def _of_perceptron(work: works.Perceptron) -> int:
    return 6 * work.batch * sum(a * b for a, b in zip(work.sizes, work.sizes[1:], strict=False))


def _of_gpt(work: works.GPT) -> int:
    d, tokens = work.width, work.batch * work.length
    matrices = work.depth * 12 * d * d + d * work.vocabulary
    return 6 * tokens * (matrices + work.depth * work.length * d)  # half of the pairs are masked


def _of_recurrent(gates: int) -> int:
    work = works.RECURRENT
    f, tokens = work.features, work.batch * work.length
    return 6 * tokens * (gates * f * (work.embedding + 3 * f) + f * work.vocabulary)


def _of_cnn() -> int:
    one, two = works.CHANNELS
    convolutions = 28 * 28 * 9 * (one + one * two)
    return 6 * 128 * (convolutions + 14 * 14 * two * works.HIDDEN + works.HIDDEN * 10)


def _products(name: str) -> dict[str, Way]:
    """What bounds jnn's step: its products alone."""
    return {"jnn, its products alone": Way("parts.products:alone", (name,))}


def _jax(function: str, *arguments) -> dict[str, Way]:
    return {"JAX alone": Way(f"peers.jax_alone:{function}", arguments)}


def _perceptron(name: str, work: works.Perceptron) -> Workload:
    names, keras = "torch flax_nnx flax_linen equinox haiku keras", {"keras": works.STEPS}
    ways = _jax("mlp", work) | _peers(names, "mlp", work, units=keras)
    sizes = "-".join(map(str, work.sizes))
    return _training(
        name, f"a step of an MLP {sizes}, batch {work.batch}", ways, _of_perceptron(work)
    )


def _kept(name: str) -> dict[str, Way]:
    return {"jnn, memory kept": Way("peers.of_jnn:train", (name,), KEEP_MEMORY)}


def _each_core(name: str) -> dict[str, Way]:
    way = Way("peers.of_jnn:train", (name, CORES), DEVICE_EACH_CORE)
    return {"jnn, a device for each core": way}


def _gpt(name: str, work: works.GPT) -> Workload:
    ways = (
        _kept(name)
        | _products(name)
        | _jax("gpt", work)
        | _peers("torch flax_nnx flax_linen", "gpt", work)
    )
    about = f"a step of a GPT of {work.depth} x {work.width}, {work.batch} x {work.length} tokens"
    return _training(name, about, ways, _of_gpt(work))


def _recurrent(kind: str, gates: int) -> Workload:
    names, keras = "torch flax_nnx flax_linen equinox haiku keras", {"keras": works.STEPS}
    several = {
        **_kept(kind),
        **_each_core(kind),
        **_products(kind),
    }
    ways = several | (_jax("lstm") if kind == "lstm" else {})
    ways |= _peers(names, "recurrent", kind, units=keras)
    about = f"a step of two {kind.upper()} layers of 256, 64 x 128 characters"
    return _training(kind, about, ways, _of_recurrent(gates))


def _predicting(batch: int) -> Workload:
    ways = {"jnn": Way("peers.of_jnn:predict", (batch,)), **_peers("torch", "predict", batch)}
    about = f"the logits of {batch} x 32x32x3 by a ResNet-18"
    return Workload(about, ways, None, 2 * batch * OF_RESNET18)


def _writing(batch: int) -> Workload:
    ways = {
        "jnn": Way("peers.of_jnn:write", (batch,)),
        "jnn, its products alone": Way("parts.products:of_writing", (batch,)),
    }
    if batch > 1:
        several = Way("peers.of_jnn:write", (batch, CORES), DEVICE_EACH_CORE)
        ways["jnn, a device for each core"] = several
    work, ways = works.GPT_M, ways | _peers("torch", "write", batch)
    about = f"{work.length} tokens by a GPT of {work.depth} x {work.width}, batch {batch}"
    flops = 2 * batch * work.length * work.depth * 12 * work.width**2
    return Workload(about, ways, None, flops)


def _flags(name: str) -> Workload:
    many = Way("peers.of_jnn:train_many_steps", (name,), {}, works.STEPS)
    told = {flag: many._replace(environment={"XLA_FLAGS": f"--{flag}"}) for flag in FLAGS}
    about = f"a step of {name}, many in one dispatch, by what XLA's compiler is told"
    return Workload(about, {"as it is": many, **told})


def _compiling(name: str) -> Workload:
    ways = {
        "jnn, many steps": Way("parts.compilation:program", ("jnn", name)),
        "JAX alone": Way("parts.compilation:program", ("JAX alone", name)),
        "JAX alone, many steps": Way("parts.compilation:program", ("JAX alone, many steps", name)),
    }
    return Workload(f"tracing and compiling a step of {name}", ways)


def _drawing(name: str) -> Workload:
    ways = {
        "jnn": Way("parts.compilation:params", ("jnn", name)),
        "JAX alone": Way("parts.compilation:params", ("JAX alone", name)),
    }
    return Workload(f"compiling and drawing the params of {name}", ways)


def _many(name: str, about: str, ways: Mapping[str, Way]) -> Workload:
    of_jnn = {
        "jnn": Way("peers.of_jnn:vmapped", (name,)),
        "jnn sweep, each on its batch": Way("peers.of_jnn:swept", (name,), {}, works.STEPS),
        "jnn.ensemble": Way("peers.of_jnn:ensemble", (name,)),
    }
    return Workload(f"a step of {works.MEMBERS} {about}", of_jnn | dict(ways))


def _parts(about: str, function: str, names: str, *arguments) -> Workload:
    ways = {name: Way(f"parts.{function}", (name, *arguments)) for name in names.split(", ")}
    return Workload(about, ways, 1e-3)


def _starting(about: str, names: str, cached: bool = False) -> Workload:
    ways = {name: Way("parts.starting:program", (name, cached)) for name in names.split("; ")}
    return Workload(about, ways)


WORKLOADS = {
    "mlp": _perceptron("mlp", works.MLP),
    "mlp_tiny": _perceptron("mlp_tiny", works.MLP_TINY),
    "cnn": _training(
        "cnn",
        "a step of two convolutions, a pooling and a hidden layer, 128 x 28x28",
        _kept("cnn")
        | _each_core("cnn")
        | _jax("cnn")
        | _peers(
            "torch flax_nnx flax_linen equinox haiku keras", "cnn", units={"keras": works.STEPS}
        ),
        _of_cnn(),
    ),
    "lenet5": _training(
        "lenet5", "a step of LeNet-5, 128 x 32x32", _peers("torch", "lenet5"), 6 * 128 * 416_520
    ),
    "vgg16": _training(
        "vgg16",
        "a step of a VGG-16, 32 x 32x32x3",
        _kept("vgg16") | _peers("torch", "vgg16"),
        6 * 32 * 313_201_664,
    ),
    "resnet18": _training(
        "resnet18",
        "a step of a ResNet-18, 32 x 32x32x3",
        _kept("resnet18") | _products("resnet18") | _peers("torch", "resnet18"),
        6 * 32 * OF_RESNET18,
    ),
    **{f"prediction_{batch}": _predicting(batch) for batch in (1, 32)},
    "lstm": _recurrent("lstm", 4),
    "gru": _recurrent("gru", 3),
    "gpt_s": _gpt("gpt_s", works.GPT_S),
    "gpt_s_dropout": _training(
        "gpt_s_dropout",
        "a step of gpt_s with dropout of 0.1",
        _peers("torch", "gpt", works.GPT_S_DROPOUT),
        _of_gpt(works.GPT_S_DROPOUT),
    ),
    "gpt_m": _gpt("gpt_m", works.GPT_M),
    "generation_1": _writing(1),
    "generation_32": _writing(32),
    "mlps_32": _many(
        "mlps",
        "MLPs 784-64-10, batch 64",
        {
            "JAX alone, vmap": Way("peers.jax_alone:mlp", (works.MLP_OF_MANY, works.MEMBERS)),
            "JAX alone, vmap, each on its batch": Way("peers.jax_alone:mlps_apart"),
            **_peers("torch", "mlps"),
        },
    ),
    "cnns_32": _many(
        "cnns",
        "small CNNs, batch 32",
        {
            "JAX alone, vmap": Way("peers.jax_alone:cnns", (False,)),
            "JAX alone, in sequence": Way("peers.jax_alone:cnns", (True,)),
            **_peers("torch", "cnns"),
        },
    ),
    "import": _starting("imports", "import jnn, jnn.train; import jax, optax; import torch"),
    "command_line": _starting("the command line", "jnn --help; jnn list"),
    "start_cold": _starting(
        "to the first step of an MLP", "first step, jnn; first step, JAX alone"
    ),
    "start_warm": _starting(
        "to the first step of an MLP, compiled before",
        "first step, jnn; first step, JAX alone",
        True,
    ),
    **{f"compile_{name}": _compiling(name) for name in ("mlp", "cnn", "lstm", "gpt_s")},
    **{f"params_{name}": _drawing(name) for name in ("mlp", "gpt_s", "resnet18")},
    **{f"flags_{name}": _flags(name) for name in ("mlp", "cnn", "lstm", "gpt_s")},
    "guard": _parts(f"a step of an MLP {works.MLP.sizes}", "guard:step", "jnn, plain", works.MLP),
    "guard_tiny": _parts(
        f"a step of an MLP {works.MLP_TINY.sizes}", "guard:step", "jnn, plain", works.MLP_TINY
    ),
    "convolution": _parts(
        "value and gradients, 32 -> 64 features", "convolution:once", "jnn, lax", 32, 64
    ),
    "convolution_256": _parts(
        "value and gradients, 32 -> 64 features, batch 256",
        "convolution:once",
        "jnn, lax",
        32,
        64,
        1,
        256,
    ),
    "convolution_scan": _parts(
        "value and gradients, 32 -> 64 features, in `lax.scan`",
        "convolution:in_a_loop",
        "jnn, lax",
        32,
        64,
    ),
    "convolution_groups": _parts(
        "value and gradients, 32 -> 64 features, 4 groups",
        "convolution:once",
        "jnn, lax",
        32,
        64,
        4,
    ),
    "convolution_depthwise": _parts(
        "value and gradients, 32 features, depthwise", "convolution:once", "jnn, lax", 32, 32, 32
    ),
    "convolution_few_channels": _parts(
        "value and gradients, 1 -> 32 features", "convolution:once", "jnn, lax", 1, 32
    ),
    "convolution_few_features": _parts(
        "value and gradients, 64 -> 3 features", "convolution:once", "jnn, lax", 64, 3
    ),
    "convolution_small_images": _parts(
        "value and gradients, 128 -> 128 features, 2x2",
        "convolution:once",
        "jnn, lax",
        128,
        128,
        1,
        32,
        2,
    ),
    "convolution_1x1": _parts(
        "value and gradients, 64 -> 128 features, 1x1",
        "convolution:patches",
        "jnn, lax",
        1,
        64,
        128,
    ),
    "convolution_patches": _parts(
        "value and gradients, 64 -> 128 features, 2x2, strides of 2",
        "convolution:patches",
        "jnn, lax",
        2,
        64,
        128,
    ),
    "convolution_transposed": _parts(
        "value and gradients of a transposed convolution, 64 -> 32 features",
        "convolution:transposed",
        "jnn, lax",
        64,
        32,
    ),
    "convolution_volume": _parts(
        "value and gradients over three axes, 16 -> 16 features",
        "convolution:volume",
        "jnn, lax",
        16,
        16,
    ),
    "convolution_members": Workload(
        "gradients of 16 small networks",
        {
            "jnn, vmap": Way("parts.convolution:members", ("jnn", "vmap")),
            "lax, vmap": Way("parts.convolution:members", ("lax", "vmap")),
            "lax, lax.map": Way("parts.convolution:members", ("lax", "map")),
        },
        1e-3,
    ),
    "pooling": _parts("gradient of max pooling, 2x2", "pooling:gradient", "jnn, lax", 2, 2, 0),
    "pooling_overlapping": _parts(
        "gradient of max pooling, 3x3, strides of 2", "pooling:gradient", "jnn, lax", 3, 2, 1
    ),
    "dropout": _parts(
        "dropout of 32 x 64 x 128", "draws:dropout", "jnn, jax.random", (32, 64, 128)
    ),
    "dropout_weights": _parts(
        "dropout of 8 x 4 x 256 x 256", "draws:dropout", "jnn, jax.random", (8, 4, 256, 256)
    ),
    **{
        f"sampling_{kind}": Workload(
            f"20 draws of {about}, vocabulary 50,257",
            {form: Way("parts.sampling:draws", (form, kind, 1, 50_257)) for form in ("jnn", "JAX")},
            0.0,
        )
        for kind, about in SAMPLING.items()
    },
    "order": Workload(
        "20 batches of 128 out of 48,000",
        {form: Way("parts.batches:order", (form, 48_000)) for form in ("jnn", "sorting")},
    ),
    "crop": _parts("random crop of 128 x 28x28", "batches:crop", "jnn, gather, 0-1 matrices"),
}
