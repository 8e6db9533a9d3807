"""What workflows ask for, turned into the state machines that see to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from temporalio.api.command.v1 import (
    CancelWorkflowExecutionCommandAttributes,
    CompleteWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes,
    RequestCancelExternalWorkflowExecutionCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
)
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.enums.v1 import CommandType, TaskQueueKind
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from timeskip.lanes.direct import patches
from timeskip.lanes.direct.flags import UPSERT_ON_PATCH
from timeskip.lanes.direct.local_activity_schedule import LocalSchedule
from timeskip.lanes.direct.machines.activity import ActivityMachine
from timeskip.lanes.direct.machines.annotations import Annotations
from timeskip.lanes.direct.machines.cancel_external import CancelExternalMachine
from timeskip.lanes.direct.machines.child_workflow import ChildWorkflowMachine
from timeskip.lanes.direct.machines.local_activity import LocalActivityMachine
from timeskip.lanes.direct.machines.machine import FatalError
from timeskip.lanes.direct.machines.nexus_operation import NexusOperationMachine
from timeskip.lanes.direct.machines.patch import PatchMachine
from timeskip.lanes.direct.machines.payloads import copy_set_fields, payloads_of
from timeskip.lanes.direct.machines.recorded import (
    CancelWorkflowMachine,
    CompleteWorkflowMachine,
    ContinueAsNewWorkflowMachine,
    FailWorkflowMachine,
    ModifyWorkflowPropertiesMachine,
    UpsertSearchAttributesMachine,
)
from timeskip.lanes.direct.machines.signal_external import SignalExternalMachine
from timeskip.lanes.direct.machines.timer import TimerMachine

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines

#: The commands that end a run.
TERMINAL = frozenset(
    {
        "complete_workflow_execution",
        "fail_workflow_execution",
        "continue_as_new_workflow_execution",
        "cancel_workflow_execution",
    }
)


def handle(machines: WorkflowMachines, command: WorkflowCommand) -> None:
    """Do what the workflow asks for with one command."""
    variant = command.WhichOneof("variant") or ""
    handler = _HANDLERS.get(variant)
    if handler is None:
        raise FatalError(f"timeskip does not know the workflow command {variant!r}")
    handler(machines, command, Annotations.of(command))
    if variant in TERMINAL:
        machines.finished = True
        machines.local_activities.run_ends()


def _start_timer(machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations) -> None:
    asked = command.start_timer
    machines.remember("Timer", asked.seq, TimerMachine(machines, asked, notes))


def _cancel_timer(machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations) -> None:
    machines.machine_of(TimerMachine, "Timer", command.cancel_timer.seq).cancel(notes)


def _schedule_activity(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    asked = command.schedule_activity
    machines.remember("Activity", asked.seq, ActivityMachine(machines, asked, notes))


def _cancel_activity(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    seq = command.request_cancel_activity.seq
    machines.machine_of(ActivityMachine, "Activity", seq).cancel(notes)


def _schedule_local_activity(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    asked = command.schedule_local_activity
    schedule = LocalSchedule.of(asked, notes, machines.now())
    machines.remember("LocalActivity", asked.seq, LocalActivityMachine(machines, schedule))


def _cancel_local_activity(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    seq = command.request_cancel_local_activity.seq
    machines.machine_of(LocalActivityMachine, "LocalActivity", seq).cancel()


def _start_child(machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations) -> None:
    asked = command.start_child_workflow_execution
    machines.remember("ChildWorkflowStart", asked.seq, ChildWorkflowMachine(machines, asked, notes))


def _cancel_child(machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations) -> None:
    asked = command.cancel_child_workflow_execution
    child = machines.machine_of(
        ChildWorkflowMachine, "ChildWorkflowStart", asked.child_workflow_seq
    )
    child.cancel(asked.reason, notes)


def _signal_external(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    asked = command.signal_external_workflow_execution
    machines.remember("SignalExternal", asked.seq, SignalExternalMachine(machines, asked, notes))


def _cancel_signal(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    seq = command.cancel_signal_workflow.seq
    machines.machine_of(SignalExternalMachine, "SignalExternal", seq).cancel()


def _cancel_external(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    asked = command.request_cancel_external_workflow_execution
    if not asked.HasField("workflow_execution"):
        raise FatalError("Cancel external workflow command had no workflow_execution field")
    target = asked.workflow_execution
    attributes = RequestCancelExternalWorkflowExecutionCommandAttributes(
        namespace=target.namespace,
        workflow_id=target.workflow_id,
        run_id=target.run_id,
        reason=f"Cancel requested by workflow with run id {machines.run.run_id} "
        f"with reason: {asked.reason}",
    )
    machine = CancelExternalMachine(machines, asked.seq, attributes, notes)
    machines.remember("CancelExternal", asked.seq, machine)


def _schedule_nexus_operation(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    asked = command.schedule_nexus_operation
    machines.remember("NexusOperation", asked.seq, NexusOperationMachine(machines, asked, notes))


def _cancel_nexus_operation(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    seq = command.request_cancel_nexus_operation.seq
    machines.machine_of(NexusOperationMachine, "NexusOperation", seq).cancel(notes)


def _set_patch_marker(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    asked = command.set_patch_marker
    has_command = machines.patches.get(asked.patch_id)
    if has_command:
        return
    PatchMachine(machines, asked.patch_id, deprecated=asked.deprecated, annotations=notes)
    is_news = not machines.replaying
    if (is_news or has_command is not None) and machines.flags.try_use(
        UPSERT_ON_PATCH, record=is_news
    ):
        earlier = [patch_id for patch_id, made in machines.patches.items() if made]
        attributes = patches.upsert([*earlier, asked.patch_id])
        if attributes is not None:
            _send_upsert(machines, attributes, notes)
    machines.patches[asked.patch_id] = True


def _upsert(machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations) -> None:
    asked = command.upsert_workflow_search_attributes.search_attributes
    machines.upserted.update(asked.indexed_fields)
    attributes = UpsertWorkflowSearchAttributesCommandAttributes()
    attributes.search_attributes.SetInParent()
    knows_patches = machines.flags.try_use(UPSERT_ON_PATCH, record=not machines.replaying)
    # Patches are upserted by themselves only. What a workflow says of them has no effect.
    if not (knows_patches and patches.SEARCH_ATTRIBUTE in asked.indexed_fields):
        attributes.search_attributes.CopyFrom(asked)
    _send_upsert(machines, attributes, notes)


def _send_upsert(
    machines: WorkflowMachines,
    attributes: UpsertWorkflowSearchAttributesCommandAttributes,
    notes: Annotations,
) -> None:
    UpsertSearchAttributesMachine(
        machines,
        notes.command(
            CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
            upsert_workflow_search_attributes_command_attributes=attributes,
        ),
    )


def _modify_properties(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    attributes = ModifyWorkflowPropertiesCommandAttributes()
    copy_set_fields(command.modify_workflow_properties, attributes, "upserted_memo")
    ModifyWorkflowPropertiesMachine(
        machines,
        notes.command(
            CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES,
            modify_workflow_properties_command_attributes=attributes,
        ),
    )


def _respond_to_update(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    response = command.update_response
    machines.update_machine(response.protocol_instance_id).respond(response)


def _complete(machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations) -> None:
    asked = command.complete_workflow_execution
    attributes = CompleteWorkflowExecutionCommandAttributes()
    if asked.HasField("result"):
        attributes.result.payloads.append(asked.result)
    CompleteWorkflowMachine(
        machines,
        notes.command(
            CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
            complete_workflow_execution_command_attributes=attributes,
        ),
    )


def _fail(machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations) -> None:
    attributes = FailWorkflowExecutionCommandAttributes()
    copy_set_fields(command.fail_workflow_execution, attributes, "failure")
    FailWorkflowMachine(
        machines,
        notes.command(
            CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
            fail_workflow_execution_command_attributes=attributes,
        ),
    )


def _cancel(machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations) -> None:
    attributes = CancelWorkflowExecutionCommandAttributes()
    copy_set_fields(command.cancel_workflow_execution, attributes, "details")
    CancelWorkflowMachine(
        machines,
        notes.command(
            CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
            cancel_workflow_execution_command_attributes=attributes,
        ),
    )


def _continue_as_new(
    machines: WorkflowMachines, command: WorkflowCommand, notes: Annotations
) -> None:
    asked = command.continue_as_new_workflow_execution
    attributes = ContinueAsNewWorkflowExecutionCommandAttributes(
        workflow_type=WorkflowType(name=asked.workflow_type),
        task_queue=TaskQueue(name=asked.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL),
        input=payloads_of(asked.arguments),
        inherit_build_id=machines.inherits_build_id(asked.versioning_intent, asked.task_queue),
        initial_versioning_behavior=asked.initial_versioning_behavior,
    )
    for name, payload in asked.headers.items():
        attributes.header.fields[name].CopyFrom(payload)
    copy_set_fields(
        asked,
        attributes,
        "workflow_run_timeout",
        "workflow_task_timeout",
        "search_attributes",
        "retry_policy",
        "backoff_start_interval",
    )
    for name, payload in asked.memo.items():
        attributes.memo.fields[name].CopyFrom(payload)
    _inherit(machines, attributes)
    ContinueAsNewWorkflowMachine(
        machines,
        notes.command(
            CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
            continue_as_new_workflow_execution_command_attributes=attributes,
        ),
    )


def _inherit(
    machines: WorkflowMachines, attributes: ContinueAsNewWorkflowExecutionCommandAttributes
) -> None:
    """What the workflow leaves open is for the next run as it is for this one now."""
    started = machines.started
    if started is not None:
        if not attributes.HasField("memo") and started.memo.fields:
            attributes.memo.CopyFrom(started.memo)
        if not attributes.HasField("retry_policy") and started.HasField("retry_policy"):
            attributes.retry_policy.CopyFrom(started.retry_policy)
    if not attributes.HasField("search_attributes"):
        current = {} if started is None else dict(started.search_attributes.indexed_fields)
        current.update(machines.upserted)
        for name, payload in current.items():
            attributes.search_attributes.indexed_fields[name].CopyFrom(payload)


_Handler = Callable[["WorkflowMachines", WorkflowCommand, Annotations], None]

_HANDLERS: dict[str, _Handler] = {
    "start_timer": _start_timer,
    "cancel_timer": _cancel_timer,
    "schedule_activity": _schedule_activity,
    "request_cancel_activity": _cancel_activity,
    "schedule_local_activity": _schedule_local_activity,
    "request_cancel_local_activity": _cancel_local_activity,
    "start_child_workflow_execution": _start_child,
    "cancel_child_workflow_execution": _cancel_child,
    "signal_external_workflow_execution": _signal_external,
    "cancel_signal_workflow": _cancel_signal,
    "request_cancel_external_workflow_execution": _cancel_external,
    "schedule_nexus_operation": _schedule_nexus_operation,
    "request_cancel_nexus_operation": _cancel_nexus_operation,
    "set_patch_marker": _set_patch_marker,
    "upsert_workflow_search_attributes": _upsert,
    "modify_workflow_properties": _modify_properties,
    "update_response": _respond_to_update,
    "complete_workflow_execution": _complete,
    "fail_workflow_execution": _fail,
    "cancel_workflow_execution": _cancel,
    "continue_as_new_workflow_execution": _continue_as_new,
}
