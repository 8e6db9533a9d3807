"""The test service: clients lock and unlock time, sleep in it, and ask for it.

Test environments of the SDKs speak it to Temporal's Java test server: they unlock time while they
wait for a result, and lock it again. How that goes with the rule by which time moves here:

- As long as nobody locks or unlocks, nothing is different: time jumps while somebody waits for it and
  nobody has anything to do. `Sleep` is such a wait.
- The first `LockTimeSkipping`, `UnlockTimeSkipping` or `UnlockTimeSkippingWithSleep` begins to count
  locks, see `TimeLocks`. While there is one, time keeps the machine's pace. Once there is none, time
  jumps whenever nobody has anything to do, even if nobody waits: to unlock time is to wait for it.

Locks mean nothing to the real clock, nor to a manual one.
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.testservice.v1 import (
    GetCurrentTimeResponse,
    LockTimeSkippingRequest,
    LockTimeSkippingResponse,
    SleepRequest,
    SleepResponse,
    SleepUntilRequest,
    UnlockTimeSkippingRequest,
    UnlockTimeSkippingResponse,
)

from timeskip.clock import SECOND, Nanoseconds
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.rpcs import TEST_SERVICE, rpc
from timeskip.server.validation.durations import nanoseconds

#: What fits into 64 bits, as on a real server.
_LAST_INSTANT: Nanoseconds = 2**63 - 1


@rpc("LockTimeSkipping", TEST_SERVICE)
def lock_time_skipping(
    cluster: Cluster, call: Call, request: LockTimeSkippingRequest
) -> LockTimeSkippingResponse:
    cluster.time_locks.add()
    return LockTimeSkippingResponse()


@rpc("UnlockTimeSkipping", TEST_SERVICE)
def unlock_time_skipping(
    cluster: Cluster, call: Call, request: UnlockTimeSkippingRequest
) -> UnlockTimeSkippingResponse:
    cluster.time_locks.remove()
    return UnlockTimeSkippingResponse()


@rpc("Sleep", TEST_SERVICE)
def sleep(cluster: Cluster, call: Call, request: SleepRequest) -> SleepResponse | None:
    return _sleep(cluster, call, cluster.clock.now() + nanoseconds(request.duration))


@rpc("SleepUntil", TEST_SERVICE)
def sleep_until(cluster: Cluster, call: Call, request: SleepUntilRequest) -> SleepResponse | None:
    return _sleep(cluster, call, _instant(request.timestamp))


@rpc("UnlockTimeSkippingWithSleep", TEST_SERVICE)
def unlock_time_skipping_with_sleep(
    cluster: Cluster, call: Call, request: SleepRequest
) -> SleepResponse | None:
    """Time is locked again at the end of the sleep, whether or not the caller still waits for it."""
    until = cluster.clock.now() + nanoseconds(request.duration)
    cluster.time_locks.remove()
    return _sleep(cluster, call, until, cluster.time_locks.add)


@rpc("GetCurrentTime", TEST_SERVICE)
def get_current_time(cluster: Cluster, call: Call, request: Empty) -> GetCurrentTimeResponse:
    time = Timestamp()
    time.FromNanoseconds(cluster.clock.now())
    return GetCurrentTimeResponse(time=time)


def _instant(timestamp: Timestamp) -> Nanoseconds:
    """The instant, however oddly it is written; one beyond the year 2262 counts as the last."""
    return min(timestamp.seconds * SECOND + timestamp.nanos, _LAST_INSTANT)


def _sleep(
    cluster: Cluster,
    call: Call,
    until: Nanoseconds,
    at_end: Callable[[], None] = lambda: None,
) -> SleepResponse | None:
    if until <= cluster.clock.now():
        at_end()
        return SleepResponse()

    def forget() -> None:
        cluster.sleeping_calls.pop(call, None)

    def wake() -> None:
        forget()
        at_end()
        call.respond(SleepResponse())

    cluster.sleeping_calls[call] = None
    call.may_last = True
    call.on_cancel = forget
    cluster.clock.schedule(until, wake)
    return None
