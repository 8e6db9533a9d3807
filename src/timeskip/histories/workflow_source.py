"""Workflows and a data converter by the names of the modules that they are in."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import temporalio.workflow
from temporalio.converter import DataConverter
from temporalio.worker import UnsandboxedWorkflowRunner

from timeskip.errors import WorkflowsNotFound
from timeskip.histories.replaying.settings import ReplaySettings


@dataclass(frozen=True)
class WorkflowSource:
    """Where the workflows are that a folder of histories is replayed with. Can be sent to a process.

    Args:
        modules: Names of modules and packages, and of single workflows: `shop.orders`,
            `shop.orders:OrderWorkflow`. A package stands for all modules in it.
        data_converter: Where the data converter is: `shop.temporal:converter`, a `DataConverter` or
            a callable that makes one.
        sandboxed: Whether workflows run in the SDK's sandbox.
    """

    modules: tuple[str, ...]
    data_converter: str | None = None
    sandboxed: bool = True

    def settings(self) -> ReplaySettings:
        """Import it all.

        Raises:
            WorkflowsNotFound: A name is that of nothing, or there is no workflow.
        """
        workflows: dict[str | None, type] = {}
        for workflow in [each for name in self.modules for each in _workflows_named(name)]:
            known = workflows.setdefault(workflow_type_of(workflow), workflow)
            if known is not workflow:
                raise WorkflowsNotFound(
                    f"two workflows have the type {workflow_type_of(workflow)!r}:"
                    f" {_place(known)} and {_place(workflow)}. Name one of them"
                )
        if not workflows:
            raise WorkflowsNotFound(f"there is no workflow in {', '.join(self.modules)}")
        options: dict[str, Any] = {}
        if self.data_converter is not None:
            options["data_converter"] = named_converter(self.data_converter)
        if not self.sandboxed:
            options["workflow_runner"] = UnsandboxedWorkflowRunner()
        return ReplaySettings.of_options(list(workflows.values()), options)


def workflow_type_of(workflow: type) -> str | None:
    """The name that histories call it by; None of a dynamic one, which is called by any."""
    return temporalio.workflow._Definition.must_from_class(workflow).name


def _workflows_named(name: str) -> Iterator[type]:
    module_name, _, attribute = name.partition(":")
    module = _module(module_name)
    if attribute:
        found = _attribute(module, attribute)
        if not _is_workflow(found):
            raise WorkflowsNotFound(f"{name} is not a workflow")
        yield found
        return
    for each in [module, *_modules_in(module)]:
        for value in vars(each).values():
            # What it has imported is another module's.
            if _is_workflow(value) and value.__module__ == each.__name__:
                yield value


def _modules_in(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}."):
        if not found.name.endswith(".__main__"):
            yield _module(found.name)


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # a module may raise whatever it likes
        raise WorkflowsNotFound(f"cannot import {name}: {type(error).__name__}: {error}") from error


def _attribute(module: ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        raise WorkflowsNotFound(f"{module.__name__} has no {name}") from None


def _is_workflow(value: object) -> bool:
    return (
        inspect.isclass(value)
        and temporalio.workflow._Definition.from_class(value) is not None
        and "__temporal_workflow_definition" in vars(value)
    )


def named_converter(name: str) -> DataConverter:
    """The data converter at `module:name`; `WorkflowsNotFound` if there is none."""
    module_name, separator, attribute = name.partition(":")
    if not separator:
        raise WorkflowsNotFound(f"{name}: a data converter is named as in shop.temporal:converter")
    found = _attribute(_module(module_name), attribute)
    made = found() if callable(found) and not isinstance(found, DataConverter) else found
    if not isinstance(made, DataConverter):
        raise WorkflowsNotFound(f"{name} is not a temporalio.converter.DataConverter")
    return made


def _place(workflow: type) -> str:
    return f"{workflow.__module__}:{workflow.__qualname__}"
