"""``jnn plan``: what a training step needs on each device of a mesh, without the devices."""

from __future__ import annotations

import dataclasses
import json

from jnn.cli.arguments import examples_text, name_first, taken_out
from jnn.cli.experiments import find, load
from jnn.cli.machine import several_cpus, use_device

HELP = """\
usage: jnn plan NAME [options of the experiment] [--mesh data=2,fsdp=4] [--chip h100] [--json]

Compile a training step of an experiment for a mesh of devices that need not be there, and show what
each of them holds, computes and sends, whether it fits, and the least time of a step.
"""
EXAMPLES = (
    "jnn plan text_generation --model transformer --mesh data=4,fsdp=2",
    "jnn plan image_classification --mesh data=8 --chip v5e",
    "jnn plan my_experiment.py --mesh fsdp=8 --json",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanArguments:
    """What a plan is for."""

    chip: str = "h100"
    """The kind of device: a100, h100, h200, v5e, v5p or v6e."""
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
    several_cpus(None, taken_out(rest, "--mesh")[0])
    use_device("cpu")
    module = load(listing)

    import jax

    from jnn import plan
    from jnn.cli.options import parse
    from jnn.sharding import make_mesh
    from jnn.train import seed_key
    from jnn.train.task import start

    examples = [f"jnn plan {name} --mesh data=2,fsdp=4", f"jnn run {name} --mesh data=2"]
    config, arguments = parse("plan", name, module.Config, PlanArguments, rest, examples)
    task = module.task(config, module.load_data(config, offline=arguments.offline))
    alone = dataclasses.replace(config, mesh="")
    steps = []

    def begin(key):
        train_state, step = start(task, alone, key)
        steps.append(step)
        return train_state

    train_state = jax.eval_shape(begin, seed_key(config.seed))
    batch = jax.eval_shape(task.feed.batch_of, task.feed.data, train_state.key, train_state.step)
    mesh = make_mesh(config.mesh or "data=1")
    found = plan.plan(steps[0], train_state, batch, mesh, task.rules)
    if arguments.json:
        print(json.dumps({"chip": arguments.chip, **plan.as_json(found)}))
    else:
        print("\n".join(plan.lines(found, arguments.chip)))
    return 0
