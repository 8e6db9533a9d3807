from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from examples.digest.activities import collect_headlines


@workflow.defn
class DigestWorkflow:
    """Sends a digest, and tells the next one when that was."""

    @workflow.run
    async def run(self) -> str:
        last = workflow.get_last_completion_result(str)
        headlines = await workflow.execute_activity(
            collect_headlines, last, start_to_close_timeout=timedelta(minutes=1)
        )
        workflow.logger.info("The digest: %s", ", ".join(headlines))
        return workflow.now().date().isoformat()
