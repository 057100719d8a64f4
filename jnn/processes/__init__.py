"""One run in several processes, each with devices of its own: JAX's distributed runtime.

All processes run the same program in step, and the devices of all of them are one mesh. What they
must decide alike, such as when to stop, they decide together:

    with join("10.0.0.1:1234", count=2, index=0) as processes:  # and index=1 on the other host
        processes.agree("the config", {"learning_rate": 1e-3})

Sums over devices are added in the order of gloo's ring on a CPU, and so do not depend on how many
processes share the devices of a mesh: one process of eight devices has the bits of two of four. A
program that has not joined adds them in the order of the devices.
"""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "together": ["Processes", "Together", "here"],
        "joining": ["join"],
    },
)
