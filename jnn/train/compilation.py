"""What XLA is told when it compiles a training step."""

from typing import Any

import jax
import jaxlib.version

ON_ALL_CORES = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}
"""Convolutions by Eigen in place of YNNPACK, for jaxlib 0.10.

YNNPACK keeps to one core wherever a program has more than a few operations. Time with this option
over the time without, two cores with AVX-512, jaxlib 0.10.2, rounds side by side:

    cnn, many steps in one dispatch     0.70
    cnn, one step a call                0.67
    resnet18                            0.79
    32 small CNNs                       0.84

jaxlib 0.12 is as fast without. Programs without convolutions are left as they are: an MLP of
784-1024-1024-10 takes 1.18 of its time with the related option for products.
"""


def compile_program(lowered: jax.stages.Lowered, **known: Any) -> jax.stages.Compiled:
    """Compile a program, with the options by which its convolutions run on all cores of a CPU.

    ``known`` are further options of XLA. `jnn.train.fit` compiles its steps by this function; for a
    loop of your own:

        step = jax.jit(make_step(objective, optimizer), donate_argnums=0)
        step = compile_program(step.lower(train_state, batch))

    >>> import jax.numpy as jnp
    >>> compile_program(jax.jit(jnp.sum).lower(jnp.ones(3)))(jnp.ones(3)).item()
    3.0
    """
    convolutions = "stablehlo.convolution" in lowered.as_text()
    options = {**compiler_options(convolutions=convolutions), **known}
    return lowered.compile(compiler_options=options)


def compiler_options(*, convolutions: bool) -> dict[str, str]:
    """The options of XLA that make a program with or without convolutions fast.

    By backend, version and operations alone, so that a run repeats its bits on a machine.
    """
    if not jaxlib.version.__version__.startswith("0.10.") or jax.default_backend() != "cpu":
        return {}
    return ON_ALL_CORES if convolutions else {}
