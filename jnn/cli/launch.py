"""Starting the processes of a run on one machine, and the options that say how it is divided."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from jnn.cli.arguments import taken_out
from jnn.cli.machine import devices_of, several_cpus
from jnn.errors import Interrupted, Lost, mistake
from jnn.runs.experiments import Listing
from jnn.train.signals import handled
from jnn.wording import tell

if TYPE_CHECKING:
    from jnn.runs.run import Run

GRACE = 15.0
"""Seconds in which the others end after the first that failed; then they are killed."""
STOPPED = 3.0
"""The same after one that ended since it missed another."""
MOST = 1024
_OF_DEVICES = "xla_force_host_platform_device_count"
_ONLY_SHOWN = {"-h", "--help", "--print-config", "--dry-run"}
"""Options with which nothing is trained."""


class Division(NamedTuple):
    """How a run is divided into processes, by its options."""

    processes: int | None
    devices_per_process: int | None
    coordinator: str | None
    process_id: int | None
    connect_within: float
    stuck_after: float

    @property
    def is_joined(self) -> bool:
        """Whether this process is to join others."""
        return self.processes is not None

    @property
    def is_started_here(self) -> bool:
        """Whether this command is to start the processes, since nobody has."""
        return self.is_joined and self.coordinator is None and not is_of_cluster(os.environ)

    def devices(self, of_mesh: int) -> int:
        """The devices of each process, of a mesh of so many."""
        return self.devices_per_process or max(of_mesh // (self.processes or 1), 1)


def division(argv: Sequence[str]) -> Division:
    """How the options of ``jnn run`` and ``jnn resume`` divide the run.

    >>> division(["--processes", "2", "--devices-per-process=4"]).devices_per_process
    4

    Raises `JnnError` for values that are no numbers, and options that lack others.
    """
    if _ONLY_SHOWN.intersection(argv):
        argv = []
    text = lambda option: taken_out(list(argv), f"--{option}")[0]
    processes = _count("processes", text("processes"), 1)
    index = _count("process-id", text("process-id"), 0)
    coordinator = text("coordinator")
    by_hand = {"--coordinator": coordinator, "--process-id": index}
    if any(value is not None for value in by_hand.values()):
        missing = [name for name, value in by_hand.items() if value is None]
        missing += [] if processes else ["--processes"]
        if missing:
            got = f"{', '.join(name for name in by_hand if name not in missing)} alone"
            expected = f"{' and '.join(missing)} too"
            raise mistake("processes", got=got, expected=expected)
        if index is not None and processes is not None and index >= processes:
            expected = f"0 to {processes - 1}, one for each process"
            raise mistake("--process-id", got=f"{index}", expected=expected)
    devices = _count("devices-per-process", text("devices-per-process"), 1)
    if devices and not processes:
        remedy = "Add --processes."
        raise mistake("--devices-per-process", got=f"{devices}", expected="it", remedy=remedy)
    return Division(
        processes,
        devices,
        coordinator,
        index,
        _seconds("connect-within", text("connect-within"), 300.0),
        _seconds("stuck-after", text("stuck-after"), 600.0 if processes else 0.0),
    )


@contextlib.contextmanager
def joined(division: Division, *, devices: Any, mesh: Any, device: str) -> Iterator[None]:
    """Within the block this process is one of those that the division says, or alone.

    ``devices``, ``mesh`` and ``device`` are what the run asks for: of a CPU as many devices are
    made. To be entered before JAX computes.
    """
    if not division.is_joined:
        several_cpus(devices, mesh)
        yield
        return
    import jax

    from jnn.processes import join

    flags = os.environ.get("XLA_FLAGS", "").split()  # which would count more than the options
    os.environ["XLA_FLAGS"] = " ".join(flag for flag in flags if _OF_DEVICES not in flag)
    several_cpus(division.devices(devices_of(devices, mesh)))
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")  # as no other backend may start now
    with join(
        division.coordinator,
        count=division.processes,
        index=division.process_id,
        within=division.connect_within,
    ):
        yield


def shared(make: Callable[[], Run], config: Any, listing: Listing) -> Run:
    """The run that ``make()`` begins on the first process, and which all of them follow.

    Raises `JnnError` on all where it does, where they differ in settings or code, and where the
    devices of the run are not those of all processes.
    """
    from jnn.files import plain
    from jnn.processes import here
    from jnn.runs.environment import code
    from jnn.runs.run import Run
    from jnn.train.devices import check_all_used

    processes = here()
    if processes.count == 1:
        return make()
    processes.agree("the settings", {"experiment": listing.name, **plain(config)})
    processes.agree("the code", code(listing.path))
    check_all_used(config)
    runs: list[Run] = []

    def begin() -> dict[str, Any]:
        runs.append(run := make())
        return {"home": str(run.folder), "record": run.record, "resuming": run.resuming}

    begun = processes.told(begin)
    if runs:
        return runs[0]
    return Run.follow(Path(begun["home"]), begun["record"], resuming=begun["resuming"])


def is_of_cluster(environ: Mapping[str, str]) -> bool:
    """Whether SLURM, Open MPI or Kubernetes started this process as one of several.

    >>> is_of_cluster({"SLURM_JOB_ID": "7"})
    False
    """
    slurm = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
    return (
        all(name in environ for name in slurm)
        or "OMPI_MCA_orte_hnp_uri" in environ
        or {"KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"} <= environ.keys()
    )


def _count(option: str, text: str | None, least: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= MOST):
        expected = f"an integer from {least} to {MOST}"
        raise mistake(f"--{option}", got=repr(text), expected=expected)
    return int(text)


def _seconds(option: str, text: str | None, default: float) -> float:
    if text is None:
        return default
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(text)) < 1e9:
            return seconds
    raise mistake(f"--{option}", got=repr(text), expected="a number of seconds >= 0")


def launch(argv: Sequence[str], count: int) -> int:
    """Start ``jnn`` with these words in ``count`` processes of this machine; their exit code.

    Where one of them ends badly, the others get `GRACE` seconds to end too. A signal is passed on
    to the first process, and all save and stop; the second one kills them. They stop too, by
    SIGTERM, where this process is killed itself, on Linux.
    """
    options = ["--coordinator", f"127.0.0.1:{free_port()}", "--process-id"]
    command = [sys.executable, "-m", "jnn", *argv, *options]
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(1, count)]
        children: list[subprocess.Popen] = []
        stack.callback(_kill, children)
        stop = stack.enter_context(_passed_on(children))
        for index in range(count):
            children.append(
                subprocess.Popen(
                    [*command, str(index)],
                    start_new_session=True,
                    preexec_fn=_stopped_with_parent(),
                    stdin=subprocess.DEVNULL if index else None,
                    stderr=logs[index - 1] if index else None,
                )
            )
        first = _wait(children)
        codes = [child.returncode for child in children]
        if stop and codes[0] < 0:
            raise Interrupted(stop[0])
        _show(logs, codes)
    if first is None:
        return 0
    if codes[first] < 0:
        name = signal.Signals(-codes[first]).name
        raise Lost(f"process {first} of {count} was killed by {name}.")
    return codes[first]


_PR_SET_PDEATHSIG = 1  # of prctl, in Linux's prctl.h


def _stopped_with_parent() -> Callable[[], None] | None:
    """What a child does before it begins: to get SIGTERM when this process, its parent, is gone.

    None where the system has no such thing.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "prctl"):
        return None
    parent = os.getpid()

    def begin() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # gone meanwhile
            os.kill(os.getpid(), signal.SIGTERM)

    return begin


