"""Names of workflow runs that stay the same from one run of a test to the next."""

from __future__ import annotations

import re
from collections import Counter

from timeskip.server.cluster import Cluster
from timeskip.server.run import Run

_MADE_UP = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.I)


class RunNames:
    """The runs of a cluster by name; the grammar is that of `timeskip.faults.crash_points`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._names: dict[str, str] = {}
        self._runs_of: Counter[tuple[str, str]] = Counter()
        self._made_up: Counter[str] = Counter()
        self._workflows: dict[tuple[str, str], str] = {}

    def name(self, run: Run) -> str:
        """The name of a run. Runs get theirs in the order in which they were started."""
        if run.run_id not in self._names:
            for other in list(self._cluster.runs.values()):
                if other.run_id not in self._names:
                    self._names[other.run_id] = self._new_name(other)
        return self._names[run.run_id]

    def _new_name(self, run: Run) -> str:
        key = (run.namespace.name, run.workflow_id)
        name = self._workflows.get(key)
        if name is None:
            name = self._workflows[key] = self._workflow_name(run)
        self._runs_of[key] += 1
        number = self._runs_of[key]
        return name if number == 1 else f"{name}@{number}"

    def _workflow_name(self, run: Run) -> str:
        found = _MADE_UP.search(run.workflow_id)
        if found is None:
            return run.workflow_id
        before, after = run.workflow_id[: found.start()], run.workflow_id[found.end() :]
        if not (before or after):
            before = run.workflow_type
            parent = self._names.get(run.started.parent_workflow_execution.run_id)
            if parent is not None:
                before = f"{parent}/{before}"
        self._made_up[before + after] += 1
        # What follows is made up as well, more often than not.
        after = _MADE_UP.sub("", after)
        return f"{before}#{self._made_up[before + after]}{after}"
