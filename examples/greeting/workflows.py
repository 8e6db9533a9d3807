from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from examples.greeting.activities import compose_greeting


@dataclass(frozen=True)
class GreetingRequest:
    name: str
    delay_seconds: float = 0


@workflow.defn
class GreetingWorkflow:
    """Greets somebody, at once or after a durable sleep."""

    @workflow.run
    async def run(self, request: GreetingRequest) -> str:
        if request.delay_seconds > 0:
            await workflow.sleep(timedelta(seconds=request.delay_seconds))
        return await workflow.execute_activity(
            compose_greeting,
            request.name,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
