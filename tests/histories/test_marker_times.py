"""Markers of local activities: nothing is left of their times, whoever has written them."""

from __future__ import annotations

import json

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.history.v1 import History, HistoryEvent, MarkerRecordedEventAttributes

from timeskip.histories.core_markers import LOCAL_ACTIVITY
from timeskip.histories.marker_times import clear_marker_times


@pytest.mark.parametrize("count", [0, 1, 2])
def test_times_go_from_each_payload_that_has_some(count: int) -> None:
    told = json.dumps({"complete_time": {"seconds": 7, "nanos": 1}, "seq": 1}).encode()
    payloads = Payloads(payloads=[Payload(data=told)] * count + [Payload(data=b"not JSON")])
    marker = MarkerRecordedEventAttributes(marker_name=LOCAL_ACTIVITY, details={"data": payloads})
    history = History(events=[HistoryEvent(marker_recorded_event_attributes=marker)])
    clear_marker_times(history)
    *cleared, other = history.events[0].marker_recorded_event_attributes.details["data"].payloads
    assert other.data == b"not JSON"
    expected = {"complete_time": {"seconds": 0, "nanos": 0}, "seq": 1}
    assert [json.loads(payload.data) for payload in cleared] == [expected] * count
