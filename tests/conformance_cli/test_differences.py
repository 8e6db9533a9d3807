"""Differences are found wherever they are, and said in one line."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance_cli.differences import differences


@pytest.mark.parametrize(
    ("real", "ours", "said"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b: real 1, timeskip 2"),
        ({"a": 1}, {}, "a: real 1, timeskip nothing"),
        ({}, {"a": {}}, "a: real nothing, timeskip {}"),
        ({"a": ["x", "y"]}, {"a": ["x"]}, 'a[1]: real "y", timeskip nothing'),
        ({"a": "1"}, {"a": 1}, 'a: real "1", timeskip 1'),
        ({"a": None}, {}, "a: real null, timeskip nothing"),
        ({"a": [{}]}, {"a": {}}, "a: real [{}], timeskip {}"),
        ({"a": True}, {"a": 1}, "a: real true, timeskip 1"),
    ],
)
def test_difference_is_said(real: Any, ours: Any, said: str) -> None:
    assert differences(real, ours) == [said]


def test_equal_replies_have_no_differences() -> None:
    reply = {"exit code": 0, "stdout": [{"a": [1, {"b": None}]}], "stderr": []}
    assert differences(reply, dict(reply)) == []
