"""What XLA is told when it compiles a training step."""

import contextlib

import jax
import jaxlib.version

from jnn.layers.convolution_choice import is_for_all_cores

ON_ALL_CORES = {
    "xla_cpu_experimental_ynn_fusion_type": (
        "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    )
}
"""Products and sums by YNNPACK, and convolutions by Eigen, for jaxlib 0.10.

YNNPACK, which has the convolutions too by default, keeps those to one core wherever a program has
more than a few operations. Time with this option over the time without, two cores with AVX-512,
jaxlib 0.10.2, rounds side by side:

    cnn, many steps in one dispatch     0.67
    cnn, one step a call                0.78
    lenet5, one step a call             0.91
    mlp, lstm, gpt_s                    1

jaxlib 0.12 is as fast without.
"""


def compiler_options() -> dict[str, str]:
    """The options of XLA by which convolutions run on all cores of a CPU.

    `jnn.train.fit` compiles its steps with them; for a loop of your own:

        step = make_step(objective, optimizer)
        step = jax.jit(step, donate_argnums=0, compiler_options=compiler_options())

    By backend and version alone, so that a run repeats its bits on a machine.

    >>> import jax.numpy as jnp
    >>> jax.jit(jnp.sum, compiler_options=compiler_options())(jnp.ones(3)).item()
    3.0
    """
    is_known = jaxlib.version.__version__.startswith("0.10.")
    return ON_ALL_CORES if is_known and jax.default_backend() == "cpu" else {}


@contextlib.contextmanager
def lowering_for_all_cores():
    """Where convolutions are lowered to the forms that are fastest with `compiler_options`."""
    token = is_for_all_cores.set(bool(compiler_options()))
    try:
        yield
    finally:
        is_for_all_cores.reset(token)
