"""A workflow that can be asked how far it has got, and told to end."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tests.bench.activities import double


@workflow.defn
class Attentive:
    """Goes through minutes, and then waits to be told that it may end."""

    def __init__(self) -> None:
        self._rounds = 0
        self._may_end = False

    @workflow.run
    async def run(self, rounds: int) -> None:
        for _ in range(rounds):
            await workflow.execute_activity(
                double, self._rounds, start_to_close_timeout=timedelta(seconds=10)
            )
            await workflow.sleep(timedelta(minutes=1))
            self._rounds += 1
        await workflow.wait_condition(lambda: self._may_end)

    @workflow.signal
    def end(self) -> None:
        self._may_end = True

    @workflow.query
    def rounds(self) -> int:
        return self._rounds
