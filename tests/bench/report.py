"""The comparison, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.bench.floor import FLOOR
from tests.bench.memory import Memory
from tests.bench.peers import DIRECT
from tests.bench.samples import Comparison
from tests.bench.sdk_alone import SDK

_LEGEND = (
    "Real time, median of rounds; or how many ended right, if not all did in time.\n"
    "{baseline}/...: how many times as fast as {baseline}, median of ratios within a round.\n"
    "crowd: what one of many at once costs, as a multiple of one after another.\n"
    "floor: the same activations given straight to the SDK's workflow instances, and the activity"
    " functions awaited.\n"
    "sdk: the same through a worker and a client of the SDK's, with a core and a server that cost"
    " nothing."
)

#: The peers whose crowds must not cost much more than what they do one after another.
_OURS = ("wire", DIRECT.name)


def print_comparisons(
    console: Console, comparisons: Sequence[Comparison], *, baseline: str
) -> None:
    """Prints one table, with a line for each comparison."""
    peers = list(dict.fromkeys(peer for c in comparisons for peer in c.samples))
    unavoidable = [name for name in (FLOOR, SDK) if name in peers]
    for name in unavoidable:
        peers.remove(name)
    rivals = [peer for peer in peers if peer != baseline] if baseline in peers else []
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    table.add_column("benchmark", no_wrap=True)
    table.add_column("sandbox", no_wrap=True)
    for peer in peers:
        table.add_column(peer, justify="right", no_wrap=True)
    for rival in rivals:
        table.add_column(f"{baseline}/{rival}", justify="right")
    for peer in _OURS:
        if peer in peers:
            table.add_column(f"crowd {peer}", justify="right")
    for name in unavoidable:
        table.add_column(name, justify="right", no_wrap=True)
        table.add_column(f"{DIRECT.name}/{name}", justify="right")
    for comparison in comparisons:
        cells = [_cell(comparison, peer) for peer in peers]
        cells += [_ratio(comparison.speedup(baseline, rival)) for rival in rivals]
        cells += [_crowd_cost(comparison, comparisons, peer) for peer in _OURS if peer in peers]
        for name in unavoidable:
            cells.append(_cell(comparison, name))
            over = comparison.speedup(DIRECT.name, name)
            cells.append(Text(f"{over:.1f}" if over else ""))
        sandbox = {None: "", True: "yes", False: "no"}[comparison.sandboxed]
        table.add_row(comparison.title, sandbox, *cells)
    console.print(table)
    console.print(_LEGEND.format(baseline=baseline))


def print_memory(console: Console, memory: Memory) -> None:
    """Prints one line."""
    console.print(
        f"Memory of the simulated server: {memory.bytes_per_open_workflow / 1024:.1f} KiB for"
        f" each open workflow, {memory.bytes_per_event / 1024:.2f} KiB for each further event."
    )


def write_json(
    file: Path, comparisons: Sequence[Comparison], memory: Memory | None, *, baseline: str
) -> None:
    """Writes every sample, with the medians and ratios that the table shows."""
    report = {
        "comparisons": [_as_json(comparison, baseline) for comparison in comparisons],
        "memory": asdict(memory) if memory else None,
    }
    file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _cell(comparison: Comparison, peer: str) -> Text:
    worst = comparison.least_right(peer)
    if worst is None:
        return Text("")
    if not worst.complete:
        return Text(f"{worst.right:,} of {worst.asked:,}", "red")
    return Text(f"{(comparison.median_seconds(peer) or 0) * 1000:,.1f} ms")


def _ratio(speedup: float | None) -> Text:
    if speedup is None:
        return Text("")
    return Text(f"{speedup:.2f}", "green" if speedup >= 1 else "yellow")


def _crowd_cost(crowd: Comparison, comparisons: Sequence[Comparison], peer: str) -> Text:
    """What one of a crowd costs, as a multiple of what one costs alone."""
    together = crowd.median_seconds(peer)
    for comparison in comparisons:
        if (comparison.title, comparison.sandboxed) == (crowd.alone, crowd.sandboxed):
            alone = comparison.median_seconds(peer)
            if alone and together:
                return Text(f"{together / alone:.2f}")
    return Text("")


def _as_json(comparison: Comparison, baseline: str) -> dict[str, Any]:
    return {
        "title": comparison.title,
        "sandboxed": comparison.sandboxed,
        "peers": {
            peer: {
                "median_seconds": comparison.median_seconds(peer),
                f"times_as_fast_as_{baseline}": comparison.speedup(baseline, peer),
                "samples": [asdict(sample) for sample in samples],
            }
            for peer, samples in comparison.samples.items()
        },
    }
