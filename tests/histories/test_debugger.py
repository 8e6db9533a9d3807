"""A person at a debugger who steps through a replay: pdb in a process of its own, told what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEST = """
from datetime import timedelta

from temporalio import activity, workflow

from timeskip.histories import replay_to


@activity.defn
async def double(number: int) -> int:
    return 2 * number


@workflow.defn
class Sum:
    def __init__(self) -> None:
        self.total = 0

    @workflow.run
    async def run(self, numbers: int) -> int:
        for number in range(numbers):
            doubled = await workflow.execute_activity(
                double, number, start_to_close_timeout=timedelta(seconds=5)
            )
            if workflow.unsafe.is_replaying():
                breakpoint()
            self.total += doubled
        return self.total


def test_sum(sim):
    async def recorded():
        async with sim.worker(workflows=[Sum], activities=[double]):
            sum = await sim.client.start_workflow(Sum.run, 3, id="sum", task_queue=sim.task_queue)
            await sum.result()
        return await sim.history(sum)

    async def debugged(history):
        async with replay_to(history, 16, workflows=[Sum], debug_mode=True) as replayed:
            print("reached", replayed.workflow.total)

    sim.run(debugged(sim.run(recorded())))
"""

#: Looks at a variable, takes a step, looks at what came of it; goes on, and on once more.
COMMANDS = """\
p "first", number, doubled
n
p "then", self.total
c
p "second", number, doubled
c
"""


def test_debugger_steps_through_a_sandboxed_workflow(tmp_path: Path) -> None:
    file = tmp_path / "test_sum.py"
    file.write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-q", "--timeskip-auto-replay=no", str(file)],
        input=COMMANDS,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    for line in ("('first', 0, 0)", "('then', 0)", "('second', 1, 2)", "reached 2", "1 passed"):
        assert line in done.stdout, done.stdout + done.stderr
