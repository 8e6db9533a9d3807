"""`docs/support.md` tells the truth: all of the API, up to date, no better than the scenarios."""

from __future__ import annotations

from types import ModuleType

import pytest

from docs.api_catalogue import METHODS, Entry, State, catalogue
from docs.generate_support import PAGE, page, scenarios_of
from tests.conformance.scenario import scenario

WORKFLOW_SERVICE = "temporal.api.workflowservice.v1.WorkflowService"
COUNT = f"{WORKFLOW_SERVICE}/CountWorkflowExecutions"

COUNT_AND_ITS_OPTIONS = {
    "rpc:CountWorkflowExecutions": ["test_visibility.py::test_count"],
    "option:CountWorkflowExecutionsRequest.namespace": ["test_visibility.py::test_count"],
    "option:CountWorkflowExecutionsRequest.query": ["test_visibility.py::test_count"],
}


def count_entry(proofs: dict[str, list[str]], answered: list[str]) -> Entry:
    """The line of an RPC whose request has two options."""
    entries = catalogue(proofs, answered).rpcs["WorkflowService"]
    return next(entry for entry in entries if entry.name == "CountWorkflowExecutions")


def test_rpc_that_is_proven_with_all_its_options_is_supported() -> None:
    assert count_entry(COUNT_AND_ITS_OPTIONS, [COUNT]).state is State.SUPPORTED


@pytest.mark.parametrize("missing", COUNT_AND_ITS_OPTIONS)
def test_rpc_without_all_its_proofs_is_partial(missing: str) -> None:
    proofs = {claim: by for claim, by in COUNT_AND_ITS_OPTIONS.items() if claim != missing}
    assert count_entry(proofs, [COUNT]).state is State.PARTIAL


def test_rpc_that_is_not_answered_is_not_supported() -> None:
    assert count_entry({}, []).state is State.NOT


def test_deprecated_option_is_listed_but_not_needed() -> None:
    entries = catalogue({}, [f"{WORKFLOW_SERVICE}/SignalWorkflowExecution"]).rpcs["WorkflowService"]
    signal = next(entry for entry in entries if entry.name == "SignalWorkflowExecution")
    assert [option.name for option in signal.options if option.deprecated] == ["control"]
    assert "control" not in [option.name for option in signal.needed]


def test_part_of_a_request_is_listed_once_a_scenario_names_it() -> None:
    start = f"{WORKFLOW_SERVICE}/StartWorkflowExecution"
    claim = "option:RetryPolicy.maximum_attempts"
    assert "RetryPolicy" not in catalogue({}, [start]).options
    listed = catalogue({claim: ["test_retries.py::test_attempts"]}, [start]).options["RetryPolicy"]
    assert {option.claim for option in listed if option.state is State.SUPPORTED} == {claim}


@pytest.mark.parametrize(
    "claim",
    [
        "rpc:CountWorkflows",
        "rpc:SignalWorkflowExecution",
        "option:SignalWorkflowExecutionRequest.signal_name",
        "command:START_TIMER",
        "event:TimerWentOff",
        "StartTimer",
    ],
)
def test_claim_that_names_nothing_answered_is_refused(claim: str) -> None:
    with pytest.raises(ValueError, match=claim):
        catalogue({claim: ["test_visibility.py::test_count"]}, [COUNT])


def module_with(*marks: pytest.MarkDecorator) -> ModuleType:
    """A test module of one test that bears these marks."""

    async def test_timer_fires() -> None: ...

    for mark in marks:
        mark(test_timer_fires)
    module = ModuleType("tests.conformance.test_timers")
    vars(module)["test_timer_fires"] = test_timer_fires
    return module


def test_scenario_proves_what_it_declares() -> None:
    module = module_with(scenario("event:TimerFired", differs="it fires at once"))
    (found,) = scenarios_of(module)
    assert found.name == "test_timers.py::test_timer_fires"
    assert found.proves == ("event:TimerFired",)
    assert found.differs == "it fires at once"


@pytest.mark.parametrize(
    "reservation",
    [pytest.mark.skip, pytest.mark.xfail(reason="no"), pytest.mark.skipif(True, reason="no")],
)
def test_scenario_with_reservations_proves_nothing(reservation: pytest.MarkDecorator) -> None:
    assert list(scenarios_of(module_with(scenario("event:TimerFired"), reservation))) == []
    module = module_with(scenario("event:TimerFired"))
    vars(module)["pytestmark"] = reservation
    assert list(scenarios_of(module)) == []


def test_every_rpc_is_on_the_page() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert [method.name for method in METHODS if f"| {method.name} |" not in written] == []


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
