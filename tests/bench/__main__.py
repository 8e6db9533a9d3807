"""`python -m tests.bench`: measures, prints a table, and writes the samples on demand."""

import argparse
import asyncio
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from tests.bench.benchmarks import (
    Benchmark,
    all_at_once,
    loop_of_minutes,
    one_after_another,
    start_of_environment,
)
from tests.bench.memory import Memory, measure_memory
from tests.bench.peers import JAVA, PEERS, Peer
from tests.bench.report import print_report, write_json
from tests.bench.samples import Comparison
from tests.bench.silence import servers_silenced


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--peers",
        default="java,wire",
        help=f"comma-separated, of {', '.join(PEERS)}; default %(default)s",
    )
    parser.add_argument("--rounds", type=int, default=7, help="default %(default)s")
    parser.add_argument(
        "--crowds",
        default="50,200,1000",
        help="how many workflows at once, comma-separated; default %(default)s",
    )
    parser.add_argument("--crowd-rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument(
        "--limit",
        type=float,
        default=0.05,
        metavar="SECONDS",
        help="real time that each of a crowd may take, ten seconds at least; default %(default)s",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    arguments = parser.parse_args()
    unknown = set(arguments.peers.split(",")) - set(PEERS)
    if unknown:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return arguments


def _benchmarks(arguments: argparse.Namespace) -> Iterator[Benchmark]:
    crowds = [int(count) for count in arguments.crowds.split(",") if count]
    yield start_of_environment(arguments.rounds)
    for sandboxed in (True, False):
        yield one_after_another(arguments.rounds, sandboxed=sandboxed)
        yield loop_of_minutes(arguments.rounds, sandboxed=sandboxed)
        for count in crowds:
            yield all_at_once(arguments.crowd_rounds, count, arguments.limit, sandboxed=sandboxed)


async def _compare(benchmark: Benchmark, peers: Sequence[Peer]) -> Comparison:
    comparison = Comparison(benchmark.title, benchmark.sandboxed, benchmark.alone)
    failed: set[str] = set()
    for turn in range(benchmark.rounds):
        first = turn % len(peers)
        for peer in (*peers[first:], *peers[:first]):
            if peer.name in failed:
                # What it cannot do once it need not fail at again, for as long as the limit.
                continue
            sample = await benchmark.take(peer)
            comparison.add(peer.name, sample)
            if not sample.complete:
                failed.add(peer.name)
    return comparison


def _be_quiet() -> None:
    """Servers under load make the SDK warn about every late answer; the samples tell as much."""
    level = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=level))))
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)


def main() -> None:
    """Runs what the command line asks for."""
    arguments = _arguments()
    _be_quiet()
    peers = [PEERS[name] for name in arguments.peers.split(",")]
    comparisons = []
    memory: Memory | None = None
    with servers_silenced() as terminal, Console(file=terminal).status("...") as status:
        for benchmark in _benchmarks(arguments):
            status.update(benchmark.title)
            comparisons.append(asyncio.run(_compare(benchmark, peers)))
        if "wire" in arguments.peers.split(","):
            status.update("memory")
            memory = measure_memory()
    print_report(Console(), comparisons, memory, baseline=JAVA.name)
    if arguments.json:
        write_json(arguments.json, comparisons, memory, baseline=JAVA.name)


if __name__ == "__main__":
    main()
