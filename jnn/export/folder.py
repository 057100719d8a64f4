"""Writing the folder, each file of which is run before any is kept."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from jnn.data.fingerprint import file_sha256
from jnn.errors import mistake
from jnn.export.checks import check_same, run_script
from jnn.export.onnx import write_onnx
from jnn.export.program import program_of
from jnn.export.stablehlo import Artifact, stablehlo
from jnn.export.texts import write_texts
from jnn.export.transformers import write_transformers
from jnn.export.uses import PREDICT, readme
from jnn.export.web import write_web
from jnn.files import TEMPORARY, plain, writable, write_json, write_text
from jnn.interop.tensor_files import write_tensors
from jnn.loaded import Loaded
from jnn.train.preparation import Preparation

TRIED = 3
"""Examples that what is exported is tried on, where it takes a batch."""


def export(
    loaded: Loaded,
    folder: Path | str,
    *,
    title: str = "A trained model",
    web: bool = False,
    onnx: bool = False,
    transformers: bool = False,
) -> Path:
    """Write a trained model as a folder that is used without jnn; returns its path.

    It has the weights, the program as StableHLO, ``predict.py``, ``config.json`` and
    ``README.md``; with ``web`` a module of JavaScript, and a page; with ``onnx`` an ONNX file; with
    ``transformers``, of a run that began with a pretrained model, a folder of that name that
    Hugging Face's transformers read, see `jnn.interop.of_trained`.
    ``predict.py`` is run in a process without jnn, on a CPU, and its outputs are compared with
    those of the model, and so are those of the module in Node and of the file in ONNX Runtime:
    where one fails or they differ, no folder is left.

    Raises `JnnError` for a folder that exists, for an operation that StableHLO, JavaScript or ONNX
    does not have, and where a check fails; `MissingExtraError` where a package is missing.
    """
    folder = Path(folder).absolute()
    with _new_folder(folder) as temporary:
        program = program_of(loaded)
        artifact = stablehlo(program)
        config = _config(loaded, artifact, title)
        with writable(temporary):
            write_tensors(temporary, program.weights.items(), shard_bytes=2**63)
            (temporary / "model.stablehlo").write_bytes(artifact.content)
        kept = ("model.safetensors", "model.stablehlo")
        config["sha256"] = {name: file_sha256(temporary / name) for name in kept}
        write_json(temporary / "config.json", config)
        write_text(temporary / "predict.py", PREDICT)
        inputs = program.samples(artifact.sizes.batch or TRIED, artifact.sizes.least)
        expected = program.expected(inputs)
        check_same("predict.py", run_script(temporary / "predict.py", inputs), expected)
        more = {}
        if program.of_text and loaded.preparation:
            more = write_texts(temporary, loaded.preparation, artifact.sizes, run_script)
        more |= write_web(temporary, program, title, config["classes"]) if web else {}
        more |= write_onnx(temporary, program) if onnx else {}
        more |= write_transformers(temporary, loaded) if transformers else {}
        write_text(temporary / "README.md", readme(config, more))
    return folder


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``folder`` after the block, unless that raises."""
    if folder.exists():
        remedy = "Choose another, or remove it."
        got = f"a {'folder' if folder.is_dir() else 'file'} that exists"
        raise mistake(str(folder), got=got, expected="a new folder", remedy=remedy)
    with writable(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        name = tempfile.mkdtemp(prefix=f"{TEMPORARY}{folder.name}-", dir=folder.parent)
    temporary = Path(name)
    try:
        yield temporary
        with writable(folder):
            temporary.chmod(0o755)
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _config(loaded: Loaded, artifact: Artifact, title: str) -> dict[str, Any]:
    """What config.json says."""
    preparation = loaded.preparation or Preparation(loaded.example)
    return {
        "title": title,
        "taken": _taken(loaded.preparation),
        "inputs": artifact.inputs,
        "outputs": artifact.outputs,
        "sizes": artifact.sizes._asdict(),
        "classes": list(preparation.classes),
        "columns": list(preparation.columns),
        "grades": plain(preparation.grades),
        "unit": preparation.unit,
        "platforms": list(artifact.platforms),
        "jax": jax.__version__,
        "settings": plain(loaded.config),
    }


def _taken(preparation: Preparation | None) -> str:
    """What the inputs are, in a sentence."""
    if preparation is None:
        return (
            "Inputs are prepared as the experiment prepares them; outputs are those of the model."
        )
    if preparation.tokenizer:
        return "Inputs are the tokens of texts, and a mask, as `encode` of `texts.py` makes them."
    if preparation.pixels:
        return "`x` are pictures as bytes."
    if preparation.scaling is not None:
        grades = "".join(
            f" {name} is 0 for {words[0]} to {len(words) - 1} for {words[-1]}."
            for name, words in preparation.grades.items()
        )
        return f"`x` are rows of a table in their own units, which the program scales.{grades}"
    return "`x` are rows of numbers, as the model was trained on."
