"""Why no scenario proves some of the options that answered RPCs and commands have.

Each is either refused, or there is a reason why nothing has to come of it. A house rule demands that
every option is proven or told here.
"""

from __future__ import annotations

from collections.abc import Mapping

VERSIONS = "versioned workers are refused with UNIMPLEMENTED; others may tell it"
"""Scenarios show what comes of what unversioned workers tell."""

CHILD_VERSIONS = "refused with UNIMPLEMENTED: worker versioning is not simulated"
STANDALONE = "refused with UNIMPLEMENTED: activities without a workflow are not simulated"
CALLBACKS = "refused as on a real server on which none is allowed"
TIME_SKIPPING = "refused with UNIMPLEMENTED, as on a real server on which it is not switched on"
PRERELEASE = "of a preview of worker versioning that no release of the SDK speaks"
ENHANCED = "deprecated; the real server answers from a cache, so that no two answers are alike"
INHERITED = "deprecated; without versioned workers there is no version to inherit"

CARRIED = "carried along as it is"
HEARTBEATS = "nothing reads worker heartbeats until workers can be listed"
NOTHING = "nothing comes of it on the real server either"
ARCHIVE = "there is no archive"

REASONS: Mapping[str, str] = {
    "StartWorkflowExecutionRequest.eager_worker_deployment_options": VERSIONS,
    "StartWorkflowExecutionRequest.time_skipping_config": TIME_SKIPPING,
    "SignalWithStartWorkflowExecutionRequest.time_skipping_config": TIME_SKIPPING,
    "PollWorkflowTaskQueueRequest.deployment_options": VERSIONS,
    "RespondWorkflowTaskCompletedRequest.deployment": PRERELEASE,
    "RespondWorkflowTaskCompletedRequest.versioning_behavior": VERSIONS,
    "RespondWorkflowTaskCompletedRequest.deployment_options": VERSIONS,
    "RespondWorkflowTaskFailedRequest.deployment": PRERELEASE,
    "RespondWorkflowTaskFailedRequest.deployment_options": VERSIONS,
    "PollActivityTaskQueueRequest.deployment_options": VERSIONS,
    "RespondActivityTaskCompletedRequest.deployment": PRERELEASE,
    "RespondActivityTaskCompletedRequest.deployment_options": VERSIONS,
    "RespondActivityTaskFailedRequest.deployment": PRERELEASE,
    "RespondActivityTaskFailedRequest.deployment_options": VERSIONS,
    "RespondActivityTaskCanceledRequest.deployment": PRERELEASE,
    "RespondActivityTaskCanceledRequest.deployment_options": VERSIONS,
    "RespondActivityTaskCanceledByIdRequest.deployment_options": VERSIONS,
    "PollNexusTaskQueueRequest.deployment_options": VERSIONS,
    "PollNexusTaskQueueRequest.worker_heartbeat": HEARTBEATS,
    "DescribeTaskQueueRequest.include_task_queue_status": (
        "deprecated; it tells of the real server's storage"
    ),
    "DescribeTaskQueueRequest.versions": ENHANCED,
    "DescribeTaskQueueRequest.report_task_reachability": ENHANCED,
    "StartBatchOperationRequest.cancel_activities_operation": STANDALONE,
    "StartBatchOperationRequest.terminate_activities_operation": STANDALONE,
    "StartBatchOperationRequest.delete_activities_operation": STANDALONE,
    "ContinueAsNewWorkflowExecutionCommandAttributes.inherit_build_id": INHERITED,
    "ContinueAsNewWorkflowExecutionCommandAttributes.initial_versioning_behavior": CHILD_VERSIONS,
    "StartChildWorkflowExecutionCommandAttributes.inherit_build_id": INHERITED,
    "StartChildWorkflowExecutionCommandAttributes.versioning_override": CHILD_VERSIONS,
}
"""By message and field."""

PARTS: Mapping[str, str] = {
    "Callback.nexus_handler": CALLBACKS,
    "Callback.NexusHandler.*": CALLBACKS,
    "Link.*": CARRIED,
    "Link.Callback.*": CARRIED,
    "MeteringMetadata.*": CARRIED,
    "Payload.external_payloads": CARRIED,
    "Failure.*": CARRIED,
    "ApplicationFailureInfo.*": CARRIED,
    "UserMetadata.*": CARRIED,
    "WorkflowTaskCompletedMetadata.*": CARRIED,
    "Request.propagated_nexus_serialization_context": CARRIED,
    "TimeSkippingConfig.*": TIME_SKIPPING,
    "WorkerVersionCapabilities.deployment_series_name": PRERELEASE,
    "Deployment.*": PRERELEASE,
    "NamespaceConfig.history_archival_uri": ARCHIVE,
    "NamespaceConfig.visibility_archival_uri": ARCHIVE,
    "ClusterReplicationConfig.replication_ramp_duration": "there is one cluster",
    "SchedulePolicies.keep_original_workflow_id": NOTHING,
    "Message.command_index": "the order of messages and commands tells it",
    "EventGroupMarker.*": NOTHING,
    "EventGroupMarker.InboundEvent.*": NOTHING,
    "EventGroupMarker.InboundUpdate.*": NOTHING,
    "EventGroupMarker.Label.*": NOTHING,
    "TaskQueueVersionSelection.*": ENHANCED,
    "EnvironmentInfo.*": HEARTBEATS,
    "EnvironmentInfo.Platform.*": HEARTBEATS,
    "EnvironmentInfo.LinuxPlatform.*": HEARTBEATS,
    "EnvironmentInfo.MacOSPlatform.*": HEARTBEATS,
    "EnvironmentInfo.WindowsPlatform.*": HEARTBEATS,
    "WorkerHeartbeat.*": HEARTBEATS,
    "WorkerHostInfo.*": HEARTBEATS,
    "WorkerPollerInfo.*": HEARTBEATS,
    "WorkerSlotsInfo.*": HEARTBEATS,
}
"""Why the server never names some fields of the messages that those options consist of."""
