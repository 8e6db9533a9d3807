"""Whatever a history holds, it can be asked, compared and shown: others record others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History as Recorded

from tests.histories.arbitrary import histories
from tests.histories.recorded import named
from timeskip import HistoryUnreadable
from timeskip.histories import History
from timeskip.timeline import Timeline


@st.composite
def sound_histories(draw: st.DrawFn) -> Recorded:
    """Histories whose events have the attributes of their types, and markers as SDKs write them."""
    history = draw(histories())
    for event in history.events:
        if event.WhichOneof("attributes") is None:
            event.activity_task_started_event_attributes.SetInParent()
        kind = str(event.WhichOneof("attributes")).removesuffix("_event_attributes")
        event.event_type = EventType.Value(f"EVENT_TYPE_{kind.upper()}")
        if event.HasField("marker_recorded_event_attributes"):
            marker = event.marker_recorded_event_attributes
            names = ["core_patch", "core_local_activity", "LocalActivity", "Version"]
            marker.marker_name = draw(st.sampled_from(names))
            if draw(st.booleans()):
                payload = marker.details["data"].payloads.add()
                payload.data = draw(st.sampled_from([b'{"id": 3}', b"[]", b"\xff"]))
    return history


@settings(max_examples=100)
@given(sound_histories())
def test_any_history_can_be_asked_and_shown(recorded: Recorded) -> None:
    history = History(recorded)
    for kind in ("activities", "timers", "signals", "updates", "children", "nexus_operations"):
        assert len(getattr(history, kind)) <= len(recorded.events)
    assert len(list(map(repr, history.events))) == len(recorded.events)
    assert history.status
    assert history.result is None or history.failure is None
    assert str(Timeline(recorded)) or not recorded.events
    assert history.commands == history.commands
    assert history.shape == history.shape


def test_part_of_a_history_can_be_asked_and_shown() -> None:
    whole = History.load(named("dinner")).recorded
    for start in range(len(whole.events)):
        part = History(Recorded(events=whole.events[start:]))
        assert len(part.activities) <= 5
        assert str(Timeline(part.recorded))


def test_event_with_the_attributes_of_another_type_is_refused(tmp_path: Path) -> None:
    data = json.loads(named("dinner").read_text("utf-8"))
    data["events"][1]["eventType"] = "EVENT_TYPE_TIMER_FIRED"
    file = tmp_path / "mixed.json"
    file.write_text(json.dumps(data))
    with pytest.raises(HistoryUnreadable, match="event 2: it has no timer_fired_event_attributes"):
        History.load(file)
