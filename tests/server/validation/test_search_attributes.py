from __future__ import annotations

import json
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.enums.v1 import IndexedValueType

from tests.server.validation.refusals import refusal
from timeskip.server.validation.search_attributes import (
    SYSTEM_TYPES,
    validate_search_attribute_values,
    validate_search_attributes,
)

TYPES = {
    "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Text": IndexedValueType.INDEXED_VALUE_TYPE_TEXT,
}


def encoded(value: Any) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())


def attributes(**values: Any) -> SearchAttributes:
    fields = {
        name: value if isinstance(value, Payload) else encoded(value)
        for name, value in values.items()
    }
    return SearchAttributes(indexed_fields=fields)


def validate(search_attributes: SearchAttributes) -> None:
    validate_search_attributes(search_attributes, "default", TYPES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Bool", True),
        ("Datetime", "2020-01-01T00:00:00Z"),
        ("Datetime", "2020-01-01T00:00:00.123456789+02:00"),
        ("Datetime", "2020-01-01T00:00:00,5Z"),
        ("Double", 5),
        ("Double", 1.5),
        ("Double", [5]),
        ("Int", 5),
        ("Int", [5]),
        ("Keyword", "x"),
        ("Keyword", ["x"]),
        ("Keyword", []),
        ("Keyword", None),
        ("KeywordList", ["x", "y"]),
        ("KeywordList", ["x", None]),
        ("KeywordList", [["x"]]),
        ("KeywordList", None),
        ("Text", "x"),
        ("BuildIds", Payload(metadata={"encoding": b"binary/null"})),
        ("TemporalSchedulePaused", False),
    ],
)
def test_validate_search_attributes_accepts(name: str, value: Any) -> None:
    validate(attributes(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Bool", "x", "x"),
        ("Bool", 1, "1"),
        ("Datetime", "2020-01-01 00:00:00Z", "2020-01-01 00:00:00Z"),
        ("Datetime", "2020-02-30T00:00:00Z", "2020-02-30T00:00:00Z"),
        ("Datetime", "2020-01-01T24:00:00Z", "2020-01-01T24:00:00Z"),
        ("Datetime", 5, "5"),
        ("Double", True, "true"),
        ("Double", "x", "x"),
        ("Int", 1.5, "1.5"),
        ("Int", True, "true"),
        ("Int", 2**63, "9.223372036854776e+18"),
        ("Keyword", 5, "5"),
        ("Keyword", ["a", "b"], "[a b]"),
        ("Keyword", {"b": [1, 2.5, None], "a": {"c": "d"}}, "map[a:map[c:d] b:[1 2.5 <nil>]]"),
        ("KeywordList", "x", "x"),
        ("KeywordList", [5], "[5]"),
        ("Text", 1e20, "1e+20"),
        ("Text", 0.00001, "1e-05"),
        ("Text", -1234567.5, "-1.2345675e+06"),
        ("Text", 123456, "123456"),
        ("Text", 0, "0"),
        (
            "Keyword",
            Payload(metadata={"encoding": b"json/plain"}, data=b"zz"),
            'value from <metadata { key: "encoding" value: "json/plain" } data: "zz">',
        ),
        (
            "Keyword",
            Payload(metadata={"encoding": b"other"}, data=b"zz"),
            'value from <metadata { key: "encoding" value: "other" } data: "zz">',
        ),
        (
            "Keyword",
            Payload(metadata={"encoding": b"binary/plain"}, data=b"abc"),
            "[97 98 99]",
        ),
    ],
)
def test_validate_search_attributes_refuses_a_value(name: str, value: Any, shown: str) -> None:
    message = refusal(validate, attributes(**{name: value}))
    assert message == f"invalid value for search attribute {name} of type {name}: {shown}"


def test_validate_search_attributes_of_unknown_name() -> None:
    message = refusal(validate, attributes(BuildIds=5, Color="red", WorkflowId="w"))
    assert message == "Namespace default has no mapping defined for search attribute Color"


@pytest.mark.parametrize("name", SYSTEM_TYPES)
def test_validate_search_attributes_of_the_system(name: str) -> None:
    message = refusal(validate, attributes(**{name: "x"}))
    assert message == f"{name} attribute can't be set in SearchAttributes"


def test_validate_search_attributes_limits_a_value() -> None:
    validate(attributes(Keyword="x" * 2046))
    message = refusal(validate, attributes(Keyword="x" * 2047))
    assert message == "search attribute Keyword value size 2049 exceeds size limit 2048"


def test_validate_search_attributes_limits_the_total() -> None:
    types = {f"Keyword{number}": TYPES["Keyword"] for number in range(30)}
    large = attributes(**dict.fromkeys(types, "x" * 2000))
    validate_search_attribute_values(large, "default", types)
    message = refusal(validate_search_attributes, large, "default", types)
    assert message == (
        f"total size of search attributes {large.ByteSize()} exceeds size limit 40960"
    )
