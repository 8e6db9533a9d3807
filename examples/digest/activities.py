from datetime import date, datetime, timezone

from temporalio import activity


@activity.defn
async def collect_headlines(since: str | None) -> list[str]:
    """What has been written since the last digest, on that day. A real one would ask the news service."""
    today = datetime.now(timezone.utc).date()
    days = 1 if since is None else (today - date.fromisoformat(since)).days
    return [f"{today:%A}'s news"] if days == 1 else [f"the news of {days} days"]
