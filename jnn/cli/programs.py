"""Compiled programs that are kept, so that a second start of a run compiles nothing."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from jnn import processor
from jnn.files import can_write

WORTH_KEEPING = 0.01
"""Seconds of compilation from which a program is kept.

A run has some 40 that take less than 0.2 s each, and 1 s together, of the 14 s of `make demo`.
"""


def programs_folder() -> Path:
    """Where programs are kept: ``jnn/programs`` in the platform's cache folder, and there a folder
    for this processor and these versions.

    A program compiled for another processor may compute other bits, or end in an illegal
    instruction, and JAX's own key does not name the processor.
    """
    import platformdirs

    from jnn.runs.environment import versions

    facts = [platform.machine(), processor.description()]
    facts += [f"{name} {version}" for name, version in versions().items()]
    name = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("jnn")) / "programs" / name


def is_kept() -> bool:
    """Whether JAX may keep programs at all: not with ``JAX_ENABLE_COMPILATION_CACHE=0``."""
    return _setting("jax_enable_compilation_cache")


def folder_of_environment() -> str | None:
    """The folder or address that ``JAX_COMPILATION_CACHE_DIR`` gives for programs, if any."""
    return _setting("jax_compilation_cache_dir")


def _setting(name: str):
    import jax

    return getattr(jax.config, name)


def keep_programs() -> None:
    """Let JAX keep what takes long to compile, and read it at the next start.

    What the environment says with ``JAX_COMPILATION_CACHE_DIR`` or
    ``JAX_ENABLE_COMPILATION_CACHE=0`` takes precedence. Where the folder cannot be written, nothing
    is kept.
    """
    import jax

    if folder_of_environment() or not is_kept():
        return
    folder = programs_folder()
    if can_write(folder):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)


def reads_its_own(folder: Path) -> bool:
    """Whether a program that is kept in an empty folder is read from there.

    Some processors reject what was compiled for them (https://github.com/jax-ml/jax/issues/38445).
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    reads: list[str] = []

    def count(event: str, **_: object) -> None:
        if event.endswith("/cache_hits"):
            reads.append(event)

    def use(values: dict[str, object]) -> None:
        compilation_cache.reset_cache()  # it looks at these settings once
        for name, value in values.items():
            jax.config.update(name, value)

    jax.monitoring.register_event_listener(count)
    use(settings)
    try:
        for _ in range(2):
            jax.jit(lambda x: 3 * x + 1)(2.0).block_until_ready()
    finally:
        use(before)
        jax.monitoring.unregister_event_listener(count)
    return bool(reads)
