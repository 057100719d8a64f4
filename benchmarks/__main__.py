"""``python -m benchmarks [WORKLOAD ...]``: jnn and its peers on the same work, side by side."""

import argparse
import sys
from typing import Any

from benchmarks import harness, machine, page
from benchmarks.workloads import PEERS, WORKLOADS, Workload


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--peers", help=f"of {','.join(list(PEERS)[1:])}; all that are installed")
    parser.add_argument("--rounds", type=int, default=11, metavar="N")
    parser.add_argument("--write", action="store_true", help="keep results, and update README.md")
    arguments = parser.parse_args()
    peers = arguments.peers.split(",") if arguments.peers else list(PEERS)
    _check("workload", arguments.workloads, WORKLOADS, parser)
    _check("peer", peers, PEERS, parser)
    if arguments.rounds < 1:
        parser.error(f"--rounds: got {arguments.rounds}, expected 1 or more")
    with machine.fast_mkl():
        here = machine.describe()
        peak = max(here["peak_gflops"].values())
        for name in arguments.workloads or WORKLOADS:
            workload = WORKLOADS[name]
            result = harness.measure(name, workload, _chosen(workload, peers), arguments.rounds)
            print("\n".join([*page.table(name, result, peak), ""]), flush=True)
            if arguments.write:
                page.keep(name, result, here)


def _check(kind: str, names: list[str], allowed: Any, parser: argparse.ArgumentParser) -> None:
    if unknown := [name for name in names if name not in allowed]:
        parser.error(f"{kind}: got {', '.join(unknown)}, expected some of {', '.join(allowed)}")


def _chosen(workload: Workload, peers: list[str]) -> list[str]:
    """The ways of jnn's own forms and of the peers that were asked for."""
    others = set(PEERS) - set(peers) - {"jnn"}
    return [way for way in workload.ways if way.split(",")[0] not in others]


if __name__ == "__main__":
    sys.exit(main())
