"""Simulations in place of the servers that test suites start for themselves.

Most suites start theirs in a fixture, or in each test, by `WorkflowEnvironment.start_time_skipping()` or
`start_local()`. While these are replaced such a suite runs on simulations as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any

from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment

from timeskip import frozen_time
from timeskip.server.limits import Limits
from timeskip.simulation import Simulation


@contextlib.contextmanager
def environments_replaced(**options: Any) -> Iterator[None]:
    """Within the block the test environments of the SDK are simulations, made with `options`.

    These are `WorkflowEnvironment.start_time_skipping()` and `start_local()`. What is said there of the
    client, the namespace, search attributes and limits of workflows (`--dynamic-config-value`) holds; what
    else is said to the servers' programs means nothing here. Unless `options` say otherwise time begins
    with the machine's, and workflow tasks that fail are tried again as on a server, and nothing is
    replayed when an environment ends. Where the server would skip time the test's own `datetime.now()`
    goes on showing the machine's, as with that server.
    """
    replaced = {
        "start_time_skipping": partial(_start, _TimeSkippingServer, options),
        "start_local": partial(_start, _LocalServer, options),
    }
    theirs = {name: vars(WorkflowEnvironment)[name] for name in replaced}
    for name, start in replaced.items():
        setattr(WorkflowEnvironment, name, staticmethod(start))
    try:
        yield
    finally:
        for name, start in theirs.items():
            setattr(WorkflowEnvironment, name, start)


class _Server(Simulation):
    """Takes the place of a server, whose time stands still for nobody.

    Suites that were written for one may have an activity wait for something that the test does only
    after a timer, or count on the timeout of one that blocks.
    """

    def start(self) -> Simulation:
        super().start()
        self._stall_watch.on_look = self._activity_time.let_pass_for_work
        return self


class _TimeSkippingServer(_Server):
    """Takes the place of a server whose time tests learn from it alone: their own clock does not skip."""

    def start(self) -> Simulation:
        super().start()
        frozen_time.hide(self._time)
        frozen_time.show(self._time, to_activities_alone=True)
        return self


class _LocalServer(_Server):
    """Takes the place of a server that skips no time, of which suites expect more than of the other."""

    @property
    def supports_time_skipping(self) -> bool:
        return False


#: What a simulation understands of what is said to servers.
_UNDERSTOOD = ("namespace", "data_converter", "interceptors", "plugins")

#: The limits of a simulation by the dev server's names for them.
_LIMITS = {
    "limit.historyCount.error": "history_events",
    "limit.historySize.error": "history_bytes",
    "limit.historyCount.suggestContinueAsNew": "suggest_continue_as_new_events",
    "limit.historySize.suggestContinueAsNew": "suggest_continue_as_new_bytes",
    "limit.numPendingActivities.error": "pending_activities",
    "limit.numPendingChildExecutions.error": "pending_children",
    "limit.numPendingSignals.error": "pending_signals",
    "limit.numPendingCancelRequests.error": "pending_cancel_requests",
    "component.nexusoperations.limit.operation.concurrency": "pending_nexus_operations",
    "history.maximumSignalsPerExecution": "signals",
    "history.maxTotalUpdates": "updates",
    "history.maxInFlightUpdates": "updates_in_flight",
    "history.maxInFlightUpdatePayloads": "updates_in_flight_bytes",
    "history.maximumBufferedEventsBatch": "buffered_events",
    "history.maximumBufferedEventsSizeInBytes": "buffered_bytes",
    "limit.mutableStateSize.error": "state_bytes",
}

_KEYS: dict[str, Callable[[str], SearchAttributeKey[Any]]] = {
    "Text": SearchAttributeKey.for_text,
    "Keyword": SearchAttributeKey.for_keyword,
    "Int": SearchAttributeKey.for_int,
    "Double": SearchAttributeKey.for_float,
    "Bool": SearchAttributeKey.for_bool,
    "Datetime": SearchAttributeKey.for_datetime,
    "KeywordList": SearchAttributeKey.for_keyword_list,
}


async def _start(
    kind: type[Simulation], options: dict[str, Any], /, **asked: Any
) -> WorkflowEnvironment:
    return kind(
        **{
            "start_time": datetime.now(timezone.utc),
            "retries_workflow_tasks": True,
            "auto_replay": False,
            **options,
            **{name: asked[name] for name in _UNDERSTOOD if name in asked},
            "search_attributes": [
                *options.get("search_attributes", ()),
                *asked.get("search_attributes", ()),
                *_search_attributes(asked.get("dev_server_extra_args", ())),
            ],
            "limits": _limits(asked.get("dev_server_extra_args", ()), options.get("limits")),
        }
    ).start()


def _search_attributes(arguments: Sequence[str]) -> Iterator[SearchAttributeKey[Any]]:
    """Those of `--search-attribute Name=Type`, as the dev server takes them."""
    for name, kind in _settings("--search-attribute", arguments):
        yield _KEYS[kind](name)


def _limits(arguments: Sequence[str], chosen: Limits | None) -> Limits:
    """Those of `--dynamic-config-value key=value`, unless others are chosen."""
    if chosen is not None:
        return chosen
    told = dict(_settings("--dynamic-config-value", arguments))
    return Limits(**{name: int(told[key]) for key, name in _LIMITS.items() if key in told})


def _settings(option: str, arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The names and values of an option that may be given several times."""
    values = iter(arguments)
    for argument in values:
        given, _, value = argument.partition("=")
        if given == option:
            name, _, setting = (value or next(values)).partition("=")
            yield name, setting
