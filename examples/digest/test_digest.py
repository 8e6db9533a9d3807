from datetime import datetime, timedelta, timezone

from temporalio import activity
from temporalio.exceptions import ApplicationError

from examples.digest.activities import collect_headlines
from examples.digest.schedules import schedule_digests
from examples.digest.workflows import DigestWorkflow
from timeskip import Simulation


async def test_two_weeks_have_ten_digests(sim: Simulation) -> None:
    async with sim.worker(workflows=[DigestWorkflow], activities=[collect_headlines]):
        schedule = await schedule_digests(sim.client, sim.task_queue)
        await sim.sleep(timedelta(days=14))

    info = (await schedule.describe()).info
    assert [f"{action.started_at:%a %H:%M}" for action in info.recent_actions] == [
        f"{day} 06:00" for day in ("Mon", "Tue", "Wed", "Thu", "Fri") * 2
    ]


async def test_digest_after_a_weekend_has_the_news_of_three_days(sim: Simulation) -> None:
    collected: list[list[str]] = []

    @activity.defn(name="collect_headlines")
    async def remember(since: str | None) -> list[str]:
        collected.append(await collect_headlines(since))
        return collected[-1]

    async with sim.worker(workflows=[DigestWorkflow], activities=[remember]):
        await schedule_digests(sim.client, sim.task_queue)
        await sim.run_until(lambda: len(collected) == 6)

    assert collected[4:] == [["Friday's news"], ["the news of 3 days"]]


async def test_failed_digest_stops_all_until_somebody_has_looked(sim: Simulation) -> None:
    @activity.defn(name="collect_headlines")
    async def fail_on_wednesdays(since: str | None) -> list[str]:
        if datetime.now(timezone.utc).strftime("%a") == "Wed":
            raise ApplicationError("the press is on strike", non_retryable=True)
        return await collect_headlines(since)

    async with sim.worker(workflows=[DigestWorkflow], activities=[fail_on_wednesdays]):
        schedule = await schedule_digests(sim.client, sim.task_queue)
        await sim.sleep(timedelta(days=7))
        description = await schedule.describe()
        assert description.schedule.state.paused
        assert description.info.num_actions == 3

        await schedule.unpause(note="they are back")
        await sim.sleep(timedelta(days=2))
        assert (await schedule.describe()).info.num_actions == 5
