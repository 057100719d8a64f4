"""``jnn plan``: what a training step needs on each device of a mesh, without the devices."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jnn.cli.arguments import examples_text, name_first, taken_out
from jnn.cli.machine import several_cpus, use_device
from jnn.errors import JnnError, mistake
from jnn.runs.experiments import find, load
from jnn.sharding import batch_parts, mesh_sizes

if TYPE_CHECKING:
    from jnn import plan
    from jnn.sharding import Rule
    from jnn.train import Step

HELP = """\
usage: jnn plan NAME [options of the experiment] [--mesh data=2,fsdp=4] [--topology h100:8] [--json]

Compile a training step of an experiment for a mesh of devices that need not be there, and show what
each of them holds, computes and sends, whether it fits, and the least time of a step. Where it does
not fit, settings that would make it fit are compiled too. Temporaries are those of XLA for CPUs, an
upper estimate; for a TPU, as v5e:4x4, those of its own compiler where the extra tpu is installed.
"""
EXAMPLES = (
    "jnn plan text_generation --preset llama2_7b --topology v5e:16x16 --batch-size 256",
    "jnn plan image_classification --mesh data=8 --chip v5e",
    "jnn plan my_experiment.py --mesh fsdp=8 --json",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanArguments:
    """What a plan is for."""

    chip: str = "h100"
    """The kind of device: a100, h100, h200, v5e, v5p or v6e."""
    topology: str = ""
    """The kind of device and how many there are, as h100:64 or v5e:16x16; without --mesh, all of
    them are in fsdp. The compiler of a TPU wants its sides.
    """
    offline: bool = False
    """Download nothing."""
    json: bool = False
    """Print one JSON object."""


def main(argv: list[str]) -> int:
    """Print the plan of an experiment."""
    name, rest = name_first("plan", argv)
    if name == "--help":
        print(f"{HELP}\n{examples_text(EXAMPLES)}")
        return 0
    listing = find(name)
    from jnn import plan

    topology, _ = taken_out(rest, "--topology")
    chip, count = plan.topology(topology) if topology else ("", 0)
    asked, _ = taken_out(rest, "--mesh")
    if count and not asked:
        rest = [*rest, "--mesh", f"fsdp={count}"]
    several_cpus(None, taken_out(rest, "--mesh")[0])
    use_device("cpu")
    module = load(listing)

    from jnn.cli.options import parse

    examples = [f"jnn plan {name} --mesh data=2,fsdp=4", f"jnn run {name} --mesh data=2"]
    config, arguments = parse("plan", name, module.Config, PlanArguments, rest, examples)
    if count and count != math.prod(mesh_sizes(config.mesh).values()):
        got = f"{count} devices for mesh={config.mesh}"
        raise mistake("--topology", got=got, expected="as many as the mesh has")
    chip = chip or arguments.chip
    if chip not in plan.CHIPS:
        raise mistake("--chip", got=repr(chip), expected=f"one of {', '.join(plan.CHIPS)}")
    tpu = plan.tpu_devices(topology or "")
    planned_for = partial(planned, module, offline=arguments.offline, tpu=tpu)
    estimate = planned_for(config)
    if arguments.json:
        print(json.dumps({"chip": chip, **plan.as_json(estimate)}))
        return 0
    print("\n".join(plan.lines(estimate, chip)))
    if not estimate.fits(plan.CHIPS[chip]):
        for words, changed in variants(config):
            other = planned_for(changed)
            print(f"  {words:<40}{plan.verdict(other, plan.CHIPS[chip])}")
    return 0


def planned(
    module: ModuleType, config: Any, *, offline: bool = True, tpu: Sequence[Any] = ()
) -> plan.Plan:
    """The plan of an experiment's step on the mesh of the config."""
    from jnn import plan
    from jnn.sharding import make_mesh

    step, train_state, batch, rules = of_step(module, config, offline=offline)
    return plan.plan(step, train_state, batch, make_mesh(config.mesh or "data=1"), rules, tpu=tpu)


def of_step(
    module: ModuleType, config: Any, *, offline: bool = True
) -> tuple[Step, Any, Any, tuple[Rule, ...]]:
    """The step of an experiment, the shapes of its train state and batch, and its rules.

    They are made without the data, where the experiment has an ``outline``.
    """
    import jax

    from jnn.train import seed_key
    from jnn.train.task import start

    if hasattr(module, "outline"):
        task = module.outline(config)
    else:
        task = module.task(config, module.load_data(config, offline=offline))
    alone = dataclasses.replace(config, mesh="")
    steps = []

    def begin(key):
        train_state, step = start(task, alone, key)
        steps.append(step)
        return train_state

    train_state = jax.eval_shape(begin, seed_key(config.seed))
    batch = jax.eval_shape(task.feed.batch_of, task.feed.data, train_state.key, train_state.step)
    return steps[0], train_state, batch, task.rules


def variants(config: Any) -> Iterator[tuple[str, Any]]:
    """Settings that take less memory than those of the config, and the config with them.

    They are remat, logits of some rows at a time, more parts of a batch, and a mesh whose devices
    are all in ``fsdp``, one after the other and then all together, where the experiment has them.
    """
    sizes = mesh_sizes(config.mesh) if config.mesh else {}
    parts = batch_parts(sizes)
    changes: list[dict[str, Any]] = []
    if getattr(config, "remat", "full") != "full":
        changes.append({"remat": "full"})
    if not getattr(config, "loss_rows", 1):
        changes.append({"loss_rows": 8192})
    if (most := config.batch_size // parts) > config.accumulate:
        changes.append({"accumulate": most})
    if sizes.get("data", 1) > 1:
        whole = {"fsdp": parts, **({"tensor": sizes["tensor"]} if "tensor" in sizes else {})}
        changes.append({"mesh": ",".join(f"{axis}={n}" for axis, n in whole.items())})
    together = {name: value for change in changes for name, value in change.items()}
    for change in [*changes, *([together] if len(changes) > 1 else [])]:
        words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in change.items())
        with contextlib.suppress(JnnError):  # what the model or the batch does not take
            yield words, dataclasses.replace(config, **change)
