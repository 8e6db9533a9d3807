"""The workflows that are compared, and nothing else: the sandbox imports all of this for each run."""

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def double(number: int) -> int:
    return 2 * number


@workflow.defn
class SleepAYear:
    """A year of sleep, then one activity. Returns twice its argument."""

    @workflow.run
    async def run(self, number: int) -> int:
        await workflow.sleep(timedelta(days=365))
        return await workflow.execute_activity(
            double, number, start_to_close_timeout=timedelta(seconds=10)
        )


@workflow.defn
class Minutes:
    """An activity and a timer of a minute, over and over. Returns the number of rounds."""

    @workflow.run
    async def run(self, rounds: int) -> int:
        done = 0
        for _ in range(rounds):
            await workflow.execute_activity(
                double, done, start_to_close_timeout=timedelta(seconds=10)
            )
            await workflow.sleep(timedelta(minutes=1))
            done += 1
        return done