def free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(children: Sequence[subprocess.Popen]) -> int | None:
    """Wait until all have ended; the first that ended badly, None where none did."""
    first, deadline = None, 0.0
    while True:
        codes = [child.poll() for child in children]
        if first is None:
            first = next((i for i, code in enumerate(codes) if code), None)
            is_verdict = first is not None and codes[first] == Lost.exit_code
            deadline = time.monotonic() + (STOPPED if is_verdict else GRACE)
        if None not in codes:
            return first
        if first is not None and time.monotonic() > deadline:
            _kill(children)
        time.sleep(0.05)


def _kill(children: Sequence[subprocess.Popen]) -> None:
    for child in children:
        if child.poll() is None:
            child.kill()
            child.wait()


@contextlib.contextmanager
def _passed_on(children: Sequence[subprocess.Popen]):
    """Within the block SIGINT and SIGTERM go to the first process, the second kills all."""
    received: list[int] = []

    def pass_on(signum, frame):
        received.append(signum)
        if len(received) > 1:
            _kill(children)
        elif children and children[0].poll() is None:
            children[0].send_signal(signum)

    with handled(pass_on):
        yield received


def _show(logs: Sequence[IO[bytes]], codes: Sequence[int]) -> None:
    """What other processes than the first printed, unless it is what the first one said."""
    for index, log in enumerate(logs, 1):
        if codes[index] == codes[0] != Lost.exit_code:
            continue
        log.seek(0)
        for line in log.read().decode(errors="replace").splitlines():
            tell(f"[process {index}] {line}")
