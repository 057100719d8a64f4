"""What training begins with: the model of a pretrained folder, and where its params go in that of
a task.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jnn.architectures.resnet import ResNetConfig, resnet
from jnn.architectures.transformer import TransformerConfig, transformer
from jnn.architectures.vision_transformer import VisionTransformerConfig, vision_transformer
from jnn.data.tokenizers import Tokenizer
from jnn.data.tokenizers.pretrained import from_pretrained
from jnn.errors import mistake
from jnn.files import replacing
from jnn.interop.families import FAMILIES, Family
from jnn.interop.folder import (
    CONFIG,
    PREPROCESSOR,
    TOKENIZER,
    TOKENIZER_CONFIG,
    Architecture,
    architecture,
    load,
    tokenizer_of,
)
from jnn.interop.pictures import of_pictures, read_pictures
from jnn.model import Model, Params, State
from jnn.runs.folders import PRETRAINED
from jnn.transform import lora, merge_lora, reparameterized

_NO_HEAD = {"head": "none", "head_bias": False, "head_transform": False}
_NO_HEAD |= {"pooled": False, "outputs": 0}
_CLASSES = "ForSequenceClassification"
_USUAL = {"padding": ("[PAD]", "<pad>"), "unknown": ("[UNK]", "<unk>")}
_KEPT = (CONFIG, TOKENIZER, TOKENIZER_CONFIG, PREPROCESSOR)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretrained:
    """The model of a pretrained folder, as a part of that of a task.

    ``model``      to be trained
    ``settings``   of its architecture
    ``tokenizer``  of its texts; None for images
    ``paths``      of the leaves of params and state that ``read`` gives: a regular expression
    ``read``       ``() -> params, state``, those of the folder, at their places in the model
    ``untrained``  the paths of leaves that are not to be trained; "" for none
    ``read_out``   the paths of leaves of ``model`` that a new task trains in full; "" for none
    """

    folder: Path
    model: Model
    settings: Any
    tokenizer: Tokenizer | None
    paths: str
    read: Callable[[], tuple[Params, State]]
    untrained: str = ""
    read_out: str = ""

    def adapted(self, rank: int, paths: str) -> Pretrained:
        """The same with low-rank additions to the kernels at ``paths``, as `jnn.lora` makes them.

        They are trained in place of what the folder has; the read-out, and what the folder does not
        have, are trained in full.
        """
        added = lora(self.model, rank, paths)
        model = reparameterized(self.model, merge_lora)._replace(init=added.init)
        read = lambda: _around(self.read(), lambda params: {"base": params}, lambda state: state)
        its, read_out = f"base/({self.paths})", f"base/({self.read_out})" if self.read_out else ""
        untrained = f"(?!({read_out})$){its}" if read_out else its
        changed = {"paths": its, "untrained": untrained, "read_out": read_out}
        return dataclasses.replace(self, model=model, read=read, **changed)

    def within(self, part: str, model: Model) -> Pretrained:
        """The same as the part called ``part`` of ``model``."""
        put = lambda tree: {part: tree}
        read = lambda: _around(self.read(), put, put)
        names = ("paths", "untrained", "read_out")
        its = {name: getattr(self, name) for name in names}
        its = {name: paths and f"{part}/({paths})" for name, paths in its.items()}
        return dataclasses.replace(self, model=model, read=read, **its)

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
    stored = architecture(folder, settings=settings)
    if not _decodes(stored.family) or stored.settings.head == "none":
        raise _of_no_use(folder, stored, "the next token", _decodes)
    return stored.settings


def pretrained_decoder(folder: str | Path, **settings: Any) -> Pretrained:
    """A model that writes text: tokens ``(..., T)`` -> logits ``(..., T, vocabulary)``.

    ``settings`` as for `decoder_settings`. Raises `JnnError` as it does, and for a folder without
    tokenizer.
    """
    config = decoder_settings(folder, **settings)
    return Pretrained(
        folder=Path(folder),
        model=transformer(config),
        settings=config,
        tokenizer=_tokenizer(folder, config),
        paths=".*",
        read=lambda: _read(folder, settings),
    )


def encoder_settings(folder: str | Path, **settings: Any) -> TransformerConfig:
    """The settings of an encoder of texts, such as BERT, without a read-out.

    ``settings`` are other ones than the folder has. Raises `JnnError` for a family of other models.
    """
    stored = architecture(folder)
    if not encodes(stored.family):
        raise _of_no_use(folder, stored, "classes of texts", encodes)
    return dataclasses.replace(stored.settings, **{**_NO_HEAD, **settings})


def pretrained_encoder(folder: str | Path, **settings: Any) -> Pretrained:
    """An encoder of texts: tokens ``(..., T)`` -> features ``(..., T, width)``.

    What the folder has of a read-out is left out. Its tokenizer puts the tokens around a text that
    the model was trained with. ``settings`` as for `encoder_settings`. Raises `JnnError` as it
    does, and for a folder without tokenizer.
    """
    config = encoder_settings(folder, **settings)
    model = of_one_segment(transformer(config)) if config.segments else transformer(config)
    parts = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(1, int))[0]

    def read():
        params = load(folder, settings={"dropout": config.dropout}, dtype="float32").params
        return {name: params[name] for name in parts}, {}

    return Pretrained(
        folder=Path(folder),
        model=model,
        settings=config,
        tokenizer=with_ends(folder, config),
        paths=".*",
        read=read,
    )


def text_classifier_settings(
    folder: str | Path, outputs: int | None = None, **settings: Any
) -> TransformerConfig:
    """The settings of a classifier of texts, with the read-out that its family has for classes.

    ``outputs``   of classes; with None those of the folder
    ``settings``  other ones than the folder has, such as ``dropout=0.1``

    Raises `JnnError` for a family of other models, and without ``outputs`` for a folder that is no
    classifier.
    """
    stored = architecture(folder)
    classes = [values for name, values in stored.family.architectures.items() if _CLASSES in name]
    is_encoder = bool(classes) and encodes(stored.family)
    if outputs is not None and not is_encoder:
        raise _of_no_use(folder, stored, "classes of texts", encodes)
    outputs = stored.settings.outputs if outputs is None and is_encoder else outputs
    if not is_encoder or not outputs:
        names = stored.config.get("architectures") or [stored.family.name]
        expected = "a model for the classification of images or of sequences"
        raise mistake(str(folder), got=str(names[0]), expected=expected)
    its = {**_NO_HEAD, **classes[0], "outputs": outputs}
    return dataclasses.replace(stored.settings, **{**its, **settings})


def pretrained_text_classifier(
    folder: str | Path, outputs: int | None = None, **settings: Any
) -> Pretrained:
    """A classifier of texts: tokens ``(..., T)`` -> logits ``(..., outputs)``.

    Its read-out is that of the family in Hugging Face's transformers: of the features of the first
    token, a dense layer, an activation, and a dense layer to logits. Both layers are new where the
    folder has no classifier, and the last one where it has another number of classes; with
    ``outputs=None`` all is the folder's. Its tokenizer puts the tokens around a text that the
    model was trained with. ``settings`` as for `text_classifier_settings`. Raises `JnnError` as it
    does, and for a folder without tokenizer.
    """
    config = text_classifier_settings(folder, outputs, **settings)
    model = of_one_segment(transformer(config)) if config.segments else transformer(config)
    its = architecture(folder).settings.outputs
    new = "" if its == config.outputs else "out" if its else "pooler|out"
    paths = f"(?!({new})/).*" if new else ".*"

    def read():
        params = load(folder, dtype="float32").params
        names = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(1, int))[0]
        return {name: params[name] for name in names if re.match(paths, f"{name}/")}, {}

    return Pretrained(
        folder=Path(folder),
        model=model,
        settings=config,
        tokenizer=with_ends(folder, config),
        paths=paths,
        read=read,
        read_out="(pooler|out)/.*",
    )


def image_settings(folder: str | Path) -> VisionTransformerConfig | ResNetConfig:
    """The settings of a classifier of images, a vision transformer or a ResNet.

    Raises `JnnError` for a family of other models.
    """
    stored = architecture(folder)
    if not sees(stored.family):
        raise _of_no_use(folder, stored, "classes of images", sees)
    return stored.settings


def pretrained_image_classifier(folder: str | Path, outputs: int | None = None) -> Pretrained:
    """A classifier of images: x ``(..., H, W, C)`` -> logits ``(..., outputs)``.

    It has a new head where the folder has another number of ``outputs``. x has values from 0 to 1.
    Images are resized, cropped at the centre, grey ones repeated in three channels, and the
    channels scaled, as ``preprocessor_config.json`` says, but for what `read_pictures` does
    otherwise. Raises `JnnError` as `image_settings` does.
    """
    its = image_settings(folder)
    config: Any = its if outputs is None else dataclasses.replace(its, outputs=outputs)
    is_transformer = isinstance(config, VisionTransformerConfig)
    model = vision_transformer(config) if is_transformer else resnet(config)
    size = config.image_size if is_transformer else None
    head = "(distillation_)?head" if is_transformer else "out"
    return Pretrained(
        folder=Path(folder),
        model=of_pictures(model, read_pictures(folder, size)),
        settings=config,
        tokenizer=None,
        paths=".*" if config.outputs == its.outputs else f"(?!{head}/).*",
        read=lambda: _read(folder, {}),
        read_out=f"{head}/.*",
    )


def of_one_segment(model: Model) -> Model:
    """A model of tokens and segments as one of tokens, which are all of the first segment."""
    whole = lambda tokens: {"tokens": tokens, "segments": jnp.zeros_like(tokens)}

    def init(key, x):
        return model.init(key, whole(x))

    def apply(params, state, x, **options):
        return model.apply(params, state, whole(x), **options)

    return Model(init, apply, follow=lambda params, state, x, mask: mask)


def with_ends(folder: str | Path, settings: TransformerConfig) -> Tokenizer:
    """The tokenizer of a folder with ends around a text, and tokens for padding and unknown words.

    Old folders do not say which these are. Without any, token 0 fills up rows, which a mask hides.
    """
    tokenizer = _tokenizer(folder, settings)
    special = dict(tokenizer.special)
    for name, usual in _USUAL.items():
        indices = [tokenizer.tokens.index(token) for token in usual if token in tokenizer.tokens]
        special.setdefault(name, indices[0] if indices else special.get("padding", 0))
    definition = tokenizer.definition["tokenizer"]
    return from_pretrained(definition, special, ends=True, vocabulary=settings.vocabulary)


def _read(folder: str | Path, settings: Mapping[str, Any]) -> tuple[Params, State]:
    loaded = load(folder, settings=settings, dtype="float32")
    return loaded.params, loaded.state


def _decodes(family: Family) -> bool:
    """Whether models of the family predict next tokens."""
    return family.config is TransformerConfig and family.constants.get("causal", True)


def encodes(family: Family) -> bool:
    """Whether models of the family make features of texts."""
    return family.config is TransformerConfig and not family.constants.get("causal", True)


def sees(family: Family) -> bool:
    """Whether models of the family classify images."""
    return family.config in (VisionTransformerConfig, ResNetConfig)


def _around(trees: tuple[Any, Any], of_params: Callable, of_state: Callable) -> tuple[Any, Any]:
    return of_params(trees[0]), of_state(trees[1])


def _of_no_use(
    folder: str | Path, stored: Architecture, task: str, fits: Callable[[Family], bool]
) -> Exception:
    """The refusal of a model that cannot be trained for a task, with the families that can."""
    classes = stored.config.get("architectures") or ["a model"]
    return mistake(
        str(folder),
        got=f"{classes[0]} of the family {stored.family.name}, to train for {task}",
        expected=f"one of {', '.join(sorted(name for name in FAMILIES if fits(FAMILIES[name])))}",
    )


def _tokenizer(folder: str | Path, settings: Any) -> Tokenizer:
    tokenizer, _ = tokenizer_of(folder, settings)
    if tokenizer is None:
        raise mistake(str(folder), got=f"no {TOKENIZER}", expected="one to read texts with")
    definition, vocabulary = tokenizer.definition["tokenizer"], settings.vocabulary
    return from_pretrained(definition, tokenizer.special, vocabulary=vocabulary)
