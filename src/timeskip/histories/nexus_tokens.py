"""The tokens of Nexus operations in histories: ids are in them, but no one can see them.

The SDK's tokens of operations name the handler's workflow, the server's tokens of callbacks name the
caller's run and a request.
"""

from __future__ import annotations

import base64

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from temporalio.api.common.v1 import Callback

from timeskip.histories.generated_ids import contains_generated

_CALLBACK_TOKEN = "temporal-callback-token"
_OPERATION_TOKEN = "nexus-operation-token"


def drop_callback_token(owner: Message, field: FieldDescriptor) -> None:
    """Remove, in place, the token by which the server finds the operation of a callback."""
    if field.name == "header" and isinstance(owner, Callback.Nexus):
        owner.header.pop(_CALLBACK_TOKEN, None)


def open_operation_token(owner: Message, field: FieldDescriptor) -> None:
    """Put, in place, what the SDK's token of an operation says where it is, if an id is in it."""
    if field.name in ("operation_token", "operation_id"):
        setattr(owner, field.name, _opened(getattr(owner, field.name)))
    elif field.name == "header" and isinstance(owner, Callback.Nexus):
        token = owner.header.get(_OPERATION_TOKEN)
        if token is not None and _opened(token) != token:
            del owner.header[_OPERATION_TOKEN]


def _opened(token: str) -> str:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:  # base64 of no text, or no base64
        return token
    return text if text.startswith("{") and contains_generated(text) else token
