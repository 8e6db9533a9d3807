from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    SchedulePolicy,
    ScheduleSpec,
)

from examples.digest.workflows import DigestWorkflow


async def schedule_digests(client: Client, task_queue: str) -> ScheduleHandle:
    """A digest on each working day at seven in the morning, in Paris."""
    return await client.create_schedule(
        "digests",
        Schedule(
            action=ScheduleActionStartWorkflow(
                DigestWorkflow.run, id="digest", task_queue=task_queue
            ),
            spec=ScheduleSpec(cron_expressions=["0 7 * * MON-FRI"], time_zone_name="Europe/Paris"),
            policy=SchedulePolicy(pause_on_failure=True),
        ),
    )
