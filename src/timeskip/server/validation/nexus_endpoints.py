"""Nexus endpoints: which are refused, and how requests have to name one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.taskqueue.v1 import TaskQueue

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.validation.limits import byte_length
from timeskip.server.validation.task_queues import validate_task_queue

_MAX_NAME_LENGTH: Final = 200
_MAX_URL_LENGTH: Final = 4096
_MAX_DESCRIPTION_SIZE: Final = 20_000
_MAX_PAGE_SIZE: Final = 1000

_NAME: Final = re.compile(r"^[a-zA-Z][a-zA-Z0-9\-]*[a-zA-Z0-9]\Z")
#: As the real server quotes it.
_NAME_RULE: Final = r'"^[a-zA-Z][a-zA-Z0-9\\-]*[a-zA-Z0-9]$"'


def validate_endpoint(spec: EndpointSpec, require_namespace: Callable[[str], object]) -> None:
    """Refuse an endpoint that cannot be.

    `require_namespace` raises if there is none of that name.
    """
    issues = _name_issues(spec.name)
    variant = spec.target.WhichOneof("variant")
    if variant is None:
        raise invalid_argument(", ".join([*issues, "empty target variant"]))
    if variant == "worker":
        issues += _worker_issues(spec.target.worker, require_namespace)
    else:
        issues += _url_issues(spec.target.external.url)
    if spec.description.ByteSize() > _MAX_DESCRIPTION_SIZE:
        issues.append(f"description size exceeds limit of {_MAX_DESCRIPTION_SIZE}")
    _refuse(issues)


def validate_endpoint_id(endpoint_id: str, version: int | None = None) -> None:
    """Refuse what is no id of an endpoint, and a version that it cannot have."""
    issues = []
    if not endpoint_id:
        issues.append("endpoint ID not set")
    else:
        try:
            UUID(endpoint_id)
        except ValueError:
            length = f"invalid UUID length: {byte_length(endpoint_id)}"
            issues.append(f'malformed endpoint ID: "{length}"')
    if version is not None and version <= 0:
        issues.append("endpoint version is non-positive")
    _refuse(issues)


def validate_page_size(page_size: int) -> None:
    """Refuse pages of fewer endpoints than none, or of too many."""
    if page_size < 0:
        raise invalid_argument("page_size is negative")
    if page_size > _MAX_PAGE_SIZE:
        raise invalid_argument(f"page_size exceeds limit of {_MAX_PAGE_SIZE}")


def _name_issues(name: str) -> list[str]:
    if not name:
        return ["endpoint name not set"]
    issues = []
    if byte_length(name) > _MAX_NAME_LENGTH:
        issues.append(f"endpoint name exceeds length limit of {_MAX_NAME_LENGTH}")
    if _NAME.match(name) is None:
        issues.append(f"endpoint name must match the regex: {_NAME_RULE}")
    return issues


def _worker_issues(
    worker: EndpointTarget.Worker, require_namespace: Callable[[str], object]
) -> list[str]:
    issues = []
    if not worker.namespace:
        issues.append("target namespace not set")
    else:
        try:
            require_namespace(worker.namespace)
        except ServiceError as error:
            raise ServiceError(
                StatusCode.FAILED_PRECONDITION,
                f"could not verify namespace referenced by target exists: {error.message}",
            ) from None
    try:
        validate_task_queue(TaskQueue(name=worker.task_queue) if worker.task_queue else None)
    except ServiceError as error:
        issues.append(f'invalid target task queue: "{error.message}"')
    return issues


def _url_issues(url: str) -> list[str]:
    if not url:
        return ["empty target URL"]
    if byte_length(url) > _MAX_URL_LENGTH:
        return [f"target URL length exceeds limit of {_MAX_URL_LENGTH}"]
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        return [f'invalid target URL scheme: "{scheme}", expected http or https']
    return []


def _refuse(issues: list[str]) -> None:
    if issues:
        raise invalid_argument(", ".join(issues))
