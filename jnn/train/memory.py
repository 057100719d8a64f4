"""Memory that a process keeps between steps."""

import ctypes
import os

from jnn.errors import mistake

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # of mallopt, in glibc's malloc.h


def keep_memory() -> None:
    """Let this process keep freed memory for reuse; it never shrinks then.

    XLA on a CPU allocates its temporaries anew in each call, and page faults cost time: of one step
    a call, as in a loop of your own, more than of the many in a dispatch of `jnn.train.fit`.
    Time with kept memory over the time without, one step a call, two cores of an AMD EPYC:

        gpt_s  0.82    gru  0.86    cnn  0.89    lstm  0.91    gpt_m  0.92    resnet18, vgg16  1.0

    To be called before JAX computes, which starts its threads. ``jnn run --keep-memory`` calls it.
    Raises JnnError where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    settings = ((MMAP_MAX, 0), (TRIM_THRESHOLD, -1), (ARENA_MAX, 1))
    if mallopt is None or not all(mallopt(option, value) for option, value in settings):
        raise mistake(
            "keep_memory",
            got="a C library without glibc's mallopt",
            expected="Linux with glibc",
            remedy="Go on without it.",
        )
