"""What ``jnn run --start FOLDER`` begins with: a run, or a pretrained model."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jnn.cli.arguments import taken_out
from jnn.errors import mistake
from jnn.runs.folders import PRETRAINED, is_pretrained, is_run, read_record

if TYPE_CHECKING:
    from jnn.train.task import Task


def started(name: str, config: type, argv: list[str], defaults: dict[str, Any]) -> list[str]:
    """The arguments, with the folder in --start as a setting too, where the config has it.

    It is ``pretrained`` for a pretrained model, and for a run that began with one, of which it is
    the copy that the run keeps; ``adapted_run`` for another one that gets additions.
    """
    start = taken_out(argv, "--start")[0]
    if not start:
        return argv
    if not Path(start).is_dir():
        expected = "the folder of a run, or of a pretrained model"
        raise mistake("--start", got=f"{start}, which is no folder", expected=expected)
    names = {field.name for field in dataclasses.fields(config)}
    copy = Path(start) / PRETRAINED
    if is_run(Path(start)) and copy.is_dir():
        return [*argv, "--pretrained", str(copy.resolve())]
    if not is_pretrained(start):
        rank = taken_out(argv, "--lora")[0] or str(defaults.get("lora", 0))
        has_additions = "adapted_run" in names and rank.strip("0")
        return [*argv, "--adapted-run", str(Path(start).resolve())] if has_additions else argv
    if "pretrained" not in names:
        got = f"the pretrained model {start}, which {name} cannot begin with"
        raise mistake("--start", got=got, expected="the folder of a run")
    return [*argv, "--pretrained", str(Path(start).resolve())]


def fitting_task(module: ModuleType, config: Any, arguments: Any) -> Task:
    """The task of an experiment on its data, to which the params in --start fit.

    Raises `JnnError` that names each leaf that the run in --start lacks, or has of another shape.
    """
    from jnn.train.transfer import check_fits

    task = module.task(config, module.load_data(config, offline=arguments.offline))
    if not is_pretrained(str(arguments.start)):
        check_fits(task, config, arguments.start, arguments.paths)
    return task


def check_start(module: ModuleType, config: Any, start: Path, paths: str) -> None:
    """Refuse what a run cannot begin with, before it has a folder.

    Raises `JnnError` for an experiment whose training is its own, for weights that are missing or
    damaged, and for ``paths`` and settings that match no param of the model, as far as that is
    known without the data. `fitting_task` knows the rest.
    """
    import jax

    from jnn.checkpoints import Checkpoints
    from jnn.interop import describe
    from jnn.paths import check_expression, path_name
    from jnn.runs.loading import check_trained
    from jnn.train.transfer import no_match
    from jnn.transform import lora, path_mask

    check_expression("--paths", paths)

    if not hasattr(module, "task"):
        name, expected = module.__name__.rpartition(".")[2], "an experiment with task(config, data)"
        raise mistake("--start", got=f"{name}, which has a main alone", expected=expected)
    if is_pretrained(str(start)):
        describe(start)
    else:
        read_record(start)
        check_trained(start)
        with Checkpoints(start / "checkpoints", read_only=True) as checkpoints:
            checkpoints.restore((), partial=True)  # verifies every bit of one
    if not hasattr(module, "describe"):
        return
    model, example = module.describe(config)
    params = jax.eval_shape(model.init, jax.random.key(0), example)[0]
    names = [path_name(path) for path, _ in jax.tree.leaves_with_path(params)]
    if not any(re.fullmatch(paths, name) for name in names):
        raise no_match(paths, params)
    if getattr(config, "adapted_run", ""):
        model = lora(model, config.lora, config.lora_paths)
        params = jax.eval_shape(model.init, jax.random.key(0), example)[0]
    if config.untrained:
        path_mask(params, config.untrained)
