"""Tells a workflow's update methods from its other members without reading up on each.

`@workflow.defn` asks of every member of the class, some thirty at least, whether it has what the
protocol of update methods lists. That takes longer than all else that it does, and in the sandbox it
is asked anew for each run and each workflow of the module.
"""

from __future__ import annotations

from typing import Any

import temporalio.workflow._definition

from timeskip.sdk_shortcuts.sandbox import is_entered

_definition: Any = temporalio.workflow._definition
_protocol = getattr(_definition, "UpdateMethodMultiParam", None)


class _AnyUpdateMethod(type):
    def __instancecheck__(cls, member: object) -> bool:
        may_be_one = hasattr(member, "_defn") or not is_entered()
        return may_be_one and isinstance(member, _protocol)  # type: ignore[arg-type]


class _UpdateMethod(metaclass=_AnyUpdateMethod):
    """In the protocol's place: asks for one of its members before it asks for all of them."""


def recognise_update_methods_fast() -> None:
    """From now on, in this process."""
    if _protocol is not None:
        _definition.UpdateMethodMultiParam = _UpdateMethod
