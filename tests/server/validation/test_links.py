from __future__ import annotations

import pytest
from temporalio.api.common.v1 import Link
from temporalio.api.enums.v1 import EventType

from tests.server.validation.refusals import refusal
from timeskip.server.validation.links import validate_links

BATCH = Link(batch_job=Link.BatchJob(job_id="j"))
EVENT = Link.WorkflowEvent(namespace="n", workflow_id="w", run_id="r")


def without(field: str) -> Link:
    event = Link.WorkflowEvent()
    event.CopyFrom(EVENT)
    event.ClearField(field)  # type: ignore[arg-type]
    return Link(workflow_event=event)


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([BATCH] * 11, "cannot attach more than 10 links per request, got 11"),
        ([BATCH, Link()], "unsupported link variant"),
        (
            [Link(batch_job=Link.BatchJob())],
            "batch job link must not have an empty job ID",
        ),
        (
            [without("namespace")],
            "workflow event link must not have an empty namespace field",
        ),
        (
            [without("workflow_id")],
            "workflow event link must not have an empty workflow ID field",
        ),
        ([without("run_id")], "workflow event link must not have an empty run ID field"),
        (
            [
                Link(
                    workflow_event=Link.WorkflowEvent(
                        namespace="n",
                        workflow_id="w",
                        run_id="r",
                        event_ref=Link.WorkflowEvent.EventReference(event_id=3),
                    )
                )
            ],
            "workflow event link ref cannot have an unspecified event type and a non-zero event ID",
        ),
    ],
)
def test_validate_links_refuses(links: list[Link], message: str) -> None:
    assert refusal(validate_links, links) == message


def test_validate_links_accepts() -> None:
    started = Link.WorkflowEvent.EventReference(
        event_id=1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    )
    event = Link.WorkflowEvent(namespace="n", workflow_id="w", run_id="r", event_ref=started)
    validate_links([BATCH, Link(workflow_event=EVENT), Link(workflow_event=event)])
