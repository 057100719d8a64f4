"""The files of an exported folder that say how it is used: ``predict.py`` and ``README.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREDICT = '''\
"""The model of this folder: python predict.py INPUTS.npz OUTPUTS.npz. See README.md."""

import functools
import hashlib
import json
import pathlib
import sys

import jax.export
import numpy as np
from safetensors.numpy import load_file

folder = pathlib.Path(__file__).parent
config = json.loads((folder / "config.json").read_text("utf-8"))


def verified(name):
    """The path of a file of this folder; raises ValueError where it is not the one written."""
    path = folder / name
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != config["sha256"][name]:
            raise ValueError(f"{path}: got an altered file, expected the one that was exported")
    return path


@functools.cache
def model():
    """The compiled program, and its weights."""
    program = jax.export.deserialize(bytearray(verified("model.stablehlo").read_bytes()))
    return jax.jit(program.call), load_file(verified("model.safetensors"))


def checked(name, x):
    """An input in its dtype; raises ValueError for a dtype or a shape that is not its own."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    dtype, sizes = np.dtype(config["inputs"][name]["dtype"]), config["inputs"][name]["shape"]
    least, most = config["sizes"]["least"] or 1, config["sizes"]["most"] or 2**31
    bounds = {"batch": (1, 2**31), "length": (least, most)}
    ranges = [bounds.get(size, (size, size)) for size in sizes]
    if x.ndim != len(sizes) or not all(a <= n <= b for n, (a, b) in zip(x.shape, ranges)):
        expected = f"({', '.join(map(str, sizes))})"
        expected += f", length from {least} to {most}" if "length" in sizes else ""
        raise ValueError(f"{name}: got shape {x.shape}, expected {expected}")
    if x.dtype != dtype and not np.can_cast(x.dtype, dtype, "same_kind"):
        raise ValueError(f"{name}: got {x.dtype}, expected {dtype}")
    return x if x.dtype == dtype else x.astype(dtype)


def predict(**inputs):
    """Arrays by name, of a batch -> arrays by name."""
    if set(inputs) != set(config["inputs"]):
        names = [", ".join(arrays) or "none" for arrays in (inputs, config["inputs"])]
        raise ValueError(f"got the arrays {names[0]}, expected {names[1]}")
    arrays = {name: checked(name, x) for name, x in inputs.items()}
    shapes = [(config["inputs"][name]["shape"], x.shape) for name, x in arrays.items()]
    sizes = {pair for names, shape in shapes for pair in zip(names, shape)}
    if len(sizes) > len(dict(sizes)):
        found = ", ".join(f"{name} {x.shape}" for name, x in arrays.items())
        raise ValueError(f"got the shapes {found}, expected the same batch and length")
    run, weights = model()
    return run(weights, arrays)


if __name__ == "__main__":
    try:
        source, target = sys.argv[1:]
        np.savez(target, **predict(**np.load(source)))
    except Exception as error:
        print("error:", *str(error).split(), file=sys.stderr)
        sys.exit(2)
'''

README = """\
# {title}

{about}

| file | what it is |
|---|---|
{files}

```console
pip install "jax>={jax}" numpy safetensors flatbuffers
python predict.py INPUTS.npz OUTPUTS.npz
```

In Python, `from predict import predict`, then `{call}`.

| array | shape | dtype |
|---|---|---|
{arrays}

{sizes}

JAX promises to read `model.stablehlo` with its versions of the six months after {jax}, by which it
was written, and of the three weeks before. It is for {platforms}, and was tried on a CPU.
`model.safetensors` has no such end: it is JSON and raw bytes.
"""

_FILES = {
    "model.safetensors": "the weights, by their paths in params and state",
    "model.stablehlo": "the program, as `jax.export` reads it",
    "predict.py": "loads and runs both, without jnn",
    "config.json": "inputs, outputs, names of classes, how the model was trained, checksums",
}
_MOST_NAMES = 12


def readme(config: Mapping[str, Any], more: Mapping[str, str]) -> str:
    """The text of README.md; ``more`` are the other files, and what they are."""
    inputs, outputs = config["inputs"], config["outputs"]
    rows = [_row(f"input `{name}`", spec) for name, spec in inputs.items()]
    rows += [_row(f"output `{name}`", spec) for name, spec in outputs.items()]
    files = {**_FILES, **more}
    return README.format(
        title=config["title"],
        about=_about(config),
        files="\n".join(f"| `{name}` | {about} |" for name, about in files.items()),
        call=_call(inputs, more),
        arrays="\n".join(rows),
        sizes=_sizes(config["sizes"]),
        jax=config["jax"],
        platforms=", ".join(config["platforms"]),
    )


def _row(name: str, spec: Mapping[str, Any]) -> str:
    return f"| {name} | ({', '.join(map(str, spec['shape']))}) | {spec['dtype']} |"


def _call(inputs: Mapping[str, Any], more: Mapping[str, str]) -> str:
    if "texts.py" in more:
        return 'predict(**encode(["a text", "another"]))` after `from texts import encode'
    return f"predict({', '.join(f'{name}={name}' for name in inputs)})"


def _about(config: Mapping[str, Any]) -> str:
    """What goes in, and what comes out."""
    sentences = [config["taken"]]
    if classes := config["classes"]:
        more = ", ..." if len(classes) > _MOST_NAMES else ""
        names = ", ".join(classes[:_MOST_NAMES])
        sentences.append(f"`probabilities` are those of the classes {names}{more}.")
    if config["columns"]:
        sentences.append(f"The columns are {', '.join(config['columns'])}.")
    if config["unit"]:
        sentences.append(f"`prediction` is in {config['unit']}.")
    return " ".join(sentences)


def _sizes(sizes: Mapping[str, int | None]) -> str:
    """What the names in the shapes stand for."""
    if sizes["batch"] is not None:
        return f"A batch is of {sizes['batch']} example: the program has no form for more."
    if (least := sizes["least"]) is None:
        return "`batch` is of any size."
    most = f" to {sizes['most']}" if sizes["most"] else " on"
    padded = "; the mask of padding is false" if least > 1 else ""
    return f"`batch` is of any size, `length` from {least}{most}{padded}."
