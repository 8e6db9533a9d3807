"""`python -m tests.bench`: measures, prints a table, and writes the samples on demand."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from tests.bench.auto_replay import AutoReplay, auto_replay, print_auto_replay
from tests.bench.benchmarks import (
    Benchmark,
    all_at_once,
    loop_of_minutes,
    one_after_another,
    start_of_environment,
)
from tests.bench.crash_sweep import CrashSweep, crash_sweeps, print_crash_sweeps
from tests.bench.folder_replay import FolderReplay, folder_replay, print_folder_replay
from tests.bench.growth import LENGTHS, Growth, growth, print_growths
from tests.bench.many_runs import RUNS, Cost, measure_apart, print_costs
from tests.bench.memory import Memory, measure_memory
from tests.bench.peers import DIRECT, JAVA, PEERS, Peer
from tests.bench.pytest_overhead import LANES, Overhead, overhead, print_overheads
from tests.bench.report import print_comparisons, print_memory, write_json
from tests.bench.samples import Comparison, Sample
from tests.bench.silence import servers_silenced

_PARTS = (
    "start",
    "sequence",
    "crowds",
    "growth",
    "runs",
    "pytest",
    "autoreplay",
    "sweep",
    "replay",
    "memory",
)

#: Tests of each kind: what is compared differs by a few milliseconds.
_AUTO_REPLAY_TESTS = 100

#: Columns that the widest table takes.
_WIDTH = 170


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--parts",
        default=",".join(_PARTS),
        help="what to measure, comma-separated; default %(default)s",
    )
    parser.add_argument(
        "--peers",
        default="java,dev-server,wire,direct",
        help=f"comma-separated, of {', '.join(PEERS)}; default %(default)s",
    )
    parser.add_argument("--rounds", type=int, default=7, help="default %(default)s")
    parser.add_argument(
        "--crowds",
        default="50,200,1000",
        help="how many workflows at once, comma-separated; default %(default)s",
    )
    parser.add_argument(
        "--direct-crowd",
        type=int,
        default=10_000,
        help="a crowd for the direct lane only, or 0; default %(default)s",
    )
    parser.add_argument("--crowd-rounds", type=int, default=2, help="default %(default)s")
    parser.add_argument(
        "--limit",
        type=float,
        default=0.05,
        metavar="SECONDS",
        help="real time that each of a crowd may take, ten seconds at least; default %(default)s",
    )
    parser.add_argument(
        "--histories",
        type=int,
        default=1_000,
        help="how many are in the folder that is replayed; default %(default)s",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    arguments = parser.parse_args()
    arguments.parts = _chosen(parser, "part", arguments.parts, _PARTS)
    arguments.peers = _chosen(parser, "peer", arguments.peers, PEERS)
    return arguments


def _chosen(
    parser: argparse.ArgumentParser, what: str, choice: str, known: Collection[str]
) -> list[str]:
    names = choice.split(",")
    unknown = sorted(set(names).difference(known))
    if unknown:
        parser.error(f"no such {what}: {', '.join(unknown)}")
    return names


def _benchmarks(arguments: argparse.Namespace) -> Iterator[Benchmark]:
    crowds = [int(count) for count in arguments.crowds.split(",") if count]
    if "start" in arguments.parts:
        yield start_of_environment(arguments.rounds)
    for sandboxed in (True, False):
        if "sequence" in arguments.parts:
            yield one_after_another(arguments.rounds, sandboxed=sandboxed)
            yield loop_of_minutes(arguments.rounds, sandboxed=sandboxed)
        if "crowds" in arguments.parts:
            for count in crowds:
                yield all_at_once(
                    arguments.crowd_rounds, count, arguments.limit, sandboxed=sandboxed
                )
            if arguments.direct_crowd and DIRECT.name in arguments.peers:
                yield all_at_once(
                    1,
                    arguments.direct_crowd,
                    arguments.limit,
                    sandboxed=sandboxed,
                    only=DIRECT.name,
                )


class _Bench:
    """Has peers take turns, and remembers which of them are at the end of their powers."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers
        self._overrun: set[tuple[str, bool | None]] = set()

    async def compare(self, benchmark: Benchmark) -> Comparison:
        comparison = Comparison(benchmark.title, benchmark.sandboxed, benchmark.alone)
        for turn in range(benchmark.rounds):
            first = turn % len(self._peers)
            for peer in (*self._peers[first:], *self._peers[:first]):
                if self._takes_part(peer, benchmark, turn):
                    comparison.add(peer.name, await self._sample(benchmark, peer))
            if DIRECT in self._peers:
                for name, take in benchmark.unavoidable.items():
                    comparison.add(name, await take())
        return comparison

    def _takes_part(self, peer: Peer, benchmark: Benchmark, turn: int) -> bool:
        if benchmark.only not in (None, peer.name):
            return False
        if peer.rounds is not None and turn >= peer.rounds:
            return False
        return (peer.name, benchmark.sandboxed) not in self._overrun

    async def _sample(self, benchmark: Benchmark, peer: Peer) -> Sample:
        sample = await benchmark.take(peer)
        if not sample.complete:
            # What it cannot do once, or with fewer, it need not fail at again for as long.
            self._overrun.add((peer.name, benchmark.sandboxed))
        return sample


