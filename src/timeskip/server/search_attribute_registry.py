"""The custom search attributes of a namespace: adding, removing and listing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    AddSearchAttributesResponse,
    ListSearchAttributesRequest,
    ListSearchAttributesResponse,
    RemoveSearchAttributesRequest,
    RemoveSearchAttributesResponse,
)
from temporalio.api.workflowservice.v1 import (
    GetSearchAttributesRequest,
    GetSearchAttributesResponse,
)

from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import invalid_argument
from timeskip.server.namespaces import Namespace
from timeskip.server.rpcs import OPERATOR_SERVICE, rpc
from timeskip.server.validation.search_attributes import PREDEFINED_TYPES, SYSTEM_TYPES
from timeskip.server.visibility.attributes import type_name

#: How many custom search attributes of each type a namespace may have on the dev server.
_MOST: Final[Mapping[IndexedValueType.ValueType, int]] = {
    IndexedValueType.INDEXED_VALUE_TYPE_BOOL: 3,
    IndexedValueType.INDEXED_VALUE_TYPE_DATETIME: 3,
    IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE: 3,
    IndexedValueType.INDEXED_VALUE_TYPE_INT: 3,
    IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD: 10,
    IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST: 3,
    IndexedValueType.INDEXED_VALUE_TYPE_TEXT: 3,
}


@rpc("AddSearchAttributes", OPERATOR_SERVICE)
def add_search_attributes(
    cluster: Cluster, call: Call, request: AddSearchAttributesRequest
) -> AddSearchAttributesResponse:
    """One that is there already stays as it is, even if it is of another type."""
    if not request.search_attributes:
        raise invalid_argument("SearchAttributes are not set on request.")
    namespace = _namespace(cluster, request.namespace)
    for name, value_type in sorted(request.search_attributes.items()):
        if _is_reserved(name):
            raise invalid_argument(f"Search attribute {name} is reserved by system.")
        if value_type not in IndexedValueType.values():
            raise invalid_argument(f"Unknown search attribute type: {value_type}.")
    custom = {**request.search_attributes, **namespace.search_attributes}
    for value_type in dict.fromkeys(request.search_attributes.values()):
        most = _MOST.get(value_type, 0)
        if [*custom.values()].count(value_type) > most:
            raise invalid_argument(
                f"Unable to create search attributes: cannot have more than {most} "
                f"search attribute of type {type_name(value_type)}."
            )
    namespace.search_attributes.update(custom)
    return AddSearchAttributesResponse()


@rpc("RemoveSearchAttributes", OPERATOR_SERVICE)
def remove_search_attributes(
    cluster: Cluster, call: Call, request: RemoveSearchAttributesRequest
) -> RemoveSearchAttributesResponse:
    """What runs had set them to is forgotten. One that is not there is none to complain about."""
    if not request.search_attributes:
        raise invalid_argument("SearchAttributes are not set on request.")
    namespace = _namespace(cluster, request.namespace)
    for name in request.search_attributes:
        if _is_reserved(name):
            raise invalid_argument(f"Unable to remove non-custom search attributes: {name}.")
    for name in request.search_attributes:
        if namespace.search_attributes.pop(name, None) is not None:
            cluster.visibility.forget_attribute(namespace.name, name)
    return RemoveSearchAttributesResponse()


@rpc("ListSearchAttributes", OPERATOR_SERVICE)
def list_search_attributes(
    cluster: Cluster, call: Call, request: ListSearchAttributesRequest
) -> ListSearchAttributesResponse:
    namespace = _namespace(cluster, request.namespace)
    return ListSearchAttributesResponse(
        custom_attributes=namespace.search_attributes,
        system_attributes={**SYSTEM_TYPES, **PREDEFINED_TYPES},
    )


@rpc("GetSearchAttributes")
def get_search_attributes(
    cluster: Cluster, call: Call, request: GetSearchAttributesRequest
) -> GetSearchAttributesResponse:
    """Names no namespace, so in place of custom ones it lists the columns that may hold them."""
    columns = {
        f"{type_name(value_type)}{number:02}": value_type
        for value_type, most in _MOST.items()
        for number in range(1, most + 1)
    }
    return GetSearchAttributesResponse(keys={**SYSTEM_TYPES, **PREDEFINED_TYPES, **columns})


def _namespace(cluster: Cluster, name: str) -> Namespace:
    if not name:
        raise invalid_argument("Namespace is not set on request.")
    return cluster.namespace(name)


def _is_reserved(name: str) -> bool:
    return name.startswith("Temporal") or name in SYSTEM_TYPES or name in PREDEFINED_TYPES
