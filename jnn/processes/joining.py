"""Joining the processes of a run by JAX's distributed runtime, and leaving them."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jnn.errors import Diverged, JnnError, Lost, mistake
from jnn.processes.streams import drop_output, error_stream, own_streams
from jnn.processes.together import Processes, here

HEARTBEAT = 10
"""Seconds without a sign of life after which JAX takes a process for lost."""
FINISHING = 24 * 3600
"""Seconds that a process that is done waits for the others, such as for the report."""
LOOPBACK = ("localhost", "127.", "::1", "[::1]")
_LEAVING = 3.0  # seconds in which others, that have the same error, end by themselves

_kept: list[Any] = []  # what C calls must not be collected


def check_coordinator(address: str) -> None:
    """Raise `JnnError` for what is no ``HOST:PORT``, and a loopback address beside other hosts."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise mistake(
            "--coordinator",
            got=repr(address),
            expected="HOST:PORT of process 0, as 10.0.0.1:1234",
        )
    if is_loopback(address) and _hosts_of_job() > 1:
        raise _of_loopback(address, f"{_hosts_of_job()} hosts")


def is_loopback(address: str) -> bool:
    """Whether only processes of the same host reach an address.

    >>> is_loopback("127.0.0.1:1234"), is_loopback("10.0.0.1:1234")
    (True, False)
    """
    return address.startswith(LOOPBACK)


def _of_loopback(address: str, beside: str) -> JnnError:
    return mistake(
        "--coordinator",
        got=f"the loopback address {address} and {beside}",
        expected="an address of process 0 that the other hosts reach",
    )


def _hosts_of_job() -> int:
    """The hosts of the job that SLURM or Open MPI says this process is part of."""
    number = lambda name: int(text) if (text := os.environ.get(name, "")).isdecimal() else 1
    of_mpi = number("OMPI_COMM_WORLD_SIZE") // max(number("OMPI_COMM_WORLD_LOCAL_SIZE"), 1)
    return max(number("SLURM_STEP_NUM_NODES"), of_mpi)


@contextlib.contextmanager
def join(
    coordinator: str | None,
    *,
    count: int | None = None,
    index: int | None = None,
    within: float = 300.0,
) -> Iterator[Processes]:
    """Be process ``index`` of ``count`` within the block; to be entered before JAX computes.

    Process 0 listens at ``coordinator`` (``HOST:PORT``). Where it is None, SLURM, Open MPI or
    Kubernetes must have started the processes, and say which this one is. At the end of the block
    a process waits for the others; where it raises, it leaves without them.

    Ends the process with a message and code 2 where not all have joined ``within`` so many seconds,
    and with code 5 where another one is gone: see `on_abort`. What native code prints is kept off
    the streams of Python (see `jnn.processes.streams`), and what other processes than the first
    print on standard output is dropped. Raises `JnnError` where the processes are not ``count``,
    and for a loopback address beside other hosts.
    """
    if coordinator is not None:
        check_coordinator(coordinator)
    # it handles SIGTERM, which is left to those who save on it
    jax.config.update("jax_enable_preemption_service", False)
    on_abort(lambda: str(_unanswered(coordinator, count, index, within)), JnnError.exit_code)
    own_streams()
    try:
        jax.distributed.initialize(
            coordinator,
            count if coordinator else None,
            index,
            cluster_detection_method="deactivate" if coordinator else None,
            initialization_timeout=max(1, round(within)),
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=FINISHING,
        )
    except (ValueError, RuntimeError) as error:
        raise _not_begun(coordinator, error) from error
    on_abort(lambda: f"another process of the {jax.process_count()} is gone.", Lost.exit_code)
    processes = here()
    if not processes.is_first:
        drop_output(sys.stdout.fileno())
    with _leaving():
        if count is not None and processes.count != count:
            raise mistake("--processes", got=f"{processes.count}", expected=f"{count} as asked for")
        hosts = list(dict.fromkeys(processes.gather(socket.gethostname())))
        if coordinator and is_loopback(coordinator) and len(hosts) > 1:
            raise _of_loopback(coordinator, f"the hosts {', '.join(hosts[:4])}")
        yield processes
        jax.distributed.shutdown()


def _not_begun(coordinator: str | None, error: Exception) -> JnnError:
    reason = str(error).splitlines()[0]
    if coordinator:
        got, expected = f"an address that cannot be used ({reason})", "one where nothing listens"
        return mistake(coordinator, got=got, expected=expected)
    return mistake(
        "--processes",
        got=reason,
        expected="processes that SLURM, Open MPI or Kubernetes started",
        remedy="By hand, give --coordinator HOST:PORT, --process-id I and --processes N.",
    )


def _unanswered(
    coordinator: str | None, count: int | None, index: int | None, within: float
) -> JnnError:
    place = coordinator or "the coordinator of the job"
    if index == 0:
        got = f"not all of the {count} processes within {within:g} s"
        return mistake(place, got=got, expected="one for each --process-id")
    loopback = " It is a loopback address, which other hosts do not reach." * bool(
        coordinator and is_loopback(coordinator)
    )
    return mistake(
        place,
        got=f"no answer within {within:g} s",
        expected="process 0 there",
        remedy=f"Start it with --process-id 0, or give another --coordinator.{loopback}",
    )


def on_abort(words: Callable[[], str], code: int) -> None:
    """What this process says, and its exit code, when the runtime of JAX aborts it.

    That is how it ends a process that cannot connect, or whose peers are gone: by ``abort()``,
    which Python's own handlers of signals do not see.
    """

    def last(signum: int) -> None:
        leave(words(), code)

    callback = ctypes.CFUNCTYPE(None, ctypes.c_int)(last)
    _kept.append(callback)
    set_handler = ctypes.CDLL(None).signal
    set_handler.restype = ctypes.c_void_p
    set_handler(signal.SIGABRT, callback)


def leave(words: str, code: int) -> None:
    """End this process at once, with an error on standard error, from whatever thread."""
    with contextlib.suppress(OSError):
        os.write(error_stream(), f"error: {words}\n".encode(errors="backslashreplace"))
    os._exit(code)


@contextlib.contextmanager
def _leaving() -> Iterator[None]:
    """A process that raises ends without waiting for the others, the first one last.

    JAX would wait for all of them when Python ends. What all raise at the same step is waited for.
    """
    try:
        yield
    except BaseException as error:
        if is_of_all(error):
            jax.distributed.shutdown()
            raise
        code = _exit_code(error)
        is_first = jax.process_index() == 0

        def end() -> None:
            sys.stdout.flush()
            sys.stderr.flush()
            time.sleep(_LEAVING if is_first else 0)
            os._exit(code)

        atexit.register(end)
        raise


def is_of_all(error: BaseException | None) -> bool:
    """Whether all processes end at the same step: there is no error, or all raise this one."""
    return error is None or isinstance(error, Diverged) or getattr(error, "of_all", False)


def _exit_code(error: BaseException) -> int:
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        case KeyboardInterrupt():
            return 128 + signal.SIGINT
        case _:
            return getattr(error, "exit_code", 1)
