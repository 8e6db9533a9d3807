"""What all answers to tasks have in common: a token that says which task they are for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from timeskip.server.cluster import Cluster
from timeskip.server.errors import invalid_argument
from timeskip.server.tokens import NexusTaskToken, QueryTaskToken, TaskToken
from timeskip.server.validation.task_tokens import validate_task_token

if TYPE_CHECKING:
    from timeskip.server.run import Run

Token = TypeVar("Token", TaskToken, QueryTaskToken, NexusTaskToken)


class TaskAnswer(Protocol):
    """A request that names its task by a token."""

    namespace: str
    task_token: bytes


def read_token(cluster: Cluster, request: TaskAnswer, parse: Callable[[bytes], Token]) -> Token:
    """The token of an answer, once it is known to belong to the namespace that the answer names.

    An answer may leave its namespace out: the token knows it.
    """
    if request.namespace:
        cluster.namespace(request.namespace)
    validate_task_token(request.task_token)
    token = parse(request.task_token)
    if request.namespace not in ("", token.namespace):
        raise invalid_argument("Operation requested with a token from a different namespace.")
    return token


def run_of_token(cluster: Cluster, token: TaskToken) -> Run:
    """The run that the task belongs to, or NOT_FOUND."""
    namespace = cluster.namespace(token.namespace)
    return cluster.run_by_ids(namespace, token.workflow_id, token.run_id)
