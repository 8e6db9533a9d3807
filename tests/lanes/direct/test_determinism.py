"""The direct lane does the same thing for the same seed, to the last byte and in every process.

Pinned here as well: what the seed may change, and what is a matter of the machine after all.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from tests.lanes.direct.busy import Record, busy, threaded

SEEDS = range(1, 11)


def record_of(seed: int) -> Record:
    return asyncio.run(busy(seed))


def assert_same(one: Record, other: Record) -> None:
    """Equal, or else where they part."""
    for number, (first, second) in enumerate(zip(one.trace, other.trace, strict=False)):
        assert first == second, f"the traces part at call {number}"
    assert one == other


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_same_seed_gives_the_same_bytes_and_the_same_trace(seed: int) -> None:
    assert_same(record_of(seed), record_of(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_ten_runs_of_one_seed_are_one_run(seed: int) -> None:
    first, *others = (record_of(seed) for _ in range(10))
    for other in others:
        assert_same(first, other)


@pytest.mark.slow
def test_other_processes_with_other_hashes_record_the_same() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.lanes.direct.busy", *map(str, SEEDS)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2", "3")
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    digests = "".join(f"{seed} {record_of(seed).digest()}\n" for seed in SEEDS)
    assert outputs == [digests] * 3


def test_seeds_choose_among_the_orders_of_what_happens_at_one_instant() -> None:
    records = [record_of(seed) for seed in (1, 2, 3)]
    orders = {tuple(log[:-2]) for record in records for log in record.logs}
    assert len(orders) > 1, "every seed completed the activities in one order"
    for order in orders:
        # Nothing is lost, and nothing comes twice: only its place differs.
        assert sorted(order) == sorted(min(orders))


def test_seeds_choose_who_gets_a_task() -> None:
    shares = {
        tuple(identity in history for history in record.histories.values())
        for record in map(record_of, (1, 2, 3))
        for identity in (b"worker-0",)
    }
    assert len(shares) > 1


def test_seed_zero_keeps_to_the_order_of_asking() -> None:
    for log in record_of(0).logs:
        assert log[:3] == ["a", "b", "c"]
        packed = [entry for entry in log if entry.startswith("[")]
        assert packed == ["[hat]", "[mug]", "[pen]", "[cup]"]


def test_activity_that_blocks_a_thread_is_part_of_the_order() -> None:
    first, *others = (asyncio.run(threaded(1)) for _ in range(3))
    for other in others:
        # A call that comes from the thread finds the same state whenever it comes, as nobody else
        # has anything to do.
        assert_same(first, other)
