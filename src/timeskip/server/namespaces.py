"""Namespaces: the unit of isolation, with its runs and its search attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import IndexedValueType, NamespaceState

from timeskip.clock import SECOND, Nanoseconds

if TYPE_CHECKING:
    from timeskip.server.batch_jobs import BatchJob
    from timeskip.server.run import Run
    from timeskip.server.schedules.schedule import Schedule

_DAY: Nanoseconds = 24 * 3600 * SECOND

DEFAULT_RETENTION: Nanoseconds = _DAY

#: What the service's own namespace is called.
SYSTEM_NAMESPACE = "temporal-system"

#: Bytes that a payload, a memo and the commands of a workflow task may have, as on the dev server.
BLOB_SIZE_LIMIT = 2 * 1024 * 1024
MEMO_SIZE_LIMIT = 2 * 1024 * 1024
WORKFLOW_TASK_COMPLETION_SIZE_LIMIT = 40 * 1024 * 1024


class Namespace:
    """A namespace and what it holds. `runs_of` lists the runs of each workflow id, oldest first."""

    def __init__(
        self,
        name: str,
        id: str,
        *,
        description: str = "",
        owner_email: str = "",
        retention: Nanoseconds = DEFAULT_RETENTION,
        data: dict[str, str] | None = None,
        registered: bool = False,
    ) -> None:
        self.name = name
        self.id = id
        self.description = description
        self.owner_email = owner_email
        self.retention = retention
        self.data = data or {}
        #: Made by `RegisterNamespace` rather than with the cluster; descriptions show the difference.
        self.registered = registered
        self.state = NamespaceState.NAMESPACE_STATE_REGISTERED
        self.runs_of: dict[str, list[Run]] = {}
        self.search_attributes: dict[str, IndexedValueType.ValueType] = {}
        self.batch_jobs: dict[str, BatchJob] = {}
        #: Those that are gone too, until others take their ids.
        self.schedules: dict[str, Schedule] = {}

    def current_run(self, workflow_id: str) -> Run | None:
        """The newest run of a workflow id, open or closed."""
        runs = self.runs_of.get(workflow_id)
        return runs[-1] if runs else None


def system_namespace(namespace_id: str) -> Namespace:
    """The namespace that every service keeps for its own workflows."""
    return Namespace(
        SYSTEM_NAMESPACE,
        namespace_id,
        description="Temporal internal system namespace",
        owner_email="temporal-core@temporal.io",
        retention=7 * _DAY,
    )
