"""The normal form hides what varies, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance_cli.normal_form import NormalForm, as_far_as_claimed
from tests.conformance_cli.session import Reply

FIRST_ID = "01a20554-4639-79e2-ba86-13b512afd9c6"
SECOND_ID = "dfbc4643-0d36-427d-a0cd-3fa074425f15"


def seen(stdout: Any, normal_form: NormalForm | None = None) -> Any:
    reply = Reply(0, stdout if isinstance(stdout, str) else json.dumps(stdout), "")
    return (normal_form or NormalForm()).of(reply)["stdout"]


def test_ids_are_named_by_first_appearance_over_the_session() -> None:
    normal_form = NormalForm()
    assert seen([FIRST_ID, FIRST_ID], normal_form) == ["<id 1.1>", "<id 1.1>"]
    assert seen(f"{SECOND_ID} after {FIRST_ID}", normal_form) == ["<id 2.1> after <id 1.1>"]


def test_ids_within_keys_and_complaints_are_named() -> None:
    normal_form = NormalForm()
    reply = normal_form.of(Reply(1, json.dumps({FIRST_ID: 1}), f"no run {FIRST_ID}\n"))
    assert reply == {"exit code": 1, "stdout": {"<id 1.1>": 1}, "stderr": ["no run <id 1.1>"]}


def test_instants_are_marked_but_not_the_missing_one() -> None:
    instants = ["2026-11-22T22:15:38.809649108Z", "2024-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
    assert seen(instants) == ["<instant>", "<instant>", "0001-01-01T00:00:00Z"]


def test_varying_field_keeps_its_type() -> None:
    assert seen({"taskId": "7"}) == seen({"taskId": "8"}) != seen({"taskId": 8})
    assert seen({"tasksAddRate": 0}) == seen({"tasksAddRate": 0.25})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"status": "COMPLETED"}, {"status": "FAILED"}),
        ({"memo": {}}, {}),
        ({"attempt": 1}, {"attempt": "1"}),
        ([1, 2], [2, 1]),
        ("SERVING", "NOT_SERVING"),
    ],
)
def test_difference_is_kept(one: Any, other: Any) -> None:
    assert seen(one) != seen(other)


def test_order_of_pollers_means_nothing() -> None:
    workflow, activity = {"taskQueueType": "workflow"}, {"taskQueueType": "activity"}
    assert seen({"pollers": [workflow, activity]}) == seen({"pollers": [activity, workflow]})


def test_capability_that_is_not_claimed_is_not_demanded() -> None:
    real = {"capabilities": {"nexus": True, "upsertMemo": True}, "supportsSchedules": True}
    ours = {"capabilities": {"upsertMemo": True}}
    assert as_far_as_claimed(real, ours) == ours


def test_capability_that_the_real_server_has_not_is_a_difference() -> None:
    real, ours = (
        {"capabilities": {"nexus": True}},
        {"capabilities": {"nexus": True, "flight": True}},
    )
    assert as_far_as_claimed(real, ours) != ours


def test_field_that_is_missing_is_a_difference() -> None:
    assert as_far_as_claimed({"capabilities": {"nexus": True}}, {}) != {}
