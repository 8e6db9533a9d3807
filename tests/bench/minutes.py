"""Many short waits, with a little work in between."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tests.bench.activities import double


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
