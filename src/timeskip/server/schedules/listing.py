"""The RPCs that list and count schedules."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from temporalio.api.workflowservice.v1 import (
    CountSchedulesRequest,
    CountSchedulesResponse,
    ListSchedulesRequest,
    ListSchedulesResponse,
)

from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.namespaces import Namespace
from timeskip.server.rpcs import rpc
from timeskip.server.schedules.descriptions import listed
from timeskip.server.visibility.listing import failed, of_namespace
from timeskip.server.visibility.pages import page_size, parsed_token, token_after
from timeskip.server.visibility.store import Condition

if TYPE_CHECKING:
    from timeskip.server.schedules.schedule import Schedule


@rpc("ListSchedules")
def list_schedules(
    cluster: Cluster, call: Call, request: ListSchedulesRequest
) -> ListSchedulesResponse:
    """In pages, the newest first. A full page has a token even if nothing comes after it."""
    namespace = cluster.namespace(request.namespace)
    condition = _condition(namespace, request.query)
    after = parsed_token(request.next_page_token)
    size = page_size(request.maximum_page_size)
    schedules = _refreshed(cluster)
    try:
        places = cluster.schedule_visibility.page(condition, after, size)
    except sqlite3.OperationalError as error:
        raise failed("ListWorkflowExecutions", error) from None
    return ListSchedulesResponse(
        schedules=[listed(schedules[place.run_id]) for place in places],
        next_page_token=token_after(places[-1]) if len(places) == size else b"",
    )


@rpc("CountSchedules")
def count_schedules(
    cluster: Cluster, call: Call, request: CountSchedulesRequest
) -> CountSchedulesResponse:
    namespace = cluster.namespace(request.namespace)
    condition = _condition(namespace, request.query)
    _refreshed(cluster)
    try:
        return CountSchedulesResponse(count=cluster.schedule_visibility.count(condition))
    except sqlite3.OperationalError as error:
        raise failed("CountWorkflowExecutions", error) from None


def _refreshed(cluster: Cluster) -> dict[str, Schedule]:
    """All schedules by the ids by which the store, which now has them, knows them."""
    schedules = {schedule.run_id: schedule for schedule in cluster.open_schedules()}
    cluster.schedule_visibility.refresh(schedules)
    return schedules


def _condition(namespace: Namespace, query: str) -> Condition:
    own = of_namespace(namespace)
    if not query:
        return own
    # The parser takes a tenth of a second to import, which only those who filter should pay.
    from timeskip.server.visibility.schedule_filter import schedule_filter

    return own.both(schedule_filter(query, namespace.search_attributes))
