"""Workflows and data converters are found by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.converter import DataConverter
from temporalio.worker import UnsandboxedWorkflowRunner

from timeskip.errors import WorkflowsNotFound
from timeskip.histories.workflow_source import WorkflowSource, workflow_type_of

_ORDERS = """
from temporalio import workflow
from temporalio.converter import DataConverter

converter = DataConverter()
number = 7


def make_converter():
    return converter


@workflow.defn
class Order:
    @workflow.run
    async def run(self) -> None: ...


class Special(Order):
    pass
"""
_MORE = """
from collections.abc import Sequence
from temporalio import workflow
from temporalio.common import RawValue
from shop.orders import Order


@workflow.defn(name="Refund")
class RefundWorkflow:
    @workflow.run
    async def run(self) -> None: ...


@workflow.defn(dynamic=True)
class Anything:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None: ...
"""
_TWIN = """
from temporalio import workflow


@workflow.defn
class Order:
    @workflow.run
    async def run(self) -> None: ...
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with workflows in its modules, and a module outside of it."""
    for name, text in (
        ("shop/__init__.py", ""),
        ("shop/__main__.py", "raise SystemExit"),
        ("shop/orders.py", _ORDERS),
        ("shop/refunds/__init__.py", _MORE),
        ("twin.py", _TWIN),
        ("failing.py", "import no_such_module"),
        ("raising.py", "1 / 0"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("shop", "twin", "failing", "raising"):
            del sys.modules[name]


pytestmark = pytest.mark.usefixtures("shop")


@pytest.mark.parametrize(
    ("modules", "types"),
    [
        (("shop",), {"Order", "Refund", None}),
        (("shop.orders",), {"Order"}),
        (("shop.refunds",), {"Refund", None}),
        (("shop.refunds:RefundWorkflow",), {"Refund"}),
        (("shop.orders", "shop"), {"Order", "Refund", None}),
        (("twin", "shop.refunds:RefundWorkflow"), {"Order", "Refund"}),
    ],
)
def test_workflows_are_found(modules: tuple[str, ...], types: set[str | None]) -> None:
    found = WorkflowSource(modules).settings().workflows
    assert {workflow_type_of(each) for each in found} == types


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            WorkflowSource(("shop.gone",)),
            "cannot import shop.gone: ModuleNotFoundError: No module named",
        ),
        (
            WorkflowSource(("failing",)),
            "cannot import failing: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        (WorkflowSource(("raising",)), "cannot import raising: ZeroDivisionError: division"),
        (WorkflowSource(("shop.orders:Gone",)), "shop.orders has no Gone"),
        (WorkflowSource(("shop.orders:number",)), "shop.orders:number is not a workflow"),
        (WorkflowSource(("json",)), "there is no workflow in json"),
        (
            WorkflowSource(("shop.orders", "twin")),
            "two workflows have the type 'Order': shop.orders:Order and twin:Order. Name one",
        ),
        (WorkflowSource(("shop",), "shop.orders"), "is named as in shop.temporal:converter"),
        (WorkflowSource(("shop",), "shop.orders:number"), "is not a temporalio.converter.Data"),
    ],
)
def test_what_is_not_there_is_told(source: WorkflowSource, complaint: str) -> None:
    with pytest.raises(WorkflowsNotFound) as raised:
        source.settings()
    assert complaint in str(raised.value)


@pytest.mark.parametrize("name", ["converter", "make_converter"])
def test_data_converter_is_found(name: str) -> None:
    settings = WorkflowSource(("shop.orders",), f"shop.orders:{name}").settings()
    assert isinstance(settings.data_converter, DataConverter)
    assert settings.data_converter is sys.modules["shop.orders"].converter


def test_sandbox_is_used_unless_told() -> None:
    sandboxed = WorkflowSource(("shop",)).settings().workflow_runner
    assert not isinstance(sandboxed, UnsandboxedWorkflowRunner)
    plain = WorkflowSource(("shop",), sandboxed=False).settings().workflow_runner
    assert isinstance(plain, UnsandboxedWorkflowRunner)
