"""Workflow tasks and queries that the cores of workers have taken, and hand to no code.

A core whose cache is full keeps tasks until there is room, or drops them. Time need not wait for those:
what the core does with one all the same counts, and otherwise the task times out, as in production.
"""

from __future__ import annotations

from collections.abc import Container

from timeskip.server.cluster import Cluster
from timeskip.server.queries import QueryTask
from timeskip.server.workflow_tasks import WorkflowTask


class KeptByCores:
    """What was found to be so the last time that somebody looked."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kept: set[WorkflowTask | QueryTask] = set()

    def __contains__(self, task: object) -> bool:
        return task in self._kept

    @property
    def has_queries(self) -> bool:
        """Whether there are queries among them that are still waited for."""
        return not self._kept.isdisjoint(self._cluster.started_queries.values())

    def look(self, identities: Container[str], in_hand: Container[str]) -> list[WorkflowTask]:
        """Those of these workers, but for the runs in hand. The workflow tasks among them."""
        runs = self._cluster.started_workflow_tasks.values()
        tasks = [run.workflow_task for run in runs if run.workflow_task is not None]
        taken: list[WorkflowTask | QueryTask] = [*tasks, *self._cluster.started_queries.values()]
        self._kept = {
            each for each in taken if each.identity in identities and each.run.run_id not in in_hand
        }
        return [task for task in tasks if task in self._kept]
