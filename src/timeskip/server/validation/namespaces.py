"""Names of namespaces, which come before everything else in a request."""

from __future__ import annotations

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.limits import is_too_long


def validate_namespace_length(name: str) -> None:
    """Refuse the name of a namespace that is too long to exist, with INVALID_ARGUMENT."""
    if is_too_long(name):
        raise invalid_argument("Namespace length exceeds limit.")


def validate_namespace(name: str) -> None:
    """Refuse what no request but those about namespaces may name as its namespace."""
    if not name:
        raise invalid_argument("Namespace is empty.")
    validate_namespace_length(name)
