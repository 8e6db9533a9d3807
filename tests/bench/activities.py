"""What the workflows of the benchmarks have done."""

from temporalio import activity


@activity.defn
async def double(number: int) -> int:
    return 2 * number
