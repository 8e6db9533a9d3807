"""Makes it quick to look a value up in Temporal's enumerations.

Protobuf searches its descriptors for the name, every time. That takes ten times as long as to read an
attribute, and for each workflow it happens more than a hundred times. So the enumerations are given
their values as attributes, here, when this is imported.
"""

from __future__ import annotations

import temporalio.api.enums.v1
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

for _enumeration in vars(temporalio.api.enums.v1).values():
    if isinstance(_enumeration, EnumTypeWrapper):
        for _name, _number in _enumeration.items():
            setattr(_enumeration, _name, _number)
