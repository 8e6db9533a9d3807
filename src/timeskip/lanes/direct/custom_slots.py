"""Slots that a user's own `CustomSlotSupplier` gives out, called as the SDK's core calls it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import temporalio.bridge.worker
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)
from temporalio.worker._tuning import SlotSupplier, _to_bridge_slot_supplier

from timeskip.lanes.direct.slots import Info, Permit, Slots

_log = logging.getLogger(__name__)

SlotType = Literal["workflow", "activity", "local-activity", "nexus"]


class DirectTuner(WorkerTuner):
    """A tuner of the user's that shows custom suppliers to the lane; the SDK would hide them in Rust."""

    def __init__(self, tuner: WorkerTuner) -> None:
        self._tuner = tuner

    def _get_workflow_task_slot_supplier(self) -> SlotSupplier:
        return self._tuner._get_workflow_task_slot_supplier()

    def _get_activity_task_slot_supplier(self) -> SlotSupplier:
        return self._tuner._get_activity_task_slot_supplier()

    def _get_local_activity_task_slot_supplier(self) -> SlotSupplier:
        return self._tuner._get_local_activity_task_slot_supplier()

    def _get_nexus_slot_supplier(self) -> SlotSupplier:
        return self._tuner._get_nexus_slot_supplier()

    def _to_bridge_tuner(self) -> temporalio.bridge.worker.TunerHolder:
        return temporalio.bridge.worker.TunerHolder(
            _shown(self._get_workflow_task_slot_supplier(), "workflow"),
            _shown(self._get_activity_task_slot_supplier(), "activity"),
            _shown(self._get_local_activity_task_slot_supplier(), "local_activity"),
            _shown(self._get_nexus_slot_supplier(), "nexus"),
        )


@dataclass(frozen=True)
class ReserveContext:
    """For what a slot is reserved: a `temporalio.worker.SlotReserveContext`."""

    slot_type: SlotType
    task_queue: str
    worker_identity: str
    worker_build_id: str
    worker_deployment_version: WorkerDeploymentVersion | None = None
    is_sticky: bool = False


@dataclass(frozen=True)
class _MarkUsedContext:
    slot_info: object
    permit: SlotPermit


class CustomSlots(Slots[Info]):
    """As many at a time as the supplier gives permits for."""

    def __init__(self, supplier: CustomSlotSupplier, context: ReserveContext) -> None:
        self._supplier = supplier
        self._context = context
        #: The event loop holds tasks weakly.
        self._reserving: set[asyncio.Task[None]] = set()

    def try_reserve(self, *, sticky: bool = False) -> Permit[Info] | None:
        try:
            permit = self._supplier.try_reserve_slot(self._for(sticky=sticky))
        except Exception:  # noqa: BLE001 - as the SDK does, whatever the user's code raises
            _log.warning("Error in custom slot supplier `try_reserve_slot`", exc_info=True)
            return None
        return None if permit is None else _CustomPermit(self._supplier, permit)

    def reserve(
        self, take: Callable[[Permit[Info]], None], *, sticky: bool = False
    ) -> Callable[[], None]:
        task = asyncio.get_running_loop().create_task(self._reserve(take, self._for(sticky=sticky)))
        self._reserving.add(task)
        task.add_done_callback(self._reserving.discard)

        def take_back() -> None:
            task.cancel()

        return take_back

    async def _reserve(
        self, take: Callable[[Permit[Info]], None], context: SlotReserveContext
    ) -> None:
        while True:
            try:
                permit = await self._supplier.reserve_slot(context)
            except Exception:  # noqa: BLE001, PERF203 - as the SDK does, whatever the user's code raises
                _log.warning("Error in custom slot supplier `reserve_slot`", exc_info=True)
                await asyncio.sleep(0)
            else:
                take(_CustomPermit(self._supplier, permit))
                return

    def _for(self, *, sticky: bool) -> SlotReserveContext:
        return cast("SlotReserveContext", replace(self._context, is_sticky=sticky))


class _CustomPermit(Permit[Info]):
    def __init__(self, supplier: CustomSlotSupplier, permit: SlotPermit) -> None:
        self._supplier = supplier
        self._permit = permit
        self._info: Info | None = None
        self._is_released = False

    def use(self, info: Callable[[], Info]) -> None:
        self._info = info()
        context = cast("SlotMarkUsedContext", _MarkUsedContext(self._info, self._permit))
        try:
            self._supplier.mark_slot_used(context)
        except Exception:  # noqa: BLE001 - as the SDK does, whatever the user's code raises
            _log.warning("Error in custom slot supplier `mark_slot_used`", exc_info=True)

    def release(self) -> None:
        if self._is_released:
            return
        self._is_released = True
        info: Any = self._info
        try:
            self._supplier.release_slot(SlotReleaseContext(info, self._permit))
        except Exception:  # noqa: BLE001 - as the SDK does, whatever the user's code raises
            _log.warning("Error in custom slot supplier `release_slot`", exc_info=True)


def _shown(
    supplier: SlotSupplier, kind: Literal["workflow", "activity", "local_activity", "nexus"]
) -> temporalio.bridge.worker.SlotSupplier:
    if isinstance(supplier, CustomSlotSupplier):
        return cast("temporalio.bridge.worker.SlotSupplier", supplier)
    return _to_bridge_slot_supplier(supplier, kind)
