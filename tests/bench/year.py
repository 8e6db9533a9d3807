"""A long wait and a little work. The sandbox imports all of this for each run."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tests.bench.activities import double


@workflow.defn
class SleepAYear:
    """A year of sleep, then one activity. Returns twice its argument."""

    @workflow.run
    async def run(self, number: int) -> int:
        await workflow.sleep(timedelta(days=365))
        return await workflow.execute_activity(
            double, number, start_to_close_timeout=timedelta(seconds=10)
        )
