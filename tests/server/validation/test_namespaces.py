from __future__ import annotations

from tests.server.validation.refusals import refusal
from timeskip.server.validation.namespaces import validate_namespace, validate_namespace_length


def test_validate_namespace_wants_a_name_of_some_length() -> None:
    validate_namespace("n" * 1000)
    assert refusal(validate_namespace, "") == "Namespace is empty."
    assert refusal(validate_namespace, "n" * 1001) == "Namespace length exceeds limit."


def test_validate_namespace_length_is_content_with_none() -> None:
    validate_namespace_length("")
    assert refusal(validate_namespace_length, "é" * 501) == "Namespace length exceeds limit."
