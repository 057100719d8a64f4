"""Running what was exported, and comparing it with the model."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jnn.errors import mistake

TOLERANCE = 1e-4
"""Of the largest output: float32, whose sums another compiler takes in another order."""
_WITHOUT_JNN = """\
import runpy, sys
sys.modules["jnn"] = sys.modules["experiments"] = None  # cannot be imported
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_script(script: Path, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of ``script INPUTS.npz OUTPUTS.npz`` in a process that cannot import jnn.

    Raises `JnnError` with the last line of what it says where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, name)) for name in ("inputs.npz", "outputs.npz")]
        np.savez(paths[0], **inputs)  # pyright: ignore[reportArgumentType]
        done = subprocess.run(
            [sys.executable, "-c", _WITHOUT_JNN, script.name, *paths],
            cwd=script.parent,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise mistake(script.name, got=last, expected="a script that runs without jnn")
        with np.load(paths[1]) as outputs:
            return dict(outputs)


def check_same(
    name: str, outputs: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> None:
    """Raise `JnnError` where outputs of an exported file are not those of the model."""
    if set(outputs) != set(expected):
        got = f"the outputs {', '.join(sorted(outputs))}"
        raise mistake(name, got=got, expected=", ".join(sorted(expected)))
    for key, value in expected.items():
        a, b = np.asarray(outputs[key], np.float64), np.asarray(value, np.float64)
        if a.shape != b.shape:
            got = f"{key} of shape {a.shape}"
            raise mistake(name, got=got, expected=f"{b.shape}, as the model has")
        scale = max(1.0, float(np.abs(b).max(initial=0)))
        error = float(np.abs(a - b).max(initial=0))
        if not error <= TOLERANCE * scale:
            got = f"{key} that differs by {error:.3g}"
            expected_text = f"that of the model, to within {TOLERANCE * scale:.3g}"
            raise mistake(name, got=got, expected=expected_text, remedy="Please report it.")
