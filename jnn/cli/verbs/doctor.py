"""``jnn doctor``: is this machine ready?"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from jnn.cli.arguments import Parser
from jnn.cli.machine import GPU_HINT, gpu_present, gpu_unused
from jnn.cli.terminal import bold
from jnn.files import can_write
from jnn.tables import table

EXAMPLES = ("jnn doctor", "jnn doctor --json", "jnn run image_classification --smoke")
OLDEST_PYTHON = (3, 11)


class Finding(NamedTuple):
    """The result of one check; ``ok`` is False where jnn cannot work."""

    name: str
    text: str
    ok: bool = True


def main(argv: list[str]) -> int:
    """Print the checks of this machine; exit code 1 where jnn cannot work."""
    parser = Parser(
        "doctor",
        "Check this machine: versions, devices, cores, memory, data, programs, folders.",
        examples=EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="an object for machines")
    arguments = parser.parse(argv)
    findings = [_run(name, check) for name, check in CHECKS.items()]
    healthy = all(finding.ok for finding in findings)
    if arguments.json:
        record = {"ok": healthy, "findings": [finding._asdict() for finding in findings]}
        print(json.dumps(record, ensure_ascii=False))
        return not healthy
    rows = [["ok" if finding.ok else "PROBLEM", finding.name, finding.text] for finding in findings]
    print("\n".join(table(rows)))
    print(bold("Ready." if healthy else "Not ready: see the problems above."))
    return not healthy


def _run(name: str, check: Callable[[], str]) -> Finding:
    """The finding of a check; one that raises has found a problem."""
    try:
        return Finding(name, check())
    except Exception as error:
        return Finding(name, f"{type(error).__name__}: {' '.join(str(error).split())}", ok=False)


def _python() -> str:
    if sys.version_info < OLDEST_PYTHON:
        raise RuntimeError(
            f"{sys.version.split()[0]} at {sys.executable} is too old; jnn needs 3.11 or newer"
        )
    return f"{sys.version.split()[0]} at {sys.executable}"


def _versions() -> str:
    from jnn.runs.environment import versions

    return ", ".join(
        f"{name} {version}" for name, version in versions().items() if name != "python"
    )


def _device() -> str:
    from jnn.runs.environment import device_line

    return device_line()


def _gpu() -> str:
    if gpu_unused():
        return GPU_HINT
    return "used by jax" if gpu_present() else "none found"


def _cores() -> str:
    from jnn.runs.environment import cpu_count

    return str(cpu_count())


def _memory() -> str:
    gibibytes = lambda pages: os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{gibibytes('SC_PHYS_PAGES'):.1f} GiB, {gibibytes('SC_AVPHYS_PAGES'):.1f} GiB free"


def _data() -> str:
    from jnn.data.fetch.sources import SOURCES, data_folder, find

    here = [source.name for source in SOURCES.values() if not source.files or find(source)]
    folder = data_folder()
    place = f"kept in {folder}" if can_write(folder) else _not_kept(folder, "set JNN_DATA")
    return f"{', '.join(here)}; {place}"


def _programs() -> str:
    from jnn.cli.programs import folder_of_environment, is_kept, programs_folder, reads_its_own

    if not is_kept():
        return "every start compiles anew, by JAX_ENABLE_COMPILATION_CACHE"
    address = folder_of_environment()
    if address and "://" in address:
        return f"compiled ones are kept in {address}, by JAX_COMPILATION_CACHE_DIR"
    folder = Path(address) if address else programs_folder()
    if not can_write(folder):
        return _not_kept(folder, "every start compiles anew")
    with tempfile.TemporaryDirectory() as empty:
        read = reads_its_own(Path(empty))
    kept = sum(path.stat().st_size for path in folder.glob("*")) / 2**20
    verdict = "read at the next start" if read else "rejected at the next start by this processor"
    return f"compiled ones are {verdict}; {kept:.0f} MiB kept in {folder}"


def _not_kept(folder: Path, remedy: str) -> str:
    return f"nothing is kept, since {folder} cannot be written; {remedy}"


def _output() -> str:
    """Whether ``runs`` in the working directory, the folder of runs, can be written or created."""
    runs = Path("runs").absolute()
    existing = runs if runs.is_dir() else runs.parent
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"{existing} cannot be written; choose another folder with --out")
    return f"{runs} can be written"


CHECKS: dict[str, Callable[[], str]] = {
    "python": _python,
    "versions": _versions,
    "device": _device,
    "gpu": _gpu,
    "cores": _cores,
    "memory": _memory,
    "data": _data,
    "programs": _programs,
    "output": _output,
}
