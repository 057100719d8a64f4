"""What training begins with: the model of a pretrained folder, and where its params go in that of
a task.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.data.tokenizers import Tokenizer
from jnn.errors import mistake
from jnn.files import replacing
from jnn.interop.families import FAMILIES, Family
from jnn.interop.folder import (
    CONFIG,
    TOKENIZER,
    TOKENIZER_CONFIG,
    Architecture,
    architecture,
    load,
    tokenizer_of,
)
from jnn.model import Model, Params, State
from jnn.runs.folders import PRETRAINED
from jnn.transform import lora

PREPROCESSOR = "preprocessor_config.json"
_KEPT = (CONFIG, TOKENIZER, TOKENIZER_CONFIG, PREPROCESSOR)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretrained:
    """The model of a pretrained folder, as a part of that of a task.

    ``model``      to be trained
    ``settings``   of its architecture
    ``tokenizer``  of its texts; None for images
    ``paths``      of the leaves of params and state that ``read`` gives: a regular expression
    ``read``       ``() -> params, state``, those of the folder, at their places in the model
    """

    folder: Path
    model: Model
    settings: Any
    tokenizer: Tokenizer | None
    paths: str
    read: Callable[[], tuple[Params, State]]

    def adapted(self, rank: int, paths: str) -> Pretrained:
        """The same, of which `jnn.lora` trains low-rank additions to the kernels at ``paths``."""
        read = lambda: _around(self.read(), lambda params: {"base": params}, lambda state: state)
        return dataclasses.replace(
            self, model=lora(self.model, rank, paths), paths=f"base/({self.paths})", read=read
        )

    def within(self, part: str, model: Model) -> Pretrained:
        """The same as the part called ``part`` of ``model``."""
        put = lambda tree: {part: tree}
        read = lambda: _around(self.read(), put, put)
        return dataclasses.replace(self, model=model, paths=f"{part}/({self.paths})", read=read)

    def keep(self, run: Path) -> None:
        """Copy what describes the model, but no weights, into the folder of a run."""
        copy = run / PRETRAINED
        if self.folder.resolve() == copy.resolve():
            return
        copy.mkdir(exist_ok=True)
        for name in _KEPT:
            if (self.folder / name).is_file():
                with replacing(copy / name) as temporary:
                    shutil.copyfile(self.folder / name, temporary)


def decoder_settings(folder: str | Path, **settings: Any) -> TransformerConfig:
    """The settings of a model that writes text, such as GPT-2 or Llama.

    ``settings`` are other ones than the folder has, such as ``dropout=0.1``. Raises `JnnError` for
    a family that writes no text.
    """
    found = architecture(folder, settings=settings)
    if not _decodes(found.family) or found.settings.head == "none":
        raise _of_no_use(folder, found, "the next token", _decodes)
    return found.settings


def pretrained_decoder(folder: str | Path, **settings: Any) -> Pretrained:
    """A model that writes text: tokens ``(..., T)`` -> logits ``(..., T, vocabulary)``.

    ``settings`` as for `decoder_settings`. Raises `JnnError` as it does, and for a folder without
    tokenizer.
    """
    made = decoder_settings(folder, **settings)
    return Pretrained(
        folder=Path(folder),
        model=transformer(made),
        settings=made,
        tokenizer=_tokenizer(folder, made),
        paths=".*",
        read=lambda: _read(folder, settings),
    )


def _read(folder: str | Path, settings: Mapping[str, Any]) -> tuple[Params, State]:
    loaded = load(folder, settings=settings, dtype="float32")
    return loaded.params, loaded.state


def _decodes(family: Family) -> bool:
    """Whether models of the family predict next tokens."""
    return family.config is TransformerConfig and family.constants.get("causal", True)


def _around(trees: tuple[Any, Any], of_params: Callable, of_state: Callable) -> tuple[Any, Any]:
    return of_params(trees[0]), of_state(trees[1])


def _of_no_use(
    folder: str | Path, found: Architecture, task: str, fits: Callable[[Family], bool]
) -> Exception:
    """The refusal of a model that cannot be trained for a task, with the families that can."""
    classes = found.config.get("architectures") or [found.family.name]
    return mistake(
        str(folder),
        got=f"{classes[0]}, of the family {found.family.name}, to train for {task}",
        expected=f"one of {', '.join(sorted(name for name in FAMILIES if fits(FAMILIES[name])))}",
    )


def _tokenizer(folder: str | Path, settings: Any) -> Tokenizer:
    tokenizer, _ = tokenizer_of(folder, settings)
    if tokenizer is None:
        raise mistake(str(folder), got=f"no {TOKENIZER}", expected="one to read texts with")
    return tokenizer
