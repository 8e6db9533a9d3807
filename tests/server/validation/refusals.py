"""What a check says to a message that it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from timeskip.server.errors import ServiceError, StatusCode


def refusal(check: Callable[..., None], *arguments: object) -> str:
    """The message of the INVALID_ARGUMENT that `check(*arguments)` raises."""
    with pytest.raises(ServiceError) as raised:
        check(*arguments)
    assert raised.value.code == StatusCode.INVALID_ARGUMENT
    assert not raised.value.details
    return raised.value.message