def _be_quiet() -> None:
    """Servers under load make the SDK warn about every late answer; the samples tell as much."""
    level = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=level))))
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)


def main() -> None:
    """Runs what the command line asks for."""
    arguments = _arguments()
    # Without bytecode the sandbox, which imports the workflows for each run, would compile them too.
    sys.dont_write_bytecode = False
    _be_quiet()
    # In a narrow terminal lines that wrap are better than figures that are cut off.
    console = Console(width=max(Console().width, _WIDTH))
    bench = _Bench([PEERS[name] for name in arguments.peers])
    comparisons: list[Comparison] = []
    growths: list[Growth] = []
    costs: list[Cost] = []
    overheads: list[Overhead] = []
    auto_replays: list[AutoReplay] = []
    sweeps: list[CrashSweep] = []
    folder: FolderReplay | None = None
    memory: Memory | None = None
    with servers_silenced() as terminal, Console(file=terminal).status("...") as status:
        for benchmark in _benchmarks(arguments):
            status.update(benchmark.title)
            comparisons.append(asyncio.run(bench.compare(benchmark)))
        if "growth" in arguments.parts:
            for events in LENGTHS:
                status.update(f"{events:,} events")
                growths.append(asyncio.run(growth(events)))
        if "runs" in arguments.parts:
            for runs in RUNS:
                status.update(f"{runs:,} open runs")
                costs.append(measure_apart(runs))
        if "pytest" in arguments.parts:
            status.update("pytest")
            overheads += map(overhead, LANES)
        if "autoreplay" in arguments.parts:
            status.update("automatic replay")
            auto_replays += auto_replay(_AUTO_REPLAY_TESTS)
        if "sweep" in arguments.parts:
            status.update("sweep")
            sweeps += crash_sweeps(arguments.rounds)
        if "replay" in arguments.parts:
            status.update("replay")
            folder = folder_replay(arguments.histories)
        if "memory" in arguments.parts:
            status.update("memory")
            memory = measure_memory()
    if comparisons:
        print_comparisons(console, comparisons, baseline=JAVA.name)
    if growths:
        print_growths(console, growths)
    if costs:
        print_costs(console, costs)
    if overheads:
        print_overheads(console, overheads)
    if auto_replays:
        print_auto_replay(console, auto_replays)
    if sweeps:
        print_crash_sweeps(console, sweeps)
    if folder is not None:
        print_folder_replay(console, folder)
    if memory is not None:
        print_memory(console, memory)
    if arguments.json:
        write_json(arguments.json, comparisons, memory, baseline=JAVA.name)


if __name__ == "__main__":
    main()
