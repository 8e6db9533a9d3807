"""What a run remembers of the worker builds that completed its workflow tasks."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowTaskCompletedEventAttributes

from timeskip.server.applied_events import applies

if TYPE_CHECKING:
    from timeskip.server.run import Run

_BUILD_IDS = "BuildIds"
_DEPLOYMENT = "TemporalWorkerDeployment"

#: `json.dumps` would make an encoder for every list.
_to_json = json.JSONEncoder(separators=(",", ":")).encode

#: Stands for all workers that are not versioned, and begins the entry of each of their builds.
_UNVERSIONED = "unversioned"


@applies(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
def _remember(run: Run, event: HistoryEvent) -> None:
    completed = event.workflow_task_completed_event_attributes
    run.last_completed_started_id = completed.started_event_id
    run.worker_version = completed.worker_version if completed.HasField("worker_version") else None
    _tell_deployment(run, completed.worker_deployment_name)
    _add_reset_point(run, completed, event.event_id)
    _add_build_ids(run, completed.worker_version.build_id)


def _tell_deployment(run: Run, name: str) -> None:
    """The deployment of the worker that was last at work, for descriptions and list filters."""
    run.worker_deployment = name
    if name:
        run.search_attributes[_DEPLOYMENT] = Payload(
            metadata={"encoding": b"json/plain", "type": b"Keyword"}, data=json.dumps(name).encode()
        )
    else:
        run.search_attributes.pop(_DEPLOYMENT, None)


def _add_reset_point(
    run: Run, completed: WorkflowTaskCompletedEventAttributes, completed_event_id: int
) -> None:
    """Where the run could be reset to if this worker's build turns out to be bad."""
    build_id = completed.worker_version.build_id
    checksum = "" if build_id else completed.binary_checksum
    if (build_id, checksum) == run.last_build:
        return
    run.last_build = (build_id, checksum)
    known = [(point.build_id, point.binary_checksum) for point in run.reset_points.points]
    if (build_id, checksum) in known:
        return
    point = run.reset_points.points.add(
        build_id=build_id,
        binary_checksum=checksum,
        run_id=run.run_id,
        first_workflow_task_completed_id=completed_event_id,
        resettable=True,
    )
    point.create_time.FromNanoseconds(run.cluster.clock.now())
    if checksum:
        checksums = [point.binary_checksum for point in run.reset_points.points]
        run.search_attributes["BinaryChecksums"] = _keywords(*filter(None, checksums))


def _add_build_ids(run: Run, build_id: str) -> None:
    """The search attribute by which people find the runs that a build has touched.

    What people have put there themselves stays.
    """
    shown = run.search_attributes.get(_BUILD_IDS)
    build = f"{_UNVERSIONED}:{build_id}" if build_id else _UNVERSIONED
    if shown is not None and shown is run.shown_build_ids and build in run.build_ids:
        return
    known = run.build_ids if shown is None else _texts(json.loads(shown.data))
    run.build_ids = [_UNVERSIONED, *(entry for entry in known if entry != _UNVERSIONED)]
    if build not in run.build_ids:
        run.build_ids.append(build)
    show_build_ids(run)


def show_build_ids(run: Run) -> None:
    """Let the search attribute tell the builds; with an override the run counts as versioned."""
    hidden = "" if run.versioning_override is None else _UNVERSIONED
    shown = [entry for entry in run.build_ids if entry != hidden]
    if shown:
        run.shown_build_ids = run.search_attributes[_BUILD_IDS] = _keywords(*shown)
    else:
        run.search_attributes.pop(_BUILD_IDS, None)


def _texts(value: object) -> list[str]:
    """The entries of a list of keywords, which may also be written as one keyword."""
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, str)]


@functools.lru_cache
def _keywords(*keywords: str) -> Payload:
    """A list of keywords as the service itself writes it into search attributes. Not to be changed."""
    return Payload(
        metadata={"encoding": b"json/plain", "type": b"KeywordList"},
        data=_to_json(keywords).encode(),
    )
