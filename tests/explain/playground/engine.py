"""The scripts of the playground in V8, without a page."""

import functools
import json

from jnn.explain.playground.page import scripts
from jnn.explain.playground.programs import BATCHES, compiled, facts

STEPS = [f"step{n}" for n in BATCHES]


class Engine:
    """An engine that has read a script of the playground, and some compiled programs."""

    def __init__(self, entry: str, *programs: str):
        import py_mini_racer

        self.context = py_mini_racer.MiniRacer()
        if programs:
            self.context.eval(compiled(*programs))
        self.context.eval(f"globalThis.facts = {json.dumps(facts())};")
        self.context.eval(f"{scripts(entry)}")

    def __call__(self, expression: str):
        """The value of an expression, which JSON can hold; typed arrays become lists."""
        plain = "(key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value"
        return json.loads(self.context.eval(f"JSON.stringify({expression}, {plain})"))


@functools.cache
def trainer() -> Engine:
    """An engine that trains in small batches: ``make(changes)`` gives a trainer for a state."""
    engine = Engine("trainer.js", "points", "start", *STEPS[:2], "order", "evaluate", "gradients")
    engine.context.eval("""
      const programs = Object.fromEntries(
        Object.entries(compiled).map(([name, module]) => [name, program(module)]));
      const make = (changes) => {
        const trainer = new Trainer(programs, facts);
        trainer.reset(checkedState({ ...DEFAULTS, ...changes }, facts));
        return trainer;
      };
    """)
    return engine
